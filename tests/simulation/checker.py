"""The reference: what may be answered, and what must be in the ledger, told of every step.

Rules:

1. OK is in the ledger when it is answered: once, with its quantity, at the version it names.
2. What was refused, or answered with "nothing was done", never gets into the ledger by that
   attempt: a ledger row whose attempts have all failed is a lie.
3. A refusal was true at some moment between the request and its answer, and the ledger did not
   hold its key when the request was sent. Nothing that was decided before it is done under its key
   after it; after a final one nothing at all, and it is what every repetition hears.
4. After OUTCOME_UNKNOWN a worker says nothing else of a key until it has an answer.
5. Versions have no gap, seats stay within bounds, and the row is what the ledger adds up to.
6. A read is something that was committed, no older than what its worker has answered before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum

from actors.envelope import canonical
from actors.event_actor import SNAPSHOT_MAX_AGE_S
from evently.domain.commands import Command, Reserve, Return, Update
from evently.domain.commits import EventKey
from evently.domain.errors import (
    AnswerLost,
    CommandFailed,
    Fault,
    NothingDone,
    OutcomeUnknown,
)
from evently.domain.event import DETAIL_FIELDS, TERMS, decide
from evently.domain.outcomes import (
    FINAL,
    NO_ROOM,
    Answer,
    Done,
    KeyReused,
    LedgerKind,
)
from evently.domain.state import ON_SALE, EventState, Status
from tests.memory_store import LedgerRow, MemoryDatabase

# The database's clock as the actors know it may be as old as the slowest answer.
CLOCK_S = 8.0


class End(Enum):
    """How an attempt ended."""

    OPEN = "open"
    OK = "ok"
    REFUSED = "refused"
    NOTHING_DONE = "nothing done"
    UNKNOWN = "unknown"
    HUNG_UP = "hung up"
    KEY_REUSED = "key reused"


FAILED = frozenset({End.REFUSED, End.NOTHING_DONE})
# Their clients do not know how they end.
OPEN = frozenset({End.OPEN, End.UNKNOWN, End.HUNG_UP})


@dataclass(eq=False)
class Attempt:
    """One request as its client sees it."""

    event_id: str
    caller: str
    key: str
    keyed: bool
    command: Command
    worker: str
    sent_s: float
    end: End = End.OPEN
    ended_s: float = 0.0
    answer: Answer | None = None

    @property
    def scope(self) -> EventKey:
        """What the database knows its key by."""
        return self.event_id, self.caller, self.key

    def __str__(self) -> str:
        told = f" {self.answer}" if self.answer is not None else ""
        return (
            f"{self.caller}'s {self.key} {canonical(self.command)!r} at {self.worker}, "
            f"sent {self.sent_s:.3f}, {self.end.value} {self.ended_s:.3f}{told}"
        )


@dataclass
class Checker:
    """Collects `violations`; `counts` says how much was looked at."""

    database: MemoryDatabase
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    # A bug that the script plants may be answered as one.
    bugs_planted: bool = False
    slowest_s: float = 0.0
    _states: dict[str, list[tuple[float, EventState]]] = field(default_factory=dict)
    _attempts: dict[EventKey, list[Attempt]] = field(default_factory=dict)
    _rows: dict[EventKey, LedgerRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.database.watch = self.committed

    # What clients see

    def sent(self, attempt: Attempt) -> None:
        """A client sends a request."""
        self._attempts.setdefault(attempt.scope, []).append(attempt)

    def answered(self, attempt: Attempt, answer: Answer) -> None:
        """The client has its answer."""
        attempt.answer = answer
        match answer:
            case Done():
                self._end(attempt, End.OK)
                self._check_done(attempt, answer)
            case KeyReused():
                self._end(attempt, End.KEY_REUSED)
                others = self._attempts[attempt.scope]
                if all(canonical(o.command) == canonical(attempt.command) for o in others):
                    self._violation(f"the key was never used otherwise: {attempt}")
            case _:
                self._end(attempt, End.REFUSED)
                self._check_refusal(attempt, answer)

    def failed(self, attempt: Attempt, fault: Fault) -> None:
        """The client heard of a fault."""
        if isinstance(fault, OutcomeUnknown):
            self._end(attempt, End.UNKNOWN)
            return
        self._end(attempt, End.NOTHING_DONE)
        self._check_unknown(attempt)
        bug = isinstance(fault, CommandFailed)
        failed = isinstance(fault, NothingDone) and not isinstance(fault, AnswerLost)
        if not failed and not (bug and self.bugs_planted):
            self._violation(f"a fault that only a bug makes, {fault!r}: {attempt}")

    def hung_up(self, attempt: Attempt) -> None:
        """The client stopped waiting."""
        self._end(attempt, End.HUNG_UP)

    def was_read(self, worker: str, event_id: str, sent_s: float, state: EventState | None) -> None:
        """A read that was asked at `sent_s` answered `state`."""
        if state is None:
            self._violation(f"a read of {event_id} found nothing")
            return
        self._count("reads")
        states = self._states[event_id]
        told = state.version
        if told > len(states) or not _same(state, states[told - 1][1]):
            self._violation(f"a read at {worker} answered what was never committed: {state}")
            return
        oldest = sum(at_s <= sent_s - SNAPSHOT_MAX_AGE_S - 1e-6 for at_s, _ in states)
        if told < oldest:
            self._violation(f"a read at {worker} at {sent_s:.3f} is too old: {told} of {oldest}")
        known = self._known_before(worker, event_id, sent_s)
        if told < known:
            self._violation(f"a read at {worker} is older than an answer: {told} of {known}")

    # What the database sees

    def committed(self, state: EventState, rows: Sequence[LedgerRow]) -> None:
        """A statement moved an event to `state` and wrote `rows`."""
        states = self._states.setdefault(state.details.event_id, [])
        for row in rows:
            self._count("commits")
            if not states:
                states.append((row.at_s, state))
                continue
            states.append((row.at_s, self._next(states[-1][1], row)))
            self._check_attempts(row)
        if not _same(state, states[-1][1]):
            self._violation(f"the row is not its ledger: {state} != {states[-1][1]}")

    def finish(self) -> None:
        """Everything has ended: what is left to look at."""
        for attempts in self._attempts.values():
            for attempt in attempts:
                if attempt.end is End.OPEN:
                    self._violation(f"never answered: {attempt}")
        for event_id, state in self.database.states.items():
            rows = self.database.ledger[event_id]
            if [row.version for row in rows] != list(range(1, len(rows) + 1)):
                self._violation(f"versions of {event_id} have a gap")
            if state.version != len(rows) or not _same(state, self._states[event_id][-1][1]):
                self._violation(f"the row of {event_id} is not its ledger")
            keys = [(row.record.origin.caller, row.record.key) for row in rows]
            if len(set(keys)) < len(keys):
                self._violation(f"a key of {event_id} is in the ledger twice")

    # Rules

    def _next(self, state: EventState, row: LedgerRow) -> EventState:
        """The state that a ledger row makes of the one before it."""
        entry = row.record.entry
        changes = entry.changes or {}
        available = state.available_seats + entry.seat_delta + entry.capacity_delta
        capacity = state.total_capacity + entry.capacity_delta
        status = Status(changes.get("status", state.status))
        if status in ON_SALE:
            status = Status.PUBLISHED if available else Status.SOLD_OUT
        details = {name: to for name, to in changes.items() if name in DETAIL_FIELDS}
        after = EventState(
            details=replace(state.details, **details) if details else state.details,
            total_capacity=capacity,
            available_seats=available,
            status=status,
            version=state.version + 1,
            terms_version=row.version if changes.keys() & TERMS else state.terms_version,
            revenue=state.revenue + entry.money_delta,
            updated_at=row.recorded_at,
            cancelled_as_draft=state.status is Status.DRAFT and status is Status.CANCELLED,
        )
        if entry.version != after.version:
            self._violation(f"version {entry.version} follows {state.version}: {row}")
        if entry.available_seats != available or not 0 <= available <= capacity:
            self._violation(f"{available} of {capacity} seats: {row}")
        if after.revenue < 0 or (after.revenue and available == capacity):
            self._violation(f"revenue of {after.revenue} with {after.seats_out} seats out: {row}")
        return after

    def _check_attempts(self, row: LedgerRow) -> None:
        scope = (row.event_id, row.record.origin.caller, row.record.key)
        self._rows[scope] = row
        attempts = self._attempts.get(scope)
        if attempts is None:
            if row.writer != "foreign":
                self._violation(f"nobody asked for {row}")
            return
        self._check_request(row, attempts)
        attempts = [a for a in attempts if canonical(a.command) == row.record.request]
        if all(attempt.end in FAILED for attempt in attempts):
            tried = "; ".join(map(str, attempts))
            self._violation(f"committed at {row.at_s:.3f} though every try failed: {tried}")
        for attempt in attempts:
            if attempt.end is not End.REFUSED:
                continue
            # A refusal that is not final may be followed by a later try, but by none before it.
            if isinstance(attempt.answer, FINAL) or row.sent_s < attempt.ended_s:
                self._violation(f"refused, then done at {row.at_s:.3f}: {attempt}")

    def _check_request(self, row: LedgerRow, attempts: Sequence[Attempt]) -> None:
        entry = row.record.entry
        wanted = {canonical(a.command): a.command for a in attempts}.get(row.record.request)
        seats = {Reserve: -1, Return: 1}.get(type(wanted), 0) * getattr(wanted, "seats", 0)
        if wanted is None or entry.seat_delta != seats:
            self._violation(f"another quantity than was asked for: {row}")
        start = self._states[row.event_id][-1][1].details.start_datetime
        sent_at = self.database.epoch + timedelta(seconds=min(a.sent_s for a in attempts))
        late = sent_at > start + timedelta(seconds=CLOCK_S)
        if entry.kind is LedgerKind.RESERVED and late:
            self._violation(f"sold after the start: {row}")

    def _check_done(self, attempt: Attempt, done: Done) -> None:
        row = self._rows.get(attempt.scope)
        if row is None:
            self._violation(f"answered, not in the ledger: {attempt}")
            return
        entry = row.record.entry
        told = (done.version, done.available_seats, done.status)
        if told != (entry.version, entry.available_seats, entry.status):
            self._violation(f"answered {told}, the ledger has {entry}: {attempt}")
        if row.record.request != canonical(attempt.command):
            self._violation(f"answered for another request, {row.record.request!r}: {attempt}")
        if done.committed_at != row.recorded_at:
            self._violation(f"committed at {row.recorded_at}, not {done.committed_at}: {attempt}")

    def _check_refusal(self, attempt: Attempt, refusal: Answer) -> None:
        row = self._rows.get(attempt.scope)
        self._check_repetition(attempt, refusal)
        if row is not None and row.at_s < attempt.sent_s:
            self._violation(f"refused, and in the ledger since {row.at_s:.3f}: {attempt}")
        if refusal == NO_ROOM and (self.bugs_planted or self._has_no_room(attempt.command)):
            return
        tries = self._tries(attempt, isinstance(refusal, FINAL))
        states = self._since(attempt.event_id, min(tries))
        if row is not None:
            # Whoever decides on what the key itself has changed must find it in the ledger.
            states = [state for state in states if state.version < row.version]
        times = {attempt.ended_s, *tries, *(sent_s - CLOCK_S for sent_s in tries)}
        for state in states:
            for at_s in times:
                now = self.database.epoch + timedelta(seconds=at_s)
                if decide(state, attempt.command, now) == refusal:
                    return
        versions = [state.version for state in states]
        self._violation(f"a refusal that was never true in versions {versions}: {attempt}")

    def _check_repetition(self, attempt: Attempt, refusal: Answer) -> None:
        """A final refusal is the only one that is heard under its key from then on."""
        for one in self._attempts[attempt.scope]:
            before = one.end is End.REFUSED and one.command == attempt.command
            if not attempt.keyed or one is attempt or not before or one.answer == refusal:
                continue
            if isinstance(one.answer, FINAL):
                self._violation(f"another refusal than before, {one}: {attempt}")

    def _check_unknown(self, attempt: Attempt) -> None:
        for one in self._attempts[attempt.scope]:
            told = one.worker == attempt.worker and one.ended_s <= attempt.sent_s
            if not attempt.keyed or one.end is not End.UNKNOWN or not told:
                continue
            if not any(other.answer is not None for other in self._attempts[attempt.scope]):
                self._violation(f"unknown, then nothing done, {one}: {attempt}")

    def _has_no_room(self, command: Command) -> bool:
        wanted = command.changes.get("total_capacity", 0) if isinstance(command, Update) else 0
        return bool(wanted > min(self.database.venues.values()))

    def _tries(self, attempt: Attempt, final: bool) -> list[float]:
        """When the requests were sent whose refusal this one may be.

        It may be that of an earlier try that is still open at the worker; a final one may be that
        of any earlier try.
        """
        return [
            one.sent_s
            for one in self._attempts[attempt.scope]
            if final or one.end in OPEN or one.ended_s >= attempt.sent_s
        ]

    def _since(self, event_id: str, sent_s: float) -> list[EventState]:
        """The states the event has had since `sent_s`."""
        states = self._states[event_id]
        first = max(0, sum(at_s <= sent_s for at_s, _ in states) - 1)
        return [state for _, state in states[first:]]

    def _known_before(self, worker: str, event_id: str, sent_s: float) -> int:
        known = [
            attempt.answer.version
            for (its_event, *_), attempts in self._attempts.items()
            if its_event == event_id
            for attempt in attempts
            if attempt.worker == worker
            and attempt.ended_s < sent_s
            and isinstance(attempt.answer, Done)
        ]
        return max(known, default=0)

    def _end(self, attempt: Attempt, end: End) -> None:
        attempt.end = end
        attempt.ended_s = self.database.time()
        self._count(end.value)
        self.slowest_s = max(self.slowest_s, attempt.ended_s - attempt.sent_s)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _violation(self, what: str) -> None:
        self.violations.append(what)


def _same(one: EventState, other: EventState) -> bool:
    """Whether two states are the same but for what no ledger row tells: their time and fence."""
    return replace(one, updated_at=other.updated_at, fence=other.fence) == replace(other)
