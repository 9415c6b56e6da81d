"""Reads the states of events from the database, many readers with one statement.

Rule: a reader never gets the result of a statement that was sent before the reader asked, because
it may be older than an answer the reader has had.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeAlias

from actors.clock import DatabaseClock
from actors.store import EventStore
from evently.domain.state import EventState

# Events in one statement; a page of reads more waits for the next.
EVENTS_MAX = 500

StateFuture: TypeAlias = asyncio.Future[EventState | None]
# Takes an event's id, its state in the database (None: there is none), and a time before the
# statement that read it was sent; gives what its readers get.
Arrived: TypeAlias = Callable[[str, EventState | None, float], EventState | None]


class StateReader:
    """Runs one statement while the readers of the next one gather."""

    def __init__(self, store: EventStore, clock: DatabaseClock, arrived: Arrived) -> None:
        self._store = store
        self._clock = clock
        self._arrived = arrived
        self._next: dict[str, list[StateFuture]] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def load(self, event_id: str, future: StateFuture | None = None) -> StateFuture:
        """The event's committed state, or None, in a new future or the one that is given.

        It may also hold what the store raises. No task is made for it: in a busy process every
        turn of the loop that an answer takes is a millisecond or two.
        """
        if future is None:
            future = self._loop.create_future()
        self._next.setdefault(event_id, []).append(future)
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="state-reader")
        return future

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
        asked_at_s = self._clock.monotonic()
        try:
            loaded = await self._store.load(event_ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, the readers hear of it
            for futures in waiting.values():
                _fail(futures, error)
            return
        self._clock.tell(loaded.now, asked_at_s)
        for event_id, futures in waiting.items():
            try:
                state = self._arrived(event_id, loaded.states.get(event_id), asked_at_s)
            except Exception as error:  # noqa: BLE001 - as above
                _fail(futures, error)
                continue
            for future in futures:
                if not future.done():
                    future.set_result(state)


def _fail(futures: Iterable[StateFuture], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
