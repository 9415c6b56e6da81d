"""A store in memory that applies the one statement as PostgreSQL does, and misbehaves when told.

Rule: `MemoryDatabase` is the truth and keeps every constraint of the schema; what a statement's
caller gets to hear of it is the `Step` that the script of its `MemoryStore` gives for the call.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, ClassVar

from evently.domain.columns import columns_of
from evently.domain.commits import (
    Batch,
    Broken,
    Committed,
    DueHolds,
    EventHold,
    EventKey,
    FateUnknown,
    FoundHolds,
    HeldRows,
    KeyTaken,
    Loaded,
    Locked,
    NotDone,
    Noted,
    Record,
    Refused,
)
from evently.domain.errors import AnswerLost, DatabaseUnavailable, Overloaded
from evently.domain.holds import EXPIRED_MAX, LIFE_MAX_S, Hold, HoldStatus
from evently.domain.origin import Origin
from evently.domain.outcomes import FINAL, Done, LedgerEntry, LedgerKind
from evently.domain.seat_moves import NO_MONEY
from evently.domain.state import ADDED, ON_SALE, SET, EventDetails, EventState, Status

# Their ledger rows hold the one that was answered.
ANSWERED_WITH_A_HOLD = frozenset(
    {LedgerKind.HELD, LedgerKind.HOLD_CHANGED, LedgerKind.CONFIRMED, LedgerKind.RELEASED}
)
IN_DETAILS = columns_of(EventDetails)
SEAT_MOVES = frozenset({LedgerKind.RESERVED, LedgerKind.RETURNED})
# Who writes as a release does that notes no terms that it changes.
OLDER = "an older release"
# How long a statement waits for a row that another one holds.
LOCK_S = 1.0


class Fate(Enum):
    """What becomes of one call."""

    ANSWER = "it runs and answers"
    LOSE_REPLY = "it commits, and the answer is lost"
    LOSE_STATEMENT = "it never runs, and nobody can tell"
    RUN_LATER = "nobody can tell, and it arrives later"
    STALL = "it holds its rows for a while, then commits, and the answer is lost"
    NO_ROWS = "it finds nothing to change"
    OVERTAKE = "another writer changes the same events first"
    NOT_DONE = "the server refuses it"
    LOCKED = "another transaction holds a row"
    KEY_TAKEN = "a key is in the ledger already"
    BROKEN = "the server calls it wrong"
    UNAVAILABLE = "a read finds no server"
    OVERLOADED = "a read finds no connection in time"
    ANSWER_LOST = "a read is sent, and its answer is lost"
    UNPROVEN = "a read of the ledger finds rows that a failover may lose"
    BUG = "the store itself raises what nobody expects"


@dataclass(frozen=True)
class Step:
    """The fate of a call, and how long it takes before and after it runs."""

    fate: Fate = Fate.ANSWER
    before_s: float = 0.0
    after_s: float = 0.0
    later_s: float = 0.0


@dataclass(frozen=True)
class Call:
    """A call of a store: `kind` is the name of its method."""

    kind: str
    batches: Sequence[Batch] = ()


Script = Callable[[Call], Step]


def well_behaved(call: Call) -> Step:
    """Every call runs and answers at once."""
    return Step()


@dataclass(frozen=True)
class LedgerRow:
    """A ledger row as it was committed; `writer` names the store it came through."""

    event_id: str
    record: Record
    recorded_at: datetime
    at_s: float
    writer: str
    sent_s: float

    @property
    def version(self) -> int:
        """The version it made."""
        return self.record.entry.version


@dataclass
class MemoryDatabase:
    """Events, venues, ledger and refusals; `watch` is told of each event that a statement moved."""

    epoch: datetime
    time: Callable[[], float]
    states: dict[str, EventState] = field(default_factory=dict)
    ledger: dict[str, list[LedgerRow]] = field(default_factory=dict)
    by_key: dict[EventKey, LedgerRow] = field(default_factory=dict)
    refusals: dict[EventKey, Refused] = field(default_factory=dict)
    holds: dict[str, dict[str, Hold]] = field(default_factory=dict)
    venues: dict[str, int] = field(default_factory=dict)
    held_until_s: dict[str, float] = field(default_factory=dict)
    watch: Callable[[EventState, Sequence[LedgerRow]], None] = lambda state, rows: None
    foreign: int = 0

    # Only those who want to see a test fail turn these off.
    checks_versions: ClassVar[bool] = True
    checks_keys: ClassVar[bool] = True
    checks_fences: ClassVar[bool] = True
    keys_have_callers: ClassVar[bool] = True
    looks_keys_up: ClassVar[bool] = True

    def now(self) -> datetime:
        """The database's clock."""
        return self.epoch + timedelta(seconds=self.time())

    def insert(self, state: EventState, record: Record) -> None:
        """Commit an event's first version."""
        event_id = state.details.event_id
        now = self.now()
        self.states[event_id] = replace(
            state,
            details=replace(state.details, created_at=now),
            updated_at=now,
        )
        row = LedgerRow(event_id, record, now, self.time(), "", self.time())
        self.ledger[event_id] = [row]
        self.by_key[self.key(event_id, record)] = row
        self.watch(self.states[event_id], [row])

    def execute(self, batches: Sequence[Batch], writer: str = "", sent_s: float = 0.0) -> Committed:
        """The one statement. Raises KeyTaken or Broken, and then nothing was done."""
        now = self.now()
        no_room = [b.event_id for b in batches if self._is_current(b) and not self._has_room(b)]
        moved = [(batch, self._after(batch, now)) for batch in batches if self.stands(batch)]
        for batch, after in moved:
            _check(after)
            for hold in batch.holds:
                _check_hold(hold)
        rows = self._rows([batch for batch, _ in moved], now, writer, sent_s)
        for batch, after in moved:
            self.states[batch.event_id] = after
            self.ledger[batch.event_id].extend(rows[batch.event_id])
            for row in rows[batch.event_id]:
                self.by_key[self.key(row.event_id, row.record)] = row
            for hold in batch.holds:
                self.holds.setdefault(batch.event_id, {})[hold.hold_id] = hold
            for one in batch.refused:
                if one.final:
                    self.refusals[self.key(batch.event_id, one)] = one
            self.watch(after, rows[batch.event_id])
        return Committed(now, frozenset(rows), no_room)

    def stands(self, batch: Batch) -> bool:
        """Whether the statement would move the event: its version, and a venue that it fits."""
        if not self._is_current(batch) or not self._has_room(batch) or self._is_taken(batch):
            return False
        return self._in_time(self.states[batch.event_id].details, batch)

    def _is_current(self, batch: Batch) -> bool:
        row = self.states.get(batch.event_id)
        if row is None:
            return False
        if self.checks_fences and row.fence != batch.base.fence:
            return False
        return not self.checks_versions or row.version == batch.base.version

    def key(self, event_id: str, one: Record | Refused) -> EventKey:
        """What must be unique of a row."""
        return event_id, one.origin.caller if self.keys_have_callers else "", one.key

    def held_under(self, key: EventKey) -> Noted | None:
        """What is there under a key: a move, or a refusal."""
        event_id, caller, name = key
        key = (event_id, caller if self.keys_have_callers else "", name)
        row, refused = self.by_key.get(key), self.refusals.get(key)
        if row is not None:
            entry = row.record.entry
            told = entry.holds[0] if entry.kind in ANSWERED_WITH_A_HOLD else None
            done = Done(
                entry.version,
                entry.available_seats,
                entry.status,
                row.recorded_at,
                hold=told,
                unit_price=self._price_then(row) if entry.kind in SEAT_MOVES else None,
            )
            return Noted(row.record.request, done)
        if refused is None:
            return None
        assert isinstance(refused.refusal, FINAL), "no other is kept"
        return Noted(refused.request, refused.refusal)

    def _price_then(self, move: LedgerRow) -> Decimal:
        """The price of the event at a version of its ledger."""
        changes = [
            row.record.entry.changes or {}
            for row in self.ledger[move.event_id]
            if row.version <= move.version
        ]
        prices = [changed["base_price"] for changed in changes if "base_price" in changed]
        price: Decimal = prices[-1]
        return price

    def due_holds(self, event_id: str) -> DueHolds:
        """The event's holds whose time has passed, and when the next one expires."""
        held = [
            hold for hold in self.holds.get(event_id, {}).values() if hold.status is HoldStatus.HELD
        ]
        held.sort(key=attrgetter("expires_at"))
        due = [hold for hold in held if hold.expires_at <= self.now()][:EXPIRED_MAX]
        after = held[len(due) :]
        return DueHolds(tuple(due), after[0].expires_at if after else None)

    def _is_taken(self, batch: Batch) -> bool:
        """Whether a refusal, or for a refusal a move, is there under one of the batch's keys.

        For a move nobody looks where its event had no refusal when it was decided.
        """
        if not self.looks_keys_up:
            return False
        asked = refused = {self.key(batch.event_id, one) for one in batch.refused}
        if batch.base.fence > 0:
            asked = refused | {self.key(batch.event_id, record) for record in batch.records}
        found = (asked & self.refusals.keys()) | (refused & self.by_key.keys())
        return bool(found)

    def _has_room(self, batch: Batch) -> bool:
        if not batch.records or not batch.records[-1].entry.needs_room:
            return True
        return self.venues.get(batch.after.details.venue_id, -1) >= batch.after.total_capacity

    def _in_time(self, row: EventDetails, batch: Batch) -> bool:
        now = self.now()
        opened = row.sales_start is None or row.sales_start <= now
        if batch.sells and (row.paused or not opened or row.sales_close <= now):
            return False
        if batch.amends and row.last_moment <= now:
            return False
        return not batch.schedules or batch.after.details.start_datetime > now

    def overtake(self, event_id: str) -> None:
        """Let another writer change the event: one more version, every second time of the offer."""
        state = self.states[event_id]
        if self.held_until_s.get(event_id, 0.0) > self.time():
            return
        self.foreign += 1
        version = state.version + 1
        changes: dict[str, Any] = {"description": f"by another writer, {self.foreign}"}
        if self.foreign % 2:
            changes["end_datetime"] = state.details.end_datetime + timedelta(seconds=1)
        entry = LedgerEntry(
            version,
            LedgerKind.UPDATED,
            0,
            0,
            NO_MONEY,
            state.available_seats,
            state.status_at(self.now()),
            changes,
        )
        after = replace(
            state,
            details=replace(state.details, **changes),
            version=version,
            terms_version=version if "end_datetime" in changes else state.terms_version,
            edited_version=version,
        )
        key = f"foreign-{self.foreign}"
        record = Record(entry, key, "elsewhere", Origin("admin:elsewhere", "elsewhere"))
        self.execute([Batch(state, after, (record,))], OLDER, self.time())

    def _after(self, batch: Batch, now: datetime) -> EventState:
        row = self.states[batch.event_id]
        edit = batch.changes or {}
        details = {name: to for name, to in edit.items() if name in IN_DETAILS}
        capacity = edit.get("total_capacity", row.total_capacity)
        return EventState(
            details=replace(row.details, **details) if details else row.details,
            total_capacity=capacity,
            **{name: getattr(batch.after, name) for name in SET},
            **{
                name: getattr(row, name) + getattr(batch.after, name) - getattr(batch.base, name)
                for name in ADDED
            },
            updated_at=now if batch.records else row.updated_at,
            cancelled_as_draft=edit.get("cancelled_as_draft", row.cancelled_as_draft),
        )

    def _rows(
        self, batches: Sequence[Batch], now: datetime, writer: str, sent_s: float
    ) -> dict[str, list[LedgerRow]]:
        rows: dict[str, list[LedgerRow]] = {}
        for batch in batches:
            event_id = batch.event_id
            assert event_id not in rows, "UPDATE ... FROM applies one row of an event only"
            keys = set()
            versions = {row.version for row in self.ledger[event_id]}
            for record in batch.records:
                key = self.key(event_id, record)
                if self.checks_keys and (key in self.by_key or key in keys):
                    raise KeyTaken("event_ledger_key_once", event_id)
                if self.checks_versions and record.entry.version in versions:
                    raise Broken("event_ledger_version_once")
                keys.add(key)
                versions.add(record.entry.version)
            rows[event_id] = [
                LedgerRow(event_id, record, now, self.time(), writer, sent_s)
                for record in batch.records
            ]
        return rows


