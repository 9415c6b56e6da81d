"""Lists of events as clients get them: the public one encoded once a second, the admins' fresh.

Rule: the same filters, however they were written, are one entry of the cache; what is answered
was read after the last change by an admin of this node, and at most a second ago.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import Protocol, TypeAlias

import msgspec

from db.event_lists import EventPage, OnSaleFilter
from evently.domain.errors import DatabaseUnavailable
from evently.domain.value import value
from routes.caches.fresh_cache import FreshCache
from routes.caches.revision import Revision
from routes.contract.answers import AdminEventList, EventInAdminList, EventInList, EventList, encode
from routes.contract.bodies import AdminEventListQuery, EventListQuery
from routes.contract.raw import Raw

# Some 3000 full pages of 20 events: what a second's different queries could be, and then some.
BYTES_MAX = 32 * 1024 * 1024
# The key and the objects around the bytes, so that many small pages count for what they take.
ENTRY_BYTES = 1024
# Replicas lag by milliseconds, under load by a second or two; that long after an admin's change
# lists come from the primary, so that the change is seen.
REPLICA_LAG_S = 5.0


@value
class Listing:
    """An encoded list and the strong ETag of its bytes."""

    raw: Raw
    etag: str


class ListSource(Protocol):
    """Where pages of events are read from."""

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        """Published and sold out events that have not ended."""

    async def of_admin(
        self, admin_id: str, status: str | None, limit: int, offset: int
    ) -> EventPage:
        """What one admin created."""

    async def of_all(self, status: str | None, limit: int, offset: int) -> EventPage:
        """What all admins created."""


Key: TypeAlias = tuple[str | None, str | None, datetime | None, datetime | None, int, int]


class EventLists:
    """Answers lists from `primary`, the public one from `replica` where there is one."""

    def __init__(
        self,
        primary: ListSource,
        revision: Revision,
        *,
        replica: ListSource | None = None,
        bytes_max: int = BYTES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._revision = revision
        self._clock = clock
        self._known = revision.current()
        self._changed_at = clock()
        self._cache: FreshCache[Key, Listing] = FreshCache(
            revision, weight_max=bytes_max, weigh=_bytes, clock=clock
        )

    def on_sale(self, query: EventListQuery) -> "Listing | asyncio.Future[Listing]":
        """The public list, at once where it is cached, or a domain fault in the future."""
        key = _key(query)
        return self._cache.look_up(key, lambda: self._read(key))

    async def of_admin(self, admin_id: str | None, query: AdminEventListQuery) -> AdminEventList:
        """What this admin created, or for None what all did, as it is now."""
        status, limit, offset = query.status, query.limit, query.offset
        if admin_id is None:
            page = await self._primary.of_all(status, limit, offset)
        else:
            page = await self._primary.of_admin(admin_id, status, limit, offset)
        events = msgspec.convert(page.events, list[EventInAdminList])
        return AdminEventList(events, page.total, query.page, limit)

    async def stop(self) -> None:
        """Wait for the queries under way."""
        await self._cache.stop()

    async def _read(self, key: Key) -> Listing:
        event_type, city, starts_from, starts_before, page, limit = key
        wanted = OnSaleFilter(event_type, city, starts_from, starts_before)
        offset = (page - 1) * limit
        found = await self._page(wanted, limit, offset)
        events = msgspec.convert(found.events, list[EventInList])
        has_more = offset + limit < found.total
        return _listing(EventList(events, found.total, page, limit, has_more))

    async def _page(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        source = self._source()
        try:
            return await source.on_sale(wanted, limit, offset)
        except DatabaseUnavailable:
            if source is self._primary:
                raise
            return await self._primary.on_sale(wanted, limit, offset)

    def _source(self) -> ListSource:
        """The replica, but for a while after a change that may not have reached it."""
        revision, now = self._revision.current(), self._clock()
        if revision != self._known:
            self._known, self._changed_at = revision, now
        if self._replica is None or now - self._changed_at < REPLICA_LAG_S:
            return self._primary
        return self._replica


def _key(query: EventListQuery) -> Key:
    event_type = _folded(query.type or query.event_type)
    city = _folded(query.city)
    return event_type, city, query.date_from, query.date_to, query.page, query.limit


def _folded(text: str | None) -> str | None:
    """`text` in one case, None where it is empty.

    Beyond ASCII, what is the same but for its case is for the database to say.
    """
    if not text:
        return None
    return text.lower() if text.isascii() else text


def _listing(answer: EventList) -> Listing:
    body = encode(answer)
    return Listing(Raw(body), f'"{blake2b(body, digest_size=12).hexdigest()}"')


def _bytes(listing: Listing) -> int:
    return len(listing.raw.body) + ENTRY_BYTES
