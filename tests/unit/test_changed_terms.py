"""A stale version is told which terms of the offer changed since, or that this is not known."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.domain.commands import Command
from evently.domain.event import TERMS, decide
from evently.domain.holdbacks import Holdback
from evently.domain.outcomes import StaleVersion
from evently.domain.state import EventState, Status, field_of
from evently.domain.term_versions import NOTHING_NOTED
from tests.examples import (
    NOW,
    PRICE,
    after,
    cancel,
    details,
    draft,
    give_back,
    hold,
    published,
    reserve,
    update,
)

OTHER = "00000000-0000-0000-0000-00000000000c"
VALUES: dict[str, Any] = {
    "base_price": Decimal(1),
    "start_datetime": NOW + timedelta(days=8),
    "end_datetime": NOW + timedelta(days=11),
    "max_tickets_per_booking": 1,
    "total_capacity": 12,
    "venue_id": OTHER,
    "status": Status.CANCELLED,
}


def told(state: EventState, command: Command) -> tuple[str, ...] | None:
    """The fields that the refusal of `command` names."""
    outcome = decide(state, command, NOW)
    assert isinstance(outcome, StaleVersion), outcome
    return outcome.changed_fields


def changed(state: EventState, **changes: Any) -> EventState:
    return after(state, update(state.version, **changes))


def as_an_older_release_writes(state: EventState, **changes: Any) -> EventState:
    """The row after a change by a worker of the release that notes no terms."""
    known = state.details.term_versions
    state = changed(state, **changes)
    return replace(state, details=replace(state.details, term_versions=known))


def test_values_has_one_for_every_term() -> None:
    assert VALUES.keys() == TERMS


@pytest.mark.parametrize("field", sorted(TERMS))
def test_every_term_is_named_once_it_has_changed(field: str) -> None:
    state = changed(after(published(), reserve(1)), **{field: VALUES[field]})

    assert told(state, give_back(1, 3)) == (field,)


def test_what_changed_since_is_told_sorted_and_what_changed_before_is_not() -> None:
    state = changed(published(), max_tickets_per_booking=4, base_price=Decimal(30))
    state = changed(state, end_datetime=NOW + timedelta(days=12))

    assert told(state, reserve(1, 1)) == (
        *("base_price", "end_datetime", "max_tickets_per_booking", "status"),
    )
    assert told(state, reserve(1, 2)) == ("base_price", "end_datetime", "max_tickets_per_booking")
    assert told(state, reserve(1, 3)) == ("end_datetime",)
    assert told(state, reserve(1, 5)) == ()


def test_no_seat_move_and_no_change_of_anything_else_is_a_change_of_the_offer() -> None:
    state = after(published(), reserve(10), give_back(2), hold(1))
    state = changed(state, name="Day", description="x", paused=False)
    state = changed(state, holdbacks=(), sales_start=NOW - timedelta(days=1))

    assert told(state, reserve(1, 2)) == ()
    assert told(state, reserve(1, 3)) == ()


def test_seats_that_sell_out_and_come_back_change_no_status() -> None:
    state = after(published(), reserve(10))
    assert state.status is Status.SOLD_OUT

    assert told(changed(state, total_capacity=12), reserve(1, 2)) == ("total_capacity",)
    assert told(after(state, give_back(1)), reserve(1, 2)) == ()


def test_a_move_in_between_keeps_what_is_known() -> None:
    state = changed(
        published(holdbacks=(Holdback("Press", 2),), held_back_seats=2), base_price=PRICE + 1
    )
    state = after(state, reserve(1), replace(reserve(1), holdback="press"), give_back(1))
    state = changed(state, max_tickets_per_booking=3)

    assert told(state, reserve(1, 2)) == ("base_price", "max_tickets_per_booking")
    assert told(state, reserve(1, 4)) == ("max_tickets_per_booking",)


def test_a_change_back_is_a_change() -> None:
    state = changed(changed(published(), base_price=Decimal(30)), base_price=PRICE)

    assert told(state, reserve(1, 2)) == ("base_price",)
    assert told(state, reserve(1, 3)) == ("base_price",)


def test_the_same_value_again_is_none() -> None:
    state = changed(published(), base_price=PRICE, status="published", max_tickets_per_booking=10)

    assert state.version == 3
    assert state.details.term_versions == published().details.term_versions
    assert told(state, reserve(1, 2)) == ()
    state = changed(state, base_price=PRICE, max_tickets_per_booking=9)
    assert told(state, reserve(1, 2)) == ("max_tickets_per_booking",)


def test_it_is_told_to_retries_holds_and_admins_as_well() -> None:
    state = changed(published(), base_price=Decimal(30))

    commands: list[Command] = [
        *(reserve(1, 2, retry=True), give_back(1, 2, retry=True), hold(1, version=2)),
        *(hold(1, version=2, retry=True), update(2, name="Day"), cancel(2)),
        replace(update(2, name="Day"), retry=True),
    ]
    sold = after(state, reserve(1))
    assert {told(sold, command) for command in commands} == {("base_price",)}


def test_of_a_version_that_is_yet_to_come_nothing_has_changed() -> None:
    assert told(changed(published(), base_price=Decimal(30)), reserve(1, 9)) == ()


def test_a_cancelled_event_names_its_status_to_a_return() -> None:
    state = after(published(), reserve(2), cancel(3))

    assert told(state, give_back(1, 3)) == ("status",)


# What an older release wrote


def upgraded() -> EventState:
    """Changed at versions 2 and 3, and sold at 4, before there was this release."""
    state = after(changed(published(), base_price=Decimal(30)), reserve(1))
    return replace(state, details=replace(state.details, term_versions=NOTHING_NOTED))


@pytest.mark.parametrize("version", [1, 2])
def test_what_was_not_noted_is_not_known(version: int) -> None:
    assert told(upgraded(), reserve(1, version)) is None
    later = changed(upgraded(), max_tickets_per_booking=3)
    assert told(later, reserve(1, version)) is None


@pytest.mark.parametrize("version", [3, 4])
def test_from_the_last_change_before_on_all_is_told(version: int) -> None:
    later = changed(upgraded(), max_tickets_per_booking=3)
    assert told(later, reserve(1, version)) == ("max_tickets_per_booking",)
    later = changed(later, base_price=Decimal(31))
    assert told(later, reserve(1, version)) == ("base_price", "max_tickets_per_booking")


def test_an_older_release_in_between_makes_earlier_versions_unknown() -> None:
    state = changed(published(), base_price=Decimal(30))
    state = as_an_older_release_writes(state, max_tickets_per_booking=3)

    assert [told(state, reserve(1, version)) for version in (1, 2, 3)] == [None] * 3
    state = changed(after(state, reserve(1)), base_price=Decimal(31))
    assert [told(state, reserve(1, version)) for version in (1, 2, 3)] == [None] * 3
    assert told(state, reserve(1, 4)) == ("base_price",)


def test_an_older_release_that_changes_no_term_does_no_harm() -> None:
    state = changed(published(), base_price=Decimal(30))
    state = as_an_older_release_writes(state, name="Day")

    assert told(state, reserve(1, 2)) == ("base_price",)


# Whatever comes

steps = st.lists(
    st.tuples(
        st.sampled_from(("ours", "ours", "older", "move")),
        st.fixed_dictionaries(
            {},
            optional={
                "base_price": st.sampled_from((Decimal(20), Decimal(30))),
                "max_tickets_per_booking": st.integers(1, 3),
                "total_capacity": st.integers(30, 32),
                "venue_id": st.sampled_from((OTHER, details().venue_id)),
                "name": st.sampled_from(("Day", "Night")),
            },
        ),
    ),
    max_size=20,
)


@given(steps, st.integers(0, 5))
def test_it_is_all_that_changed_or_not_known_and_exact_where_no_older_release_wrote(
    given_steps: list[tuple[str, dict[str, Any]]], unnoted: int
) -> None:
    state = draft(30)
    history = [set[str]()]
    blind_until = 0
    for n, (who, changes) in enumerate([("ours", {"status": Status.PUBLISHED}), *given_steps]):
        older = n < unnoted or who == "older"
        if who == "move" and n:
            state = after(state, reserve(1))
            history.append(set())
            continue
        new = {name for name, to in changes.items() if to != field_of(state, name)} & TERMS
        state = (as_an_older_release_writes if older else changed)(state, **changes)
        history.append(new)
        if older and new:
            blind_until = state.version
    for version in range(1, state.version):
        since = tuple(sorted(set[str]().union(*history[version:])))
        found = (
            told(state, give_back(1, version))
            if state.sold
            else told(state, hold(1, version=version))
        )
        assert found == since or (found is None and version < blind_until)