def _check(state: EventState) -> None:
    """The schema's named constraints."""
    details = state.details
    held = {
        "events_seats_within_capacity": 0 <= state.available_seats <= state.total_capacity,
        "events_capacity_positive": state.total_capacity >= 1,
        "events_version_positive": 1 <= state.terms_version <= state.version,
        "events_price_not_negative": details.base_price >= 0,
        "events_revenue_not_negative": state.revenue >= 0,
        "events_limit_positive": details.max_tickets_per_booking >= 1,
        "events_end_after_start": details.end_datetime > details.start_datetime,
        "events_sales_end_after_start": details.sales_end is None
        or details.sales_start is None
        or details.sales_end > details.sales_start,
        "events_sales_within_event": details.sales_end is None
        or details.sales_end <= details.end_datetime,
        "events_edited_version_known": 0 <= state.edited_version <= state.version,
        "events_status_known": state.status is not Status.COMPLETED,
        "events_held_within_capacity": state.held_seats >= 0
        and details.held_back_seats >= 0
        and state.available_seats + state.held_seats + details.held_back_seats
        <= state.total_capacity,
        "events_status_follows_seats": state.status not in ON_SALE
        or (state.status is Status.SOLD_OUT) == (state.available_seats == state.held_seats == 0),
    }
    for name, holds in held.items():
        if not holds:
            raise Broken(name)


