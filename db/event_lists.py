"""Pages of events with their exact totals: the public list's, and the admins'.

Rules:

1. Which events are on a page of the public list, and how many there are in all, is known in memory;
   the database reads the page's own rows.
2. For the admins' lists there is a statement for every way to filter that has an index of its own,
   so that the plan does not hang on what a parameter happens to be.
"""

from datetime import datetime
from typing import TypeAlias

from db.database import Session
from db.event_rows import ListedEvent, listed
from db.on_sale_events import OnSaleEvents
from db.on_sale_index import OnSaleFilter
from db.statements import Statement
from db.turns import Turns
from evently.domain.state import ON_SALE, Status
from evently.domain.value import value


@value
class EventPage:
    """Some events in order, and how many there are in all."""

    events: tuple[ListedEvent, ...]
    total: int


@value
class Wanted:
    """Which events of which admin (None: of all), and in which order; text is folded."""

    admin_id: str | None
    status: str | None = None
    search: str | None = None
    on_from: datetime | None = None
    on_before: datetime | None = None
    attention: bool = False
    latest_first: bool = False


@value
class LogPosition:
    """How much of the log a primary has made durable, or a standby has replayed, in bytes."""

    standby: bool
    position: int


# For positions, which a server knows without reading anything.
POSITION_S = 1.0
# A page of the public list takes a millisecond, so two keep up with 1000 different ones a second;
# an admin's count of all events takes a processor for 0.1 s.
LISTS_AT_ONCE = 2
# A search among an admin's events takes milliseconds; a super_admin's reads all events, and the
# second of those that go on together is for other lists.
SEARCHES_AT_ONCE = 1

# The statement that reads a page, and the one that counts all that match.
Pair: TypeAlias = tuple[Statement, Statement]
_OF_ADMIN = (Statement.LIST_EVENTS_OF_ADMIN, Statement.COUNT_EVENTS_OF_ADMIN)
_OF_ALL = (Statement.LIST_EVENTS_OF_ALL, Statement.COUNT_EVENTS_OF_ALL)
_OF_ALL_BY_STATUS = (
    Statement.LIST_EVENTS_OF_ALL_BY_STATUS,
    Statement.COUNT_EVENTS_OF_ALL_BY_STATUS,
)


class EventListReader:
    """Reads lists of events, by start and id. Its methods raise Overloaded where too many do."""

    def __init__(self, database: Session) -> None:
        self._database = database
        self._on_sale = OnSaleEvents(database)
        self._turns = Turns("lists", LISTS_AT_ONCE)
        self._searches = Turns("searches", SEARCHES_AT_ONCE)

    def forget(self) -> None:
        """Take nothing from memory that was read before: it may be another history's."""
        self._on_sale.forget()

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        """Published and sold out events that have not ended, as this moment finds them."""
        index = await self._on_sale.current()
        event_ids, total = index.page(wanted, limit, offset)
        if not event_ids:
            return EventPage((), total)
        async with self._turns.turn():
            rows = await self._database.fetch(Statement.LIST_EVENTS_ON_SALE, event_ids)
        # One may have ended, or been cancelled, since the index was read.
        return EventPage(tuple(map(listed, rows)), total - (len(event_ids) - len(rows)))

    async def position(self) -> LogPosition:
        """How far the server is."""
        (row,) = await self._database.fetch(Statement.READ_LOG_POSITION, timeout_s=POSITION_S)
        return LogPosition(row["standby"], row["position"])

    async def of_admin(
        self, admin_id: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[ListedEvent, ...]:
        """A page of what the admin, or for None any admin, created.

        With a status, those that are answered with it now.
        """
        (listing, _), filters = _admin_list(admin_id, status)
        async with self._turns.turn():
            rows = await self._database.fetch(listing, *filters, limit, offset)
        return tuple(map(listed, rows))

    async def search(self, wanted: Wanted, limit: int, offset: int) -> EventPage:
        """A page of the events that pass all filters, and how many do, as they are now."""
        filters = (
            wanted.admin_id,
            *_stored(wanted.status),
            wanted.search,
            wanted.on_from,
            wanted.on_before,
            wanted.attention,
        )
        async with self._searches.turn(), self._turns.turn():
            rows = await self._database.fetch(
                Statement.SEARCH_EVENTS, *filters, wanted.latest_first, limit, offset
            )
        found = tuple(map(listed, rows))
        if 0 < len(found) < limit or (not found and not offset):
            return EventPage(found, offset + len(found))
        async with self._searches.turn(), self._turns.turn():
            row = await self._database.fetchrow(Statement.COUNT_SEARCHED_EVENTS, *filters)
        assert row is not None, "a count always has a row"
        return EventPage(found, row["total"])

    async def count_of_admin(self, admin_id: str | None, status: str | None) -> int:
        """How many events `of_admin` finds in all."""
        (_, counting), filters = _admin_list(admin_id, status)
        async with self._turns.turn():
            row = await self._database.fetchrow(counting, *filters)
        assert row is not None, "a count always has a row"
        total: int = row["total"]
        return total


def _admin_list(admin_id: str | None, status: str | None) -> tuple[Pair, tuple[object, ...]]:
    """The statements for a list of admins' events, and what they filter by."""
    if admin_id is not None:
        return _OF_ADMIN, (admin_id, *_stored(status))
    if status is None or status == Status.COMPLETED:
        return _OF_ALL, _stored(status)
    return _OF_ALL_BY_STATUS, (status, status in ON_SALE)


def _stored(status: str | None) -> tuple[list[str] | None, bool | None]:
    """The stored statuses that `status` is answered for, and whether the end has passed then."""
    if status is None:
        return None, None
    if status == Status.COMPLETED:
        return sorted(ON_SALE), True
    return [status], False if status in ON_SALE else None
