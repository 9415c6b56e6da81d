"""The check of the times of sales notices what is sold, or refused, at another time."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.findings import LATE_TRY, OTHER, UNRESOLVED
from tests.chaos.history import Attempt, End, HoldStep, Purchase
from tests.unit.forged_history import EPOCH_S, EVENT, Played, at, kinds, published

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


def given_up(played: Played, recorded_s: float) -> None:
    """A try that was hung up on before the refusals did it, by a statement of this time."""
    move = played.move("early")
    first = Attempt(move.attempts[2].request_id, 9.0, 9.1, End.HUNG_UP)
    move.attempts[2].request_id = "a later one"
    move.attempts.insert(0, first)
    played.row(4, recorded_s=EPOCH_S + recorded_s)


def refused_though_done_before(played: Played) -> None:
    given_up(played, 19.0)


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
        (refused_though_done_before, OTHER),
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


def test_a_try_that_came_after_a_refusal_that_is_not_final_is_told_apart(played: Played) -> None:
    given_up(played, 20.05)
    verdict = played.check()
    assert verdict.violations == []
    assert {finding.kind for finding in verdict.excused} == {LATE_TRY}


@pytest.mark.parametrize("done", ["later", "before", "by the refused try"])
def test_so_it_is_with_every_refusal_that_is_not_final(played: Played, done: str) -> None:
    recorded_s = 38.0 if done == "before" else 42.0
    move = played.done("x", -1, 42.0, recorded_s=EPOCH_S + recorded_s)
    (ok,) = move.attempts
    refusal = Attempt("x", 40.0, 40.1, End.FAILED, "AMOUNT_EXCEEDS_REVENUE")
    refusal.told = {"amount": 50.0, "revenue": float(played.event.revenue - 10)}
    move.amount = Decimal(50)
    played.row(played.event.version, money_delta=Decimal(50))
    played.event = replace(played.event, revenue=played.event.revenue + 40)
    if done == "by the refused try":
        refusal.request_id = ok.request_id
    move.attempts = [refusal, replace(ok, sent_s=41.0)]
    verdict = played.check()
    assert (kinds(verdict) == set()) is (done == "later"), verdict.violations
    assert bool(verdict.excused) is (done == "later")
