"""Holds what shoppers heard against what the ledger has of an event's holds. Pure: it only looks.

Rules:

1. A step that was answered OK is in the ledger under its key, at the version it was told; or its
   hold had come to the same end before that version, by another step or by the clock.
2. A step that was refused is not in the ledger.
3. A hold ends once: what was confirmed is neither released nor expired afterwards, and what was
   released is not confirmed. What has expired may be confirmed once more.
4. What a confirm paid is what its shopper said, or what the seats cost when they were held.
5. Every version about a hold was asked for by its shopper; only the clock needs nobody.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.chaos.findings import DOUBLE_SOLD, LOST, OTHER, UNRESOLVED
from tests.chaos.history import Attempt, End, HoldStep, Purchase
from tests.chaos.ledger import EventLedger, Row
from tests.chaos.money import MoneyCheck
from tests.chaos.violated import Violated

# How a hold may have come to what a step wanted without that step.
SAME_END: Mapping[str, frozenset[str]] = {
    "held": frozenset(),
    "confirmed": frozenset({"confirmed"}),
    "released": frozenset({"released", "expired"}),
}
# What may follow what, for one hold.
NEXT: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"held"}),
    "held": frozenset({"confirmed", "released", "expired"}),
    "expired": frozenset({"confirmed"}),
    "confirmed": frozenset(),
    "released": frozenset(),
}
KINDS = frozenset({"held", "confirmed", "released", "expired"})


class HoldCheck:
    """The holds of one event against its ledger."""

    def __init__(
        self, ledger: EventLedger, purchases: Sequence[Purchase], violated: Violated
    ) -> None:
        self._ledger = ledger
        self._purchases = purchases
        self._violated = violated
        self._money = MoneyCheck(ledger, violated)
        self._of_hold: dict[str, list[Row]] = defaultdict(list)
        for row in ledger.rows:
            if row.kind in KINDS:
                for hold_id in row.holds:
                    self._of_hold[hold_id].append(row)

    def run(self) -> int:
        """Check all; how many seats were sold by way of holds."""
        for hold_id, rows in self._of_hold.items():
            self._check_life(hold_id, rows)
        asked = {step.key for purchase in self._purchases for step in purchase.steps}
        sold = 0
        for row in self._ledger.rows:
            if row.kind == "confirmed":
                sold -= row.seat_delta + row.held_delta
            if row.kind in KINDS - {"expired"} and row.key not in asked:
                self._violated(OTHER, f"nobody asked for {row}", row.key)
        for purchase in self._purchases:
            for step in purchase.steps:
                self._check_step(purchase, step)
        return sold

    def _check_life(self, hold_id: str, rows: Sequence[Row]) -> None:
        last = None
        for row in rows:
            if row.kind not in NEXT[last]:
                kind = DOUBLE_SOLD if row.kind == "confirmed" else OTHER
                self._violated(kind, f"hold {hold_id} is {row.kind} after {last}: {rows}", row.key)
            last = row.kind

    def _check_step(self, purchase: Purchase, step: HoldStep) -> None:
        assert step.key is not None, "every step has a key"
        row = self._ledger.by_key.get(step.key)
        if not step.resolved:
            self._violated(UNRESOLVED, f"nobody knows what became of {step}", step.key)
        if row is not None and row.kind != step.kind:
            self._violated(OTHER, f"{step} became {row}", step.key)
        if row is not None and step.kind == "held" and row.held_delta != purchase.quantity:
            self._violated(OTHER, f"held {row.held_delta} seats for {purchase}", step.key)
        if row is not None and row.kind == "confirmed":
            held = next((one for one in self._of_hold[row.holds[0]] if one.kind == "held"), row)
            self._money.confirmed(purchase, held, row)
        for attempt in step.attempts:
            if attempt.end is End.OK:
                self._check_ok(purchase, step, attempt, row)
            elif attempt.end is End.FAILED and row is not None:
                self._violated(OTHER, f"refused, and in the ledger: {attempt}, {row}", step.key)
            elif attempt.code == "INTERNAL_ERROR":
                self._violated(OTHER, f"a bug's answer: {attempt}", step.key)

    def _check_ok(
        self, purchase: Purchase, step: HoldStep, attempt: Attempt, row: Row | None
    ) -> None:
        told: Mapping[str, Any] = attempt.told
        hold_id = told["hold"]["hold_id"]
        if purchase.hold_id not in {None, hold_id}:
            self._violated(OTHER, f"{attempt} is about another hold than {purchase}", step.key)
        if row is not None:
            if (told["version"], told["available_seats"]) != (row.version, row.available_seats):
                self._violated(OTHER, f"told {told}, the ledger has {row}", step.key)
            if row.kind == "confirmed" and Decimal(str(told["hold"]["amount"])) != row.money_delta:
                self._violated(OTHER, f"told {told}, the money is in {row}", step.key)
            return
        ends = SAME_END[step.kind]
        before = (one for one in self._of_hold[hold_id] if one.version <= told["version"])
        if not any(one.kind in ends for one in before):
            self._violated(LOST, f"told {told}, not in the ledger: {step}", step.key)
