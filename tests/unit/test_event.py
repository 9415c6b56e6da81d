"""What each command does to an event, and that whatever comes, the event stays right."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evently.domain.commands import Cancel, Command, Reserve, Return, Update
from evently.domain.event import TERMS, created, decide
from evently.domain.outcomes import (
    Accepted,
    CapacityBelowSold,
    InsufficientSeats,
    InvalidFields,
    InvalidTransition,
    LedgerKind,
    NotFound,
    NotModifiable,
    NotOwner,
    Outcome,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import ON_SALE, EventState, Status
from tests.examples import (
    ADMIN,
    NOW,
    after,
    cancel,
    details,
    draft,
    give_back,
    publish,
    published,
    reserve,
    update,
)

STARTED = NOW + timedelta(days=9)
ENDED = NOW + timedelta(days=10)
OTHER = "00000000-0000-0000-0000-00000000000c"


def refused(state: EventState, command: Command, now: datetime = NOW) -> Outcome:
    """The refusal of `command`, which must leave the state as it was."""
    before = asdict(state)
    outcome = decide(state, command, now)
    assert not isinstance(outcome, Accepted)
    assert asdict(state) == before
    return outcome


def accepted(state: EventState, command: Command, now: datetime = NOW) -> Accepted:
    outcome = decide(state, command, now)
    assert isinstance(outcome, Accepted), outcome
    return outcome


# Whatever comes

versions = st.one_of(st.none(), st.integers(1, 40))
prices = st.decimals(min_value=0, max_value=Decimal("9999999999.99"), places=2)
changes = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(("Night", "Day")),
        "base_price": prices,
        "total_capacity": st.integers(1, 60),
        "status": st.sampled_from(Status),
        "max_tickets_per_booking": st.integers(1, 9),
        "start_datetime": st.sampled_from((NOW, STARTED, ENDED)),
        "end_datetime": st.sampled_from((NOW, ENDED, ENDED + timedelta(days=1))),
    },
)
seats = st.integers(1, 12)
commands = st.one_of(
    st.builds(Reserve, seats, versions, st.booleans()),
    st.builds(Return, seats, versions, st.booleans()),
    st.builds(
        Update, st.sampled_from((ADMIN, OTHER)), st.booleans(), st.just(0), changes, st.just(40)
    ),
    st.builds(Cancel, st.just(ADMIN), st.booleans(), st.just(0)),
)
times = st.sampled_from((timedelta(0), timedelta(0), timedelta(0), timedelta(days=9.5)))


@settings(deadline=None)
@given(
    capacity=st.integers(1, 20),
    price=prices,
    steps=st.lists(st.tuples(commands, times, st.booleans()), max_size=40),
)
def test_any_sequence_of_commands_keeps_the_event_right(
    capacity: int, price: Decimal, steps: list[tuple[Command, timedelta, bool]]
) -> None:
    state = published(capacity, base_price=price)
    versions_left = [state.version]
    for command, passed, aware in steps:
        if isinstance(command, Update | Cancel):
            # An admin who has read the event, or has not.
            command = replace(command, version=state.version if aware else 1)  # noqa: PLW2901
        before = asdict(state)
        outcome = decide(state, command, NOW + passed)

        assert asdict(state) == before
        assert decide(state, command, NOW + passed) == outcome
        if isinstance(outcome, Accepted):
            _check_step(state, outcome)
            state = outcome.state
            versions_left.append(state.version)
    assert versions_left == list(range(2, 2 + len(versions_left)))


def _check_step(before: EventState, step: Accepted) -> None:
    now, entry = step.state, step.entry
    assert now.version == before.version + 1 == entry.version
    assert 0 <= now.available_seats <= now.total_capacity
    assert now.total_capacity >= 1
    assert now.total_capacity == before.total_capacity + entry.capacity_delta
    moved = entry.seat_delta + entry.capacity_delta
    assert now.available_seats == before.available_seats + moved == entry.available_seats
    assert now.revenue == before.revenue + entry.money_delta
    assert now.revenue >= 0
    if now.sold == 0:
        assert now.revenue == 0
    assert now.terms_version in (before.terms_version, now.version)
    changed = entry.changes.keys() if entry.changes is not None else set()
    assert (now.terms_version == now.version) == bool(changed & TERMS)
    assert now.status is not Status.COMPLETED
    if now.status in ON_SALE:
        assert (now.status is Status.SOLD_OUT) == (now.available_seats == 0)


# Seats


def test_a_created_event_is_a_draft_with_every_seat_and_its_first_ledger_entry() -> None:
    state, entry = created(details(), 10, NOW)

    assert (state.status, state.version, state.terms_version) == (Status.DRAFT, 1, 1)
    assert state.available_seats == state.total_capacity == 10
    assert (entry.kind, entry.version, entry.capacity_delta) == (LedgerKind.CREATED, 1, 10)
    assert entry.changes is not None
    assert entry.changes["total_capacity"] == 10


def test_reserving_takes_seats_and_money_and_says_so_in_one_entry() -> None:
    outcome = accepted(published(), reserve(3, 2))

    assert outcome.state.available_seats == 7
    assert outcome.state.revenue == Decimal("76.50")
    assert outcome.entry.seat_delta == -3
    assert outcome.entry.money_delta == Decimal("76.50")
    assert outcome.entry.kind is LedgerKind.RESERVED
    assert not outcome.retried


def test_the_last_seat_sells_out_and_one_that_comes_back_goes_on_sale() -> None:
    sold_out = after(published(), reserve(10))

    assert sold_out.status is Status.SOLD_OUT
    assert after(sold_out, give_back(1)).status is Status.PUBLISHED


@pytest.mark.parametrize("command", [reserve(), give_back()])
def test_a_draft_is_unknown_to_those_who_move_seats(command: Command) -> None:
    assert refused(draft(), command) == NotFound()


def test_one_seat_more_than_is_left_is_refused_and_all_that_are_left_are_sold() -> None:
    assert refused(published(), reserve(11)) == InsufficientSeats(11, 10)
    assert accepted(published(), reserve(10)).state.available_seats == 0


def test_one_seat_more_than_is_out_is_refused_and_all_that_are_out_come_back() -> None:
    state = after(published(), reserve(4))

    assert refused(state, give_back(5)) == SeatsExceedCapacity(5, 4)
    assert accepted(state, give_back(4)).state.revenue == 0


@pytest.mark.parametrize(
    ("state", "now", "refusal"),
    [
        (published(), STARTED, NotModifiable(Status.PUBLISHED, True)),
        (published(), ENDED, NotModifiable(Status.COMPLETED, True)),
        (after(published(), cancel()), NOW, NotModifiable(Status.CANCELLED, False)),
    ],
)
def test_nothing_is_sold_of_an_event_that_started_or_was_cancelled(
    state: EventState, now: datetime, refusal: NotModifiable
) -> None:
    assert refused(state, reserve(), now) == refusal


def test_an_event_sells_until_the_moment_of_its_start() -> None:
    accepted(published(), reserve(), STARTED - timedelta(microseconds=1))


@pytest.mark.parametrize("now", [STARTED, ENDED])
def test_seats_come_back_after_the_start_and_the_end(now: datetime) -> None:
    accepted(after(published(), reserve(2)), give_back(2), now)


def test_seats_come_back_after_a_cancellation_and_it_stays_cancelled() -> None:
    state = after(published(), reserve(2), cancel(3), give_back(1))

    assert state.status is Status.CANCELLED
    assert state.available_seats == 9


def test_of_several_reasons_the_first_of_the_list_is_told() -> None:
    stale_and_few = reserve(99, 1)
    cancelled = after(published(), cancel())

    assert refused(draft(), stale_and_few) == NotFound()
    assert isinstance(refused(cancelled, stale_and_few), NotModifiable)
    assert isinstance(refused(published(), stale_and_few, STARTED), NotModifiable)
    assert isinstance(refused(published(), stale_and_few), InsufficientSeats)
    assert isinstance(refused(published(), give_back(99, 1)), SeatsExceedCapacity)
    assert isinstance(refused(published(), reserve(1, 1)), StaleVersion)


def test_a_return_takes_back_its_share_of_what_was_paid_whatever_the_price_is_now() -> None:
    state = after(published(), reserve(1), update(3, base_price=Decimal(100)), reserve(2))

    assert state.revenue == Decimal("225.50")
    back = accepted(state, give_back(1))
    assert back.entry.money_delta == Decimal("-75.17")
    assert after(back.state, give_back(2)).revenue == 0


# Versions


def test_another_version_than_the_current_is_stale_and_says_what_is() -> None:
    state = after(published(), reserve(3))

    assert refused(state, reserve(1, 2)) == StaleVersion(2, 3, 7, Status.PUBLISHED)
    assert isinstance(refused(state, reserve(1, 4)), StaleVersion)
    accepted(state, reserve(1, 3))


def test_any_version_is_never_stale() -> None:
    assert not accepted(after(published(), reserve(3)), reserve(1)).retried


def test_a_retry_takes_seat_moves_on_itself_and_says_so() -> None:
    state = after(published(), reserve(1), reserve(1), give_back(1))

    outcome = accepted(state, reserve(1, 2, retry=True))

    assert outcome.retried
    assert outcome.state.version == 6


def test_a_retry_is_stale_after_a_new_offer_and_fine_after_a_new_name() -> None:
    renamed = after(published(), update(2, name="Day"))
    dearer = after(published(), update(2, base_price=Decimal(99)))

    assert accepted(renamed, reserve(1, 2, retry=True)).retried
    assert isinstance(refused(dearer, reserve(1, 2, retry=True)), StaleVersion)


def test_a_retry_of_a_version_that_is_yet_to_come_is_stale() -> None:
    assert isinstance(refused(published(), reserve(1, 3, retry=True)), StaleVersion)


@pytest.mark.parametrize("field", sorted(TERMS))
def test_every_term_makes_a_new_offer(field: str) -> None:
    state = published()
    values = {
        "base_price": Decimal(1),
        "start_datetime": STARTED - timedelta(days=1),
        "end_datetime": ENDED + timedelta(days=1),
        "max_tickets_per_booking": 1,
        "total_capacity": 12,
        "venue_id": OTHER,
        "status": Status.CANCELLED,
    }

    assert accepted(state, update(2, **{field: values[field]})).state.terms_version == 3


# Admins

STORED = {
    Status.DRAFT: draft(),
    Status.PUBLISHED: published(),
    Status.SOLD_OUT: after(published(), reserve(10)),
    Status.CANCELLED: after(published(), cancel()),
}
LEGAL = {
    (Status.DRAFT, Status.PUBLISHED): LedgerKind.PUBLISHED,
    (Status.DRAFT, Status.CANCELLED): LedgerKind.CANCELLED,
    (Status.PUBLISHED, Status.CANCELLED): LedgerKind.CANCELLED,
    (Status.SOLD_OUT, Status.CANCELLED): LedgerKind.CANCELLED,
}


@pytest.mark.parametrize("asked", list(Status))
@pytest.mark.parametrize("stored", list(STORED))
def test_the_status_takes_the_steps_of_the_table_and_no_other(
    stored: Status, asked: Status
) -> None:
    state = STORED[stored]
    command = update(state.version, status=asked)

    if (stored, asked) in LEGAL:
        outcome = accepted(state, command)
        assert outcome.state.status is asked
        assert outcome.entry.kind is LEGAL[stored, asked]
    elif stored is Status.CANCELLED:
        assert refused(state, command) == NotModifiable(Status.CANCELLED, False)
    else:
        assert refused(state, command) == InvalidTransition(stored, asked)


def test_a_status_that_is_sent_back_with_other_changes_is_no_step() -> None:
    accepted(published(), update(2, status="published", name="Day"))


@pytest.mark.parametrize(
    "command", [update(3, name="Day"), update(3, total_capacity=20), cancel(3)]
)
def test_a_cancelled_event_is_never_changed_again(command: Command) -> None:
    state = after(published(), cancel())

    assert refused(state, command) == NotModifiable(Status.CANCELLED, False)


@pytest.mark.parametrize("command", [update(2, name="Day"), cancel(2)])
def test_a_started_event_is_not_changed(command: Command) -> None:
    assert refused(published(), command, STARTED) == NotModifiable(Status.PUBLISHED, True)


def test_another_admin_is_refused_first_and_one_who_may_change_all_is_not() -> None:
    cancelled = after(published(), cancel())

    assert refused(cancelled, replace(update(1), admin_id=OTHER)) == NotOwner()
    accepted(published(), replace(cancel(), admin_id=OTHER, any_owner=True))


@pytest.mark.parametrize("version", [1, 3])
def test_an_admin_decides_on_the_current_version_only(version: int) -> None:
    since = ("status",) if version == 1 else ()
    told = StaleVersion(version, 2, 10, Status.PUBLISHED, since)

    assert refused(published(), update(version, name="Day")) == told
    assert refused(published(), cancel(version)) == told


def test_capacity_moves_the_seats_that_are_left_down_to_what_is_sold() -> None:
    state = after(published(), reserve(4))

    assert after(state, update(3, total_capacity=40)).available_seats == 36
    assert after(state, update(3, total_capacity=4)).status is Status.SOLD_OUT
    assert refused(state, update(3, total_capacity=3)) == CapacityBelowSold(3, 4)


def test_what_does_not_fit_is_told_for_all_fields_at_once() -> None:
    command = update(2, start_datetime=NOW, end_datetime=NOW, total_capacity=41)

    outcome = refused(published(), command)

    assert isinstance(outcome, InvalidFields)
    assert [name for name, _ in outcome.problems] == [
        "start_datetime",
        "end_datetime",
        "total_capacity",
    ]


def test_only_what_changes_is_noted() -> None:
    outcome = accepted(published(), update(2, name="Day", description=""))

    assert outcome.entry.changes == {"name": "Day"}


def test_publishing_makes_version_two_and_a_new_offer() -> None:
    outcome = accepted(draft(), publish())

    assert (outcome.state.version, outcome.state.terms_version) == (2, 2)
    assert outcome.entry.kind is LedgerKind.PUBLISHED


def test_available_seats_may_come_back_as_they_were_read_and_are_not_written() -> None:
    state = after(published(10), reserve(4))
    same = replace(update(state.version, name="Day"), seats_read=6)
    assert accepted(state, same).state.available_seats == 6
    outcome = refused(state, replace(same, seats_read=10))
    assert isinstance(outcome, InvalidFields)
    ((field, message),) = outcome.problems
    assert (field, "6" in message) == ("available_seats", True)


@pytest.mark.parametrize("now", [STARTED, ENDED])
def test_a_draft_whose_start_has_passed_is_changed_and_cancelled(now: datetime) -> None:
    assert accepted(draft(), update(1, name="Day"), now).state.details.name == "Day"
    assert accepted(draft(), cancel(1), now).state.status is Status.CANCELLED
    later = {"start_datetime": now + timedelta(days=1), "end_datetime": now + timedelta(days=2)}
    moved = accepted(draft(), update(1, **later), now).state
    assert accepted(moved, publish(2), now).state.status is Status.PUBLISHED
    accepted(draft(), update(1, status=Status.PUBLISHED, **later), now)


def test_a_draft_is_published_before_its_start_alone() -> None:
    outcome = refused(draft(), publish(), STARTED)
    assert outcome == InvalidFields((("start_datetime", "start_datetime must be in the future"),))
    back = update(1, start_datetime=STARTED - timedelta(days=1))
    assert isinstance(refused(draft(), back, STARTED), InvalidFields)


@pytest.mark.parametrize("command", [reserve(), give_back()])
def test_an_event_that_was_never_published_stays_unknown(command: Command) -> None:
    never = after(draft(), cancel(1))
    assert not never.known
    assert refused(never, command) == NotFound()
    was = after(published(), cancel(2))
    assert was.known
    assert refused(was, command) != NotFound()


def test_a_ticket_holder_still_finds_what_was_cancelled_and_returned() -> None:
    assert after(published(), reserve(), cancel(3), give_back()).known
