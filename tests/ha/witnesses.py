"""Sees when PostgreSQL itself commits, whatever the service does: a client on each node.

Rule: it goes past the service and past its way to connect, so that what is the cluster's time and
what is the service's own can be told apart.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import asyncpg

from tests.ha.cluster import DATABASE

EVERY_S = 0.1
PATIENCE_S = 1.0


class Witnesses:
    """One for each of the `ports`; a commit of any of them counts."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._commits_s: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._watch(port)) for port in self._ports]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence_s(self, since_s: float) -> float:
        """The longest time without a commit, from then until the last one."""
        times = [since_s, *sorted(at_s for at_s in self._commits_s if at_s > since_s)]
        return max((later - sooner for sooner, later in pairwise(times)), default=0.0)

    async def _watch(self, port: int) -> None:
        dsn = f"postgresql://postgres@127.0.0.1:{port}/{DATABASE}?sslmode=disable"
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(dsn, timeout=PATIENCE_S)
                try:
                    while True:
                        await connection.execute(
                            "SELECT pg_logical_emit_message(true, 'witness', '')",
                            timeout=PATIENCE_S,
                        )
                        self._commits_s.append(time.monotonic())
                        await asyncio.sleep(EVERY_S)
                finally:
                    connection.terminate()
            await asyncio.sleep(EVERY_S)
