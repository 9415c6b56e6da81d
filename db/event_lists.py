"""Pages of events with their exact totals, straight from PostgreSQL.

Rule: there is a statement for every way to filter that has an index of its own, so that the
plan does not hang on what a parameter happens to be; and the rows are counted only where the
page itself does not tell how many there are.
"""

from datetime import datetime
from decimal import Decimal

import asyncpg

from db.database import Session
from evently.domain.state import ON_SALE, Status
from evently.domain.value import value


@value
class ListedEvent:
    """An event as lists show it; `status` is the one to answer."""

    event_id: str
    name: str
    event_type: str
    venue_id: str
    venue_name: str
    venue_city: str
    start_datetime: datetime
    end_datetime: datetime
    total_capacity: int
    available_seats: int
    base_price: Decimal
    max_tickets_per_booking: int
    status: Status
    version: int
    created_by: str
    created_at: datetime
    updated_at: datetime


@value
class EventPage:
    """Some events in order, and how many there are in all."""

    events: tuple[ListedEvent, ...]
    total: int


@value
class OnSaleFilter:
    """Which events on sale: type and city whole, ignoring case; the start in [from, before)."""

    event_type: str | None = None
    city: str | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None


class EventListReader:
    """Reads lists of events, by start and id."""

    def __init__(self, database: Session) -> None:
        self._database = database

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        """Published and sold out events that have not ended, as this moment finds them."""
        filters: tuple[object, ...] = (wanted.starts_from, wanted.starts_before)
        if wanted.city is not None:
            filters = (*filters, wanted.event_type, wanted.city)
            return await self._page("events_on_sale_by_city", filters, limit, offset)
        if wanted.event_type is not None:
            filters = (*filters, wanted.event_type)
            return await self._page("events_on_sale_by_type", filters, limit, offset)
        return await self._page("events_on_sale", filters, limit, offset)

    async def of_admin(
        self, admin_id: str, status: str | None, limit: int, offset: int
    ) -> EventPage:
        """What the admin created, of the status that is answered now, or of any."""
        filters = (admin_id, *_stored(status))
        return await self._page("events_of_admin", filters, limit, offset)

    async def of_all(self, status: str | None, limit: int, offset: int) -> EventPage:
        """What all admins created, of the status that is answered now, or of any."""
        return await self._page("events_of_all", _stored(status), limit, offset)

    async def _page(
        self, which: str, filters: tuple[object, ...], limit: int, offset: int
    ) -> EventPage:
        rows = await self._database.fetch(f"list_{which}", *filters, limit, offset)
        events = tuple(map(_listed, rows))
        if 0 < len(events) < limit or (not events and not offset):
            return EventPage(events, offset + len(events))
        counted = await self._database.fetchrow(f"count_{which}", *filters)
        assert counted is not None, f"count_{which} always has a row"
        return EventPage(events, counted["total"])


def _stored(status: str | None) -> tuple[list[str] | None, bool | None]:
    """The stored statuses that `status` is answered for, and whether the end has passed then."""
    if status is None:
        return None, None
    if status == Status.COMPLETED:
        return sorted(ON_SALE), True
    return [status], False if status in ON_SALE else None


def _listed(row: asyncpg.Record) -> ListedEvent:
    return ListedEvent(
        event_id=str(row["event_id"]),
        name=row["name"],
        event_type=row["event_type"],
        venue_id=str(row["venue_id"]),
        venue_name=row["venue_name"],
        venue_city=row["venue_city"],
        start_datetime=row["start_datetime"],
        end_datetime=row["end_datetime"],
        total_capacity=row["total_capacity"],
        available_seats=row["available_seats"],
        base_price=row["base_price"],
        max_tickets_per_booking=row["max_tickets_per_booking"],
        status=Status(row["status"]),
        version=row["version"],
        created_by=str(row["created_by"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
