"""Holds what the clients heard against what the ledger has. Pure: it only looks.

Rules:

1. The event's row is its replayed ledger: no version missing, no seat under 0 or over capacity.
2. OK is in the ledger under its key once, with its quantity, at the version it was told.
3. What was refused, or answered with "nothing was done", is not in the ledger by that try; a key
   that was refused in the end is not there at all, however many owners the event had. Where the
   refusal is not final, a try that came later may be, which is promised to nobody.
4. A refusal was true of some version that was current between the first try and the answer.
5. Everything in the ledger was asked for by somebody; the seats that are out are those that the
   clients hold.
6. A read is a committed version, and not older than what was acknowledged before it was sent;
   where an event may have two owners, not older than what was acknowledged 250 ms before.
7. Whoever follows the feed of changes hears of every version that sold out, reopened or changed
   the event, and of no other, in the order of the versions, at least once.
8. Holds keep the rules of `tests/chaos/holds.py`; the seats of the event's holds add up.
9. So do money (`money.py`), blocks (`blocks.py`) and the times of sales (`windows.py`); an admin's
   change that was answered OK is what the event then is.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from tests.chaos.blocks import BlockCheck
from tests.chaos.findings import (
    DOUBLE_SOLD,
    GAP,
    LATE_READ,
    LATE_TRY,
    LOST,
    NEGATIVE,
    OTHER,
    UNRESOLVED,
    Finding,
    Verdict,
)
from tests.chaos.history import NOT_FINAL, Attempt, End, History, Move, Purchase, Read
from tests.chaos.holds import HoldCheck
from tests.chaos.ledger import FOREIGN, EventLedger, Row
from tests.chaos.money import MoneyCheck
from tests.chaos.refusals import is_true
from tests.chaos.windows import WindowCheck, is_later

# A follower begins once the events are on sale; later, these kinds are always told.
PUBLISHED_AT = 2
TOLD_KINDS = frozenset({"updated", "cancelled"})
# What the service promises of its memory's age when somebody else may own the event.
SNAPSHOT_S = 0.25


def check(history: History, ledgers: Mapping[str, EventLedger]) -> Verdict:
    """Everything that does not fit together."""
    verdict = Verdict()
    for event_id, ledger in ledgers.items():
        moves = [move for move in history.moves if move.event_id == event_id]
        purchases = [one for one in history.purchases if one.event_id == event_id]
        _Check(history, ledger, moves, purchases, verdict).run()
    for move in history.moves:
        if move.event_id not in ledgers:
            verdict.violations.append(
                Finding(OTHER, move.event_id, f"a move of no event: {move}", move.key)
            )
    return verdict


class _Check:
    """One event against its ledger."""

    def __init__(
        self,
        history: History,
        ledger: EventLedger,
        moves: Sequence[Move],
        purchases: Sequence[Purchase],
        verdict: Verdict,
    ) -> None:
        self._history = history
        self._ledger = ledger
        self._moves = moves
        self._purchases = purchases
        self._verdict = verdict
        self._money = MoneyCheck(ledger, self._violated)
        self._blocks = BlockCheck(ledger, self._violated)
        self._claimed: set[int] = set()
        self._held = 0

    def run(self) -> None:
        self._check_row()
        self._check_uniqueness()
        for move in self._moves:
            self._check_move(move)
        self._check_changes()
        self._held += HoldCheck(self._ledger, self._purchases, self._violated).run()
        self._check_unclaimed()
        self._money.run()
        self._blocks.run()
        steps = [step for purchase in self._purchases for step in purchase.steps]
        epoch_s = self._history.epoch_s
        windows = WindowCheck(self._ledger, epoch_s, self._violated, self._excused)
        windows.run([*self._moves, *steps])
        self._check_told()
        acknowledged = self._acknowledged()
        for read in self._history.reads:
            if read.event_id == self._ledger.event_id:
                self._check_read(read, acknowledged)

    def _violated(self, kind: str, what: str, key: str | None = None) -> None:
        self._verdict.violations.append(Finding(kind, self._ledger.event_id, what, key))

    def _excused(self, kind: str, what: str, key: str | None = None) -> None:
        self._verdict.excused.append(Finding(kind, self._ledger.event_id, what, key))

    # The ledger alone

    def _check_row(self) -> None:
        available = capacity = held = held_back = 0
        for position, row in enumerate(self._ledger.rows, 1):
            if row.version != position:
                self._violated(GAP, f"version {row.version} stands where {position} should")
            available += row.seat_delta + row.capacity_delta
            capacity += row.capacity_delta
            held += row.held_delta
            held_back += row.held_back_delta
            if row.available_seats != available:
                self._violated(OTHER, f"{row} follows from {available} seats", row.key)
            left = capacity - held - held_back
            if min(held, held_back) < 0 or not 0 <= row.available_seats <= left:
                what = f"{row} of {capacity} seats with {held} held and {held_back} kept back"
                self._violated(NEGATIVE, what, row.key)
        event = self._ledger.event
        if event.sold < 0 or event.available_seats < 0:
            self._violated(NEGATIVE, f"{event}")
        replayed = (len(self._ledger.rows), capacity, available, held, held_back)
        seats = (event.available_seats, event.held_seats, event.held_back_seats)
        stored = (event.version, event.total_capacity, *seats)
        if stored != replayed:
            self._violated(OTHER, f"{event} is not its ledger's {replayed}")

    def _check_uniqueness(self) -> None:
        for key, times in Counter(row.key for row in self._ledger.rows).items():
            if times > 1:
                self._violated(DOUBLE_SOLD, f"{key} is in the ledger {times} times", key)
        told: dict[int, str] = {}
        for move in self._moves:
            for attempt in move.ended(End.OK):
                version = attempt.told["version"]
                name = move.key or attempt.request_id
                if told.setdefault(version, name) != name:
                    what = f"version {version} was told to {told[version]} and to {name}"
                    self._violated(DOUBLE_SOLD, what, move.key)

    # The feed of changes

    def _check_told(self) -> None:
        told = [
            one
            for one in self._history.told
            if one.event_id == self._ledger.event_id and one.version <= self._ledger.event.version
        ]
        firsts = list(dict.fromkeys(one.version for one in told))
        if firsts != sorted(firsts):
            self._violated(OTHER, f"changes were told out of order: {firsts}")
        for version in self._notable - set(firsts):
            self._violated(LOST, f"nobody was told of {self._ledger.by_version[version]}")
        for one in told:
            row = self._ledger.by_version.get(one.version)
            if row is None or one.version not in self._notable:
                self._violated(OTHER, f"told of what did not happen: {one}, {row}")
            elif one.available_seats != row.available_seats:
                self._violated(OTHER, f"told otherwise than it was: {one}, {row}")

    @cached_property
    def _notable(self) -> frozenset[int]:
        """The versions of the service that the feed tells of, from the first sale on."""
        return frozenset(
            row.version
            for before, row in pairwise(self._ledger.rows)
            if row.caller != FOREIGN
            and row.version > PUBLISHED_AT
            and (_is_told(row) or row.status != before.status)
        )

    # The moves

    def _check_move(self, move: Move) -> None:
        row = self._ledger.row_of(move)
        if row is not None:
            self._claimed.add(row.version)
        if not move.resolved and move.key is not None:
            self._violated(UNRESOLVED, f"nobody knows what became of {move}", move.key)
        if row is not None or move.ended(End.OK):
            self._held -= move.quantity
        if row is not None:
            self._check_acted(move, row)
            if move.ended(End.FAILED):
                self._check_refused_and_done(move, row)
        for attempt in move.attempts:
            self._check_attempt(move, attempt, row)

    def _check_attempt(self, move: Move, attempt: Attempt, row: Row | None) -> None:
        told = attempt.told
        if attempt.end is End.OK and row is None:
            self._violated(LOST, f"told {told}, not in the ledger: {move}", move.key)
        elif attempt.end is End.OK and row is not None and told != {**told, **self._told_by(row)}:
            self._violated(OTHER, f"told {told}, the ledger has {row}", move.key)
        elif attempt.end is End.FAILED:
            if not is_true(move, attempt, self._ledger, self._history.epoch_s):
                what = f"a refusal that was never true: {attempt} of {move}"
                self._violated(OTHER, what, move.key)
        elif attempt.code == "INTERNAL_ERROR":
            self._violated(OTHER, f"a bug's answer: {attempt}", move.key)
        by_it = row is not None and row.request_id == attempt.request_id
        if by_it and self._failed(move, attempt):
            self._violated(OTHER, f"done by a try that failed: {attempt}, {row}", move.key)

    def _told_by(self, row: Row) -> dict[str, Any]:
        """What an answer to this row tells."""
        return {
            "version": row.version,
            "available_seats": row.available_seats,
            "status": row.status,
            "unit_price": float(self._ledger.terms_at(row.version).price),
        }

    @staticmethod
    def _failed(move: Move, attempt: Attempt) -> bool:
        """Whether all tries of the move in this request came to nothing."""
        its = [one for one in move.attempts if one.request_id == attempt.request_id]
        return all(one.end in {End.FAILED, End.NOTHING_DONE, End.CLOSED} for one in its)

    def _check_acted(self, move: Move, row: Row) -> None:
        """A move that is in the ledger was right there."""
        if row.seat_delta + row.held_back_delta != move.quantity:
            self._violated(OTHER, f"moved {row.seat_delta} seats for {move}", move.key)
        self._money.moved(move, row)
        if move.quantity < 0:
            self._blocks.taken(move, row)
        if move.version == "*":
            return
        if not move.retry and row.version != move.version + 1:
            self._violated(OTHER, f"a strict move at another version: {row}, {move}", move.key)
        changed = self._ledger.between(move.version, row.version - 1)
        if move.retry and any(r.terms for r in changed):
            self._violated(OTHER, f"moved on other terms: {row}, {move}", move.key)

    def _check_refused_and_done(self, move: Move, row: Row) -> None:
        for refusal in move.ended(End.FAILED):
            what = f"refused by {refusal}, and in the ledger: {row}"
            if refusal.code in NOT_FINAL and is_later(row, refusal, self._history.epoch_s):
                self._excused(LATE_TRY, what, move.key)
            else:
                self._violated(OTHER, what, move.key)

    def _check_changes(self) -> None:
        told = {row.description: row for row in self._ledger.rows if row.kind == "updated"}
        for change in self._history.changes:
            if change.event_id != self._ledger.event_id:
                continue
            row = told.pop(change.description, None)
            if change.end is End.OK and (row is None or row.version != change.version):
                self._violated(LOST, f"{change} is {row} in the ledger")
            if change.end in {End.FAILED, End.NOTHING_DONE} and row is not None:
                self._violated(OTHER, f"{change} is in the ledger: {row}")
            if row is not None:
                terms = self._ledger.terms_at(row.version)
                if terms != terms.after(change.wanted):
                    self._violated(OTHER, f"{change} became {terms}: {row}")
        for description in told:
            self._violated(OTHER, f"nobody asked for the change to {description}")

    def _check_unclaimed(self) -> None:
        for row in self._ledger.rows:
            if row.kind not in {"reserved", "returned"} or row.version in self._claimed:
                continue
            if row.caller == FOREIGN:
                self._held -= row.seat_delta
            else:
                self._violated(OTHER, f"nobody asked for {row}", row.key)
        out = self._ledger.event.sold
        if self._held != out:
            kind = DOUBLE_SOLD if self._held > out else LOST
            self._violated(kind, f"the clients hold {self._held} seats, and {out} are out")

    # The reads

    def _acknowledged(self) -> Callable[[float], int]:
        """Tells the newest version that somebody had been told of by a time."""
        told = sorted(
            (attempt.heard_s, attempt.told["version"])
            for move in self._moves
            for attempt in move.ended(End.OK)
        )
        return _newest(told)

    def _check_read(self, read: Read, acknowledged: Callable[[float], int]) -> None:
        row = self._ledger.by_version.get(read.version)
        if row is None or (read.available_seats, read.status) != (row.available_seats, row.status):
            self._violated(OTHER, f"{read} was never so: {row}")
        if read.version >= acknowledged(read.sent_s):
            return
        doubled = self._history.two_owners(read.sent_s, read.heard_s)
        if doubled and read.version >= acknowledged(read.sent_s - SNAPSHOT_S):
            self._excused(LATE_READ, f"{read}, with {acknowledged(read.sent_s)} told before")
        else:
            newest = acknowledged(read.sent_s)
            self._violated(OTHER, f"{read} is older than version {newest}, told before")


def _is_told(row: Row) -> bool:
    """Whether it is told whatever the seats; the public hears nothing of blocks."""
    return row.kind in TOLD_KINDS or (row.kind == "expired" and bool(row.holds))


def _newest(told: Sequence[tuple[float, int]]) -> Callable[[float], int]:
    """The greatest version of those up to a time; `told` is in order of time."""
    times: list[float] = []
    greatest: list[int] = []
    for heard_s, version in told:
        times.append(heard_s)
        greatest.append(max(version, greatest[-1] if greatest else 0))

    def by(at_s: float) -> int:
        position = bisect_left(times, at_s)
        return greatest[position - 1] if position else 0

    return by
