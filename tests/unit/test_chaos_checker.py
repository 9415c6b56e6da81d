"""Each broken promise is noticed: a history that is right, doctored in one place at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import check
from tests.chaos.findings import (
    DOUBLE_SOLD,
    GAP,
    LATE_READ,
    LOST,
    NEGATIVE,
    OTHER,
    UNRESOLVED,
)
from tests.chaos.history import AdminChange, Attempt, End, History, Move, Told
from tests.chaos.ledger import FOREIGN
from tests.unit.forged_history import EVENT, SEATS, Played, kinds, sold


@pytest.fixture
def played() -> Played:
    return sold()


def test_a_history_that_is_right_has_no_violation(played: Played) -> None:
    verdict = played.check()
    assert verdict.violations == []
    assert not verdict.excused


def test_a_conflict_that_names_what_changed_is_true(played: Played) -> None:
    told = {"current_version": 7, "available_seats": 1, "changed_fields": ["base_price"]}
    played.tried("new price", -1, End.FAILED, 70.0, "CONCURRENT_UPDATE", **told).version = 4
    assert played.check().violations == []


def committed_twice(played: Played) -> None:
    played.write("four", -1, 70.0)


def told_one_version_twice(played: Played) -> None:
    played.move("six").attempts[0].told = played.move("four").attempts[0].told


def sold_what_is_not_out(played: Played) -> None:
    played.event = replace(played.event, available_seats=2)


def not_in_the_ledger(played: Played) -> None:
    played.row(5, key="somebody else's", request_id="?", caller=FOREIGN)


def change_not_in_the_ledger(played: Played) -> None:
    played.history.changes.append(AdminChange(EVENT, "lost", 70.0, 70.1, End.OK, 8))


def out_and_held_by_nobody(played: Played) -> None:
    played.write("nobody's", -1, 70.0)


def under_nothing(played: Played) -> None:
    played.row(4, available_seats=-1)


def over_capacity(played: Played) -> None:
    played.event = replace(played.event, available_seats=SEATS + 1)


def version_missing(played: Played) -> None:
    played.rows = [replace(row, version=row.version + (row.version > 4)) for row in played.rows]


def version_twice(played: Played) -> None:
    played.row(5, version=4)


def row_is_not_its_ledger(played: Played) -> None:
    played.event = replace(played.event, version=8)


def seats_do_not_add_up(played: Played) -> None:
    played.row(5, available_seats=3)


def kept_back_by_the_row_alone(played: Played) -> None:
    played.event = replace(played.event, held_back_seats=1)


def a_block_freed_that_never_was(played: Played) -> None:
    played.write("expiry", 1, 70.0, kind="expired", held_back_delta=-1, caller=FOREIGN)


def another_quantity(played: Played) -> None:
    played.row(3, seat_delta=-5, available_seats=5)
    played.row(4, seat_delta=-5)


def another_version_told(played: Played) -> None:
    move = played.move("back")
    move.attempts[0].told = {**move.attempts[0].told, "version": 9}


def other_seats_told(played: Played) -> None:
    move = played.move("back")
    move.attempts[0].told = {**move.attempts[0].told, "available_seats": 9}


def two_answers_to_one_key(played: Played) -> None:
    move = played.move("four")
    first = move.attempts[0]
    again = replace(first, request_id="again", told={**first.told, "version": 4}, replayed=True)
    move.attempts.append(again)


def strict_at_another_version(played: Played) -> None:
    played.move("six").version = 2


def retried_on_other_terms(played: Played) -> None:
    move = played.done("late", -1, 70.0, version=5)
    move.retry = True


def never_resolved(played: Played) -> None:
    played.tried("open", -1, End.UNKNOWN, 70.0)


def refused_and_in_the_ledger(played: Played) -> None:
    played.tried("late", -1, End.FAILED, 70.0, "INSUFFICIENT_SEATS", available=0)
    played.write("late", -1, 71.0)


def done_by_a_try_that_did_nothing(played: Played) -> None:
    move = played.done("again", -1, 71.0)
    nothing = Attempt(move.attempts[0].request_id, 70.0, 70.1, End.NOTHING_DONE, "OVERLOADED")
    move.attempts = [nothing, replace(move.attempts[0], request_id="another")]


def change_refused_and_in_the_ledger(played: Played) -> None:
    played.history.changes[0].end = End.FAILED


def change_that_nobody_asked_for(played: Played) -> None:
    played.history.changes.clear()


def refusal_with_seats_enough(played: Played) -> None:
    played.move("none left").attempts[0].told = {"available": 1}


def refusal_that_was_never_true(played: Played) -> None:
    played.tried("never", -3, End.FAILED, 70.0, "INSUFFICIENT_SEATS", available=0)


def return_refused_without_a_reason(played: Played) -> None:
    played.tried("never", 3, End.FAILED, 70.0, "SEATS_EXCEED_CAPACITY", returnable=2)


def conflict_with_nobody(played: Played) -> None:
    move = played.tried(
        "never", -1, End.FAILED, 70.0, "CONCURRENT_UPDATE", current_version=7, available_seats=1
    )
    move.version = 7


def conflict_that_was_to_be_retried(played: Played) -> None:
    move = played.tried(
        "never", -1, End.FAILED, 35.0, "CONCURRENT_UPDATE", current_version=5, available_seats=2
    )
    move.version, move.retry = 4, True


def conflict_that_names_too_little(played: Played) -> None:
    move = played.tried(
        "never", -1, End.FAILED, 70.0, "CONCURRENT_UPDATE", current_version=7, available_seats=1
    )
    move.version = 4


def conflict_that_names_too_much(played: Played) -> None:
    told = {"current_version": 5, "available_seats": 2, "changed_fields": ["base_price"]}
    move = played.tried("never", -1, End.FAILED, 35.0, "CONCURRENT_UPDATE", **told)
    move.version = 4


def gone_though_on_sale(played: Played) -> None:
    played.tried("never", -1, End.FAILED, 70.0, "EVENT_NOT_FOUND")


def bug_answered(played: Played) -> None:
    move = played.done("in the end", -1, 70.0)
    move.attempts.insert(0, Attempt("bug", 69.0, 69.1, End.UNKNOWN, "INTERNAL_ERROR"))


def change_that_nobody_was_told_of(played: Played) -> None:
    del played.history.told[0]


def told_out_of_order(played: Played) -> None:
    played.history.told.reverse()


def told_of_an_ordinary_move(played: Played) -> None:
    played.history.told.insert(0, Told(EVENT, 3, "updated", 6))


def told_of_other_seats(played: Played) -> None:
    played.history.told[1] = replace(played.history.told[1], available_seats=1)


def read_of_what_never_was(played: Played) -> None:
    played.history.reads[0].available_seats = 7


def read_of_a_version_to_come(played: Played) -> None:
    played.history.reads[0].version = 99


def read_behind_an_answer(played: Played) -> None:
    played.read(4, 31.0)


def read_far_behind_an_answer(played: Played) -> None:
    played.history.doubled.append((0.0, 100.0))
    played.read(4, 30.5)


@pytest.mark.parametrize(
    ("doctor", "kind"),
    [
        (committed_twice, DOUBLE_SOLD),
        (told_one_version_twice, DOUBLE_SOLD),
        (sold_what_is_not_out, DOUBLE_SOLD),
        (not_in_the_ledger, LOST),
        (change_not_in_the_ledger, LOST),
        (out_and_held_by_nobody, LOST),
        (under_nothing, NEGATIVE),
        (over_capacity, NEGATIVE),
        (version_missing, GAP),
        (version_twice, GAP),
        (row_is_not_its_ledger, OTHER),
        (seats_do_not_add_up, OTHER),
        (kept_back_by_the_row_alone, OTHER),
        (a_block_freed_that_never_was, NEGATIVE),
        (another_quantity, OTHER),
        (another_version_told, OTHER),
        (other_seats_told, OTHER),
        (two_answers_to_one_key, OTHER),
        (strict_at_another_version, OTHER),
        (retried_on_other_terms, OTHER),
        (never_resolved, UNRESOLVED),
        (refused_and_in_the_ledger, OTHER),
        (done_by_a_try_that_did_nothing, OTHER),
        (change_refused_and_in_the_ledger, OTHER),
        (change_that_nobody_asked_for, OTHER),
        (refusal_with_seats_enough, OTHER),
        (refusal_that_was_never_true, OTHER),
        (return_refused_without_a_reason, OTHER),
        (conflict_with_nobody, OTHER),
        (conflict_that_was_to_be_retried, OTHER),
        (conflict_that_names_too_little, OTHER),
        (conflict_that_names_too_much, OTHER),
        (gone_though_on_sale, OTHER),
        (bug_answered, OTHER),
        (change_that_nobody_was_told_of, LOST),
        (told_out_of_order, OTHER),
        (told_of_an_ordinary_move, OTHER),
        (told_of_other_seats, OTHER),
        (read_of_what_never_was, OTHER),
        (read_of_a_version_to_come, OTHER),
        (read_behind_an_answer, OTHER),
        (read_far_behind_an_answer, OTHER),
    ],
)
def test_a_broken_promise_is_noticed(
    played: Played, doctor: Callable[[Played], None], kind: str
) -> None:
    doctor(played)
    verdict = played.check()
    assert kind in kinds(verdict), verdict.violations
    assert not verdict.excused


def late_commit(played: Played, recorded_s: float) -> None:
    """The first try is in doubt, the second refused; the first one's statement comes later."""
    move = played.tried("late", -3, End.UNKNOWN, 60.0)
    refused = {"available": 1}
    move.attempts.append(Attempt("refused", 62.0, 62.1, End.FAILED, "INSUFFICIENT_SEATS", refused))
    played.write("room", 5, 62.5, caller=FOREIGN)
    played.write("late", -3, recorded_s, request_id=move.attempts[0].request_id)


