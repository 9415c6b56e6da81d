"""Finds out what became of batches whose statement did not return.

Rules:

1. The identical statement is run again on a new connection: same base versions and fences, same
   keys. If it applies, the first run never will, for what it was decided on is gone. If it does not
   apply, the first run has committed or never will, and the actor decides again: it reads its state
   and then looks every key up, so what was committed is answered from ledger and refusals. (The
   rows alone do not tell whose they are: another worker may have been sent the same keys.) It does
   so once what is there is proven to outlive a failover.
2. Nothing is decided by a read alone: a row that is not there yet may be there later.
3. While somebody holds the rows (the first run may still be at work), try again. When the
   deadline comes the callers hear that the outcome is unknown, whatever the search waits for just
   then, and it goes on for a while. An actor whose fate stays open is evicted: a fresh one starts
   from the database, and the check of version and fence makes whatever comes late harmless.
4. While the database cannot be reached, nobody waits behind a batch: whoever is no part of it is
   refused at once, as everywhere, until it can be asked again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from actors.clock import DatabaseClock
from actors.event_actor import EventActor
from actors.store import EventStore, Lane
from evently.domain.commits import (
    Batch,
    Broken,
    FateUnknown,
    KeyTaken,
    Locked,
    NotDone,
    StoreError,
)
from evently.domain.errors import DatabaseUnavailable, Fault

log = logging.getLogger(__name__)

# How long callers wait for the truth; a booking service's own patience ends soon after.
ANSWER_S = 5.0
# How much longer the search goes on before the actor is let go.
BACKGROUND_S = 10.0
# Between two tries, doubled each time.
PAUSE_MIN_S, PAUSE_MAX_S = 0.05, 0.8
# How often those who wait behind a search hear that their deadline has passed.
RELIEF_S = 0.5

Work = tuple[EventActor, Batch]


class Resolver:
    """One task for each statement that did not return, until every batch of it is resolved."""

    def __init__(
        self,
        store: EventStore,
        clock: DatabaseClock,
        forget: Callable[[EventActor], None],
        *,
        answer_s: float = ANSWER_S,
        background_s: float = BACKGROUND_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forget = forget
        self._answer_s = answer_s
        self._background_s = background_s
        self._tasks: set[asyncio.Task[None]] = set()

    def resolve(
        self,
        work: Sequence[Work],
        broken: Lane,
        resolved: Callable[[EventActor], None],
        ended: Callable[[], None],
    ) -> None:
        """Find out about `work`, whose statement ran on `broken`.

        `resolved` is called for each actor, `ended` once there is nothing more to find out.
        """
        search = _Search(self._store, self._clock, self._forget, resolved, list(work))
        task = asyncio.create_task(
            search.run(broken, self._answer_s, self._background_s), name="resolver"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: ended())

    @property
    def open(self) -> int:
        """Statements whose fate is still unknown."""
        return len(self._tasks)


class _Search:
    """The search for the fate of one statement's batches; `_open` holds those still unknown."""

    def __init__(
        self,
        store: EventStore,
        clock: DatabaseClock,
        forget: Callable[[EventActor], None],
        resolved: Callable[[EventActor], None],
        work: list[Work],
    ) -> None:
        self._store = store
        self._clock = clock
        self._forget = forget
        self._resolved = resolved
        self._open = work
        self._until_s = 0.0
        self._relief: asyncio.TimerHandle

    async def run(self, broken: Lane, answer_s: float, background_s: float) -> None:
        """Search until all is known or the time is up; leave no actor busy."""
        self._until_s = self._clock.monotonic() + answer_s + background_s
        loop = asyncio.get_running_loop()
        patience = loop.call_later(answer_s, self._tell_doubt)
        self._relief = loop.call_later(RELIEF_S, self._relieve)
        try:
            await broken.close()
            await self._search()
        except Exception:
            log.exception("the search for the fate of batches failed")
        finally:
            patience.cancel()
            self._relief.cancel()
            for actor, _ in self._open:
                self._let_go(actor)

    def _tell_doubt(self) -> None:
        log.error("the fate of %d batches stays unknown; go on", len(self._open))
        for actor, _ in self._open:
            actor.report_unknown()

    def _relieve(self) -> None:
        self._relief = asyncio.get_running_loop().call_later(RELIEF_S, self._relieve)
        for actor, _ in self._open:
            actor.drop_overdue()

    async def _search(self) -> None:
        pause_s = PAUSE_MIN_S
        lane = self._store.lane()
        try:
            while self._open:
                fault = None
                try:
                    await self._try(lane)
                except (NotDone, FateUnknown, Fault) as error:
                    log.info("no answer yet: %r", error)
                    if _is_out_of_reach(error):
                        fault = DatabaseUnavailable(str(error))
                self._keep_out(fault)
                if not self._open or self._clock.monotonic() + pause_s > self._until_s:
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
        finally:
            await lane.close()

    def _keep_out(self, fault: Fault | None) -> None:
        """Refuse with `fault` whoever waits behind a batch or comes, or let those who come wait."""
        for actor, _ in self._open:
            if fault is None:
                actor.let_in()
            else:
                actor.keep_out(fault)

    async def _try(self, lane: Lane) -> None:
        try:
            await self._run_again(lane, list(self._open))
        except (KeyTaken, Broken, Locked) as error:
            if len(self._open) == 1:
                self._blocked(error)
                return
            for work in list(self._open):
                if self._clock.monotonic() > self._until_s:
                    return
                try:
                    await self._run_again(lane, [work])
                except (KeyTaken, Broken):
                    self._known(work, _decide_again)
                except Locked:
                    continue

    def _blocked(self, error: StoreError) -> None:
        if isinstance(error, NotDone):
            raise error
        self._known(self._open[0], _decide_again)

    async def _run_again(self, lane: Lane, work: Sequence[Work]) -> None:
        done = await lane.commit([batch for _, batch in work])
        missing = []
        for one in work:
            event_id = one[1].event_id
            if event_id in done.event_ids:
                self._known(one, lambda actor: actor.settle(done.now))
            elif event_id not in done.no_room:
                missing.append(one)
            # Else the base version still stands, and the first run may yet find room.
        if missing:
            await self._look_up(missing)

    async def _look_up(self, work: Sequence[Work]) -> None:
        """Let those decide again of which nothing that was committed may still be lost."""
        noted = await self._store.recall([key for _, batch in work for key in batch.keys])
        for one in work:
            found = [noted[key] for key in one[1].keys if key in noted]
            if all(known.proven for known in found):
                self._known(one, _decide_again)

    def _known(self, work: Work, act: "Verdict") -> None:
        self._open.remove(work)
        actor = work[0]
        act(actor)
        self._resolved(actor)

    def _let_go(self, actor: EventActor) -> None:
        self._forget(actor)
        actor.evict(DatabaseUnavailable("the event's last commit could not be resolved"))


Verdict = Callable[[EventActor], None]


def _is_out_of_reach(error: Exception) -> bool:
    """Whether the database cannot be asked at all, rather than keeps its answer back."""
    return isinstance(error, NotDone | DatabaseUnavailable) and not isinstance(error, Locked)


def _decide_again(actor: EventActor) -> None:
    actor.overtaken(undone=False)
