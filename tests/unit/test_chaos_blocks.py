"""The check of blocks notices seats that are sold, freed or kept back otherwise than was asked."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.findings import DOUBLE_SOLD, OTHER
from tests.chaos.history import Attempt, End, Move, Told
from tests.chaos.ledger import Row
from tests.unit.forged_history import Played, at, kinds, published

RELEASE_S = 40.0
NOTHING = Decimal(0)


def listed(press: int, crew: int) -> dict[str, Any]:
    """What a version changes that leaves so many seats in the blocks."""
    return {
        "holdbacks": [
            {"name": "Press", "quantity": press, "release_at": None},
            {"name": "Crew", "quantity": crew, "release_at": at(RELEASE_S)},
        ]
    }


def taken(played: Played, key: str, seats: int, at_s: float, name: str, **over: Any) -> Move:
    """A reserve from a block; `over` is what its row has then."""
    given = {"seat_delta": 0, "held_back_delta": -seats, "money_delta": 10 * Decimal(seats)}
    move = played.done(key, -seats, at_s, **{**given, **over})
    move.holdback = name
    return move


def freed(played: Played, key: str, seats: int, at_s: float, **over: Any) -> Row:
    """A version of the clock."""
    given = {"kind": "expired", "held_back_delta": -seats, "money_delta": NOTHING}
    return played.write(key, seats, at_s, **{**given, **over})


@pytest.fixture
def played() -> Played:
    """3 and 2 of 10 seats are kept back; 1 is taken, 2 are refused, 2 freed, and 2 sold."""
    played = published()
    played.changed("list", 10.0, -5, **listed(3, 2))
    taken(played, "guest", 1, 20.0, "PRESS", changes=listed(2, 2))
    refused = {"available": 2, "holdback": "Press"}
    played.tried("many", -3, End.FAILED, 25.0, "INSUFFICIENT_SEATS", **refused).holdback = "press"
    played.tried("who", -1, End.FAILED, 26.0, "HOLDBACK_NOT_FOUND").holdback = "Nobody"
    played.tried("free", -6, End.FAILED, 27.0, "INSUFFICIENT_SEATS", available=5)
    freed(played, "clock", 2, RELEASE_S + 0.5, changes=listed(2, 0))
    played.done("two", -2, 50.0)
    return played


def test_blocks_that_are_right_have_no_violation(played: Played) -> None:
    assert [str(one) for one in played.check().violations] == []


def sold_from_the_free_ones(played: Played) -> None:
    taken(played, "x", 1, 60.0, "Press", seat_delta=-1, held_back_delta=0)


def sold_from_another_block(played: Played) -> None:
    played.move("guest").holdback = "Crew"


def sold_from_a_block_that_was_not_named(played: Played) -> None:
    played.move("guest").holdback = None


def sold_from_no_block_at_all(played: Played) -> None:
    played.move("guest").holdback = "Nobody"


def sold_twice(played: Played) -> None:
    """The list has the seats still."""
    taken(played, "x", 1, 60.0, "Press", changes=listed(2, 0))


def sold_and_left_among_the_free_ones(played: Played) -> None:
    played.row(6, seat_delta=0)


def freed_before_its_time(played: Played) -> None:
    played.row(5, recorded_s=played.rows[3].recorded_s)


def freed_that_has_no_time(played: Played) -> None:
    freed(played, "x", 2, 60.0, changes=listed(0, 0))


def sold_in_part_from_the_free_ones(played: Played) -> None:
    move = taken(played, "x", 1, 60.0, "Press", seat_delta=-1, changes=listed(1, 0))
    move.quantity = -2
    played.row(7, money_delta=Decimal(20))
    played.event = replace(played.event, revenue=played.event.revenue + 10)


def freed_in_part(played: Played) -> None:
    played.changed("more", 60.0, -2, **listed(2, 2))
    freed(played, "x", 1, 61.0, changes=listed(2, 1))


def given_another_time_by_the_clock(played: Played) -> None:
    changes = listed(2, 0)
    changes["holdbacks"][0]["release_at"] = at(99.0)
    freed(played, "x", 0, 60.0, changes=changes)


def freed_twice(played: Played) -> None:
    freed(played, "x", 2, 60.0, held_back_delta=0, changes=listed(2, 0))


def freed_twice_and_taken_from_another(played: Played) -> None:
    freed(played, "x", 2, 60.0, changes=listed(2, 0))


def changed_by_a_return(played: Played) -> None:
    move = played.done("x", 1, 60.0, changes=listed(1, 1), money_delta=Decimal(-10))
    assert move.ended(End.OK)


def kept_back_otherwise_than_listed(played: Played) -> None:
    played.row(3, changes=listed(3, 1))


def kept_back_otherwise_than_asked(played: Played) -> None:
    played.history.changes[0].wanted = listed(2, 3)


def told_to_the_public(played: Played) -> None:
    played.history.told.append(Told("e", 5, "holds_expired", 7))


def refused_with_seats_in_the_block(played: Played) -> None:
    played.move("many").quantity = -2


def refused_with_seats_that_never_were(played: Played) -> None:
    attempt = played.move("many").attempts[0]
    attempt.told = {"available": 1, "holdback": "Press"}


def refused_for_another_block(played: Played) -> None:
    attempt = played.move("many").attempts[0]
    attempt.told = {"available": 2, "holdback": "Crew"}


def not_found_and_there(played: Played) -> None:
    played.move("who").holdback = "press"


def not_found_by_one_who_named_none(played: Played) -> None:
    played.move("who").holdback = None


def refused_while_a_block_is_due(played: Played) -> None:
    """It is told of the version before the clock's, by a try that was sent after the time."""
    attempt = Attempt("late", RELEASE_S + 0.45, RELEASE_S + 0.6, End.FAILED, "INSUFFICIENT_SEATS")
    attempt.told = {"available": 5}
    played.history.moves.append(Move("e", "late", -6, "*", attempts=[attempt]))


@pytest.mark.parametrize(
    ("doctor", "kind"),
    [
        (sold_from_the_free_ones, DOUBLE_SOLD),
        (sold_from_another_block, DOUBLE_SOLD),
        (sold_from_a_block_that_was_not_named, OTHER),
        (sold_from_no_block_at_all, DOUBLE_SOLD),
        (sold_twice, DOUBLE_SOLD),
        (sold_and_left_among_the_free_ones, DOUBLE_SOLD),
        (freed_before_its_time, OTHER),
        (freed_that_has_no_time, OTHER),
        (sold_in_part_from_the_free_ones, DOUBLE_SOLD),
        (freed_in_part, OTHER),
        (given_another_time_by_the_clock, OTHER),
        (freed_twice, DOUBLE_SOLD),
        (freed_twice_and_taken_from_another, OTHER),
        (changed_by_a_return, OTHER),
        (kept_back_otherwise_than_listed, OTHER),
        (kept_back_otherwise_than_asked, OTHER),
        (told_to_the_public, OTHER),
        (refused_with_seats_in_the_block, OTHER),
        (refused_with_seats_that_never_were, OTHER),
        (refused_for_another_block, OTHER),
        (not_found_and_there, OTHER),
        (not_found_by_one_who_named_none, OTHER),
        (refused_while_a_block_is_due, OTHER),
    ],
)
def test_blocks_that_are_wrong_are_noticed(
    played: Played, doctor: Callable[[Played], None], kind: str
) -> None:
    doctor(played)
    verdict = played.check()
    assert kind in kinds(verdict), verdict.violations
