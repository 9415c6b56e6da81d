"""The lists of events: the public one is encoded once a second, the admins' is always read anew.

Rule: equal filters share a cache entry, however they were written. An answer was read after the
last change by an admin of this node, and at most a second ago.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import Protocol, TypeAlias

import msgspec

from db.event_lists import EventPage, Wanted
from db.event_rows import ListedEvent
from db.on_sale_index import OnSaleFilter
from evently.domain.text import fold
from evently.domain.value import value
from routes.caches.fresh_cache import FreshCache
from routes.caches.replica import Replica
from routes.caches.revision import Revision
from routes.contract.answers import (
    AdminEventList,
    EventInAdminList,
    EventInList,
    EventList,
    encode,
    etag_of,
)
from routes.contract.bodies import AdminEventListQuery, EventListQuery
from routes.contract.raw import Raw

# Some 3000 full pages of 20 events: more than the different queries of one second.
BYTES_MAX = 32 * 1024 * 1024
# The key and the objects around the bytes, so that small pages count with their real size.
ENTRY_BYTES = 1024
# Far more admins, times statuses, than look at their lists within a second.
TOTALS_MAX = 4096


@value
class Listing:
    """An encoded list and the strong ETag of its bytes."""

    raw: Raw
    etag: str


class ListSource(Protocol):
    """A source of pages of events."""

    def forget(self) -> None:
        """Take nothing from memory that was read before."""

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        """Published and sold out events that have not ended."""

    async def of_admin(
        self, admin_id: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[ListedEvent, ...]:
        """A page of what one admin, or for None any admin, created."""

    async def count_of_admin(self, admin_id: str | None, status: str | None) -> int:
        """How many events `of_admin` finds in all."""

    async def search(self, wanted: Wanted, limit: int, offset: int) -> EventPage:
        """A page of the events that pass all filters."""


# The last is of the ids that are named: they themselves would outweigh many a page.
Key: TypeAlias = tuple[
    str | None, str | None, datetime | None, datetime | None, int, int, bytes | None
]


class EventLists:
    """Reads lists from `primary`, and the public one from `replica` while it keeps up."""

    def __init__(
        self,
        primary: ListSource,
        revision: Revision,
        *,
        replica: Replica | None = None,
        bytes_max: int = BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._cache: FreshCache[Key, Listing] = FreshCache(
            revision, weight_max=bytes_max, weigh=_bytes, clock=clock
        )
        self._totals: FreshCache[tuple[str | None, str | None], int] = FreshCache(
            revision, weight_max=TOTALS_MAX, weigh=lambda _: 1, clock=clock
        )

    def on_sale(self, query: EventListQuery) -> "Listing | asyncio.Future[Listing]":
        """The public list, at once if it is cached, else as a future, which may hold a fault."""
        ids = None if query.ids is None else tuple(sorted(query.ids))
        key = _key(query, ids)
        return self._cache.look_up(key, lambda: self._read(key, ids))

    def warm(self) -> None:
        """Begin to read the first page, so that a client finds what lists need in memory.

        Where the database is away, the first client reads it.
        """
        found = self.on_sale(EventListQuery())
        if isinstance(found, asyncio.Future):
            found.add_done_callback(lambda future: future.cancelled() or future.exception())

    def forget(self) -> None:
        """Read all anew: the database may be another one, or the same at an earlier moment."""
        self._primary.forget()
        if self._replica is not None:
            self._replica.forget()

    async def of_admin(self, admin_id: str | None, query: AdminEventListQuery) -> AdminEventList:
        """The events of this admin, or of all admins for None.

        The page is as it is now, its total at most as old as a public list.
        """
        status, limit, offset = query.status, query.limit, query.offset
        total = await self._total(admin_id, status) if offset else None
        if total is not None and offset >= total:
            # A page past the end is not looked for: that would mean to walk over all before it.
            return AdminEventList([], total, query.page, limit)
        page = await self._primary.of_admin(admin_id, status, limit, offset)
        if len(page) < limit and (page or not offset):
            total = offset + len(page)
        elif total is None:
            total = await self._total(admin_id, status)
        events = msgspec.convert(page, list[EventInAdminList])
        return AdminEventList(events, max(total, offset + len(page)), query.page, limit)

    async def search(self, admin_id: str | None, query: AdminEventListQuery) -> AdminEventList:
        """The events of this admin, or of all for None, that pass the query's filters."""
        wanted = Wanted(
            admin_id,
            query.status,
            _folded(query.search),
            query.date_from,
            query.date_to,
            query.attention == "true",
            query.order == "-start",
        )
        page = await self._primary.search(wanted, query.limit, query.offset)
        events = msgspec.convert(page.events, list[EventInAdminList])
        return AdminEventList(events, page.total, query.page, query.limit)

    async def stop(self) -> None:
        """Wait for the queries in progress."""
        await self._cache.stop()
        await self._totals.stop()
        if self._replica is not None:
            await self._replica.stop()

    async def _total(self, admin_id: str | None, status: str | None) -> int:
        """How many events there are, counted at most once a second."""
        return await self._totals.get(
            (admin_id, status), lambda: self._primary.count_of_admin(admin_id, status)
        )

    async def _read(self, key: Key, ids: tuple[str, ...] | None) -> Listing:
        event_type, city, on_from, on_before, page, limit, _ = key
        wanted = OnSaleFilter(event_type, city, on_from, on_before, ids)
        offset = (page - 1) * limit
        found = await self._page(wanted, limit, offset)
        events = msgspec.convert(found.events, list[EventInList])
        has_more = offset + limit < found.total
        return _listing(EventList(events, found.total, page, limit, has_more))

    async def _page(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        if self._replica is not None:
            page = await self._replica.on_sale(wanted, limit, offset)
            if page is not None:
                return page
        return await self._primary.on_sale(wanted, limit, offset)


def _key(query: EventListQuery, ids: tuple[str, ...] | None) -> Key:
    event_type = _folded(query.type or query.event_type)
    city = _folded(query.city)
    named = None if ids is None else blake2b("".join(ids).encode(), digest_size=16).digest()
    return event_type, city, query.date_from, query.date_to, query.page, query.limit, named


def _folded(text: str | None) -> str | None:
    """`text` as the database compares it, or None if it is empty."""
    return fold(text) if text else None


def _listing(answer: EventList) -> Listing:
    body = encode(answer)
    return Listing(Raw(body), etag_of(body))


def _bytes(listing: Listing) -> int:
    return len(listing.raw.body) + ENTRY_BYTES
