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
6. Free, held, kept back and sold seats add up, what is held is what the holds say, and a hold ends
   once, but for one that is retaken. A block loses what was asked of it, or is freed in its time,
   once. Nobody is refused for want of seats that an expired hold or a block that is due still has.
7. A read is something that was committed, no older than what its worker has answered before.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

from actors.envelope import canonical
from actors.event_actor import SNAPSHOT_MAX_AGE_S
from actors.expire_request import ORIGIN
from evently.domain.commands import (
    ChangeHold,
    Command,
    Confirm,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.commits import EventKey
from evently.domain.errors import (
    AnswerLost,
    CommandFailed,
    Fault,
    NothingDone,
    OutcomeUnknown,
)
from evently.domain.event import DETAIL_FIELDS, TERMS, decide
from evently.domain.holds import Hold, Holds, HoldStatus
from evently.domain.outcomes import (
    EDITS,
    FINAL,
    NO_ROOM,
    OF_SALES,
    Answer,
    Done,
    InsufficientSeats,
    KeyReused,
    LedgerKind,
    NotOnSale,
    StaleVersion,
    Unchanged,
)
from evently.domain.state import ON_SALE, EventState, Status
from evently.domain.term_versions import TermVersions
from tests.memory_store import OLDER, LedgerRow, MemoryDatabase
from tests.simulation.blocks import block_faults, fields_of

# The database's clock as the actors know it may be as old as the slowest answer.
CLOCK_S = 8.0
# These may find their work done, and then write nothing.
IDEMPOTENT = (ChangeHold, Confirm, Release)
# What may become of a hold, by what it was; None before it was placed.
ENDS: dict[HoldStatus | None, frozenset[HoldStatus]] = {
    None: frozenset({HoldStatus.HELD}),
    HoldStatus.HELD: frozenset(HoldStatus),
    HoldStatus.EXPIRED: frozenset({HoldStatus.CONFIRMED}),
}


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
    # The rows of holds at each version.
    _holds: dict[str, list[dict[str, Hold | None]]] = field(default_factory=dict)
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
            holds = self._holds.setdefault(state.details.event_id, [])
            if not states:
                states.append((row.at_s, state))
                holds.append({})
                continue
            holds.append({**holds[-1], **{one.hold_id: one for one in row.record.entry.holds}})
            self._check_holds(row, holds[-2])
            latest = self._at(row.at_s + CLOCK_S)
            self.violations += block_faults(row, states[-1][1].details.holdbacks, latest)
            states.append((row.at_s, self._next(states[-1][1], row)))
            self._check_seats(states[-1][1], holds[-1], row)
            self._check_attempts(row)
        if not _same(state, states[-1][1]):
            self._violation(f"the row is not its ledger: {state} != {states[-1][1]}")

    def finish(self) -> None:
        """Everything has ended: what is left to look at."""
        for attempts in self._attempts.values():
            for attempt in attempts:
                if attempt.end is End.OPEN:
                    self._violation(f"never answered: {attempt}")
        for row in self._rows.values():
            self._check_tried(row)
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
        held = state.held_seats + entry.held_delta
        if status in ON_SALE:
            status = Status.PUBLISHED if available or held else Status.SOLD_OUT
        details = {name: to for name, to in changes.items() if name in DETAIL_FIELDS}
        if "holdbacks" in details:
            details |= fields_of(details["holdbacks"])
        terms = changes.keys() & TERMS
        if terms and row.writer != OLDER:
            details["term_versions"] = self._noted(row)
        after = EventState(
            details=replace(state.details, **details) if details else state.details,
            total_capacity=capacity,
            available_seats=available,
            status=status,
            version=state.version + 1,
            terms_version=row.version if terms else state.terms_version,
            revenue=state.revenue + entry.money_delta,
            updated_at=row.recorded_at,
            cancelled_as_draft=state.cancelled_as_draft
            or (state.status is Status.DRAFT and status is Status.CANCELLED),
            held_seats=held,
            edited_version=row.version if entry.kind in EDITS else state.edited_version,
        )
        if entry.version != after.version:
            self._violation(f"version {entry.version} follows {state.version}: {row}")
        if entry.available_seats != available:
            self._violation(f"{available} of {capacity} seats: {row}")
        return after

    def _noted(self, row: LedgerRow) -> TermVersions:
        """When each term changed, up to this row and since a change that notes nothing of it."""
        since, last = 1, dict[str, int]()
        for one in self.database.ledger[row.event_id][1 : row.version]:
            terms = _terms_in(one)
            if terms and one.writer == OLDER:
                since, last = one.version, {}
            else:
                last |= dict.fromkeys(terms, one.version)
        return TermVersions(since, tuple(sorted(last.items())))

    def _check_changed(self, attempt: Attempt, refusal: StaleVersion) -> None:
        """The terms that it names: all in the ledger since, or unknown by an older release."""
        rows = self.database.ledger[attempt.event_id]
        since = rows[refusal.expected_version : refusal.current_version]
        terms = sorted({name for row in since for name in _terms_in(row)})
        unnoted = any(row.writer == OLDER and _terms_in(row) for row in since)
        told = refusal.changed_fields
        if told != tuple(terms) and not (told is None and unnoted):
            self._violation(f"{terms} changed: {attempt}")

    def _check_seats(self, state: EventState, holds: Holds, row: LedgerRow) -> None:
        """The four numbers, without the help of the code that is looked at."""
        free, held = state.available_seats, state.held_seats
        kept = sum(block.quantity for block in state.details.holdbacks)
        sold = state.total_capacity - free - held - kept
        if min(free, held, kept, sold) < 0:
            self._violation(f"{free} free, {held} held, {kept} kept back, {sold} sold: {row}")
        # A return that names no amount takes back all with the last seat.
        shares = row.record.entry.kind is LedgerKind.RETURNED and " for " not in row.record.request
        if state.revenue < 0 or (state.revenue and sold == 0 and shares):
            self._violation(f"revenue of {state.revenue} with {sold} seats sold: {row}")
        in_holds = sum(
            one.quantity for one in holds.values() if one and one.status is HoldStatus.HELD
        )
        if in_holds != held:
            self._violation(f"held_seats is {held}, the holds have {in_holds}: {row}")

    def _check_holds(self, row: LedgerRow, before: Holds) -> None:
        for hold in row.record.entry.holds:
            was = before.get(hold.hold_id)
            may = ENDS.get(was.status if was else None, frozenset())
            if hold.status not in may:
                self._violation(f"{was} became {hold}: {row}")
            if hold.status is HoldStatus.EXPIRED and self._at(row.at_s) < hold.expires_at:
                self._violation(f"expired before its time, {hold}: {row}")
            if hold.status is HoldStatus.CONFIRMED:
                self._check_confirmed(row, hold)

    def _check_confirmed(self, row: LedgerRow, hold: Hold) -> None:
        scope = (row.event_id, row.record.origin.caller, row.record.key)
        tries = self._attempts.get(scope, [])
        late = self._at(min(one.sent_s for one in tries)) > hold.expires_at if tries else False
        if late and not hold.retaken:
            self._violation(f"confirmed after its time as if it were held, {hold}: {row}")
        if hold.retaken and row.record.request.endswith("if not late"):
            self._violation(f"retaken against the caller's word, {hold}: {row}")

    def _at(self, at_s: float) -> datetime:
        return self.database.epoch + timedelta(seconds=at_s)

    def _check_attempts(self, row: LedgerRow) -> None:
        scope = (row.event_id, row.record.origin.caller, row.record.key)
        self._rows[scope] = row
        attempts = self._attempts.get(scope)
        if attempts is None:
            if row.writer not in {"foreign", OLDER} and row.record.origin != ORIGIN:
                self._violation(f"nobody asked for {row}")
            return
        self._check_request(row, attempts)
        self._check_tried(row)
        for attempt in self._tries_of(row):
            if attempt.end is not End.REFUSED:
                continue
            # A refusal that is not final may be followed by a later try, but by none before it.
            if isinstance(attempt.answer, FINAL) or row.sent_s < attempt.ended_s:
                self._violation(f"refused, then done at {row.at_s:.3f}: {attempt}")

    def _check_tried(self, row: LedgerRow) -> None:
        """Somebody may believe that it was done."""
        tries = self._tries_of(row)
        if tries and all(attempt.end in FAILED for attempt in tries):
            tried = "; ".join(map(str, tries))
            self._violation(f"committed at {row.at_s:.3f} though every try failed: {tried}")

    def _tries_of(self, row: LedgerRow) -> list[Attempt]:
        """The requests so far for what the row did."""
        scope = (row.event_id, row.record.origin.caller, row.record.key)
        tries = self._attempts.get(scope, [])
        return [one for one in tries if canonical(one.command) == row.record.request]

    def _price_at(self, row: LedgerRow) -> Decimal:
        """The event's price at the version of the row."""
        states = (state for _, state in self._states[row.event_id])
        return next(s.details.base_price for s in states if s.version == row.version)

    def _check_request(self, row: LedgerRow, attempts: Sequence[Attempt]) -> None:
        entry = row.record.entry
        wanted = {canonical(a.command): a.command for a in attempts}.get(row.record.request)
        sign = {Reserve: -1, PlaceHold: -1, Return: 1}.get(type(wanted), 0)
        # What is kept back is no more sold than what is free.
        delta = entry.seat_delta + entry.held_back_delta
        other = not isinstance(wanted, IDEMPOTENT) and delta != sign * getattr(wanted, "seats", 0)
        if wanted is None or other:
            self._violation(f"another quantity than was asked for: {row}")
        amount = getattr(wanted, "amount", None)
        if amount is not None and abs(entry.money_delta) != amount:
            self._violation(f"another amount than was asked for: {row}")
        if entry.kind in {LedgerKind.RESERVED, LedgerKind.HELD}:
            self._check_sales_times(row, min(attempt.sent_s for attempt in attempts))

    def _check_sales_times(self, row: LedgerRow, sent_s: float) -> None:
        details = self._states[row.event_id][-1][1].details
        if self._at(sent_s) > details.sales_close + timedelta(seconds=CLOCK_S):
            self._violation(f"sold after the close of sales: {row}")
        if details.sales_start is not None and row.recorded_at < details.sales_start:
            self._violation(f"sold before the opening: {row}")
        if details.paused:
            self._violation(f"sold while sales were paused: {row}")

    def _check_done(self, attempt: Attempt, done: Done) -> None:
        row = self._rows.get(attempt.scope)
        if row is None:
            if not isinstance(attempt.command, IDEMPOTENT) or not self._was_done(attempt, done):
                self._violation(f"answered, not in the ledger: {attempt}")
            return
        entry = row.record.entry
        told = (done.version, done.available_seats, done.status)
        if told != (entry.version, entry.available_seats, entry.status):
            self._violation(f"answered {told}, the ledger has {entry}: {attempt}")
        if done.unit_price not in {None, self._price_at(row)}:
            self._violation(f"a price of {done.unit_price} that was not the event's: {attempt}")
        if row.record.request != canonical(attempt.command):
            self._violation(f"answered for another request, {row.record.request!r}: {attempt}")
        if done.committed_at != row.recorded_at:
            self._violation(f"committed at {row.recorded_at}, not {done.committed_at}: {attempt}")

    def _was_done(self, attempt: Attempt, done: Done) -> bool:
        """Whether it is true that there was nothing to do."""
        states = self._states[attempt.event_id]
        at_version = states[done.version - 1][1] if done.version <= len(states) else None
        if at_version is None:
            return False
        holds = self._holds[attempt.event_id][done.version - 1]
        # What was placed or prolonged in the same batch was so at the same moment.
        same = []
        if done.hold is not None:
            same = [done.hold.held_at]
            if isinstance(attempt.command, ChangeHold) and attempt.command.duration_s is not None:
                same.append(done.hold.expires_at - timedelta(seconds=attempt.command.duration_s))
        for now in (self._at(attempt.ended_s), self._at(attempt.sent_s), *same):
            outcome = decide(at_version, attempt.command, now, holds)
            if isinstance(outcome, Unchanged) and outcome.hold == done.hold:
                return True
        return False

    def _check_refusal(self, attempt: Attempt, refusal: Answer) -> None:
        row = self._rows.get(attempt.scope)
        self._check_repetition(attempt, refusal)
        if isinstance(refusal, StaleVersion):
            self._check_changed(attempt, refusal)
        if row is not None and row.at_s < attempt.sent_s:
            self._violation(f"refused, and in the ledger since {row.at_s:.3f}: {attempt}")
        if refusal == NO_ROOM and (self.bugs_planted or self._has_no_room(attempt.command)):
            return
        tries = self._tries(attempt, isinstance(refusal, FINAL))
        states = self._since(attempt.event_id, min(tries))
        if row is not None:
            # Whoever decides on what the key itself has changed must find it in the ledger.
            states = [state for state in states if state.version < row.version]
        told = refusal
        if isinstance(refusal, InsufficientSeats):
            told = replace(refusal, next_hold_expires_at=None)
        ahead = not attempt.keyed or not isinstance(told, OF_SALES)
        latest_s = attempt.ended_s + (CLOCK_S if ahead else 0.0)
        moments = self._moments(attempt, told, tries, latest_s)
        for state in states:
            holds = self._holds[attempt.event_id][state.version - 1]
            if isinstance(told, InsufficientSeats) and self._is_helped(
                told, state, holds, min(tries)
            ):
                continue
            for at in (*moments, *self._between(state, min(tries), latest_s)):
                if decide(state, attempt.command, at, holds) == told:
                    return
        versions = [state.version for state in states]
        self._violation(f"a refusal that was never true in versions {versions}: {attempt}")

    def _between(self, state: EventState, sent_s: float, ended_s: float) -> list[datetime]:
        """When, between the two, the state began, and when its sales opened."""
        times = (state.updated_at, state.details.sales_start)
        first, last = self._at(sent_s), self._at(ended_s)
        return [at for at in times if at is not None and first <= at <= last]

    def _moments(
        self, attempt: Attempt, told: Answer, tries: Sequence[float], latest_s: float
    ) -> Collection[datetime]:
        """When the refusal may have been decided: until `latest_s`, by a clock that is ahead.

        No statement compares that, unless it is one of sales under a key.
        """
        if not isinstance(told, NotOnSale):
            times = {attempt.ended_s, *tries, *(sent_s - CLOCK_S for sent_s in tries), latest_s}
            return {self._at(at_s) for at_s in times}
        # It tells its time, by a clock that may be ahead.
        if not self._at(min(tries)) <= told.now <= self._at(latest_s):
            self._violation(f"refused at another time: {attempt}")
        return {told.now}

    def _is_helped(
        self, refusal: InsufficientSeats, state: EventState, holds: Holds, sent_s: float
    ) -> bool:
        """Whether holds and blocks whose time had passed when it was asked for had the seats."""
        if refusal.holdback is not None:
            return False
        sent = self._at(sent_s)
        due = sum(
            one.quantity
            for one in holds.values()
            if one and one.status is HoldStatus.HELD and one.expires_at <= sent
        )
        due += sum(
            block.quantity
            for block in state.details.holdbacks
            if block.release_at is not None and block.release_at <= sent
        )
        return due > 0 and refusal.requested <= refusal.available + due

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


def _terms_in(row: LedgerRow) -> Collection[str]:
    return (row.record.entry.changes or {}).keys() & TERMS


def _same(one: EventState, other: EventState) -> bool:
    """Whether two states are the same but for what no ledger row tells: their time and fence."""
    return replace(one, updated_at=other.updated_at, fence=other.fence) == replace(other)
