"""What updating a venue leads to, without a database."""

from dataclasses import replace
from typing import Any

import pytest

from evently.domain.admins import Admin
from evently.domain.venues import (
    FIELDS,
    OPTIONAL,
    RoomNeeded,
    UpdateVenue,
    Venue,
    VenueTooSmall,
    VenueUpdated,
    decide_update,
    shrinks,
)
from tests.examples import ADMIN, NOW, VENUE

HALL = Venue(
    venue_id=VENUE,
    name="Hall",
    address="1 Street",
    city="Oslo",
    state=None,
    country="Norway",
    postal_code="0150",
    capacity=500,
    layout_config={"rows": 20},
    created_by=ADMIN,
    created_at=NOW,
    updated_at=NOW,
)
CONCERT = RoomNeeded("0b9c6f1c-2f3e-4a52-9a63-6a3a5f1a7e01", 300)


def update(**changes: Any) -> UpdateVenue:
    return UpdateVenue(VENUE, Admin(ADMIN, "admin"), changes)


def test_admins_write_everything_but_ids_and_times() -> None:
    assert FIELDS == (
        "name",
        "address",
        "city",
        "state",
        "country",
        "postal_code",
        "capacity",
        "layout_config",
        "timezone",
    )
    assert {"state", "postal_code", "layout_config", "timezone"} == OPTIONAL


def test_an_update_sets_the_fields_it_names_and_reports_their_previous_values() -> None:
    outcome = decide_update(HALL, update(name="Big Hall", postal_code=None), None)
    after = replace(HALL, name="Big Hall", postal_code=None)
    assert outcome == VenueUpdated(after, {"name": "Hall", "postal_code": "0150"})


def test_values_that_are_set_already_are_no_change() -> None:
    outcome = decide_update(HALL, update(name="Hall", layout_config={"rows": 20}), None)
    assert outcome == VenueUpdated(HALL, {})


@pytest.mark.parametrize(("capacity", "smaller"), [(499, True), (500, False), (501, False)])
def test_only_a_smaller_capacity_shrinks_a_venue(capacity: int, *, smaller: bool) -> None:
    assert shrinks(HALL, update(capacity=capacity)) is smaller
    assert not shrinks(HALL, update(name="Big Hall"))


def test_a_venue_shrinks_to_the_room_that_is_needed_and_no_further() -> None:
    at_bound = decide_update(HALL, update(capacity=300), CONCERT)
    assert at_bound == VenueUpdated(replace(HALL, capacity=300), {"capacity": 500})
    past_bound = decide_update(HALL, update(capacity=299, name="Small"), CONCERT)
    assert past_bound == VenueTooSmall(299, CONCERT.event_id, 300)


def test_a_venue_without_coming_events_shrinks_to_any_size() -> None:
    outcome = decide_update(HALL, update(capacity=1), None)
    assert outcome == VenueUpdated(replace(HALL, capacity=1), {"capacity": 500})


def test_a_venue_that_is_too_small_already_may_grow() -> None:
    outcome = decide_update(HALL, update(capacity=501), replace(CONCERT, total_capacity=900))
    assert isinstance(outcome, VenueUpdated)