def _check_hold(hold: Hold) -> None:
    life = hold.expires_at - hold.held_at
    held = {
        "event_holds_quantity_positive": hold.quantity >= 1,
        "event_holds_closed_unless_held": (hold.status is HoldStatus.HELD)
        == (hold.closed_at is None),
        "event_holds_paid_if_confirmed": (hold.status is HoldStatus.CONFIRMED)
        == (hold.amount is not None),
        "event_holds_life_bounded": timedelta(0) < life <= timedelta(seconds=LIFE_MAX_S),
    }
    for name, holds in held.items():
        if not holds:
            raise Broken(name)


class MemoryStore:
    """One worker's way to the database; `die` makes every call of it wait for ever."""

    # Only those who want to see a test fail turn this off.
    lanes_are_dropped: ClassVar[bool] = True

    def __init__(
        self, database: MemoryDatabase, script: Script = well_behaved, name: str = "store"
    ) -> None:
        self.database = database
        self.script = script
        self.name = name
        self.calls: list[Call] = []
        self.open_lanes = 0
        self.forgets: list[Callable[[], None]] = []
        self._dead = False

    def lane(self) -> "MemoryLane":
        """A new connection to commit on."""
        return MemoryLane(self)

    def when_lost(self, forget: Callable[[], None]) -> None:
        """Call `forget` when a test says that the connection is lost."""
        self.forgets.append(forget)

    def die(self) -> None:
        """The process is gone: what it sent may still run, and nothing comes back."""
        self._dead = True

    async def load(self, event_ids: Sequence[str]) -> Loaded:
        """The committed states of these events."""
        step = await self._begin(Call("load"))
        known = self.database.states
        found = {event_id: known[event_id] for event_id in event_ids if event_id in known}
        loaded = Loaded(self.database.now(), found)
        await self.pause(step.after_s)
        return loaded

    async def recall(self, keys: Sequence[EventKey]) -> Mapping[EventKey, Noted]:
        """What ledger and refusals hold under these keys."""
        step = await self._begin(Call("recall"))
        proven = step.fate is not Fate.UNPROVEN
        noted = {}
        for key in keys:
            held = self.database.held_under(key)
            if held is not None:
                noted[key] = replace(held, proven=proven)
        await self.pause(step.after_s)
        return noted

    async def find_holds(self, holds: Sequence[EventHold]) -> FoundHolds:
        """The rows of these holds, as of one moment."""
        step = await self._begin(Call("find_holds"))
        rows = self.database.holds
        found = {
            (event_id, hold_id): rows[event_id][hold_id]
            for event_id, hold_id in holds
            if hold_id in rows.get(event_id, {})
        }
        states = self.database.states
        versions = {event_id: states[event_id].version for event_id, _ in holds}
        await self.pause(step.after_s)
        return FoundHolds(found, versions)

    async def due_holds(self, event_ids: Sequence[str]) -> Mapping[str, DueHolds]:
        """Those of each event whose time has passed, by the database's clock."""
        step = await self._begin(Call("due_holds"))
        found = {event_id: self.database.due_holds(event_id) for event_id in event_ids}
        await self.pause(step.after_s)
        return found

    async def create(self, state: EventState, record: Record) -> bool:
        """Commit an event's first version; False when its venue is gone or too small."""
        await self._begin(Call("create"))
        if self.database.venues.get(state.details.venue_id, -1) < state.total_capacity:
            return False
        self.database.insert(state, record)
        return True

    def step(self, call: Call) -> Step:
        """What the script has for this call."""
        self.calls.append(call)
        return self.script(call)

    async def pause(self, seconds: float) -> None:
        """Let `seconds` pass; a dead process never comes back from it."""
        await asyncio.sleep(seconds)
        if self._dead:
            await asyncio.get_running_loop().create_future()

    async def _begin(self, call: Call) -> Step:
        step = self.step(call)
        await self.pause(step.before_s)
        if step.fate is Fate.OVERLOADED:
            raise Overloaded("no connection in time")
        if step.fate is Fate.ANSWER_LOST:
            raise AnswerLost("the connection broke")
        if step.fate is Fate.BUG:
            raise RuntimeError("nobody expects this")
        if step.fate is not Fate.ANSWER and (call.kind, step.fate) != ("recall", Fate.UNPROVEN):
            raise DatabaseUnavailable("no server")
        return step


