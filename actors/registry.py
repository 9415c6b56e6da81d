"""Finds the actor of an event, activates it on its first use, and evicts it when it is idle.

Rules:

1. The number of actors and of open requests is bounded; what does not fit is refused at once,
   before any work.
2. Actors are kept in the order of their last use, so whatever evicts some looks at these alone.
"""

import asyncio
import logging
from collections import OrderedDict

from actors.clock import DatabaseClock
from actors.committer import CommitObserver, Committer
from actors.envelope import Request
from actors.event_actor import SNAPSHOT_MAX_AGE_S, EventActor
from actors.expiry import TICK_S, Expiry
from actors.hold_memory import HOLDS_MAX, HoldMemory
from actors.key_memory import KeyMemory
from actors.mailbox import MAILBOX_MAX
from actors.resolver import Resolver
from actors.state_reader import StateFuture, StateReader
from actors.store import EventStore
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import DatabaseUnavailable, Fault, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer
from evently.domain.state import EventState

log = logging.getLogger(__name__)

# An actor is about 2 KB: 50 000 of them are 100 MB.
ACTORS_MAX = 50_000
# Where one more does not fit, this part of them makes room. What is being sold stays in memory, and
# evicting 500 holds up the worker for some two milliseconds.
EVICTED_PART = 0.01
# Requests that wait at once in one worker; at 10 000 commits a second, under a second of work.
PENDING_MAX = 8192
# An event that was not requested for this long is evicted; it is one read away.
IDLE_S = 300.0
# A database that went back has many events: the first of them forgets all answers, and those that
# come after it were given anew.
FORGET_EVERY_S = 1.0
# How often idle actors are looked for.
SWEEP_S = 15.0