@pytest.mark.parametrize("owners", [1, 2])
def test_a_late_commit_is_a_violation_however_many_owners_there_are(
    played: Played, owners: int
) -> None:
    late_commit(played, 63.0)
    if owners == 2:
        played.history.doubled.append((59.0, 65.0))
    assert kinds(played.check()) == {OTHER}


def test_a_key_that_was_refused_and_done_is_a_violation(played: Played) -> None:
    move = played.tried("twice", -3, End.FAILED, 70.0, "INSUFFICIENT_SEATS", available=1)
    played.write("room", 5, 70.5, caller=FOREIGN)
    done = played.done("twice", -3, 71.0)
    played.history.moves.remove(done)
    move.attempts += done.attempts
    played.history.doubled.append((69.0, 72.0))
    assert kinds(played.check()) == {OTHER}


def test_a_read_may_be_a_moment_behind_where_there_are_two_owners(played: Played) -> None:
    played.history.doubled.append((29.0, 31.0))
    played.read(4, 30.2)
    verdict = played.check()
    assert verdict.violations == []
    assert [finding.kind for finding in verdict.excused] == [LATE_READ]


def test_a_move_without_a_key_may_stay_in_doubt_but_not_be_another_s(played: Played) -> None:
    move = played.tried("", -1, End.UNKNOWN, 70.0)
    move.key = None
    assert played.check().violations == []
    row = played.write("made here", -1, 70.0, request_id=move.attempts[0].request_id)
    played.history.told.append(Told(EVENT, row.version, "sold_out", 0))
    assert played.check().violations == []
    played.history.moves.remove(move)
    assert kinds(played.check()) == {LOST, OTHER}


def test_an_event_that_nobody_knows_is_told_of() -> None:
    history = History()
    history.moves.append(Move("unknown", "k", -1, "*"))
    assert kinds(check(history, {})) == {OTHER}


def test_recovery_counts_only_what_was_sent_after_the_fault() -> None:
    history = History()
    history.oks[EVENT] = [(1.0, 1.1), (4.9, 5.2), (5.1, 5.3), (5.2, 5.4)]
    assert history.first_ok(EVENT, 5.0) == 5.3
    assert history.first_ok(EVENT, 5.3) is None
    assert history.first_ok("another", 0.0) is None
