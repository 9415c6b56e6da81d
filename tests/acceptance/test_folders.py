"""The folder that the service is started in."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.acceptance.service import Service

STARTED_S, STOPPED_S = 60.0, 20.0


async def test_code_in_the_folder_is_not_the_service_s(database_url: str, tmp_path: Path) -> None:
    """A checkout of another release, say: its workers would not fit the supervisor."""
    other = tmp_path / "evently"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('this is another release')\n")
    service = Service(database_url, 1)
    evently = Path(sys.executable).with_name("evently")
    command = (str(evently), "serve", "--port", "0", "--workers", "1")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=service.process.environment(), stderr=PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(STARTED_S):
            while b"Evently Event Service" not in (line := await process.stderr.readline()):
                assert line, "it ended before it was ready"
                assert b"another release" not in line
        process.terminate()
        async with asyncio.timeout(STOPPED_S):
            _, rest = await process.communicate()
        assert (process.returncode, b"Traceback" in rest) == (0, False)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        service.process.discard()