class Registry:
    """The events of one worker: ask them, or read them."""

    def __init__(
        self,
        store: EventStore,
        clock: DatabaseClock,
        observer: CommitObserver,
        *,
        mailbox_max: int = MAILBOX_MAX,
        actors_max: int = ACTORS_MAX,
        pending_max: int = PENDING_MAX,
        snapshot_max_age_s: float = SNAPSHOT_MAX_AGE_S,
        idle_s: float = IDLE_S,
        holds_max: int = HOLDS_MAX,
    ) -> None:
        self._actors: OrderedDict[str, EventActor] = OrderedDict()
        self._clock = clock
        self._keys = KeyMemory()
        self._holds = HoldMemory(holds_max)
        self._unknown = UnknownOutcomes()
        self._mailbox_max = mailbox_max
        self._actors_max = actors_max
        self._evicted_max = max(1, round(actors_max * EVICTED_PART))
        self._pending_max = pending_max
        self._snapshot_max_age_s = snapshot_max_age_s
        self._idle_s = idle_s
        self._pending = 0
        self._reader = StateReader(store, clock, self._arrived)
        self._resolver = Resolver(store, clock, self._forget)
        self._expiry = Expiry(self._lives, self._has_something)
        self._committer = Committer(
            store,
            clock,
            self._resolver,
            observer,
            self._forget,
            self._went_back,
            self._expiry.note,
        )
        self._observer = observer
        self._forgot_at_s = float("-inf")
        store.when_lost(self._question_all)
        self._sweeper: asyncio.Task[None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._settled_at_s = self._loop.time()
        self._stopping = False

    def distrust(self, seconds: float) -> None:
        """Answer no read from memory for so long: these events may have another actor."""
        self._settled_at_s = self._loop.time() + seconds

    def start(self) -> None:
        """Begin to serve."""
        self._committer.start()
        self._sweeper = asyncio.create_task(self._sweep_now_and_then(), name="sweeper")
        self._ticker = asyncio.create_task(self._expire_now_and_then(), name="expiry")

    async def stop(self) -> None:
        """Answer everything that was admitted, and refuse what comes after it; then end."""
        self._stopping = True
        for task in (self._sweeper, self._ticker):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._committer.stop()
        await self._reader.stop()

    @property
    def clock(self) -> DatabaseClock:
        """The database's clock."""
        return self._clock

    @property
    def unknown(self) -> UnknownOutcomes:
        """The keys whose outcome this worker does not know."""
        return self._unknown

    @property
    def alive(self) -> int:
        """Actors in memory."""
        return len(self._actors)

    @property
    def pending(self) -> int:
        """Requests that wait for their answer."""
        return self._pending

    @property
    def reachable(self) -> bool:
        """Whether the database took the last commit that was tried."""
        return self._committer.reachable

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer to `request`, after its commit.

        Raises Overloaded or DatabaseUnavailable (nothing was done), OutcomeUnknown, CommandFailed.
        """
        return await self.submit(event_id, request)

    def submit(
        self, event_id: str, request: Request, future: "asyncio.Future[Answer] | None" = None
    ) -> "asyncio.Future[Answer]":
        """Put `request` into the event's mailbox; the answer, or a fault, will be in the future.

        That is a new one, or the one that is given.

        Raises Overloaded or DatabaseUnavailable (nothing was done), OutcomeUnknown.
        """
        try:
            if self._stopping:
                raise Overloaded("the service is stopping")
            if not (self._committer.reachable or self._joins(event_id, request)):
                raise DatabaseUnavailable("the database is out of reach")
            if self._pending >= self._pending_max:
                raise Overloaded("too many requests wait")
            actor = self._used(event_id)
            if actor is None:
                self._refuse_late(event_id, request)
                actor = self._activate(event_id)
            if future is None:
                future = self._loop.create_future()
            if actor.ask(request, future):
                self._committer.ready(actor)
        except Fault as fault:
            # What an open request may do yet is not undone, whatever its repetition meets.
            heard = OutcomeUnknown(request.key) if self._has_open(event_id, request) else fault
            told = self._unknown.told(event_id, request, heard)
            if told is fault:
                raise
            raise told from fault
        self._pending += 1
        future.add_done_callback(self._answered)
        return future

    def _joins(self, event_id: str, request: Request) -> bool:
        """Whether it waits with the open request under its key, which nobody has given up yet."""
        return self._has_open(event_id, request) and not self._unknown.holds(event_id, request)

    def _has_open(self, event_id: str, request: Request) -> bool:
        actor = self._actors.get(event_id)
        return actor is not None and actor.has_open(request)

    def _refuse_late(self, event_id: str, request: Request) -> None:
        """Raise if the deadline has passed: nobody else makes room for an event that comes late."""
        now_s = self._clock.monotonic()
        if request.deadline_s < now_s:
            if request.keyed and self._keys.recall(event_id, request.scope, now_s) is not None:
                # Whether it is there still, only a read could tell.
                raise OutcomeUnknown(request.key)
            raise Overloaded("the deadline passed before the command came")

    def _answered(self, future: "asyncio.Future[Answer]") -> None:
        """Count one pending request less."""
        self._pending -= 1

    def snapshot(self, event_id: str) -> EventState | None:
        """The event's state if it is in memory and fresh; None says nothing about the event."""
        actor = self._used(event_id)
        if actor is None or self._loop.time() < self._settled_at_s:
            return None
        return actor.snapshot(self._snapshot_max_age_s)

    def look_up(self, event_id: str) -> "EventState | StateFuture":
        """What `read` gives, at once where the state is in memory."""
        return self.snapshot(event_id) or self.read_through(event_id)

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, never older than the newest answer given here; or None.

        Raises Overloaded or DatabaseUnavailable.
        """
        return self.snapshot(event_id) or await self.read_through(event_id)

    def read_through(self, event_id: str, future: StateFuture | None = None) -> StateFuture:
        """The event's committed state as the database has it now, or None; or a fault.

        It will be in a new future, or the one that is given.
        """
        return self._reader.load(event_id, future)

    def _arrived(
        self, event_id: str, loaded: EventState | None, asked_at_s: float
    ) -> EventState | None:
        """Let the actor have what was read; the newer of what it knows and that."""
        actor = self._actors.get(event_id)
        lost = actor is not None and actor.known.lost(loaded, asked_at_s)
        if actor is not None and lost:
            self._went_back(actor, loaded)
            if loaded is None and actor.idle:
                self._forget(actor)
        if loaded is None:
            return None
        actor = actor or self._activate(event_id)
        actor.refreshed(loaded, asked_at_s)
        if loaded.expires:
            self._expiry.note(actor)
        if lost:
            return loaded
        if actor.state is not None and actor.state.version > loaded.version:
            return actor.state
        return loaded

    def _question_all(self) -> None:
        """The connection is lost: nothing in memory is an answer until it was read again."""
        self._keys.clear()
        for actor in self._actors.values():
            actor.question()

    def _went_back(self, actor: EventActor, found: EventState | None) -> None:
        """The database lacks what was committed for an event: it is an earlier one."""
        actor.saw(None)
        known = actor.state.version if actor.state is not None else None
        log.error(
            "the database went back in time: an event lacks what was committed",
            extra={
                "fields": {
                    "event_id": actor.event_id,
                    "committed_version": known,
                    "found_version": found.version if found is not None else None,
                }
            },
        )
        self._observer.went_back()
        now_s = self._clock.monotonic()
        if now_s - self._forgot_at_s > FORGET_EVERY_S:
            self._forgot_at_s = now_s
            self._keys.clear()

    def _used(self, event_id: str) -> EventActor | None:
        """The event's actor, if it has one, as the last to be evicted."""
        actor = self._actors.get(event_id)
        if actor is not None:
            self._actors.move_to_end(event_id)
        return actor

    def _activate(self, event_id: str) -> EventActor:
        if len(self._actors) >= self._actors_max and not self.sweep(0.0, self._evicted_max):
            raise Overloaded("too many events are busy")
        memories = self._keys, self._unknown, self._holds
        actor = EventActor(event_id, self._clock, *memories, self._mailbox_max)
        self._actors[event_id] = actor
        return actor

    def _forget(self, actor: EventActor) -> None:
        if self._actors.get(actor.event_id) is actor:
            del self._actors[actor.event_id]

    def _lives(self, actor: EventActor) -> bool:
        return self._actors.get(actor.event_id) is actor

    def _has_something(self, actor: EventActor) -> None:
        self._committer.ready(actor)

    def sweep(self, idle_s: float, at_most: int | None = None) -> int:
        """Evict the actors that have been idle for `idle_s`, or the first of them; how many."""
        before_s = self._clock.monotonic() - idle_s
        gone: list[EventActor] = []
        for actor in self._actors.values():
            if actor.touched_at_s > before_s or len(gone) == at_most:
                break
            if actor.idle:
                gone.append(actor)
        for actor in gone:
            self._forget(actor)
        return len(gone)

    async def _sweep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(self._idle_s)

    async def _expire_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._committer.reachable:
                self._expiry.tick()
