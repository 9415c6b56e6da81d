"""The check of money notices every cent that is not what the clients said."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.chaos.findings import NEGATIVE, OTHER
from tests.chaos.history import End, Move
from tests.unit.forged_history import Played, kinds, sold

EXCEEDS = "AMOUNT_EXCEEDS_REVENUE"


def for_amount(
    played: Played, key: str, quantity: int, at_s: float, amount: str, booked: str
) -> Move:
    """A move whose client named an amount, and what the ledger has."""
    move = played.done(key, quantity, at_s, money_delta=Decimal(booked))
    move.amount = Decimal(amount)
    return move


@pytest.fixture
def played() -> Played:
    """Beside what all have: for an amount, for nothing, refused, and back for an amount."""
    played = sold()
    played.history.told.clear()
    played.done("room", 5, 70.0)
    for_amount(played, "paid", -2, 71.0, "35.55", "35.55")
    for_amount(played, "free", -1, 72.0, "0", "0.00")
    revenue = float(played.event.revenue)
    refused = played.tried("much", 1, End.FAILED, 73.0, EXCEEDS, amount=999.0, revenue=revenue)
    refused.amount = Decimal(999)
    for_amount(played, "refund", 2, 74.0, "30.01", "-30.01")
    played.history.told = [told for told in sold().history.told if told.version <= 6]
    return played


def test_money_that_is_right_has_no_violation(played: Played) -> None:
    assert [str(one) for one in played.check().violations] == []


def booked(played: Played, key: str, money: str) -> None:
    """Doctor the money of a version, and with it the revenue."""
    row = played.ledger.by_key[key]
    played.row(row.version, money_delta=Decimal(money))
    revenue = played.event.revenue + Decimal(money) - row.money_delta
    played.event = replace(played.event, revenue=revenue)


def sold_at_another_price(played: Played) -> None:
    booked(played, "four", "48")


def sold_at_the_price_instead_of_the_amount(played: Played) -> None:
    booked(played, "paid", "24")


def a_cent_too_much(played: Played) -> None:
    booked(played, "paid", "35.56")


def not_for_nothing(played: Played) -> None:
    booked(played, "free", "12")


def returned_for_the_share_instead_of_the_amount(played: Played) -> None:
    booked(played, "refund", "-20")


def returned_for_another_share(played: Played) -> None:
    booked(played, "back", "-20.01")


def not_the_sum(played: Played) -> None:
    played.event = replace(played.event, revenue=played.event.revenue + Decimal("0.01"))


def paid_back_more_than_there_was(played: Played) -> None:
    for_amount(played, "drained", 1, 80.0, "500", "-500")


def money_by_an_admin(played: Played) -> None:
    played.changed("gift", 90.0)
    booked(played, "gift", "1")


def another_price_told(played: Played) -> None:
    answer = played.move("paid").attempts[0]
    answer.told = {**answer.told, "unit_price": 10.0}


def refused_for_another_amount(played: Played) -> None:
    played.move("much").amount = Decimal(998)


def refused_with_money_enough(played: Played) -> None:
    attempt = played.move("much").attempts[0]
    attempt.told = {"amount": 999.0, "revenue": 999.0}


def refused_with_a_revenue_that_never_was(played: Played) -> None:
    attempt = played.move("much").attempts[0]
    attempt.told = {**attempt.told, "revenue": attempt.told["revenue"] + 1}


@pytest.mark.parametrize(
    ("doctor", "kind"),
    [
        (sold_at_another_price, OTHER),
        (sold_at_the_price_instead_of_the_amount, OTHER),
        (a_cent_too_much, OTHER),
        (not_for_nothing, OTHER),
        (returned_for_the_share_instead_of_the_amount, OTHER),
        (returned_for_another_share, OTHER),
        (not_the_sum, OTHER),
        (paid_back_more_than_there_was, NEGATIVE),
        (money_by_an_admin, OTHER),
        (another_price_told, OTHER),
        (refused_for_another_amount, OTHER),
        (refused_with_money_enough, OTHER),
        (refused_with_a_revenue_that_never_was, OTHER),
    ],
)
def test_money_that_is_wrong_is_noticed(
    played: Played, doctor: Callable[[Played], None], kind: str
) -> None:
    doctor(played)
    assert kinds(played.check()) == {kind}
