"""A second PostgreSQL that streams from the measured one, for lists; it can be stopped where it is.

Rule: it hangs as a server does whose machine is stuck: its connections stay open, and answer
nothing. Only its own processes are stopped, each by its id.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from bench.database import CONFIG, BenchDatabase
from bench.failures import NotReady
from bench.processes import family
from evently.embedded import EmbeddedPostgres
from evently.embedded.cluster import FOLDER

# A server that can be read, of which the start is over only then.
READABLE = {"hot_standby": "on"}
STREAMS_S, POLL_S = 60.0, 0.1
STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


class Replica:
    """An asynchronous standby of a bench database, made when it is entered."""

    def __init__(self, primary: BenchDatabase, folder: Path) -> None:
        self._primary = primary
        self._folder = folder
        self._server = EmbeddedPostgres(folder, CONFIG | READABLE)

    def __enter__(self) -> Self:
        self._folder.mkdir()
        self._primary.copy(self._folder / FOLDER)
        self._server.start()
        try:
            until_s = time.monotonic() + STREAMS_S
            while self._primary.ask(STREAMING) != "1":
                if time.monotonic() > until_s:
                    raise NotReady("the replica does not stream")
                time.sleep(POLL_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.stop()

    def dsn(self, database: str) -> str:
        """The URL of a database there."""
        return self._server.dsn(database)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Within it, every process of the server is stopped."""
        stopped = family(self._server.pid)
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(stopped):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
