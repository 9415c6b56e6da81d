"""The actor of one event: its mailbox, its committed state, and what is under way.

Rules:

1. One batch of an event is under way at a time; until its fate is known, no other is planned.
2. `state` is committed state, always: it changes when a commit or a read from the database says
   so, and never on the way.
3. Every envelope that was admitted is answered or failed, whatever happens.

An actor has no task of its own. The committer runs it (`plan`, then `settle` or one of its
siblings), all synchronous: 1000 actors cost no 1000 wake-ups per commit, and nothing can come
between a decision and the state it was made on.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from actors.answers import answer_to, committed, from_ledger
from actors.batch import Plan, plan
from actors.clock import DatabaseClock
from actors.envelope import Envelope, Request, canonical, repeated
from actors.key_memory import KeyMemory
from actors.mailbox import MAILBOX_MAX, Mailbox
from evently.domain.commands import Update
from evently.domain.commits import Batch, Noted
from evently.domain.errors import CommandFailed, Fault, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer, Done, InvalidFields, KeyReused, NotFound, Refusal
from evently.domain.state import EventState

log = logging.getLogger(__name__)

# Moves of one event in one batch. The row lock lasts as long as the statement; see docs.
BATCH_MAX = 64
# How old committed state may be to be answered without a commit that proves it.
SNAPSHOT_MAX_AGE_S = 0.25
# How often a batch may be overtaken by another writer before its commands are given up.
ATTEMPTS_MAX = 8
# How long an event whose row somebody else holds refuses at once.
PARKED_S = 1.0
# What the venue must have room for, and what is said where it has none.
VENUE_BOUND = frozenset({"venue_id", "total_capacity"})
NO_ROOM = InvalidFields((("venue_id", "venue does not exist or has become too small"),))

# The version that a batch started from, and those of its commands that need room at a venue.
Misfits = tuple[int, list[Envelope]]


class EventActor:
    """One event. `state` is None until it was read; an event that does not exist has no actor."""

    __slots__ = (
        "_asked_at_s",
        "_asking",
        "_clock",
        "_keys",
        "_mailbox",
        "_misfits",
        "_open",
        "_parked_until_s",
        "_plan",
        "_proven_at_s",
        "_solo",
        "_suspect",
        "_vetted",
        "event_id",
        "state",
        "touched_at_s",
    )

    def __init__(
        self,
        event_id: str,
        clock: DatabaseClock,
        keys: KeyMemory,
        mailbox_max: int = MAILBOX_MAX,
    ) -> None:
        self.event_id = event_id
        self.state: EventState | None = None
        self.touched_at_s = clock.monotonic()
        self._clock = clock
        self._keys = keys
        self._mailbox = Mailbox(mailbox_max)
        self._asking: list[Envelope] = []
        self._open: dict[str, Envelope] | None = None
        self._plan: Plan | None = None
        self._misfits: Misfits | None = None
        self._asked_at_s = float("-inf")
        self._proven_at_s = float("-inf")
        self._parked_until_s = float("-inf")
        self._suspect = True
        self._solo = 0
        self._vetted = 0

    def __repr__(self) -> str:
        version = self.state.version if self.state else None
        busy = " busy" if self.busy else ""
        return f"<EventActor {self.event_id} v{version} waiting={self.waiting}{busy}>"

    # What waits

    @property
    def waiting(self) -> int:
        """Envelopes in the mailbox."""
        return len(self._mailbox)

    @property
    def busy(self) -> bool:
        """Whether a batch is under way."""
        return self._plan is not None

    @property
    def idle(self) -> bool:
        """Whether the actor could be let go."""
        return not self._mailbox and self._plan is None and not self._asking

    def ask(self, request: Request, future: "asyncio.Future[Answer]") -> bool:
        """Admit a request; `future` gets its answer. Returns whether there is something to do.

        A key that was answered, or is open, gets that answer. Raises Overloaded.
        """
        now_s = self.touched_at_s = self._clock.monotonic()
        if now_s < self._parked_until_s:
            raise Overloaded("somebody else holds the event's row")
        if not request.keyed:
            self._mailbox.put(Envelope(request, future))
            return True
        remembered = self._keys.recall(self.event_id, request.key, now_s)
        if remembered is not None:
            if remembered.request != canonical(request.command):
                future.set_result(KeyReused(request.key))
                return False
            answer = remembered.answer
            if isinstance(answer, Done | KeyReused):
                future.set_result(repeated(answer))
                return False
            # Another worker may have accepted it since: the ledger has the last word.
            return self._ask_keyed(request, future, answer)
        return self._ask_keyed(request, future)

    def _ask_keyed(
        self, request: Request, future: "asyncio.Future[Answer]", refusal: Refusal | None = None
    ) -> bool:
        if self._open is None:
            self._open = {}
        first = self._open.get(request.key)
        if first is None:
            envelope = Envelope(request, future, refusal)
            self._mailbox.put(envelope)
            self._open[request.key] = envelope
            return True
        if first.request.command == request.command:
            first.join(future)
        else:
            future.set_result(KeyReused(request.key))
        return False

    # What the database says

    def questions(self) -> tuple[bool, list[str]]:
        """Whether the state must be read before the next plan, and the keys to look up.

        The envelopes these are asked for wait until `told`, ahead of all that come meanwhile.
        """
        if not self._suspect:
            return False, []
        self._asked_at_s = self._clock.monotonic()
        self._asking = self._take(BATCH_MAX)
        # Every key, also one that was not there before: a state that another writer left may
        # hold it now. A key of ours that was tried is asked for too, for a try may come twice.
        asked = (e.request for e in self._asking if e.request.keyed or e.attempts)
        return True, [request.key for request in asked]

    def told(self, state: EventState | None, noted: Mapping[str, Noted]) -> None:
        """Take over what the database says of the state and of the keys that were asked for."""
        misfits = self._take_misfits(state)
        self.state = state
        # The keys are read after the state: one of them may tell of a version beyond it.
        newest = max((known.done.version for known in noted.values()), default=0)
        self._suspect = state is None or state.version < newest
        self._proven_at_s = float("-inf") if self._suspect else self._asked_at_s
        rest = []
        for envelope in self._asking:
            envelope.checked = True
            known = noted.get(envelope.request.key)
            if known is not None:
                self._answer(envelope, from_ledger(envelope.request, known))
            elif state is None:
                self._answer(envelope, NotFound())
            elif envelope in misfits:
                self._answer(envelope, NO_ROOM)
            else:
                rest.append(envelope)
        self._asking = []
        self._mailbox.put_back(rest)
        # What failed once is tried without newcomers, whose keys nobody has looked up.
        self._vetted = len(rest) if any(envelope.attempts for envelope in rest) else 0

    def untold(self, fault: Fault) -> None:
        """The database did not answer what was asked: all who wait hear so, and need not queue."""
        asking, self._asking = self._asking, []
        for envelope in (*asking, *self._take(len(self._mailbox))):
            self._fail(envelope, fault)

    def refreshed(self, state: EventState, asked_at_s: float) -> None:
        """Take over a state that a read brought, unless something is under way that knows more."""
        if self.idle and (self.state is None or state.version >= self.state.version):
            self.state = state
            self._suspect = False
            self._proven_at_s = max(asked_at_s, self._proven_at_s)

    def snapshot(self, max_age_s: float) -> EventState | None:
        """The committed state, if it was proven at most `max_age_s` ago."""
        now_s = self.touched_at_s = self._clock.monotonic()
        return self.state if now_s - self._proven_at_s <= max_age_s else None

    # What is decided, and what became of it

    def plan(self) -> Batch | None:
        """Decide what waits. A batch is under way until one of the methods below is called."""
        assert self._plan is None, "a batch is under way"
        if self.state is None or self._suspect:
            return None
        taken = self._take(1 if self._solo else self._vetted or BATCH_MAX)
        self._solo = max(0, self._solo - 1)
        self._vetted = 0
        self._asked_at_s = self._clock.monotonic()
        fresh = self._asked_at_s - self._proven_at_s <= SNAPSHOT_MAX_AGE_S
        planned = plan(self.state, taken, self._clock.now(), fresh=fresh)
        for envelope, error in planned.failures:
            log.error("a command failed: %r", envelope, exc_info=error)
            self._fail(envelope, CommandFailed())
        if planned.doubts:
            self._suspect = True
            self._mailbox.put_back(planned.doubts)
        if planned.batch is None:
            self._reply(planned, self.state.updated_at)
            return None
        self._plan = planned
        return planned.batch

    def settle(self, now: datetime) -> None:
        """The batch was committed at `now`: its state is the state, and its callers hear so."""
        planned, batch = self._release()
        self.state = committed(batch.after, now)
        self._proven_at_s = self._asked_at_s
        self._reply(planned, now)

    def settle_late(self, now: datetime) -> None:
        """The batch was committed at `now`, and others may have moved the event since."""
        self.settle(now)
        self._suspect = True
        self._proven_at_s = float("-inf")

    def overtaken(self) -> None:
        """Another writer was there first: decide again on what it left.

        Or the venue has become too small, or is gone, since the command was sent. That is so if
        the version turns out to be the same: the commit refuses for these two reasons only.
        """
        assert self._plan is not None, "no batch is under way"
        assert self._plan.batch is not None, "what is under way is a batch"
        bound = [envelope for envelope, _ in self._plan.replies if _needs_room(envelope)]
        self._misfits = (self._plan.batch.base.version, bound) if bound else None
        self._again()

    def keys_taken(self) -> None:
        """A key of the statement was in the ledger: look ours up and decide the rest again."""
        self._again()

    def broken(self) -> None:
        """The database calls the batch wrong: find the command that makes it so, alone."""
        planned, batch = self._release()
        self._suspect = True
        if len(planned.replies) > 1:
            self._solo = len(planned.replies)
            self._mailbox.put_back([envelope for envelope, _ in planned.replies])
            return
        for envelope, _ in planned.replies:
            log.error("the database refuses %r on version %d", envelope, batch.base.version)
            self._fail(envelope, CommandFailed())

    def park(self, fault: Fault) -> None:
        """Somebody else holds the row: refuse at once for a while, for all who wait."""
        self._parked_until_s = self._clock.monotonic() + PARKED_S
        self.refuse(fault)
        for envelope in self._take(len(self._mailbox)):
            self._fail(envelope, fault)

    def refuse(self, fault: Fault) -> None:
        """Nothing of the batch was done, and nothing will be: its callers hear why."""
        planned, _ = self._release()
        self._suspect = True
        for envelope, _ in planned.replies:
            self._fail(envelope, fault)

    def doubtful(self) -> None:
        """The batch's fate is still open, and its callers have waited long enough: say so."""
        assert self._plan is not None, "no batch is under way"
        for envelope, _ in self._plan.replies:
            envelope.fail(OutcomeUnknown(envelope.request.key))

    def relieve(self) -> None:
        """Answer those whose deadline has passed while a batch is under way."""
        self._mailbox.put_back(self._take(len(self._mailbox)))

    def let_go(self, fault: Fault) -> None:
        """Answer all who wait, what is under way as unknown; the actor is never used again."""
        if self._plan is not None:
            self.doubtful()
            self._plan = None
        self.untold(fault)

    # Its own

    def _take(self, at_most: int) -> list[Envelope]:
        """Envelopes somebody waits for; of the others, nothing was done and nothing will be."""
        now_s = self._clock.monotonic()
        taken: list[Envelope] = []
        while self._mailbox and len(taken) < at_most:
            for envelope in self._mailbox.take(at_most - len(taken)):
                if not envelope.wanted:
                    self._forget(envelope)
                elif envelope.request.deadline_s < now_s and not envelope.attempts:
                    self._fail(envelope, Overloaded("the deadline passed while the command waited"))
                else:
                    taken.append(envelope)
        return taken

    def _take_misfits(self, state: EventState | None) -> list[Envelope]:
        """Those whose venue had no room for them, now that the event's state was read again."""
        misfits, self._misfits = self._misfits, None
        if misfits is None or state is None or state.version != misfits[0]:
            return []
        if len(misfits[1]) > 1:
            # One of them fits, perhaps: try them alone.
            self._solo = BATCH_MAX
            return []
        return misfits[1]

    def _release(self) -> tuple[Plan, Batch]:
        planned, self._plan = self._plan, None
        assert planned is not None, "no batch is under way"
        assert planned.batch is not None, "what is under way is a batch"
        return planned, planned.batch

    def _again(self) -> None:
        planned, _ = self._release()
        self._suspect = True
        self._proven_at_s = float("-inf")
        back = []
        for envelope, _ in planned.replies:
            envelope.attempts += 1
            envelope.checked = False
            if envelope.attempts < ATTEMPTS_MAX:
                back.append(envelope)
            else:
                self._fail(envelope, Overloaded("other writers were faster every time"))
        self._mailbox.put_back(back)

    def _reply(self, planned: Plan, now: datetime) -> None:
        for envelope, outcome in planned.replies:
            self._answer(envelope, answer_to(outcome, now))

    def _answer(self, envelope: Envelope, answer: Answer) -> None:
        request = envelope.request
        if request.keyed:
            self._forget(envelope)
            if isinstance(answer, Done) or not request.doubtful:
                now_s = self._clock.monotonic()
                self._keys.remember(self.event_id, request.key, envelope.text, answer, now_s)
        envelope.answer(answer)

    def _fail(self, envelope: Envelope, fault: Fault) -> None:
        self._forget(envelope)
        envelope.fail(fault)

    def _forget(self, envelope: Envelope) -> None:
        if self._open is not None and envelope.request.keyed:
            self._open.pop(envelope.request.key, None)


def _needs_room(envelope: Envelope) -> bool:
    """Whether the commit asks the venue if the command fits."""
    command = envelope.request.command
    return isinstance(command, Update) and not command.changes.keys().isdisjoint(VENUE_BOUND)
