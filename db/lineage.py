"""Knows which history of the database this worker has seen, and says when that may be over.

Rule: what is in memory is true of one history. A connection that is lost may be followed by one to
a restored database or to a standby that had less, so from the loss on nothing in memory is an
answer until it was read again.
"""

import logging
from collections.abc import Awaitable, Callable

import asyncpg

from db.connect import Connection
from db.sql import load
from db.statements import Statement

log = logging.getLogger(__name__)

# Where a server does not let its role ask, only the versions of the events tell.
_NOT_TOLD = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.UndefinedFunctionError,
)


async def _nothing() -> None:
    """What is done about another history where nobody cares."""


class Lineage:
    """The history that the lanes of one store are on; `changed` is awaited when it is another."""

    def __init__(self, changed: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._changed = changed
        self._seen: tuple[int, int, int] | None = None
        self._forget: list[Callable[[], None]] = []

    def when_lost(self, forget: Callable[[], None]) -> None:
        """Call `forget` whenever what was seen may be gone."""
        self._forget.append(forget)

    def lost(self) -> None:
        """A connection is lost: what comes after it may be another history."""
        for forget in self._forget:
            forget()

    async def check(self, connection: Connection) -> None:
        """Compare the history that a new connection is on with the last one."""
        try:
            row = await connection.fetchrow(load(Statement.READ_LINEAGE))
        except _NOT_TOLD as error:
            log.info("the database does not tell its history: %s", error)
            return
        assert row is not None, "the statement returns one row, always"
        # Before anything is committed here, so that all of it is of the new era.
        await connection.execute(load(Statement.BEGIN_ERA), row["cluster"], row["timeline"])
        found = (row["cluster"], row["timeline"], row["database"])
        seen, self._seen = self._seen, found
        if seen is None or seen == found:
            return
        log.warning(
            "the database has another history: cluster, timeline, database were %s and are %s",
            seen,
            found,
        )
        self.lost()
        await self._changed()
