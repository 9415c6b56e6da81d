"""The check of holds finds every way in which a run can be wrong, and nothing in a right one."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.findings import DOUBLE_SOLD, LOST, OTHER, UNRESOLVED
from tests.chaos.history import Attempt, End, HoldStep, Kind, Purchase
from tests.chaos.holds import HoldCheck
from tests.chaos.ledger import EventLedger, EventRow, Row

EVENT = "an event"
SEATS = 10
PRICE, NOTHING = Decimal(10), Decimal(0)
# By how many seats each kind moves those that are free, and those that are held.
MOVES = {"held": (-1, 1), "confirmed": (0, -1), "released": (1, -1), "expired": (1, -1)}


class Played:
    """One event's holds of two seats each: their ledger, and what was heard of them."""

    def __init__(self) -> None:
        created = Row(
            1, "created", 0, SEATS, SEATS, "published", "created", "request", "admin", 0.0,
            changes={"base_price": PRICE},
        )  # fmt: skip
        self.rows = [created]
        self.purchases: list[Purchase] = []
        self.free = SEATS

    def write(
        self, kind: str, hold_id: str, key: str | None = None, money: Decimal = NOTHING
    ) -> Row:
        seats, held = (2 * one for one in MOVES[kind])
        self.free += seats
        row = Row(
            len(self.rows) + 1, kind, seats, 0, self.free, "published",
            key or f"{kind} {len(self.rows)}", "request", "booking", 0.0,
            held_delta=held, holds=(hold_id,), money_delta=money,
        )  # fmt: skip
        self.rows.append(row)
        return row

    def step(
        self, purchase: Purchase, kind: Kind, end: End = End.OK, *, told: Row | None = None
    ) -> HoldStep:
        """A step that was answered, with a row of its own unless another is `told`."""
        key = f"{kind} {len(self.rows)} {len(purchase.steps)}"
        step = HoldStep(EVENT, key, kind)
        purchase.steps.append(step)
        paid = 2 * PRICE if purchase.amount is None else purchase.amount
        money = paid if kind == "confirmed" else NOTHING
        done = end is End.OK and told is None
        row = self.write(kind, str(purchase.hold_id), key, money) if done else told
        body: dict[str, Any] = {"hold": {"hold_id": purchase.hold_id, "amount": float(paid)}}
        if row is not None:
            body |= {"version": row.version, "available_seats": row.available_seats}
        step.attempts.append(Attempt("request", 0.0, 0.1, end, None, body))
        return step

    def purchase(self, hold_id: str, amount: Decimal | None = None) -> Purchase:
        purchase = Purchase(EVENT, 2, hold_id=hold_id, amount=amount)
        self.purchases.append(purchase)
        self.step(purchase, "held")
        return purchase

    def check(self) -> tuple[int, list[tuple[str, str]]]:
        found: list[tuple[str, str]] = []
        ledger = EventLedger(EVENT, EventRow(1, SEATS, self.free, "published"), self.rows)

        def violated(kind: str, what: str, key: str | None = None) -> None:
            found.append((kind, what))

        return HoldCheck(ledger, self.purchases, violated).run(), found


@pytest.fixture
def played() -> Played:
    """Confirmed twice; forgotten; expired and then released; retaken; refused."""
    played = Played()
    bought = played.purchase("bought")
    played.step(bought, "confirmed")
    played.purchase("forgotten")
    played.step(bought, "confirmed", told=played.rows[-1])
    given_up = played.purchase("given up")
    played.step(given_up, "released", told=played.write("expired", "given up"))
    retaken = played.purchase("retaken", Decimal("15.50"))
    played.write("expired", "retaken")
    played.step(retaken, "confirmed")
    played.rows[-1] = replace(played.rows[-1], seat_delta=-2, held_delta=0)
    refused = Purchase(EVENT, 2)
    played.purchases.append(refused)
    played.step(refused, "held", End.FAILED)
    return played


def test_holds_that_are_right_have_no_violation(played: Played) -> None:
    assert played.check() == (4, [])


def confirmed_after_a_release(played: Played) -> None:
    purchase = played.purchase("released")
    played.step(purchase, "released")
    played.step(purchase, "confirmed")


def released_after_a_confirm(played: Played) -> None:
    played.step(played.purchases[0], "released")


def expired_twice(played: Played) -> None:
    played.write("expired", "given up")


def asked_for_by_nobody(played: Played) -> None:
    played.write("released", "forgotten")


def told_and_not_in_the_ledger(played: Played) -> None:
    played.step(played.purchase("lost"), "confirmed", told=played.rows[0])


def never_placed(played: Played) -> None:
    purchase = Purchase(EVENT, 2, hold_id="x")
    played.purchases.append(purchase)
    played.step(purchase, "held", told=played.rows[0])


def refused_and_done(played: Played) -> None:
    played.purchases[0].steps[1].attempts.append(Attempt("request", 0.0, 0.1, End.FAILED))


def another_quantity(played: Played) -> None:
    played.purchases[0].quantity = 3


def another_version_told(played: Played) -> None:
    first = played.purchases[0].steps[0].attempts[0]
    first.told = {**first.told, "version": 9}


def another_hold_told(played: Played) -> None:
    first = played.purchases[0].steps[0].attempts[0]
    first.told = {**first.told, "hold": {"hold_id": "another"}}


def sold_at_another_price(played: Played) -> None:
    played.rows[2] = replace(played.rows[2], money_delta=Decimal(19))


def sold_for_another_amount(played: Played) -> None:
    played.purchases[3].amount = Decimal("15.51")


def another_amount_told(played: Played) -> None:
    answer = played.purchases[0].steps[1].attempts[0]
    answer.told = {**answer.told, "hold": {"hold_id": "bought", "amount": 20.01}}


def never_answered(played: Played) -> None:
    step = HoldStep(EVENT, "never", "released")
    step.attempts.append(Attempt("request", 0.0, 0.1, End.UNKNOWN))
    played.purchases[0].steps.append(step)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (confirmed_after_a_release, DOUBLE_SOLD),
        (released_after_a_confirm, OTHER),
        (expired_twice, OTHER),
        (asked_for_by_nobody, OTHER),
        (told_and_not_in_the_ledger, LOST),
        (never_placed, LOST),
        (refused_and_done, OTHER),
        (another_quantity, OTHER),
        (another_version_told, OTHER),
        (another_hold_told, OTHER),
        (sold_at_another_price, OTHER),
        (sold_for_another_amount, OTHER),
        (another_amount_told, OTHER),
        (never_answered, UNRESOLVED),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_is_wrong_is_found(played: Played, wrong: Callable[[Played], None], kind: str) -> None:
    wrong(played)
    _, found = played.check()
    assert kind in {one for one, _ in found}
