"""Keeps the index of events on sale as the database has it.

Theory of operation. The index is loaded once, page by page. From then on each call asks for what
transactions have changed since the last one, which is nothing as a rule: a statement of a fraction
of a millisecond. What it has seen is told by the snapshot it ran on, which names the transactions
that were still running, so no commit is missed, however long it took.

Rules:

1. What is given out is as of a moment after the call. Calls that wait while another asks share one
   statement that begins after all of them.
2. It is loaded anew when what was read may not be the database's past any more: after `forget`,
   when the server's transactions are behind, or when a table was replaced, which no trigger notes.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import asyncpg

from db.database import Session
from db.on_sale_index import OnSale, OnSaleIndex
from db.statements import Statement
from evently.domain.text import fold

# The worker's loop stands still for some 3 ms while it takes a page in.
LOAD_PAGE = 250
# More changes than these at once are somebody filling the database: loading anew costs less.
CHANGES_MAX = 1000
# Over the milliseconds that a statement takes while the database is busy with sales.
READ_S = 2.0
# Types and cities repeat, and the same are one object; folding one again costs a microsecond.
FOLDED_MAX = 65_536
# The snapshot that has seen nothing.
EVERYTHING = "1:1:"


class OnSaleEvents:
    """An index that follows one database."""

    def __init__(
        self, database: Session, *, load_page: int = LOAD_PAGE, changes_max: int = CHANGES_MAX
    ) -> None:
        self._database = database
        self._load_page = load_page
        self._changes_max = changes_max
        self._index: OnSaleIndex | None = None
        self._snapshot = EVERYTHING
        self._tables: str | None = None
        self._turn = asyncio.Lock()
        self._begun = self._read = self._forgotten = 0

    def forget(self) -> None:
        """Load all anew for the next call: what was read may be another history's."""
        self._index = None
        self._forgotten += 1

    async def current(self) -> OnSaleIndex:
        """The index as of now; the next call may change it. Raises what the database raises."""
        begun = self._begun
        async with self._turn:
            if self._index is None or self._read <= begun:
                self._begun += 1
                number, forgotten = self._begun, self._forgotten
                index = await self._followed(self._index)
                # What was begun before the loss is given out, as by any read, and not kept.
                if forgotten != self._forgotten:
                    return index
                self._index, self._read = index, number
            return self._index

    async def _followed(self, index: OnSaleIndex | None) -> OnSaleIndex:
        if index is not None:
            rows = await self._changes(self._changes_max + 1)
            replaced = rows[0]["went_back"] or rows[0]["tables"] != self._tables
            if not replaced and len(rows) <= self._changes_max:
                return self._brought_up(index, rows)
        # What is committed while pages are read may be missing in those that were read before.
        self._snapshot = EVERYTHING
        begin = (await self._changes(0))[0]
        self._snapshot, self._tables = begin["snapshot"], begin["tables"]
        index = await self._loaded()
        return self._brought_up(index, await self._changes(None))

    async def _changes(self, most: int | None) -> Sequence[asyncpg.Record]:
        return await self._database.fetch(
            Statement.READ_LIST_CHANGES, self._snapshot, most, timeout_s=READ_S
        )

    async def _loaded(self) -> OnSaleIndex:
        index = OnSaleIndex()
        after: tuple[datetime | None, str | None] = (None, None)
        while rows := await self._database.fetch(
            Statement.LOAD_ON_SALE, *after, self._load_page, timeout_s=READ_S
        ):
            for row in rows:
                index.put(_on_sale(row))
            after = rows[-1]["start_datetime"], rows[-1]["event_id"]
        return index

    def _brought_up(self, index: OnSaleIndex, rows: Sequence[asyncpg.Record]) -> OnSaleIndex:
        for row in rows:
            if row["event_id"] is None:
                continue
            if row["start_datetime"] is None:
                index.drop(row["event_id"])
            else:
                index.put(_on_sale(row))
        self._snapshot = rows[0]["snapshot"]
        index.expire(rows[0]["clock"])
        return index


def _on_sale(row: asyncpg.Record) -> OnSale:
    return OnSale(
        row["start_datetime"],
        row["event_id"],
        row["end_datetime"],
        _folded(row["event_type"]),
        _folded(row["city"]),
    )


@lru_cache(FOLDED_MAX)
def _folded(text: str) -> str:
    """What is stored may not be folded yet, if something else than the service has written it."""
    return fold(text)
