"""Blocks that are kept back: what fills, sells and frees them, and that the numbers add up."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evently.domain.commands import (
    Cancel,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.event import created, decide
from evently.domain.holdbacks import Holdback, Holdbacks, kept_back
from evently.domain.holds import Hold, HoldStatus
from evently.domain.notices import ChangeKind
from evently.domain.outcomes import (
    Accepted,
    CapacityBelowSold,
    HoldbackNotFound,
    InsufficientSeats,
    LedgerKind,
    NotModifiable,
    NotOnSale,
    Outcome,
    SeatsExceedCapacity,
    StaleVersion,
    Unchanged,
)
from evently.domain.state import ON_SALE, EventState, Status, field_of
from tests.examples import (
    ADMIN,
    NOW,
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

STARTED = NOW + timedelta(days=9)
SOON = NOW + timedelta(hours=1)
JUST_BEFORE = SOON - timedelta(microseconds=1)
PRESS, SPONSORS = Holdback("Press", 3), Holdback("Sponsors", 2, SOON)


def keeping(*blocks: Holdback, capacity: int = 10) -> EventState:
    """The event on sale, at version 3, with these blocks."""
    return after(published(capacity), update(2, holdbacks=blocks))


def comps(seats: int, name: str = "Press", version: int | None = None) -> Reserve:
    return Reserve(seats, version, amount=Decimal("0.00"), holdback=name)


def accepted(state: EventState, command: Command, now: datetime = NOW) -> Accepted:
    outcome = decide(state, command, now)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def refused(state: EventState, command: Command, now: datetime = NOW) -> Outcome:
    """The refusal of `command`, which must leave the state as it was."""
    before = asdict(state)
    outcome = decide(state, command, now)
    assert not isinstance(outcome, Accepted)
    assert asdict(state) == before
    return outcome


def numbers(state: EventState) -> tuple[int, int, int, int]:
    """Free, held, kept back, sold."""
    held_back = state.details.held_back_seats
    return state.available_seats, state.held_seats, held_back, state.sold


# Whatever comes

lists = st.lists(
    st.builds(
        Holdback,
        st.sampled_from(("Press", "Sponsors", "Crew")),
        st.integers(0, 6),
        st.none() | st.sampled_from((NOW, SOON, STARTED)),
    ),
    unique_by=lambda block: block.name,
    max_size=3,
).map(tuple)
ids = st.sampled_from("ab").map(hold_id)
commands = st.one_of(
    st.builds(
        Reserve,
        st.integers(1, 6),
        st.none(),
        holdback=st.none() | st.sampled_from(("press", "SPONSORS", "Crew", "nobody")),
    ),
    st.builds(Return, st.integers(1, 6), st.none()),
    st.builds(PlaceHold, ids, st.integers(1, 6), st.integers(30, 7200), st.none(), st.none()),
    st.builds(Confirm, ids),
    st.builds(Release, ids),
    st.just(Expire()),
    st.builds(Cancel, st.just(ADMIN), st.just(True), st.just(0)),
    st.builds(
        Update,
        st.just(ADMIN),
        st.just(True),
        st.just(0),
        st.fixed_dictionaries(
            {}, optional={"holdbacks": lists, "total_capacity": st.integers(1, 12)}
        ),
        st.just(40),
    ),
)
passed = st.sampled_from((0, 0, 1, 60, 1800, 7200, 86400 * 9))


@settings(deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(commands, passed), max_size=40))
def test_the_four_numbers_add_up_whatever_comes(
    capacity: int, steps: list[tuple[Command, int]]
) -> None:
    state, rows, now = published(capacity), dict[str, Hold | None](), NOW
    for command, seconds in steps:
        now += timedelta(seconds=seconds)
        if isinstance(command, Update | Cancel):
            command = replace(command, version=state.version)  # noqa: PLW2901
        if isinstance(command, PlaceHold) and command.hold_id in rows:
            continue  # Its key is taken.
        before = asdict(state)
        outcome = decide(state, command, now, rows)
        assert asdict(state) == before
        if not isinstance(outcome, Accepted):
            continue
        _check_step(state, outcome)
        state = outcome.state
        rows |= {one.hold_id: one for one in outcome.entry.holds}
        in_holds = [one.quantity for one in rows.values() if one and one.status is HoldStatus.HELD]
        assert state.held_seats == sum(in_holds)


def _check_step(before: EventState, step: Accepted) -> None:
    state, entry = step.state, step.entry
    assert min(numbers(state)) >= 0
    assert sum(numbers(state)) == state.total_capacity
    moved = entry.seat_delta + entry.capacity_delta
    assert state.available_seats == before.available_seats + moved == entry.available_seats
    assert numbers(state)[2] == numbers(before)[2] + entry.held_back_delta
    kept = {name: field_of(state, name) for name in kept_back(())}
    assert kept == kept_back(state.details.holdbacks)
    if state.details.holdbacks != before.details.holdbacks:
        assert entry.changes is not None
        assert entry.changes["holdbacks"] == state.details.holdbacks
    if state.status in ON_SALE:
        assert (state.status is Status.SOLD_OUT) == (numbers(state)[:2] == (0, 0))


# Kept back


def test_an_event_is_created_with_its_blocks_out_of_sale() -> None:
    state, entry = created(details(**kept_back((PRESS, SPONSORS))), 10, NOW)

    assert numbers(state) == (5, 0, 5, 0)
    assert (entry.seat_delta, entry.capacity_delta, entry.held_back_delta) == (-5, 10, 5)
    assert entry.available_seats == 5
    assert state.details.next_release_at == SOON


def test_an_admin_keeps_seats_back_and_gives_them_free_by_the_whole_list() -> None:
    step = accepted(published(), update(2, holdbacks=(PRESS, SPONSORS)))
    assert numbers(step.state) == (5, 0, 5, 0)
    assert (step.entry.kind, step.entry.seat_delta) == (LedgerKind.UPDATED, -5)
    assert step.entry.held_back_delta == 5
    assert not step.entry.sells

    less = accepted(step.state, update(3, holdbacks=(replace(PRESS, quantity=1),)))
    assert numbers(less.state) == (9, 0, 1, 0)
    assert less.state.details.next_release_at is None


def test_one_seat_more_than_is_free_is_not_kept_back() -> None:
    state = after(published(), reserve(4), hold(1))

    assert refused(state, update(4, holdbacks=(Holdback("Press", 6),))) == InsufficientSeats(
        6, 5, 1
    )
    assert numbers(after(state, update(4, holdbacks=(Holdback("Press", 5),)))) == (0, 1, 5, 4)


def test_a_capacity_that_does_not_hold_the_blocks_is_refused_with_all_four_numbers() -> None:
    state = after(keeping(PRESS), reserve(2), hold(1))

    assert refused(state, update(5, total_capacity=5)) == CapacityBelowSold(5, 2, 1, 3)
    assert numbers(after(state, update(5, total_capacity=6))) == (0, 1, 3, 2)
    both = update(5, total_capacity=5, holdbacks=(Holdback("Press", 2),))
    assert numbers(after(state, both)) == (0, 1, 2, 2)


def test_with_nothing_free_and_nothing_held_it_is_sold_out_whatever_is_kept_back() -> None:
    state = after(keeping(PRESS), reserve(7))

    assert (state.status, numbers(state)) == (Status.SOLD_OUT, (0, 0, 3, 7))
    assert refused(state, reserve(1)) == InsufficientSeats(1, 0)
    assert after(state, update(4, holdbacks=())).status is Status.PUBLISHED


def test_a_list_that_is_sent_back_changes_nothing_and_is_no_term_of_the_offer() -> None:
    state = keeping(PRESS)

    assert accepted(state, update(3, holdbacks=(PRESS,))).entry.changes == {}
    assert state.terms_version == 2
    assert accepted(state, reserve(1, 2, retry=True)).retried


# The public


def test_the_public_hears_nothing_of_blocks_but_that_none_are_left_or_some_again() -> None:
    quiet = accepted(published(), update(2, holdbacks=(PRESS,)))
    assert quiet.entry.notice is None
    named = accepted(published(), update(2, holdbacks=(PRESS,), name="Day")).entry.notice
    assert named is not None
    assert named.data.keys() == {"name"}

    gone = accepted(published(3), update(2, holdbacks=(PRESS,)))
    assert gone.entry.notice is not None
    assert gone.entry.notice.kinds == (ChangeKind.SOLD_OUT,)
    assert not gone.entry.notice.data
    back = accepted(gone.state, update(3, holdbacks=()))
    assert back.entry.notice is not None
    assert back.entry.notice.kinds == (ChangeKind.REOPENED,)


# Sold from a block


def test_seats_of_a_block_are_sold_by_its_name_in_any_case_and_for_what_is_paid() -> None:
    step = accepted(keeping(PRESS, SPONSORS), comps(2, "PRESS"))

    assert numbers(step.state) == (5, 0, 3, 2)
    assert step.state.details.holdbacks == (replace(PRESS, quantity=1), SPONSORS)
    assert step.state.revenue == 0
    entry = step.entry
    assert (entry.kind, entry.seat_delta, entry.held_back_delta) == (LedgerKind.RESERVED, 0, -2)
    assert entry.sells
    assert not entry.edits
    at_price = Reserve(1, None, holdback="press")
    assert after(step.state, at_price).revenue == Decimal("25.50")


def test_a_block_sells_on_after_the_free_seats_are_gone_and_the_event_stays_sold_out() -> None:
    state = after(keeping(PRESS), reserve(7), comps(3))

    assert (state.status, numbers(state)) == (Status.SOLD_OUT, (0, 0, 0, 10))


def test_one_seat_more_than_a_block_has_is_refused_however_many_are_free() -> None:
    state = keeping(PRESS)

    assert refused(state, comps(4)) == InsufficientSeats(4, 3, holdback="Press")
    assert numbers(after(state, comps(3))) == (7, 0, 0, 3)


def test_of_several_reasons_the_first_of_the_list_is_told() -> None:
    state = keeping(PRESS)
    closed = after(state, update(3, paused=True))

    assert refused(state, comps(9, "nobody", 1)) == HoldbackNotFound("nobody")
    assert isinstance(refused(state, comps(9, version=1), STARTED), NotModifiable)
    assert isinstance(refused(closed, comps(9, version=1)), NotOnSale)
    assert isinstance(refused(state, comps(9, version=1)), InsufficientSeats)
    assert isinstance(refused(state, comps(1, version=1)), StaleVersion)


def test_seats_that_come_back_are_free_ones_and_those_kept_back_are_not_returnable() -> None:
    state = after(keeping(PRESS), comps(2))

    assert refused(state, give_back(3)) == SeatsExceedCapacity(3, 2)
    assert numbers(after(state, give_back(2))) == (9, 0, 1, 0)


# Freed


def test_a_block_is_freed_at_its_time_and_stays_in_the_list_with_none() -> None:
    state = keeping(PRESS, SPONSORS)

    assert isinstance(refused(state, Expire(), JUST_BEFORE), Unchanged)
    step = accepted(state, Expire(), SOON)
    assert numbers(step.state) == (7, 0, 3, 0)
    assert step.state.details.holdbacks == (PRESS, replace(SPONSORS, quantity=0))
    assert step.state.details.next_release_at is None
    entry = step.entry
    assert (entry.kind, entry.seat_delta, entry.held_back_delta) == (LedgerKind.EXPIRED, 2, -2)
    assert isinstance(refused(step.state, Expire(), STARTED), Unchanged)


def test_a_freed_block_puts_a_sold_out_event_on_sale_again_and_the_public_hears_it() -> None:
    sold_out = after(keeping(SPONSORS), reserve(8))
    assert sold_out.status is Status.SOLD_OUT

    step = accepted(sold_out, Expire(), SOON)

    assert step.state.status is Status.PUBLISHED
    assert step.entry.notice is not None
    assert step.entry.notice.kinds == (ChangeKind.REOPENED,)


def test_holds_and_blocks_expire_in_one_version() -> None:
    rows: dict[str, Hold | None] = {}
    state = after(keeping(SPONSORS), hold(4), holds=rows)

    outcome = decide(state, Expire(), SOON, rows)

    assert isinstance(outcome, Accepted)
    entry = outcome.entry
    assert (entry.seat_delta, entry.held_delta, entry.held_back_delta) == (6, -4, -2)
    assert entry.notice is not None
    assert entry.notice.kinds == (ChangeKind.HOLDS_EXPIRED,)
    assert numbers(outcome.state) == (10, 0, 0, 0)


def test_a_time_that_has_passed_when_it_is_set_is_due_at_once() -> None:
    past = Holdback("Press", 3, NOW - timedelta(days=1))
    state = keeping(past)

    assert numbers(state) == (7, 0, 3, 0)
    assert state.releases(NOW)
    assert numbers(after(state, Expire())) == (10, 0, 0, 0)


@pytest.mark.parametrize(
    ("blocks", "first"),
    [
        ((), None),
        ((PRESS,), None),
        ((SPONSORS, Holdback("Crew", 1, STARTED)), SOON),
        ((replace(SPONSORS, quantity=0), Holdback("Crew", 1, STARTED)), STARTED),
    ],
)
def test_the_next_release_is_the_first_of_a_block_that_has_seats(
    blocks: Holdbacks, first: datetime | None
) -> None:
    assert kept_back(blocks)["next_release_at"] == first


def test_a_block_of_a_draft_or_a_cancelled_event_is_freed_as_well() -> None:
    drafted = after(draft(), update(1, holdbacks=(SPONSORS,)))
    cancelled = after(keeping(SPONSORS), cancel(3))

    assert numbers(after(drafted, Expire(), now=SOON)) == (10, 0, 0, 0)
    freed = after(cancelled, Expire(), now=SOON)
    assert (freed.status, numbers(freed)) == (Status.CANCELLED, (10, 0, 0, 0))
    assert after(drafted, publish(2)).details.holdbacks == (SPONSORS,)
