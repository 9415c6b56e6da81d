"""Reads the states of events from the database, many readers with one statement.

Rule: a reader never gets the answer of a statement that was sent before it asked, for that
answer may be older than something the reader has been told.
"""

import asyncio

from actors.clock import DatabaseClock
from actors.store import EventStore
from evently.domain.state import EventState

# Events in one statement; a page of reads more waits for the next.
EVENTS_MAX = 500

StateFuture = asyncio.Future[EventState | None]


class StateReader:
    """One statement is under way while the next one's readers gather."""

    def __init__(self, store: EventStore, clock: DatabaseClock) -> None:
        self._store = store
        self._clock = clock
        self._next: dict[str, StateFuture] = {}
        self._task: asyncio.Task[None] | None = None

    async def load(self, event_id: str) -> EventState | None:
        """The event's committed state, or None. Raises what the store raises."""
        future = self._next.get(event_id)
        if future is None:
            future = self._next[event_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="state-reader")
        return await asyncio.shield(future)

    async def stop(self) -> None:
        """Answer those who wait."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while self._next:
                await self._load_some()
        finally:
            self._task = None

    async def _load_some(self) -> None:
        event_ids = list(self._next)[:EVENTS_MAX]
        waiting = {event_id: self._next.pop(event_id) for event_id in event_ids}
        try:
            loaded = await self._store.load(event_ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, the readers hear of it
            for future in waiting.values():
                future.set_exception(error)
                future.exception()  # a reader that has gone is no unhandled error
            return
        self._clock.tell(loaded.now)
        for event_id, future in waiting.items():
            future.set_result(loaded.states.get(event_id))
