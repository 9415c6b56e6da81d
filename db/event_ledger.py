"""What an event's ledger tells: its history, and its sales by day.

Rules:

1. Whatever one answer says is read as of one version of the event, so that a page, its total and
   the sums never contradict each other.
2. Sums by day are kept, and brought up to date by whoever asks: a row of the ledger is added to
   them once, in chunks that each commit, so what was done before a crash or a deadline stays done.
   The last versions are summed as they are read. So a report costs as much as the event has days.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from db.database import Database
from db.statements import Statement
from db.turns import Turns
from evently.domain.outcomes import LedgerKind
from evently.domain.state import Status
from evently.domain.value import value

# Summed in some 50 ms, for which one processor of the database is busy.
CHUNK_VERSIONS = 100_000
# So many versions more are read in about a millisecond, and keeping them would be a write.
UNKEPT_MAX = 1000
# How far back the value is looked for that an edit replaced: 50 ms at most, and further than the
# whole ledger of most events.
PREVIOUS_WITHIN_VERSIONS = 100_000
# The client of a report over millions of versions that nobody has asked for before waits so long,
# and is then told how far it is.
PATIENCE_S = 2.0
# Reports are rarer than lists, and each may keep a processor of the database busy.
REPORTS_AT_ONCE = 1


@value
class EventSales:
    """An event's owner and what it has sold, as of `version`.

    Of an `archived` event the sums by day are there, and its versions are not.
    """

    created_by: str
    total_capacity: int
    available_seats: int
    held_seats: int
    held_back_seats: int
    revenue: Decimal
    version: int
    archived: bool

    @property
    def sold(self) -> int:
        """Seats that have been sold and not returned."""
        kept = self.held_seats + self.held_back_seats
        return self.total_capacity - self.available_seats - kept


@value
class EventVersion:
    """One row of the ledger; `changes` maps the changed fields to their new values.

    `hold_id` is that of the hold that was answered, if it was about one.
    """

    version: int
    kind: LedgerKind
    caller: str
    seat_delta: int
    changes: Mapping[str, Any]
    available_seats: int
    status: Status
    request_id: str
    recorded_at: datetime
    held_delta: int
    hold_id: str | None
    held_back_delta: int


@value
class DaySales:
    """What was sold and returned on one UTC day."""

    date: date
    tickets_sold: int
    tickets_returned: int
    revenue: Decimal


@value
class BucketSales:
    """What was sold and returned in the hour or minute that begins at `start`."""

    start: datetime
    tickets_sold: int
    tickets_returned: int
    revenue: Decimal


@value
class SalesByDay:
    """What has been sold in all, and on each UTC day on which seats moved, oldest first."""

    sales: EventSales
    days: tuple[DaySales, ...]


@value
class StillAddingUp:
    """Only `kept` of `version` versions have been added up so far; asking again goes on there."""

    kept: int
    version: int


class EventLedger:
    """Reads the ledger. Its methods raise Overloaded while too many others are."""

    def __init__(
        self,
        database: Database,
        *,
        chunk: int = CHUNK_VERSIONS,
        unkept_max: int = UNKEPT_MAX,
        patience_s: float = PATIENCE_S,
        previous_within: int = PREVIOUS_WITHIN_VERSIONS,
    ) -> None:
        self._database = database
        self._chunk = chunk
        self._unkept_max = unkept_max
        self._patience_s = patience_s
        self._previous_within = previous_within
        self._turns = Turns("reports", REPORTS_AT_ONCE)

    async def sales(self, event_id: str) -> EventSales | None:
        """What the event has sold by now, or None where there is no such event."""
        async with self._turns.turn():
            row = await self._database.fetchrow(Statement.FIND_EVENT_SALES, event_id)
        return None if row is None else _sales(row)

    async def history(
        self, event_id: str, version: int, limit: int, offset: int
    ) -> tuple[EventVersion, ...]:
        """Up to `limit` versions, newest first, after the `offset` newest up to `version`.

        The ledger has every version from 1 on, so `version` is also how many there are, and a
        page deep in the past costs as much as the first. One that is archived has none.
        """
        newest = version - offset
        async with self._turns.turn():
            rows = await self._database.fetch(
                Statement.LIST_LEDGER, event_id, newest, newest - limit
            )
        return tuple(map(_version, rows))

    async def by_day(self, event_id: str) -> SalesByDay | StillAddingUp | None:
        """Sales by UTC day, up to the event's version, or None where there is no such event."""
        behind = await self._bring_up(event_id)
        if behind is not None:
            return behind
        async with self._turns.turn():
            rows = await self._database.fetch(Statement.LIST_SALES_BY_DAY, event_id)
        if not rows:
            return None
        days = tuple(
            DaySales(row["date"], row["tickets_sold"], row["tickets_returned"], row["revenue"])
            for row in rows
            if row["date"] is not None
        )
        return SalesByDay(_sales(rows[0], revenue="money"), days)

    async def by_bucket(
        self, event_id: str, version: int, bucket: str, since: datetime, until: datetime
    ) -> tuple[BucketSales, ...]:
        """Sales of each hour or minute of [since, until) in which seats moved, up to `version`."""
        async with self._turns.turn():
            rows = await self._database.fetch(
                Statement.SUM_SALES_BY_BUCKET, event_id, version, since, until, bucket
            )
        return tuple(BucketSales(**row) for row in rows)

    async def previous(
        self, event_id: str, versions: Sequence[EventVersion]
    ) -> Mapping[int, Mapping[str, Any]]:
        """What each edit among `versions` replaced, by version.

        A field is left out if its last change lies further back than is looked.
        """
        edits = {one.version for one in versions if one.changes and one.version > 1}
        if not edits:
            return {}
        first = max(1, min(edits) - self._previous_within)
        async with self._turns.turn():
            rows = await self._database.fetch(Statement.LIST_EDITS, event_id, first, max(edits))
        left = {one.version: one.status for one in versions}
        # An event from before there were blocks did not say that it has none.
        known: dict[str, Any] = {"holdbacks": []} if first == 1 else {}
        found: dict[int, Mapping[str, Any]] = {}
        for row in rows:
            version, changes = row["version"], row["changes"]
            if version - 1 in left:
                # Seats move it as well.
                known["status"] = left[version - 1]
            if version in edits:
                found[version] = {name: known[name] for name in changes if name in known}
            known.update(changes)
        return found

    async def _bring_up(self, event_id: str) -> StillAddingUp | None:
        """Keep the sums of all but the last few versions, or of as many as there is time for."""
        started_s = time.monotonic()
        async with self._turns.turn():
            row = await self._database.fetchrow(Statement.FIND_SALES_TO_KEEP, event_id)
        if row is None:
            return None
        kept, version = row["kept"], row["version"]
        while version - kept > self._unkept_max:
            if time.monotonic() - started_s >= self._patience_s:
                return StillAddingUp(kept, version)
            async with self._turns.turn():
                kept = await self._keep_chunk(event_id, version)
        return None

    async def _keep_chunk(self, event_id: str, version: int) -> int:
        """Add the next versions to the sums; up to which version they are then.

        Whoever does the same at the same time waits for its turn, and goes on behind this chunk.
        """
        async with self._database.transaction() as session:
            row = await session.fetchrow(Statement.LOCK_KEPT_SALES, [event_id])
            assert row is not None, "the statement returns one row, always"
            kept: int = row["version"]
            if kept < version:
                last = min(kept + self._chunk, version)
                await session.execute(Statement.KEEP_SALES, [event_id], [kept], [last])
                kept = last
        return kept


def _sales(row: asyncpg.Record, *, revenue: str = "revenue") -> EventSales:
    return EventSales(
        created_by=str(row["created_by"]),
        total_capacity=row["total_capacity"],
        available_seats=row["available_seats"],
        held_seats=row["held_seats"],
        held_back_seats=row["held_back_seats"],
        revenue=row[revenue],
        version=row["version"],
        archived=row["archived"],
    )


def _version(row: asyncpg.Record) -> EventVersion:
    return EventVersion(
        version=row["version"],
        kind=LedgerKind(row["kind"]),
        caller=row["caller"],
        seat_delta=row["seat_delta"],
        changes=row["changes"] or {},
        available_seats=row["available_seats"],
        status=Status(row["status"]),
        request_id=row["request_id"],
        recorded_at=row["recorded_at"],
        held_delta=row["held_delta"],
        hold_id=row["hold_id"],
        held_back_delta=row["held_back_delta"],
    )