class MemoryLane:
    """One connection that commits.

    A lane that is in doubt is a new connection for its next statement; with `lanes_are_dropped`
    turned off it goes on, and its next statement is answered with what the last one left behind.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._database = store.database
        self._running = False
        self._left_behind: list[Committed] = []
        self._open = False

    async def commit(self, batches: Sequence[Batch]) -> Committed:
        """Commit all batches whose base version and fence still stand, in one statement."""
        assert batches, "a statement commits something"
        assert not self._running, "a lane runs one statement at a time"
        if not self._open:
            self._open = True
            self._store.open_lanes += 1
        self._running = True
        try:
            return await self._commit(list(batches))
        except FateUnknown:
            if self._store.lanes_are_dropped:
                await self.close()
            raise
        finally:
            self._running = False

    async def held(self, batches: Sequence[Batch]) -> HeldRows:
        """What these batches would have to wait for."""
        assert not self._running, "a lane runs one statement at a time"
        step = self._store.step(Call("held"))
        await self._store.pause(step.before_s)
        self._refuse(step.fate)
        now_s = self._database.time()
        until_s = self._database.held_until_s
        held = {one.event_id for one in batches if until_s.get(one.event_id, 0.0) > now_s}
        busy = {
            one.event_id
            for one in batches
            if one.needs_room and until_s.get(one.after.details.venue_id, 0.0) > now_s
        }
        await self._store.pause(step.after_s)
        return HeldRows(held, busy)

    async def close(self) -> None:
        """Drop the connection."""
        self._left_behind.clear()
        if self._open:
            self._open = False
            self._store.open_lanes -= 1

    async def _commit(self, batches: Sequence[Batch]) -> Committed:
        step = self._store.step(Call("commit", batches))
        sent_s = self._database.time()
        if step.fate is Fate.STALL:
            self._stall(batches, step.later_s, sent_s)
        await self._store.pause(step.before_s)
        self._refuse(step.fate)
        if step.fate is Fate.OVERTAKE:
            for batch in batches:
                self._database.overtake(batch.event_id)
        if step.fate is Fate.NO_ROWS:
            return Committed(self._database.now(), frozenset())
        if step.fate is Fate.RUN_LATER:
            self._later(step.later_s, self._arrive, batches, sent_s)
        if step.fate in {Fate.LOSE_STATEMENT, Fate.RUN_LATER, Fate.STALL}:
            await self._store.pause(step.after_s)
            raise FateUnknown(step.fate.value)
        await self._wait_for_rows(batches)
        done = self._database.execute(batches, self._store.name, sent_s)
        await self._store.pause(step.after_s)
        if step.fate is Fate.LOSE_REPLY:
            self._left_behind.append(done)
            raise FateUnknown(step.fate.value)
        if self._left_behind:
            self._left_behind.append(done)
            return self._left_behind.pop(0)
        return done

    def _refuse(self, fate: Fate) -> None:
        match fate:
            case (
                Fate.NOT_DONE
                | Fate.UNAVAILABLE
                | Fate.OVERLOADED
                | Fate.ANSWER_LOST
                | Fate.UNPROVEN
            ):
                raise NotDone(fate.value)
            case Fate.LOCKED:
                raise Locked(fate.value)
            case Fate.KEY_TAKEN:
                raise KeyTaken(fate.value)
            case Fate.BROKEN:
                raise Broken(fate.value)
            case Fate.BUG:
                raise RuntimeError("nobody expects this")
            case _:
                return

    async def _wait_for_rows(self, batches: Sequence[Batch]) -> None:
        held = self._database.held_until_s
        wanted = [batch.event_id for batch in batches if self._database.stands(batch)]
        until_s = max((held.get(event_id, 0.0) for event_id in wanted), default=0.0)
        wait_s = until_s - self._database.time()
        if wait_s <= 0:
            return
        # Whoever holds the rows commits first, then those who wait go on.
        await self._store.pause(min(wait_s, LOCK_S) + 1e-6)
        if wait_s > LOCK_S:
            raise Locked("another transaction holds a row")

    def _stall(self, batches: Sequence[Batch], later_s: float, sent_s: float) -> None:
        until_s = self._database.time() + later_s
        for batch in batches:
            if self._database.stands(batch):
                self._database.held_until_s.setdefault(batch.event_id, 0.0)
                if self._database.held_until_s[batch.event_id] > self._database.time():
                    return
        for batch in batches:
            if self._database.stands(batch):
                self._database.held_until_s[batch.event_id] = until_s
        self._later(later_s, self._arrive, batches, sent_s)

    def _arrive(self, batches: Sequence[Batch], sent_s: float) -> None:
        """What nobody waits for any more runs: it may find its rows held, and then gives up."""
        now_s = self._database.time()
        wanted = [batch.event_id for batch in batches if self._database.stands(batch)]
        if any(self._database.held_until_s.get(event_id, 0.0) > now_s for event_id in wanted):
            return
        try:
            self._database.execute(batches, self._store.name, sent_s)
        except (KeyTaken, Broken):
            return

    def _later(
        self,
        later_s: float,
        run: Callable[[Sequence[Batch], float], None],
        batches: Sequence[Batch],
        sent_s: float,
    ) -> None:
        asyncio.get_running_loop().call_later(later_s, run, batches, sent_s)
