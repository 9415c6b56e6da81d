"""When seats are sold, until when an event can be changed, and what a buyer is told of it."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evently.domain.commands import Cancel, ChangeHold, Command, Confirm, Update
from evently.domain.commits import Refused
from evently.domain.event import decide
from evently.domain.holds import Hold
from evently.domain.level import FEW_PART, FEW_SEATS, Level, level_of
from evently.domain.outcomes import (
    Accepted,
    InsufficientSeats,
    InvalidFields,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    NotOnSale,
    Outcome,
    StaleVersion,
)
from evently.domain.state import EventState, Status
from tests.examples import (
    ADMIN,
    NOW,
    ORIGIN,
    VENUE_CAPACITY,
    after,
    cancel,
    details,
    draft,
    give_back,
    hold,
    hold_id,
    publish,
    published,
    reserve,
    update,
)

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
OPENS = NOW + timedelta(days=1)
STARTS, ENDS = details().start_datetime, details().end_datetime
DOOR = STARTS + HOUR


def refused(state: EventState, command: Command, now: datetime = NOW) -> Outcome:
    """The refusal of `command`, which must leave the state as it was."""
    before = asdict(state)
    outcome = decide(state, command, now)
    assert not isinstance(outcome, Accepted)
    assert asdict(state) == before
    return outcome


def problems(state: EventState, command: Command, now: datetime = NOW) -> dict[str, str]:
    """What is wrong with the fields that `command` gives, by field."""
    outcome = refused(state, command, now)
    assert isinstance(outcome, InvalidFields), outcome
    return dict(outcome.problems)


def paused(state: EventState) -> EventState:
    return after(state, update(state.version, paused=True))


# The window


@pytest.mark.parametrize("command", [reserve(), hold()], ids=["a seat", "a hold"])
def test_seats_are_sold_from_the_opening_on_and_not_a_moment_sooner(command: Command) -> None:
    state = published(sales_start=OPENS)

    told = refused(state, command, OPENS - TICK)

    assert told == NotOnSale(OPENS, None, False, OPENS - TICK)
    assert isinstance(decide(state, command, OPENS), Accepted)


@pytest.mark.parametrize("command", [reserve(), hold()], ids=["a seat", "a hold"])
def test_seats_are_sold_until_the_close_of_sales(command: Command) -> None:
    closes = STARTS - HOUR
    state = published(sales_end=closes)

    assert isinstance(decide(state, command, closes - TICK), Accepted)
    assert refused(state, command, closes) == NotOnSale(None, closes, False, closes)
    # The event has not begun, so that sales may be prolonged.
    longer = after(state, update(2, sales_end=None), now=closes)
    assert isinstance(decide(longer, command, closes), Accepted)
    assert refused(state, command, STARTS) == NotModifiable(Status.PUBLISHED, started=True)


def test_without_a_close_seats_are_sold_until_the_start() -> None:
    state = published(sales_start=OPENS)

    assert isinstance(decide(state, reserve(), STARTS - TICK), Accepted)
    assert refused(state, reserve(), STARTS) == NotModifiable(Status.PUBLISHED, started=True)


def test_seats_are_sold_at_the_door_and_the_event_can_be_changed_as_long() -> None:
    state = published(sales_end=DOOR)

    for now in (STARTS, DOOR - TICK):
        for command in (reserve(), hold(), update(2, base_price=Decimal(9)), cancel(2)):
            assert isinstance(decide(state, command, now), Accepted), (command, now)
    for command in (reserve(), hold(), update(2, base_price=Decimal(9)), cancel(2)):
        assert refused(state, command, DOOR) == NotModifiable(Status.PUBLISHED, started=True)
    assert isinstance(decide(after(state, reserve()), give_back(), DOOR), Accepted)


def test_the_door_can_be_closed_early() -> None:
    closed = after(published(sales_end=DOOR), update(2, sales_end=None), now=STARTS)

    assert refused(closed, reserve(), STARTS) == NotModifiable(Status.PUBLISHED, started=True)


def test_a_pause_stops_sales_and_nothing_else() -> None:
    state = after(published(), reserve(2))
    rows: dict[str, Hold | None] = {}
    state = after(state, hold(2), holds=rows)
    state = paused(state)

    assert refused(state, reserve()) == NotOnSale(None, None, True, NOW)
    assert refused(state, hold(1, "i")) == NotOnSale(None, None, True, NOW)
    assert isinstance(decide(state, give_back(), NOW), Accepted)
    assert isinstance(decide(state, Confirm(hold_id()), NOW, rows), Accepted)
    again = after(state, update(state.version, paused=False))
    assert isinstance(decide(again, reserve(), NOW), Accepted)


def test_a_hold_is_confirmed_and_made_smaller_after_the_close_and_not_made_larger() -> None:
    rows: dict[str, Hold | None] = {}
    closes = NOW + timedelta(minutes=5)
    state = after(published(sales_end=closes), hold(2), holds=rows)

    larger, smaller = ChangeHold(hold_id(), 3, None), ChangeHold(hold_id(), 1, 60)

    assert decide(state, larger, closes, rows) == NotOnSale(None, closes, False, closes)
    assert isinstance(decide(state, smaller, closes, rows), Accepted)
    assert isinstance(decide(state, Confirm(hold_id()), closes, rows), Accepted)


def test_an_expired_hold_is_retaken_after_the_close_until_the_event_is_over() -> None:
    rows: dict[str, Hold | None] = {}
    state = after(published(sales_end=NOW + timedelta(minutes=5)), hold(2), holds=rows)

    assert isinstance(decide(state, Confirm(hold_id()), NOW + HOUR, rows), Accepted)


def test_the_refusals_come_in_their_order() -> None:
    few = published(2, sales_start=OPENS, max_tickets_per_booking=3)
    closed = after(few, cancel())

    assert refused(draft(sales_start=OPENS), hold(9)) == NotFound()
    assert isinstance(refused(closed, hold(9)), NotModifiable)
    # Neither too many for a booking, nor too few, nor stale.
    assert isinstance(refused(few, hold(9, version=1)), NotOnSale)
    assert isinstance(refused(few, reserve(9, version=1)), NotOnSale)
    assert isinstance(refused(few, hold(9, version=1), OPENS), MaxTicketsExceeded)
    assert isinstance(refused(few, hold(3, version=1), OPENS), InsufficientSeats)
    assert isinstance(refused(few, reserve(1, version=1), OPENS), StaleVersion)


def test_that_it_is_not_on_sale_is_never_the_last_word() -> None:
    refusal = NotOnSale(OPENS, None, False, NOW)
    assert not Refused(refusal, "k", "-1 at *", ORIGIN).final


def test_a_change_of_the_times_is_no_other_offer() -> None:
    state = published()
    moved = after(state, update(2, sales_start=NOW, sales_end=DOOR, paused=False))

    assert isinstance(decide(moved, reserve(1, 2, retry=True), NOW), Accepted)


times = st.none() | st.sampled_from([NOW + n * HOUR for n in (-1, 1, 2, 3, 216, 217, 239)])


@given(times, times, st.booleans(), st.sampled_from([n * HOUR for n in range(242)]))
def test_a_seat_is_sold_exactly_within_the_window(
    opens: datetime | None, closes: datetime | None, pause: bool, passed: timedelta
) -> None:
    last = STARTS if closes is None else closes
    assume(opens is None or opens < last)
    state = published(sales_start=opens, sales_end=closes, paused=pause)
    now = NOW + passed
    within = (opens is None or opens <= now) and now < last and not pause

    outcome = decide(state, reserve(), now)

    assert isinstance(outcome, Accepted) == within
    assert isinstance(outcome, NotModifiable) == (not within and now >= max(STARTS, last))
    assert (level_of(state, now) in {Level.AVAILABLE, Level.FEW_LEFT}) == within
    assert isinstance(decide(state, update(2, name="Day"), now), Accepted) == (
        now < max(STARTS, last)
    )


# The fields


@pytest.mark.parametrize(
    ("stored", "changes", "field"),
    [
        ({}, {"sales_start": OPENS, "sales_end": OPENS}, "sales_end"),
        ({"sales_start": OPENS}, {"sales_end": OPENS - TICK}, "sales_end"),
        ({"sales_end": OPENS}, {"sales_start": OPENS}, "sales_start"),
        ({}, {"sales_end": ENDS + TICK}, "sales_end"),
        ({"sales_end": DOOR}, {"end_datetime": DOOR - TICK}, "end_datetime"),
        ({}, {"sales_start": STARTS}, "sales_start"),
        ({"sales_start": OPENS}, {"start_datetime": OPENS}, "sales_start"),
        ({"sales_start": STARTS, "sales_end": DOOR}, {"sales_end": None}, "sales_start"),
    ],
)
def test_times_that_do_not_fit_are_told_by_their_field(
    stored: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    told = problems(published(**stored), update(2, **changes))

    assert [*told] == [field]
    assert field in told[field]


def test_times_may_touch_their_bounds() -> None:
    state = after(published(), update(2, sales_start=STARTS - TICK))
    state = after(state, update(3, sales_start=STARTS, sales_end=STARTS + TICK))
    after(state, update(4, sales_end=ENDS), update(5, sales_start=None, sales_end=None))


def test_the_currency_changes_in_a_draft_only_and_is_sent_back_at_any_time() -> None:
    assert after(draft(), update(1, currency="EUR")).details.currency == "EUR"
    assert [*problems(published(), update(2, currency="EUR"))] == ["currency"]
    after(published(), update(2, currency="USD", name="Day"))


def test_prices_in_a_currency_without_decimals_are_whole() -> None:
    state = draft(base_price=Decimal("25.50"))
    assert [*problems(state, update(1, currency="JPY"))] == ["base_price"]
    yen = after(state, update(1, currency="JPY", base_price=Decimal(2500)), publish(2))
    assert [*problems(yen, update(3, base_price=Decimal("2500.01")))] == ["base_price"]

    rows: dict[str, Hold | None] = {}
    held = after(yen, hold(2), holds=rows)
    told = decide(held, Confirm(hold_id(), Decimal("4999.50")), NOW, rows)
    assert isinstance(told, InvalidFields)
    assert [name for name, _ in told.problems] == ["amount"]
    assert isinstance(decide(held, Confirm(hold_id(), Decimal(4999)), NOW, rows), Accepted)


def test_what_a_return_takes_back_is_whole_where_the_currency_is() -> None:
    state = after(published(currency="JPY", base_price=Decimal(100)), reserve(2))
    state = after(state, update(3, base_price=Decimal(101)), reserve(1))

    returned = after(state, give_back(1))

    assert (state.revenue, returned.revenue) == (Decimal(301), Decimal(201))


# An admin's change while seats are sold


def edits(version: int, *, retry: bool) -> tuple[Command, Command]:
    change = Update(ADMIN, False, version, {"paused": True}, VENUE_CAPACITY, None, retry)
    return change, Cancel(ADMIN, False, version, retry)


def test_seats_that_move_are_no_conflict_for_an_admin_who_says_retry() -> None:
    rows: dict[str, Hold | None] = {}
    state = after(published(), reserve(), hold(2), give_back(), holds=rows)

    for command in edits(2, retry=True):
        outcome = decide(state, command, NOW)
        assert isinstance(outcome, Accepted)
        assert outcome.state.edited_version == outcome.state.version == state.version + 1
    for command in edits(2, retry=False):
        assert refused(state, command) == StaleVersion(2, 5, 8, Status.PUBLISHED)


@pytest.mark.parametrize(
    "change", [{"name": "Day"}, {"base_price": Decimal(1)}, {"sales_end": DOOR}, {}]
)
def test_an_admins_change_in_between_is_a_conflict(change: dict[str, Any]) -> None:
    state = after(published(), reserve(), update(3, **change), reserve())

    for command in edits(3, retry=True):
        assert isinstance(refused(state, command), StaleVersion)
    for command in edits(4, retry=True):
        assert isinstance(decide(state, command, NOW), Accepted)


@pytest.mark.parametrize("version", [1, 9])
def test_a_version_before_the_last_change_or_ahead_is_stale(version: int) -> None:
    for command in edits(version, retry=True):
        assert isinstance(refused(after(published(), reserve()), command), StaleVersion)


def test_what_an_older_release_has_written_may_have_been_an_admins() -> None:
    state = replace(after(published(), reserve(), reserve()), edited_version=0)
    for command in edits(3, retry=True):
        assert isinstance(refused(state, command), StaleVersion)

    # From here on it is known.
    state = after(state, reserve())
    assert state.edited_version == 4
    for command in edits(4, retry=True):
        assert isinstance(decide(state, command, NOW), Accepted)
    for command in edits(3, retry=True):
        assert isinstance(refused(state, command), StaleVersion)
    # It changes an offer without saying so.
    repriced = replace(state, terms_version=5)
    for command in edits(4, retry=True):
        assert isinstance(refused(repriced, command), StaleVersion)


def test_seats_that_were_read_are_compared_at_the_version_they_were_read_at() -> None:
    state = after(published(), reserve())
    written = Update(ADMIN, False, 3, {"name": "Day"}, VENUE_CAPACITY, 7)
    assert [*problems(state, written)] == ["available_seats"]
    read = Update(ADMIN, False, 2, {"name": "Day"}, VENUE_CAPACITY, 10, retry=True)
    assert isinstance(decide(state, read, NOW), Accepted)


# The level


def test_a_level_says_in_a_word_what_a_buyer_can_expect() -> None:
    state = published(40)
    half = replace(state, available_seats=20)

    assert level_of(draft(), NOW) is Level.NOT_YET_ON_SALE
    assert level_of(published(40, sales_start=OPENS), NOW) is Level.NOT_YET_ON_SALE
    assert level_of(state, NOW) is Level.AVAILABLE
    assert level_of(half, NOW) is Level.AVAILABLE
    assert level_of(replace(state, available_seats=0, held_seats=1), NOW) is Level.NONE_LEFT
    sold_out = replace(state, available_seats=0, status=Status.SOLD_OUT)
    assert level_of(sold_out, NOW) is Level.SOLD_OUT
    assert level_of(paused(state), NOW) is Level.PAUSED
    assert level_of(state, STARTS) is Level.CLOSED
    assert level_of(published(40, sales_end=DOOR), STARTS) is Level.AVAILABLE
    assert level_of(after(state, cancel()), STARTS) is Level.CANCELLED


@pytest.mark.parametrize(
    ("capacity", "few"), [(VENUE_CAPACITY, FEW_SEATS), (1000, 1000 // FEW_PART)]
)
def test_few_are_left_up_to_a_bound(capacity: int, few: int) -> None:
    state = replace(published(), total_capacity=capacity)

    assert level_of(replace(state, available_seats=few), NOW) is Level.FEW_LEFT
    assert level_of(replace(state, available_seats=few + 1), NOW) is Level.AVAILABLE
