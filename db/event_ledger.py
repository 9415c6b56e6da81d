"""What an event's ledger tells: its history, and its sales by day.

Rule: whatever is read here is read as of one version of the event, the one that `sales` found,
so that a page, its total and the sums of one answer never contradict each other.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from db.database import Session
from db.statements import Statement
from evently.domain.outcomes import LedgerKind
from evently.domain.state import Status
from evently.domain.value import value


@value
class EventSales:
    """An event's owner and what it has sold, as of `version`."""

    created_by: str
    total_capacity: int
    available_seats: int
    revenue: Decimal
    version: int

    @property
    def seats_out(self) -> int:
        """Seats that have been reserved and not returned."""
        return self.total_capacity - self.available_seats


@value
class EventVersion:
    """One row of the ledger; `changes` maps an admin's changed fields to their new values."""

    version: int
    kind: LedgerKind
    caller: str
    seat_delta: int
    changes: Mapping[str, Any]
    available_seats: int
    status: Status
    request_id: str
    recorded_at: datetime


@value
class DaySales:
    """What was sold and returned on one UTC day."""

    date: date
    tickets_sold: int
    tickets_returned: int
    revenue: Decimal


class EventLedger:
    """Reads the ledger."""

    def __init__(self, database: Session) -> None:
        self._database = database

    async def sales(self, event_id: str) -> EventSales | None:
        """What the event has sold by now, or None where there is no such event."""
        row = await self._database.fetchrow(Statement.FIND_EVENT_SALES, event_id)
        if row is None:
            return None
        return EventSales(
            created_by=str(row["created_by"]),
            total_capacity=row["total_capacity"],
            available_seats=row["available_seats"],
            revenue=row["revenue"],
            version=row["version"],
        )

    async def history(
        self, event_id: str, version: int, limit: int, offset: int
    ) -> tuple[EventVersion, ...]:
        """Up to `limit` versions, newest first, after the `offset` newest up to `version`.

        The ledger has every version from 1 on, so `version` is also how many there are, and a
        page deep in the past costs as much as the first.
        """
        newest = version - offset
        rows = await self._database.fetch(Statement.LIST_LEDGER, event_id, newest, newest - limit)
        return tuple(map(_version, rows))

    async def by_day(self, event_id: str, version: int) -> tuple[DaySales, ...]:
        """Sales of each UTC day on which seats moved, up to `version`, oldest first."""
        rows = await self._database.fetch(Statement.SUM_LEDGER_BY_DAY, event_id, version)
        return tuple(DaySales(*row) for row in rows)


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
    )
