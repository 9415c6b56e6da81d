"""Persists what the actors of one worker decide, in one statement for all of them.

Rules:

1. One statement is under way while the next batches fill: what comes meanwhile shares the next
   commit. (Two at a time were slower: the database serialises them on its log anyway.)
2. Callers are answered after the commit, in the same turn of the loop that heard of it.
3. An outcome that is not certain goes to the resolver with its actors; the others go on.
4. A statement that fails because of one event is repeated event by event, so that only that
   event suffers.
5. Nobody waits for a row that is known to be held, or for another event's venue: an event whose
   row was held, and a change that needs room at its venue, go in a statement of their own, once
   nobody holds what they need.
6. While the database is out of reach, commands are refused at once, and a probe waits for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from actors.actor_phase import Phase
from actors.actor_reads import ActorReads
from actors.clock import DatabaseClock
from actors.event_actor import BATCH_MAX, EventActor
from actors.resolver import Resolver
from actors.store import EventStore, Lane
from evently.domain.commits import (
    Batch,
    Broken,
    Committed,
    FateUnknown,
    KeyTaken,
    Locked,
    NotDone,
)
from evently.domain.errors import (
    CommandFailed,
    DatabaseUnavailable,
    Overloaded,
    RowLocked,
)
from evently.domain.holds import HoldStatus
from evently.domain.outcomes import LedgerKind
from evently.domain.state import EventState

log = logging.getLogger(__name__)

# Ledger rows and refusals in one statement. The rows stay locked for as long as it takes; see docs.
ROWS_MAX = 256
# How often a database that was out of reach is tried again.
PROBE_S = 0.25
# Events are repeated one by one for this long, a few waits for a lock; the rest hear that nothing
# was done, rather than wait behind hundreds of them.
ISOLATE_S = 2.0
# So many events of one statement may have a key that is taken before all of them look theirs up.
TAKEN_MAX = 4


class CommitObserver(Protocol):
    """Who wants to know how the commits go."""

    def committed(self, events: int, moves: int, seconds: float) -> None:
        """`moves` versions of `events` events were committed in one statement."""
        ...

    def overtaken(self, events: int) -> None:
        """So many events had another writer."""
        ...

    def went_back(self) -> None:
        """An event was found to lack what had been committed."""
        ...

    def failed(self, reason: str) -> None:
        """A statement failed, for a reason of a short list."""
        ...

    def hold_ended(self, end: str, late_s: float) -> None:
        """A hold was `confirmed`, `retaken`, `released` or `expired`, this long after its time."""
        ...

    def blocks_freed(self, seats: int) -> None:
        """So many seats of blocks became free ones, because their time had come."""
        ...


Work = tuple[EventActor, Batch]


class Committer:
    """Runs the actors that have something to do, on one connection of its own."""

    def __init__(
        self,
        store: EventStore,
        clock: DatabaseClock,
        resolver: Resolver,
        observer: CommitObserver,
        forget: Callable[[EventActor], None],
        went_back: Callable[[EventActor, EventState | None], None],
        holding: Callable[[EventActor], None],
    ) -> None:
        self._reads = ActorReads(store, clock, went_back, holding)
        self._holding = holding
        self._store = store
        self._clock = clock
        self._resolver = resolver
        self._observer = observer
        self._forget = forget
        self._ready: dict[EventActor, None] = {}
        self._wake = asyncio.Event()
        self._reachable = True
        self._stopping = False
        self._lane: Lane = store.lane()
        self._task: asyncio.Task[None] | None = None
        self._probe: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.create_task(self._run(), name="committer")

    async def stop(self) -> None:
        """Commit what is there, then end."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        await self._reads.ahead.done()
        await self._lane.close()

    @property
    def reachable(self) -> bool:
        """Whether the database answered the last time it was needed."""
        return self._reachable

    def ready(self, actor: EventActor) -> None:
        """`actor` has something to do."""
        self._ready[actor] = None
        self._wake.set()
        if actor.waiting <= BATCH_MAX:
            self._reads.ahead.ask(actor)

    async def _run(self) -> None:
        # Each search is bounded, and wakes this up when it ends.
        while not self._stopping or self._ready or self._resolver.open:
            await self._wake.wait()
            self._wake.clear()
            while self._ready:
                await self._turn()

    async def _turn(self) -> None:
        actors = [actor for actor in self._ready if not actor.busy]
        self._ready.clear()
        planned = 0
        try:
            await self._reads.inform(actors)
            work, planned = self._plan(actors)
            await self._commit_apart(work)
        except Exception:
            log.exception("a turn of the committer failed")
            self._observer.failed("bug")
            for actor in actors:
                # The resolver answers those that were handed to it before the bug.
                if actor.phase is not Phase.UNRESOLVED:
                    self._forget(actor)
                    actor.evict(CommandFailed())
        # Those that did not fit come before all that came meanwhile, for they have waited longer.
        came, self._ready = self._ready, {}
        for actor in actors[planned:]:
            self._afterwards(actor)
        self._ready |= came
        for actor in actors[:planned]:
            self._afterwards(actor)

    def _afterwards(self, actor: EventActor) -> None:
        if actor.waiting and not actor.busy:
            self.ready(actor)
        elif actor.state is None and actor.idle:
            self._forget(actor)

    def _plan(self, actors: Sequence[EventActor]) -> tuple[list[Work], int]:
        """The batches of as many actors as one statement takes, and how many those are."""
        work: list[Work] = []
        rows = planned = 0
        for actor in actors:
            if rows >= ROWS_MAX:
                break
            planned += 1
            batch = actor.plan()
            if batch is not None:
                work.append((actor, batch))
                rows += len(batch.records) + len(batch.refused) + len(batch.holds)
        return work, planned

    async def _commit_apart(self, work: Sequence[Work]) -> None:
        """Commit `work`, and after it, by themselves, those that somebody may hold up."""
        apart = [one for one in work if one[0].was_held or one[1].needs_room]
        if not apart:
            await self._commit(work)
            return
        actors = {actor for actor, _ in apart}
        await self._commit([one for one in work if one[0] not in actors])
        await self._commit(await self._free(apart))

    async def _free(self, work: Sequence[Work]) -> Sequence[Work]:
        """Those of `work` that nobody holds up; the others are refused, or decided again."""
        try:
            held = await self._lane.held([batch for _, batch in work])
        except NotDone as error:
            self._not_done(work, error)
            return []
        free = []
        for actor, batch in work:
            if batch.event_id in held.events:
                self._park(actor)
            elif batch.event_id in held.venues:
                # Soon over as a rule; given up after some tries, as behind other writers.
                actor.overtaken()
            else:
                free.append((actor, batch))
        return free

    def _park(self, actor: EventActor) -> None:
        self._observer.failed("locked")
        actor.park(RowLocked("Event"))

    async def _commit(self, work: Sequence[Work], taken: int = 0) -> None:
        if not work:
            return
        batches = [batch for _, batch in work]
        for actor, _ in work:
            self._reads.ahead.ask(actor)
        asked_at_s = self._clock.monotonic()
        started_s = time.perf_counter()
        try:
            done = await self._lane.commit(batches)
        except KeyTaken as error:
            self._observer.failed("key_taken")
            event_id = error.event_id if taken < TAKEN_MAX else None
            await self._commit(_without_taken(work, event_id), taken + 1)
        except (Locked, Broken) as error:
            await self._isolate(work, error)
        except NotDone as error:
            self._not_done(work, error)
        except FateUnknown as error:
            self._observer.failed("unknown")
            log.warning("the fate of %d batches is unknown: %s", len(work), error)
            self._resolve(work)
        else:
            seconds = time.perf_counter() - started_s
            self._observer.committed(len(work), sum(len(b.records) for b in batches), seconds)
            self._clock.tell(done.now, asked_at_s)
            self._settle(work, done)

    def _not_done(self, work: Sequence[Work], error: NotDone) -> None:
        self._observer.failed("unavailable")
        self._unreachable(error)
        for actor, _ in work:
            actor.refuse(DatabaseUnavailable(str(error)))

    def _settle(self, work: Sequence[Work], done: Committed) -> None:
        overtaken = 0
        for actor, batch in work:
            if batch.event_id in done.event_ids:
                actor.settle(done.now)
                if batch.after.expires:
                    self._holding(actor)
                if batch.holds:
                    self._settle_holds(batch, done.now)
                if batch.base.details is not batch.after.details:
                    self._settle_blocks(batch)
            elif batch.event_id in done.no_room:
                actor.no_room()
            else:
                overtaken += 1
                actor.overtaken()
        if overtaken:
            self._observer.overtaken(overtaken)

    def _settle_holds(self, batch: Batch, now: datetime) -> None:
        for record in batch.records:
            for hold in record.entry.holds:
                if hold.status is not HoldStatus.HELD:
                    end = "retaken" if hold.retaken else hold.status
                    self._observer.hold_ended(end, (now - hold.expires_at).total_seconds())

    def _settle_blocks(self, batch: Batch) -> None:
        for record in batch.records:
            entry = record.entry
            if entry.held_back_delta and entry.kind is LedgerKind.EXPIRED:
                self._observer.blocks_freed(-entry.held_back_delta)

    async def _isolate(self, work: Sequence[Work], error: Locked | Broken) -> None:
        if len(work) > 1:
            if isinstance(error, Locked):
                free = await self._free(work)
                if len(free) < len(work):
                    await self._commit(free)
                    return
            until_s = self._clock.monotonic() + ISOLATE_S
            for one in work:
                if self._clock.monotonic() <= until_s:
                    await self._commit([one])
                else:
                    one[0].refuse(Overloaded("the rows of other events are held for too long"))
            return
        actor, _ = work[0]
        if isinstance(error, Locked):
            self._park(actor)
        else:
            self._observer.failed("broken")
            log.error("the database refuses a batch of %s: %s", actor.event_id, error)
            actor.broken()

    def _resolve(self, work: Sequence[Work]) -> None:
        for actor, _ in work:
            actor.unresolved()
        lane, self._lane = self._lane, self._store.lane()
        self._resolver.resolve(work, lane, self._resolved, self._wake.set)

    def _resolved(self, actor: EventActor) -> None:
        if actor.waiting:
            self.ready(actor)

    def _unreachable(self, error: Exception) -> None:
        if not self._reachable:
            return
        log.warning("the database is out of reach: %s", error)
        self._reachable = False
        self._probe = asyncio.create_task(self._wait_for_database(), name="committer-probe")

    async def _wait_for_database(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            try:
                await self._store.load([])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not back
                log.info("the database is not back: %r", error)
                continue
            log.warning("the database is back")
            self._reachable = True
            return


def _without_taken(work: Sequence[Work], event_id: str | None) -> Sequence[Work]:
    """Send the event whose key is taken to look it up, or all of them; the rest of `work`."""
    for actor, batch in work:
        if event_id in (None, batch.event_id):
            actor.overtaken()
    return [one for one in work if one[0].busy]
