"""What an amount does to an event's revenue, and that the revenue is the sum of what was paid."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.domain.commands import Reserve, Return
from evently.domain.event import decide
from evently.domain.outcomes import (
    Accepted,
    AmountExceedsRevenue,
    InvalidFields,
    SeatsExceedCapacity,
)
from tests.examples import NOW, after, give_back, published, reserve

amounts = st.none() | st.decimals(0, 500, places=2)
moves = st.tuples(st.sampled_from([Reserve, Return]), st.integers(1, 4), amounts)


@pytest.mark.parametrize("amount", ["0.00", "35.50", "9999999999.99"])
def test_a_reserve_takes_the_amount_and_not_the_price(amount: str) -> None:
    paid = Decimal(amount)
    outcome = decide(published(), Reserve(2, None, amount=paid), NOW)

    assert isinstance(outcome, Accepted)
    assert (outcome.state.revenue, outcome.entry.money_delta) == (paid, paid)


def test_a_return_pays_back_the_amount_and_not_a_share() -> None:
    sold = after(published(), reserve(2))
    outcome = decide(sold, Return(2, None, amount=Decimal("1.50")), NOW)

    assert isinstance(outcome, Accepted)
    assert outcome.entry.money_delta == Decimal("-1.50")
    assert outcome.state.sold == 0
    assert outcome.state.revenue == sold.revenue - Decimal("1.50")


def test_all_that_was_taken_may_be_paid_back_and_not_a_cent_more() -> None:
    sold = after(published(), Reserve(2, None, amount=Decimal("35.50")))
    outcome = decide(sold, Return(1, None, amount=Decimal("35.50")), NOW)
    assert isinstance(outcome, Accepted)
    assert outcome.state.revenue == 0

    more = Decimal("35.51")
    told = decide(sold, Return(1, None, amount=more), NOW)
    assert told == AmountExceedsRevenue(more, Decimal("35.50"))


def test_too_many_seats_are_told_before_too_much_money() -> None:
    back = Return(1, None, amount=Decimal(1))
    assert decide(published(), back, NOW) == SeatsExceedCapacity(1, 0)


def test_too_much_money_is_told_before_a_stale_version() -> None:
    sold = after(published(), reserve(1))
    told = decide(sold, Return(1, 1, amount=Decimal(1000)), NOW)
    assert isinstance(told, AmountExceedsRevenue)


def test_a_return_without_an_amount_takes_a_share_of_what_was_paid() -> None:
    paid = Reserve(4, None, amount=Decimal("10.00"))
    assert after(published(), paid, give_back(1)).revenue == Decimal("7.50")


@given(st.lists(moves, max_size=12))
def test_revenue_is_the_sum_of_the_ledger_and_never_negative(
    played: list[tuple[type[Reserve | Return], int, Decimal | None]],
) -> None:
    state, paid = published(10), Decimal(0)
    for kind, seats, amount in played:
        outcome = decide(state, kind(seats, None, amount=amount), NOW)
        if isinstance(outcome, Accepted):
            paid += outcome.entry.money_delta
            if amount is not None:
                assert abs(outcome.entry.money_delta) == amount
            state = outcome.state
        assert state.revenue == paid >= 0


@pytest.mark.parametrize("command", [Reserve, Return])
def test_an_amount_is_whole_where_the_currency_has_no_decimals(
    command: type[Reserve | Return],
) -> None:
    sold = after(published(currency="JPY", base_price=Decimal(100)), reserve(2))
    assert isinstance(decide(sold, command(1, None, amount=Decimal(50)), NOW), Accepted)
    assert decide(sold, command(1, None, amount=Decimal("50.5")), NOW) == InvalidFields(
        (("amount", "amount must be a whole number: JPY has no decimals"),)
    )
