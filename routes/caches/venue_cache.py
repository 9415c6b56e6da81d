"""Caches venues for the details of events, since they hardly ever change.

Rule: a venue is as fresh as a list: read after the last change by an admin of this node, and at
most a second ago.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from evently.domain.venues import Venue
from routes.caches.fresh_cache import FreshCache
from routes.caches.revision import Revision

# A layout has at most 16 KiB, so all of them stay under some 32 MiB together. Real layouts are far
# smaller, and few workers need more venues than this within a second.
VENUES_MAX = 1024


class VenueSource(Protocol):
    """A source of venues."""

    async def get(self, venue_id: str) -> Venue | None:
        """The venue, or None."""


class VenueCache:
    """Finds venues, each at most once a second."""

    def __init__(
        self,
        venues: VenueSource,
        revision: Revision,
        *,
        venues_max: int = VENUES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._venues = venues
        self._cache: FreshCache[str, Venue | None] = FreshCache(
            revision, weight_max=venues_max, weigh=lambda _: 1, clock=clock
        )

    async def get(self, venue_id: str) -> Venue | None:
        """The venue, or None. Raises a domain fault when the database does not answer."""
        return await self._cache.get(venue_id, lambda: self._venues.get(venue_id))

    def look_up(self, venue_id: str) -> "Venue | asyncio.Future[Venue | None] | None":
        """The same as `get`, but at once if it is cached."""
        return self._cache.look_up(venue_id, lambda: self._venues.get(venue_id))

    async def stop(self) -> None:
        """Wait for the queries in progress."""
        await self._cache.stop()
