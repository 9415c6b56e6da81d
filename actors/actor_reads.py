"""Asks the database what actors must know before they can decide: states, keys and holds.

Rules:

1. All that ask in a turn of the committer share the reads.
2. The keys are looked up after the states, and the rows of holds after both: what was written in
   between belongs to a later version or fence, which the commit's check finds.
3. Rows that were read ahead (`actors/read_ahead.py`) are waited for, and not read again.
"""

from collections.abc import Callable, Sequence

from actors.actor_phase import Phase
from actors.clock import DatabaseClock
from actors.envelope import CallerKey
from actors.event_actor import BATCH_MAX, EventActor
from actors.read_ahead import ReadAhead
from actors.store import EventStore
from evently.domain.commits import EventKey, FoundHolds, Noted
from evently.domain.errors import AnswerLost, DatabaseUnavailable, Fault
from evently.domain.state import EventState


class ActorReads:
    """Reads for one committer.

    It tells of an event that lacks what had been committed, and of one that has seats which the
    clock may free.
    """

    def __init__(
        self,
        store: EventStore,
        clock: DatabaseClock,
        went_back: Callable[[EventActor, EventState | None], None],
        holding: Callable[[EventActor], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._went_back = went_back
        self._holding = holding
        self.ahead = ReadAhead(store)

    async def inform(self, actors: Sequence[EventActor]) -> None:
        """Ask the database what the actors must know, and tell them, or why it does not answer."""
        await self._read_states(actors)
        if any(actor.wants_rows for actor in actors):
            await self.ahead.done()
            await self._read_holds(actors)

    async def _read_holds(self, actors: Sequence[EventActor]) -> None:
        named: dict[str, list[str]] = {}
        due: list[str] = []
        asking: list[EventActor] = []
        for actor in actors:
            state = actor.state
            if state is None or actor.phase is not Phase.READY or not actor.wants_rows:
                continue
            asking.append(actor)
            named[actor.event_id], looks = actor.holds.questions(state.version, BATCH_MAX)
            if looks:
                due.append(actor.event_id)
        asked = [(event_id, hold_id) for event_id, its in named.items() for hold_id in its]
        try:
            found = await self._store.find_holds(asked) if asked else FoundHolds({}, {})
            expired = await self._store.due_holds(due) if due else {}
        except Fault as fault:
            for actor in asking:
                actor.not_loaded(_of_a_read(fault))
            return
        for actor in asking:
            event_id = actor.event_id
            rows = {hold_id: found.rows.get((event_id, hold_id)) for hold_id in named[event_id]}
            actor.holds_read(rows, found.versions.get(event_id), expired.get(event_id))

    async def _read_states(self, actors: Sequence[EventActor]) -> None:
        asking: list[EventActor] = []
        keys: list[EventKey] = []
        for actor in actors:
            suspect, its_keys = actor.questions()
            if suspect:
                asking.append(actor)
                keys.extend((actor.event_id, *key) for key in its_keys)
        if not asking:
            return
        asked_at_s = self._clock.monotonic()
        try:
            loaded = await self._store.load([actor.event_id for actor in asking])
            noted = await self._store.recall(keys) if keys else {}
        except Fault as fault:
            for actor in asking:
                actor.not_loaded(_of_a_read(fault))
            return
        self._clock.tell(loaded.now, asked_at_s)
        by_event: dict[str, dict[CallerKey, Noted]] = {}
        for (event_id, *key), known in noted.items():
            by_event.setdefault(event_id, {})[key[0], key[1]] = known
        for actor in asking:
            state = loaded.states.get(actor.event_id)
            if actor.known.lost(state, actor.known.asked_at_s):
                self._went_back(actor, state)
            actor.loaded(state, by_event.get(actor.event_id, {}))
            if state is not None and state.expires:
                self._holding(actor)


def _of_a_read(fault: Fault) -> Fault:
    """The fault of a read: one whose answer was lost has changed nothing."""
    return DatabaseUnavailable(str(fault)) if isinstance(fault, AnswerLost) else fault
