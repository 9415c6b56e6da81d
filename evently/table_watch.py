"""Reads how large the tables are, for an operator who has to see the ledger grow in time.

Rule: it only reads, at an interval at which nobody notices it; while the database does not answer,
the last figures are kept.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from db.database import Session
from db.table_sizes import TableSize, read_table_sizes
from evently.background import in_background
from evently.domain.errors import Fault

log = logging.getLogger(__name__)

# A day's growth is what matters; reading it takes a millisecond.
EVERY_S = 60.0

WatchEach: TypeAlias = Callable[[str, str, str, Callable[[], Mapping[str, float]]], None]


class TableWatch:
    """Reads the sizes of the tables at an interval."""

    def __init__(
        self, session: Session, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._session = session
        self._sleep = sleep
        self.sizes: tuple[TableSize, ...] = ()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                self.sizes = await read_table_sizes(self._session)
            except Fault as fault:
                log.debug("the sizes of the tables cannot be read: %s", fault)
            # A watch that ended unnoticed would show its last figures for ever.
            except Exception:
                log.exception("reading the sizes of the tables failed and starts again")
            await self._sleep(EVERY_S)


@asynccontextmanager
async def watching_tables(session: Session, watch_each: WatchEach) -> AsyncIterator[None]:
    """Read in the background and export the figures; one worker of each node does."""
    tables = TableWatch(session)
    watch_each(
        "evently_table_bytes",
        "Bytes of a table with its indexes",
        "table",
        lambda: {one.table: float(one.size_bytes) for one in tables.sizes},
    )
    watch_each(
        "evently_table_rows",
        "About how many rows a table has, as autovacuum last counted them",
        "table",
        lambda: {one.table: one.row_estimate for one in tables.sizes},
    )
    async with in_background(table_watch=tables.run()):
        yield
