"""Caches what was read from the database for a moment, so that many requests cost one query.

Rules:

1. A returned entry was read at most `max_age_s` before the request, and after the last bump of
   the revision: revision and clock are read before the query is sent.
2. Concurrent requests for the same key share one query. A caller that is cancelled does not cancel
   it; an error goes to all callers and is not cached.
3. The total weight of the entries is bounded, and the least recently used are evicted first. The
   number of queries in progress is bounded too.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from evently.domain.errors import Overloaded
from evently.domain.value import value
from routes.caches.revision import Revision

# Readers of a list see seat counts no older than this.
MAX_AGE_S = 1.0
# Far more than one worker's connections can serve in MAX_AGE_S; more is an attack on the cache.
FLIGHTS_MAX = 512

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@value
class _Held(Generic[V]):
    """An entry, and its share of the bound."""

    found: V
    read_at: float
    weight: int


@value
class _Flight(Generic[V]):
    """A query in progress."""

    task: asyncio.Task[V]
    read_at: float


class FreshCache(Generic[K, V]):
    """Holds entries with a total weight of up to `weight_max`, none older than `max_age_s`."""

    def __init__(
        self,
        revision: Revision,
        *,
        weight_max: int,
        weigh: Callable[[V], int],
        max_age_s: float = MAX_AGE_S,
        flights_max: int = FLIGHTS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._revision = revision
        self._weight_max = weight_max
        self._weigh = weigh
        self._max_age_s = max_age_s
        self._flights_max = flights_max
        self._clock = clock
        self._known = revision.current()
        self._weight = 0
        self._held: OrderedDict[K, _Held[V]] = OrderedDict()
        self._flights: dict[K, _Flight[V]] = {}
        self._tasks: set[asyncio.Task[V]] = set()

    def __repr__(self) -> str:
        return (
            f"<FreshCache {len(self._held)} held, {self._weight} of {self._weight_max},"
            f" {len(self._tasks)} under way>"
        )

    async def get(self, key: K, load: Callable[[], Awaitable[V]]) -> V:
        """The cached result of `load` for `key`, or a new one. Raises what `load` raises."""
        found = self.look_up(key, load)
        return await found if isinstance(found, asyncio.Future) else found

    def look_up(self, key: K, load: Callable[[], Awaitable[V]]) -> "V | asyncio.Future[V]":
        """The same as `get`, but at once if it is cached. Raises Overloaded."""
        revision, now = self._revision.current(), self._clock()
        if revision != self._known:
            self._forget(revision)
        held = self._held.get(key)
        if held is not None and now - held.read_at < self._max_age_s:
            self._held.move_to_end(key)
            return held.found
        flight = self._flights.get(key)
        if flight is None or now - flight.read_at >= self._max_age_s:
            flight = self._depart(key, load, now)
        return asyncio.shield(flight.task)

    async def stop(self) -> None:
        """Wait for the queries in progress; their callers are answered."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, revision: int) -> None:
        """Drop all entries; queries in progress still answer their callers but are not cached."""
        self._known = revision
        self._held.clear()
        self._flights.clear()
        self._weight = 0

    def _depart(self, key: K, load: Callable[[], Awaitable[V]], now: float) -> _Flight[V]:
        if len(self._tasks) >= self._flights_max:
            raise Overloaded(f"{len(self._tasks)} queries for the cache are in progress")
        task = asyncio.create_task(self._fly(key, load, self._known, now))
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        flight = _Flight(task, now)
        self._flights[key] = flight
        return flight

    async def _fly(self, key: K, load: Callable[[], Awaitable[V]], revision: int, now: float) -> V:
        try:
            found = await load()
            if revision == self._known:
                self._keep(key, _Held(found, now, self._weigh(found)))
            return found
        finally:
            flight = self._flights.get(key)
            if flight is not None and flight.task is asyncio.current_task():
                del self._flights[key]

    def _landed(self, task: asyncio.Task[V]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Retrieved here, since all callers may have been cancelled.
            task.exception()

    def _keep(self, key: K, held: _Held[V]) -> None:
        before = self._held.get(key)
        if held.weight > self._weight_max or (before and before.read_at > held.read_at):
            return
        if before:
            self._weight -= before.weight
        self._held[key] = held
        self._held.move_to_end(key)
        self._weight += held.weight
        while self._weight > self._weight_max:
            _, oldest = self._held.popitem(last=False)
            self._weight -= oldest.weight
