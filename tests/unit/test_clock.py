"""The database's clock, carried forward."""

from datetime import UTC, datetime, timedelta

from actors.clock import DatabaseClock
from tests.examples import NOW


class Desk:
    """A clock whose answers take as long as the test says."""

    def __init__(self) -> None:
        self.passed_s = 100.0
        self.clock = DatabaseClock(lambda: self.passed_s)

    def tell(self, ahead_s: float = 0.0, *, before_s: float = 0.0, after_s: float = 0.0) -> None:
        """An answer: the database reads its clock `before_s` after it was asked."""
        asked_at_s = self.passed_s
        now = self.true() + timedelta(seconds=before_s + ahead_s)
        self.passed_s += before_s + after_s
        self.clock.tell(now, asked_at_s)

    def true(self) -> datetime:
        """The database's time, but for what it is set ahead."""
        return NOW + timedelta(seconds=self.passed_s - 100.0)

    def ahead_s(self) -> float:
        """How far the clock is before the database's."""
        return (self.clock.now() - self.true()).total_seconds()


def test_the_clock_goes_on_from_what_the_database_told() -> None:
    desk = Desk()
    desk.tell()

    desk.passed_s += 7.5

    assert desk.clock.now() == NOW + timedelta(seconds=7.5)


def test_a_slow_answer_leaves_the_clock_no_second_behind() -> None:
    desk = Desk()
    desk.tell(after_s=0.3)

    assert desk.ahead_s() == 0.0


def test_a_statement_that_was_long_on_its_way_does_not_set_a_better_clock_ahead() -> None:
    desk = Desk()
    desk.tell(before_s=0.001)
    desk.tell(before_s=2.0, after_s=0.3)

    assert desk.ahead_s() == 0.001


def test_a_faster_answer_brings_the_clock_nearer() -> None:
    desk = Desk()
    desk.tell(before_s=2.0)
    assert desk.ahead_s() == 2.0
    desk.tell(before_s=0.001, after_s=0.001)

    assert desk.ahead_s() == 0.001


def test_a_clock_that_was_wrong_is_put_right_backwards_too() -> None:
    desk = Desk()
    desk.tell(3600.0)
    desk.tell()

    assert desk.ahead_s() == 0.0


def test_a_database_that_was_set_ahead_is_followed_at_once() -> None:
    desk = Desk()
    desk.tell()
    desk.tell(3600.0, before_s=0.5, after_s=0.5)

    assert desk.ahead_s() == 3600.5


def test_until_it_was_told_the_clock_is_this_machines() -> None:
    assert abs(DatabaseClock().now() - datetime.now(UTC)) < timedelta(minutes=1)
