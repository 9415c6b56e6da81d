"""The actor of one event: its mailbox, its committed state, and the batch in progress.

Rules:

1. One batch of an event is in progress at a time; until its outcome is known, no other is planned.
2. The known state is committed, always: it changes when a commit or a read from the database says
   so, and never before.
3. Every envelope that was admitted is answered or failed, whatever happens.
4. What the actor may do next is its phase's to say (`actors/actor_phase.py` has the table).

An actor has no task of its own. The committer runs it (`plan`, then `settle` or one of its
siblings), all synchronous: 1000 actors cost no 1000 wake-ups per commit, and nothing can come
between a decision and the state it was made on.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from actors.actor_phase import AT_REST, IN_PROGRESS, Phase, Step, after
from actors.answers import committed
from actors.batch import Plan, plan
from actors.clock import DatabaseClock
from actors.envelope import CallerKey, Envelope, Request
from actors.expire_request import expiry
from actors.hold_memory import HoldMemory
from actors.hold_rows import NOTHING_READ, HoldRows
from actors.key_memory import KeyMemory
from actors.known_state import KnownState
from actors.mailbox import MAILBOX_MAX, Mailbox
from actors.replies import Replies
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.commits import Batch, DueHolds, Noted
from evently.domain.errors import CommandFailed, Fault, OutcomeUnknown, Overloaded
from evently.domain.holds import Holds
from evently.domain.outcomes import NO_ROOM, Answer, Done
from evently.domain.state import EventState

log = logging.getLogger(__name__)

# Moves of one event in one batch, as many as a statement takes; see docs/performance.md.
BATCH_MAX = 256
# How old committed state may be to be read without a statement that proves it.
SNAPSHOT_MAX_AGE_S = 0.25
# How often a batch may be overtaken by another writer before its commands are given up.
ATTEMPTS_MAX = 8
# How long an event whose row another transaction holds refuses at once.
PARKED_S = 1.0


class EventActor:
    """One event; an event that does not exist has no actor."""

    __slots__ = (
        "_clock",
        "_hold_memory",
        "_holds",
        "_mailbox",
        "_phase",
        "_plan",
        "_reading",
        "_replies",
        "event_id",
        "known",
        "touched_at_s",
        "was_held",
    )

    def __init__(
        self,
        event_id: str,
        clock: DatabaseClock,
        keys: KeyMemory,
        unknown: UnknownOutcomes,
        hold_memory: HoldMemory,
        mailbox_max: int = MAILBOX_MAX,
    ) -> None:
        self.event_id = event_id
        self.known = KnownState(clock)
        self.touched_at_s = clock.monotonic()
        self._clock = clock
        self._replies = Replies(event_id, clock, keys, unknown)
        self._mailbox = Mailbox(mailbox_max)
        self._phase = Phase.UNREAD
        # The envelopes that wait for a read, and those of the batch in progress.
        self._reading: Sequence[Envelope] = ()
        self._plan: Plan | None = None
        # None as long as it has no holds: most events have none.
        self._holds: HoldRows | None = None
        self._hold_memory = hold_memory
        # Whether another transaction held the row when a batch was last sent.
        self.was_held = False

    def __repr__(self) -> str:
        version, phase = self.state.version if self.state else None, self._phase.name.lower()
        return f"<EventActor {self.event_id} v{version} {phase} waiting={self.waiting}>"

    # What waits

    @property
    def phase(self) -> Phase:
        """What the actor is doing."""
        return self._phase

    @property
    def state(self) -> EventState | None:
        """The committed state as far as it is known; None until it was read."""
        return self.known.state

    @property
    def waiting(self) -> int:
        """Envelopes in the mailbox."""
        return len(self._mailbox)

    @property
    def busy(self) -> bool:
        """Whether a batch is in progress."""
        return self._phase in IN_PROGRESS

    @property
    def idle(self) -> bool:
        """Whether the actor could be evicted."""
        return not self._mailbox and self._phase in AT_REST

    def ask(self, request: Request, future: "asyncio.Future[Answer]") -> bool:
        """Admit a request; `future` gets its answer. Returns whether there is something to do.

        A key that was answered, or is open, gets that answer. Raises why nobody is let in.
        """
        now_s = self.touched_at_s = self._clock.monotonic()
        envelope = Envelope(request, future)
        if not request.keyed:
            self._mailbox.put(envelope, now_s)
            return True
        scope = envelope.scope
        remembered = self._replies.remembered(scope, now_s)
        if remembered is not None:
            if self.known.fresh(now_s, SNAPSHOT_MAX_AGE_S):
                self._replies.repeat(remembered, request, future)
                return False
            # Only the database can tell: one that went back in time has lost it.
            self.question()
        if self._replies.open.join(scope, request, future):
            return False
        self._mailbox.put(envelope, now_s)
        self._replies.open.add(envelope)
        return True

    def has_open(self, request: Request) -> bool:
        """Whether a request under its key is open, with which a repetition waits."""
        return request.keyed and request.scope in self._replies.open

    # What the database says

    def questions(self) -> tuple[bool, list[CallerKey]]:
        """Whether the state must be read before the next plan, and the keys to look up.

        The envelopes these are asked for wait until `loaded`, ahead of all that come meanwhile.
        """
        if self._phase is not Phase.UNREAD:
            return False, []
        self._step(Step.READ_BEGUN)
        self.known.ask()
        self._reading = self._replies.take_wanted(self._mailbox, BATCH_MAX)
        # Every key, also one that was not there before: a state that another writer left may
        # hold it now. A key of ours that was tried is asked for too, for a try may come twice.
        return True, [e.scope for e in self._reading if e.request.keyed or e.attempts]

    def loaded(self, state: EventState | None, noted: Mapping[CallerKey, Noted]) -> None:
        """Take over what the database says of the state and of the keys that were asked for."""
        if self.known.questioned:
            # Of a database that may have another history than the one of now: ask again.
            self._step(Step.INCONCLUSIVE)
            self._mailbox.put_back([*self._reading])
            self._reading = ()
            return
        # The keys are read after the state: one of them may tell of a version beyond it.
        answers = [known.answer for known in noted.values()]
        newest = max((done.version for done in answers if isinstance(done, Done)), default=0)
        conclusive = state is not None and state.version >= newest
        self._step(Step.READ if conclusive else Step.INCONCLUSIVE)
        self.known.take_over(state, proven=conclusive)
        self.saw(state)
        there = state is not None
        rest = self._replies.looked_up(self._reading, noted, self.known.asked_at_s, there=there)
        self._reading = ()
        self._mailbox.put_back(rest)
        # What failed once is decided without newcomers, whose keys nobody has looked up.
        failed = any(envelope.attempts for envelope in rest)
        self._mailbox.set_apart(len(rest) if failed else 0)

    def not_loaded(self, fault: Fault) -> None:
        """Fail all who wait: the database did not answer what was asked."""
        if self._phase is Phase.READING:
            self._step(Step.READ_FAILED)
        self._fail_all(fault)

    def refreshed(self, state: EventState, asked_at_s: float) -> None:
        """Take over a state that a read brought, unless something is in progress here."""
        if self.idle and self.known.refresh(state, asked_at_s):
            self.saw(state)
            self._step(Step.REFRESHED)

    def saw(self, state: EventState | None) -> None:
        """Tell what is remembered of holds that the event was read, or by None is in doubt."""
        if self._holds is not None:
            self._holds.saw(state)

    def question(self) -> None:
        """Read the event before anything is answered: the database may have another history."""
        self._step(Step.QUESTIONED)
        self.known.question()
        self._forget_rows()
        self.saw(None)

    def snapshot(self, max_age_s: float) -> EventState | None:
        """The committed state, if it was proven at most `max_age_s` ago."""
        now_s = self.touched_at_s = self._clock.monotonic()
        return self.known.state if self.known.fresh(now_s, max_age_s) else None

    @property
    def holds(self) -> HoldRows:
        """What it knows of its event's holds."""
        if self._holds is None:
            self._holds = HoldRows(self._clock, self._mailbox, self._hold_memory)
        return self._holds

    @property
    def wants_rows(self) -> bool:
        """Whether somebody may wait for the rows of holds."""
        return self._holds is not None and self._holds.wanted and len(self._mailbox) > 0

    def holds_read(self, rows: Holds, version: int | None, due: DueHolds | None) -> None:
        """Take over rows of this `version`; of another than the known one, read the event first.

        Nothing is taken over if the state was questioned meanwhile.
        """
        if self._phase is not Phase.READY:
            return
        assert self.state is not None, "a state that is ready was read"
        if version in {None, self.state.version}:
            self.holds.read(rows, self.state.version, due)
        else:
            self._step(Step.UNPROVEN)
            self.known.doubt()

    def look_for_expired(self) -> None:
        """Expire, before all that wait, the holds and blocks whose time has passed."""
        self.holds.looking()
        self._mailbox.put_back([expiry(self._clock.monotonic(), self.holds.missed)])

    # What is decided, and what became of it

    def plan(self) -> Batch | None:
        """Decide what waits. A batch is in progress until one of the methods below is called."""
        assert self._plan is None, "a batch is in progress"
        state = self.known.state
        if state is None or self._phase is not Phase.READY:
            return None
        self.known.ask()
        read = NOTHING_READ if self._holds is None else self._holds.take(state.version)
        taken = self._replies.take_wanted(self._mailbox, self._mailbox.portion(BATCH_MAX))
        planned = plan(state, taken, self._clock.now(), read)
        for envelope, error in planned.failures:
            log.error("a command failed: %r", envelope, exc_info=error)
            self._replies.fail(envelope, CommandFailed())
        self._mailbox.put_back([*planned.unproven, *planned.hopeful, *planned.postponed])
        if planned.unread:
            self.holds.wanted = True
        if planned.hopeful:
            self.look_for_expired()
        if planned.batch is None:
            if planned.unproven:
                self._step(Step.UNPROVEN)
            self._replies.settle(planned.replies, state.updated_at)
            return None
        self._step(Step.BATCH_SENT)
        self._plan = planned
        if self._holds is not None:
            self._holds.sent(planned.batch)
        return planned.batch

    def settle(self, now: datetime) -> None:
        """Answer the batch's callers: it was committed at `now`."""
        planned, batch = self._release()
        self.was_held = False
        in_part = self.known.questioned or planned.unproven
        self._step(Step.COMMITTED_IN_PART if in_part else Step.COMMITTED)
        if in_part or not self._mailbox:
            self._forget_rows()
        state = committed(batch.after, now) if batch.records else batch.after
        self.known.take_over(state)
        if state.held_seats or self._holds is not None:
            self.holds.committed(batch, None if self.known.questioned else state)
            if state.held_seats and self.holds.due:
                self.look_for_expired()
        self._replies.settle(planned.replies, now)

    def overtaken(self, *, undone: bool = True) -> None:
        """Decide again: another writer was first, or a key of the batch is in the database.

        Unless the batch is certainly `undone`, nobody is given up.
        """
        planned, _ = self._not_committed()
        self.known.doubt()
        back = []
        for envelope, _ in planned.replies:
            envelope.tried(undone=undone)
            if envelope.attempts < ATTEMPTS_MAX or not undone:
                back.append(envelope)
            else:
                self._replies.fail(envelope, Overloaded("other writers were faster every time"))
        self._mailbox.put_back(back)

    def no_room(self) -> None:
        """Refuse the change that needs room at its venue, which has none; decide the rest again."""
        planned, _ = self._not_committed()
        *others, (last, _) = planned.replies
        self._mailbox.put_back([envelope for envelope, _ in others])
        self._replies.answer(last, NO_ROOM)

    def broken(self) -> None:
        """Decide one by one: the database calls the batch wrong, and one command makes it so."""
        planned, batch = self._not_committed()
        if len(planned.replies) > 1:
            self._mailbox.put_back([envelope for envelope, _ in planned.replies])
            self._mailbox.set_apart(len(planned.replies), one_by_one=True)
            return
        for envelope, _ in planned.replies:
            log.error("the database refuses %r on version %d", envelope, batch.base.version)
            self._replies.fail(envelope, CommandFailed())

    def park(self, fault: Fault) -> None:
        """Refuse all who wait, and all who come for a while: another transaction holds the row."""
        self.was_held = True
        self.refuse(fault)
        self.keep_out(fault, self._clock.monotonic() + PARKED_S)

    def keep_out(self, fault: Fault, until_s: float = float("inf")) -> None:
        """Fail all who wait behind the batch and, until then or its end or `let_in`, who come."""
        self._mailbox.shut(fault, until_s)
        self._fail_all(fault)

    def let_in(self) -> None:
        """Let those who come wait again."""
        self._mailbox.open()

    def refuse(self, fault: Fault) -> None:
        """Fail the batch's callers: nothing of it was done, and nothing will be."""
        planned, _ = self._not_committed()
        for envelope, _ in planned.replies:
            self._replies.fail(envelope, fault)

    def unresolved(self) -> None:
        """Wait for the resolver: the outcome of the batch is unknown."""
        self._step(Step.OUTCOME_UNKNOWN)

    def report_unknown(self) -> None:
        """Tell the batch's callers that its outcome is unknown: they have waited long enough."""
        assert self._plan is not None, "no batch is in progress"
        for envelope, _ in self._plan.replies:
            self._replies.tell(envelope, OutcomeUnknown(envelope.request.key))

    def drop_overdue(self) -> None:
        """Fail those whose deadline has passed during a batch."""
        self._replies.drop_overdue(self._mailbox)

    def evict(self, fault: Fault) -> None:
        """Fail all who wait, those of the batch as unknown; the actor is never used again."""
        self._step(Step.EVICT)
        if self._plan is not None:
            self.report_unknown()
            self._plan = None
        self._fail_all(fault)

    def _step(self, step: Step) -> None:
        self._phase = after(self._phase, step)

    def _release(self) -> tuple[Plan, Batch]:
        planned, self._plan = self._plan, None
        self._mailbox.open()
        assert planned is not None, "no batch is in progress"
        assert planned.batch is not None, "what is in progress is a batch"
        return planned, planned.batch

    def _not_committed(self) -> tuple[Plan, Batch]:
        self._step(Step.NOT_COMMITTED)
        self._forget_rows()
        return self._release()

    def _forget_rows(self) -> None:
        if self._holds is not None:
            self._holds.forget()

    def _fail_all(self, fault: Fault) -> None:
        waiting = (*self._reading, *self._replies.take_wanted(self._mailbox, len(self._mailbox)))
        self._reading = ()
        for envelope in waiting:
            self._replies.fail(envelope, fault)
