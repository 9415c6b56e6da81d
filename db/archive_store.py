"""What an archive reads, writes out and deletes, in statements that are each over soon.

Rules:

1. Whatever a statement copies or deletes is a bounded number of rows, named by the keys between
   which they lie: it holds no snapshot for long, which would keep dead versions of hot rows.
2. Rows are deleted only of events that are sealed in the archive that is named.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from io import BytesIO
from itertools import pairwise
from typing import Any, Self, TypeAlias
from uuid import UUID

import asyncpg

from db.archive_rows import Archive, Month, Place, Sealed, Span, together
from db.connect import SERVER_SETTINGS, Connection, close, connect
from db.database import Session, prepare_connection
from db.event_check import Ledger
from db.event_ledger import CHUNK_VERSIONS
from db.failures import translated
from db.ledger_rows import columns
from db.sql import load
from db.statements import Statement
from evently.domain.value import value

# Copied in some 100 ms and put back in half a second, and 6 MB of text before it is compressed.
COPY_ROWS = 20_000
# Deleted in some 50 ms; the rows are those of events that nobody sells any more.
DELETE_ROWS = 10_000
# Events that are sealed, or released again, together.
PAGE_EVENTS = 500
# Events whose sales are added up together: one that sold for three months has 90 sums to write.
ADD_UP_EVENTS = 50
# Over what the largest statement takes, which counts the holds of one event, on a busy database.
STATEMENT_S = 60.0
# Any constant will do, as long as every version of this code uses the same.
ARCHIVE_LOCK_ID = 0x45564E5441

_SETTINGS = {
    **SERVER_SETTINGS,
    "application_name": "evently-archive",
    "statement_timeout": f"{STATEMENT_S * 1000:.0f}",
    # Arrays of one event and of five hundred are very different to a generic plan.
    "plan_cache_mode": "force_custom_plan",
    "max_parallel_workers_per_gather": "0",
}
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)

Write: TypeAlias = Callable[[bytes], Coroutine[Any, Any, None]]


@value
class Moved:
    """How the rows of a table are copied, deleted, and put back, which is by way of another."""

    copy: Statement
    delete: Statement
    by_way_of: str
    make: Statement
    restore: Statement


LEDGER_ROWS = Moved(
    Statement.COPY_ARCHIVED_LEDGER,
    Statement.DELETE_ARCHIVED_LEDGER,
    "restored_ledger",
    Statement.MAKE_RESTORED_LEDGER,
    Statement.RESTORE_LEDGER,
)
HOLD_ROWS = Moved(
    Statement.COPY_ARCHIVED_HOLDS,
    Statement.DELETE_ARCHIVED_HOLDS,
    "restored_holds",
    Statement.MAKE_RESTORED_HOLDS,
    Statement.RESTORE_HOLDS,
)
COPY_CHANGES = Statement.COPY_ARCHIVED_CHANGES


class ArchiveStore:
    """One connection for one archive at a time. Use it as an asynchronous context manager."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None

    async def place(self) -> Place:
        """Where this is; the first call takes the turn of archiving, until the connection ends."""
        row = await self._session.fetchrow(Statement.FIND_ARCHIVE_PLACE, ARCHIVE_LOCK_ID)
        assert row is not None, "the statement returns one row, always"
        return Place(
            database=str(row["feed_id"]),
            migration=row["migration"],
            this_month=row["this_month"],
            may_archive=row["may_archive"],
            role=row["role"],
            alone=row["alone"],
        )

    async def months(self, before: datetime) -> list[Month]:
        """The months before one with events that can be archived, oldest first."""
        rows = await self._session.fetch(Statement.LIST_ARCHIVABLE_MONTHS, before)
        return [Month(row["month"], row["events"], row["versions"]) for row in rows]

    async def open_archives(self) -> list[Archive]:
        """Those that were begun and have not ended, oldest month first."""
        return [_archive(row) for row in await self._session.fetch(Statement.LIST_OPEN_ARCHIVES)]

    async def find(self, archive_id: UUID) -> Archive | None:
        """The archive of that id, or None."""
        row = await self._session.fetchrow(Statement.FIND_ARCHIVE, archive_id)
        return None if row is None else _archive(row)

    async def names(self) -> set[str]:
        """The names of all archives."""
        return {row["name"] for row in await self._session.fetch(Statement.LIST_ARCHIVE_NAMES)}

    async def begin(self, month: date, name: str) -> Archive:
        """Begin an archive of a month."""
        row = await self._session.fetchrow(Statement.BEGIN_ARCHIVE, month, name)
        assert row is not None, "the statement returns one row, always"
        return Archive(row["archive_id"], month, name, written=False)

    async def final_events(self, since: datetime, until: datetime) -> list[UUID]:
        """The events that ended in [since, until) and can be archived."""
        rows = await self._session.fetch(Statement.LIST_FINAL_EVENTS, since, until)
        return [row["event_id"] for row in rows]

    async def seal(self, archive: Archive, ledgers: Sequence[tuple[str, Ledger]]) -> int:
        """Seal events whose ledgers came to this; how many still could be."""
        rows = [
            (
                *(event_id, one.last_version, one.capacity),
                *(one.seats, one.held, one.held_back, one.money, one.status),
            )
            for event_id, one in ledgers
        ]
        if not rows:
            return 0
        sealed = await self._session.fetch(
            Statement.SEAL_EVENTS, archive.archive_id, *columns(rows)
        )
        return len(sealed)

    async def sealed(self, archive: Archive) -> list[Sealed]:
        """The events of an archive."""
        rows = await self._session.fetch(Statement.LIST_ARCHIVED_LEDGERS, archive.archive_id)
        return [Sealed(row["event_id"], row["version"], row["holds"]) for row in rows]

    async def keep_sales(self, events: Sequence[Sealed]) -> None:
        """Keep the sums of their sales by day, up to their last versions."""
        versions = {one.event_id: one.versions for one in events}
        while versions:
            async with self._transaction() as session:
                kept = await session.fetch(Statement.LOCK_KEPT_SALES, list(versions))
                left = CHUNK_VERSIONS
                spans: list[Span] = []
                for row in kept:
                    event_id, after = row["event_id"], row["version"]
                    upto = min(versions[event_id], after + left)
                    left -= upto - after
                    if upto > after:
                        spans.append((event_id, after, upto))
                    if upto == versions[event_id]:
                        del versions[event_id]
                if spans:
                    await session.execute(Statement.KEEP_SALES, *columns(spans))

    async def hold_spans(self, events: Sequence[Sealed], rows_max: int) -> list[list[Span]]:
        """The holds of the events, in pieces of so many and no more."""
        pieces: list[tuple[Span, int]] = []
        for one in events:
            if not one.holds:
                continue
            breaks: list[UUID] = []
            if one.holds > rows_max:
                found = await self._session.fetch(
                    Statement.FIND_HOLD_BREAKS, one.event_id, rows_max
                )
                breaks = [row["hold_id"] for row in found]
            edges = [_FIRST, *breaks, _LAST]
            size = min(one.holds, rows_max)
            pieces += [((one.event_id, after, upto), size) for after, upto in pairwise(edges)]
        return list(together(pieces, rows_max))

    async def change_spans(self, begins_at: int, rows_max: int) -> list[tuple[int, int]]:
        """The changes before a position, in pieces of about so many."""
        spans, after = [], 0
        while True:
            row = await self._session.fetchrow(
                Statement.FIND_CHANGE_BREAK, after, begins_at, rows_max - 1
            )
            upto = begins_at - 1 if row is None else row["position"]
            spans.append((after, upto))
            if row is None:
                return spans
            after = upto

    async def expired_changes(self, before: datetime) -> tuple[int, int]:
        """Where the feed begins without the changes from before, and how many these are."""
        row = await self._session.fetchrow(Statement.FIND_EXPIRED_CHANGES, before)
        assert row is not None, "the statement returns one row, always"
        return row["begins_at"], row["changes"]

    async def header(self, what: Statement) -> list[str]:
        """The columns that the statement returns."""
        with translated():
            statement = await self._open.prepare(load(what))
        return [one.name for one in statement.get_attributes()]

    async def copy(self, what: Statement, arguments: Sequence[Any], write: Write) -> int:
        """Write what the statement returns, as CSV without a header; how many rows that were."""
        with translated():
            said = await self._open.copy_from_query(
                load(what), *arguments, output=write, format="csv", timeout=STATEMENT_S
            )
        return int(said.removeprefix("COPY "))

    async def note_written(self, archive: Archive) -> None:
        """Its files are there, and were found right."""
        await self._session.execute(Statement.NOTE_ARCHIVE_WRITTEN, archive.archive_id)

    async def delete(self, what: Moved, archive: Archive, spans: Sequence[Span]) -> None:
        """Delete the rows of the archive's events between these keys."""
        await self._session.execute(what.delete, archive.archive_id, *columns(spans))

    async def expire_changes(self, begins_at: int) -> None:
        """Let the feed of changes begin there."""
        await self._session.execute(Statement.EXPIRE_CHANGES, begins_at)

    async def delete_changes(self, after: int, upto: int) -> None:
        """Delete the changes between two positions."""
        await self._session.execute(Statement.DELETE_ARCHIVED_CHANGES, after, upto)

    async def end(self, archive: Archive) -> None:
        """Its rows are deleted."""
        await self._session.execute(Statement.END_ARCHIVE, archive.archive_id)

    async def reopen(self, archive: Archive) -> None:
        """Some of its rows are about to be there again."""
        await self._session.execute(Statement.REOPEN_ARCHIVE, archive.archive_id)

    async def put_back(
        self, archive: Archive, into: Moved, header: Sequence[str], rows: bytes
    ) -> None:
        """Put rows of CSV back where they are missing."""
        async with self._transaction() as session:
            await session.execute(into.make)
            await self._open.copy_to_table(
                into.by_way_of,
                source=BytesIO(rows),
                columns=list(header),
                format="csv",
                timeout=STATEMENT_S,
            )
            await session.execute(into.restore, archive.archive_id)

    async def unseal(self, archive: Archive, event_ids: Sequence[UUID]) -> int:
        """Let those of the events change again that are whole; how many these are."""
        rows = await self._session.fetch(Statement.UNSEAL_EVENTS, archive.archive_id, event_ids)
        return len(rows)

    async def forget(self, archive: Archive) -> None:
        """It is restored."""
        await self._session.execute(Statement.FORGET_ARCHIVE, archive.archive_id)

    @property
    def _open(self) -> Connection:
        assert self._connection is not None, "the store is not open"
        return self._connection

    @property
    def _session(self) -> Session:
        return Session(self._open)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Session]:
        with translated():
            async with self._open.transaction():
                yield self._session

    async def __aenter__(self) -> Self:
        with translated():
            self._connection = await connect(
                self._dsn, command_timeout=STATEMENT_S, server_settings=_SETTINGS
            )
            await prepare_connection(self._connection)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._connection is not None:
            await close(self._connection)


def _archive(row: asyncpg.Record) -> Archive:
    return Archive(row["archive_id"], row["month"], row["name"], row["written"])
