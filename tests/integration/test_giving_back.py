"""A connection whose server hangs is closed instead of given back, and no error is left behind."""

import asyncio
import gc
import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.database import Database
from db.statements import Statement
from tests.chaos.server import Server
from tests.until import until


@pytest.fixture
def frozen() -> Iterator[Server]:
    """A server that the test may stop, and that goes on afterwards."""
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        Path(folder).chmod(0o711)
        with Server(Path(folder)) as server:
            yield server


async def test_whoever_hangs_up_twice_leaves_no_error_behind(
    frozen: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "db.database")
    unheard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: unheard.append(what))

    def ended() -> bool:
        gc.collect()
        return bool(unheard) or "instead of given back" in caplog.text

    frozen.create_database("asked")
    async with Database(frozen.dsn("asked")) as database:
        await database.fetch(Statement.READ_TABLE_SIZES)
        stopped = [frozen.pid, *frozen.backends()]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            asking = asyncio.create_task(database.fetch(Statement.READ_TABLE_SIZES))
            # Once while it asks, and again while its connection is given back.
            for _ in range(2):
                await asyncio.sleep(0.1)
                asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await until(ended, 10, "the end of giving it back")
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert unheard == []
        await database.fetch(Statement.READ_TABLE_SIZES)
