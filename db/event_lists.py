"""Pages of events with their exact totals, straight from PostgreSQL.

Rule: there is a statement for every way to filter that has an index of its own, so that the
plan does not hang on what a parameter happens to be; and the rows are counted only where the
page itself does not tell how many there are.
"""

from datetime import datetime
from typing import TypeAlias

from db.database import Session
from db.event_rows import ListedEvent, listed
from db.statements import Statement
from evently.domain.state import ON_SALE, Status
from evently.domain.value import value


@value
class EventPage:
    """Some events in order, and how many there are in all."""

    events: tuple[ListedEvent, ...]
    total: int


@value
class OnSaleFilter:
    """Which events on sale: type and city whole and folded; on in [from, before)."""

    event_type: str | None = None
    city: str | None = None
    on_from: datetime | None = None
    on_before: datetime | None = None


# The statement that reads a page, and the one that counts all that match.
Pair: TypeAlias = tuple[Statement, Statement]
_ON_SALE = (Statement.LIST_EVENTS_ON_SALE, Statement.COUNT_EVENTS_ON_SALE)
_ON_SALE_BY_CITY = (
    Statement.LIST_EVENTS_ON_SALE_BY_CITY,
    Statement.COUNT_EVENTS_ON_SALE_BY_CITY,
)
_ON_SALE_BY_TYPE = (
    Statement.LIST_EVENTS_ON_SALE_BY_TYPE,
    Statement.COUNT_EVENTS_ON_SALE_BY_TYPE,
)
_OF_ADMIN = (Statement.LIST_EVENTS_OF_ADMIN, Statement.COUNT_EVENTS_OF_ADMIN)
_OF_ALL = (Statement.LIST_EVENTS_OF_ALL, Statement.COUNT_EVENTS_OF_ALL)


class EventListReader:
    """Reads lists of events, by start and id."""

    def __init__(self, database: Session) -> None:
        self._database = database

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        """Published and sold out events that have not ended, as this moment finds them."""
        filters: tuple[object, ...] = (wanted.on_from, wanted.on_before)
        if wanted.city is not None:
            filters = (*filters, wanted.event_type, wanted.city)
            return await self._page(_ON_SALE_BY_CITY, filters, limit, offset)
        if wanted.event_type is not None:
            filters = (*filters, wanted.event_type)
            return await self._page(_ON_SALE_BY_TYPE, filters, limit, offset)
        return await self._page(_ON_SALE, filters, limit, offset)

    async def of_admin(
        self, admin_id: str, status: str | None, limit: int, offset: int
    ) -> EventPage:
        """What the admin created, of the status that is answered now, or of any."""
        filters = (admin_id, *_stored(status))
        return await self._page(_OF_ADMIN, filters, limit, offset)

    async def of_all(self, status: str | None, limit: int, offset: int) -> EventPage:
        """What all admins created, of the status that is answered now, or of any."""
        return await self._page(_OF_ALL, _stored(status), limit, offset)

    async def _page(
        self, which: Pair, filters: tuple[object, ...], limit: int, offset: int
    ) -> EventPage:
        rows = await self._database.fetch(which[0], *filters, limit, offset)
        events = tuple(map(listed, rows))
        if 0 < len(events) < limit or (not events and not offset):
            return EventPage(events, offset + len(events))
        counted = await self._database.fetchrow(which[1], *filters)
        assert counted is not None, "a count always has a row"
        return EventPage(events, counted["total"])


def _stored(status: str | None) -> tuple[list[str] | None, bool | None]:
    """The stored statuses that `status` is answered for, and whether the end has passed then."""
    if status is None:
        return None, None
    if status == Status.COMPLETED:
        return sorted(ON_SALE), True
    return [status], False if status in ON_SALE else None
