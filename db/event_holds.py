"""Reads the holds of events for those who ask what became of them.

Rule: it reads the primary, so a hold is never older here than what was answered; what was read is
as of one moment, which comes with it.
"""

from datetime import datetime
from typing import TypeAlias

from db.database import Session
from db.hold_rows import hold_of
from db.statements import Statement
from evently.domain.holds import Hold, HoldStatus
from evently.domain.value import value

# Where a page ends: when its last hold was placed, and that one's id.
Place: TypeAlias = tuple[datetime, str]


@value
class HoldFilter:
    """Which holds of an event; `status` is the one to answer."""

    status: HoldStatus | None = None
    reference: str | None = None


class EventHolds:
    """The holds of all events."""

    def __init__(self, database: Session) -> None:
        self._database = database

    async def find(self, event_id: str, hold_id: str) -> Hold | None:
        """The hold as it is now; None where the event has no such hold."""
        row = await self._database.fetchrow(Statement.FIND_HOLD, event_id, hold_id)
        return None if row is None else hold_of(row).at(row["clock"])

    async def page(
        self, event_id: str, wanted: HoldFilter, limit: int, after: Place | None
    ) -> tuple[Hold, ...]:
        """Up to `limit` holds, in the order in which they were placed, from behind `after` on."""
        placed_at, hold_id = after or (None, None)
        rows = await self._database.fetch(
            Statement.LIST_HOLDS,
            event_id,
            wanted.status,
            wanted.reference,
            placed_at,
            hold_id,
            limit,
        )
        return tuple(hold_of(row).at(row["clock"]) for row in rows)
