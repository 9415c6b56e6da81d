"""The check of the times of sales notices what is sold, or refused, at another time."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.findings import OTHER, UNRESOLVED
from tests.chaos.history import Attempt, End, HoldStep, Purchase
from tests.unit.forged_history import EVENT, Played, at, kinds, published

NOT_ON_SALE = "EVENT_NOT_ON_SALE"
OPENS_S, CLOSES_S = 20.0, 60.0


def told(now_s: float, *, paused: bool = False, **over: Any) -> dict[str, Any]:
    window = {"sales_start": at(OPENS_S), "sales_end": at(CLOSES_S), "paused": paused}
    return {**window, "now": at(now_s), **over}


def refused(at_s: float, **over: Any) -> Attempt:
    return Attempt(
        f"at {at_s}", at_s, at_s + 0.01, End.CLOSED, NOT_ON_SALE, {**told(at_s + 0.005), **over}
    )


@pytest.fixture
def played() -> Played:
    """Refused, sold under the same key, paused and refused, resumed and sold."""
    played = published()
    played.changed("window", 5.0, sales_start=at(OPENS_S), sales_end=at(CLOSES_S))
    early = played.done("early", -1, 20.1)
    early.attempts = [refused(10.0), refused(19.9), *early.attempts]
    played.changed("pause", 30.0, paused=True)
    again = played.done("back", 1, 32.0)
    assert again.ended(End.OK)
    played.changed("resume", 35.0, paused=False)
    late = played.done("late", -1, 36.0)
    late.attempts.insert(0, refused(33.0, paused=True))
    return played


def test_sales_in_time_have_no_violation(played: Played) -> None:
    assert [str(one) for one in played.check().violations] == []


def sold_while_paused(played: Played) -> None:
    played.changed("stop", 40.0, paused=True)
    played.done("x", -1, 41.0)


def held_while_paused(played: Played) -> None:
    played.changed("stop", 40.0, paused=True)
    step = HoldStep(EVENT, "held", "held")
    row = played.write(
        "held", -1, 41.0, kind="held", held_delta=1, holds=("h",), money_delta=Decimal(0)
    )
    body = {"hold": {"hold_id": "h"}, "version": row.version, "available_seats": 8}
    step.attempts.append(Attempt("x", 41.0, 41.1, End.OK, None, body))
    played.history.purchases.append(Purchase(EVENT, 1, [step], "h"))


def sold_after_the_end(played: Played) -> None:
    played.done("x", -1, CLOSES_S + 0.001)


def sold_before_the_opening(played: Played) -> None:
    played.row(4, recorded_s=played.rows[3].recorded_s - 5.0)


def told_before_the_opening(played: Played) -> None:
    answer = played.move("early").attempts[-1]
    answer.sent_s, answer.heard_s = 19.98, 19.999


def refused_while_open(played: Played) -> None:
    played.move("early").attempts.insert(0, refused(25.0))


def refused_with_a_window_that_never_was(played: Played) -> None:
    again = refused(33.5, paused=True, sales_start=at(OPENS_S + 1))
    played.move("late").attempts.append(again)


def refused_with_a_window_of_another_time(played: Played) -> None:
    played.move("late").attempts.append(refused(45.0, paused=True))


def refused_as_of_another_time(played: Played) -> None:
    """It is an earlier refusal, kept, though it is not final."""
    played.move("early").attempts.insert(2, refused(19.95, now=at(10.0)))


def done_by_the_try_that_was_refused(played: Played) -> None:
    move = played.move("early")
    move.attempts[1].request_id = move.attempts[2].request_id
    move.attempts[2].request_id = "a later one"


def done_by_a_try_from_before(played: Played) -> None:
    move = played.move("early")
    first = Attempt(move.attempts[2].request_id, 9.0, 9.1, End.HUNG_UP)
    move.attempts[2].request_id = "a later one"
    move.attempts.insert(0, first)


def a_hold_refused_while_open(played: Played) -> None:
    step = HoldStep(EVENT, "x", "held")
    step.attempts += [refused(25.0), Attempt("y", 26.0, 26.1, End.FAILED, "INSUFFICIENT_SEATS")]
    played.history.purchases.append(Purchase(EVENT, 1, [step]))


def otherwise_than_asked(played: Played) -> None:
    played.history.changes[1].wanted = {"paused": False}


@pytest.mark.parametrize(
    ("doctor", "kind"),
    [
        (sold_while_paused, OTHER),
        (held_while_paused, OTHER),
        (sold_after_the_end, OTHER),
        (sold_before_the_opening, OTHER),
        (told_before_the_opening, OTHER),
        (refused_while_open, OTHER),
        (refused_with_a_window_that_never_was, OTHER),
        (refused_with_a_window_of_another_time, OTHER),
        (refused_as_of_another_time, OTHER),
        (done_by_the_try_that_was_refused, OTHER),
        (done_by_a_try_from_before, OTHER),
        (a_hold_refused_while_open, OTHER),
        (otherwise_than_asked, OTHER),
    ],
)
def test_sales_at_another_time_are_noticed(
    played: Played, doctor: Callable[[Played], None], kind: str
) -> None:
    doctor(played)
    verdict = played.check()
    assert kinds(verdict) == {kind}, verdict.violations


def test_a_key_that_was_never_answered_otherwise_is_unresolved(played: Played) -> None:
    played.tried("never", -1, End.CLOSED, 10.0, NOT_ON_SALE, **told(10.005))
    assert kinds(played.check()) == {UNRESOLVED}
