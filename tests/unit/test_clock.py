"""The database's clock, carried forward."""

from datetime import UTC, datetime, timedelta

from actors.clock import DatabaseClock
from tests.examples import NOW


def test_the_clock_goes_on_from_what_the_database_told() -> None:
    passed_s = 100.0
    clock = DatabaseClock(lambda: passed_s)

    clock.tell(NOW)
    passed_s = 107.5

    assert clock.now() == NOW + timedelta(seconds=7.5)


def test_a_clock_that_was_wrong_is_put_right_backwards_too() -> None:
    clock = DatabaseClock(lambda: 0.0)
    clock.tell(NOW + timedelta(hours=1))

    clock.tell(NOW)

    assert clock.now() == NOW


def test_until_it_was_told_the_clock_is_this_machines() -> None:
    assert abs(DatabaseClock().now() - datetime.now(UTC)) < timedelta(minutes=1)
