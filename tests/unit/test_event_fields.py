"""What takes or shows the fields of an event agrees with their declarations."""

from dataclasses import replace
from datetime import timedelta

from evently.domain.columns import columns_of
from evently.domain.event import UPDATABLE
from evently.domain.holdbacks import Holdback, kept_back
from evently.domain.state import EventDetails, EventState, Status
from evently.domain.venues import Venue
from routes.contract.answers import AdminEventDetail, EventDetail, EventInAdminList, EventInList
from routes.contract.bodies import EventChanges, NewEvent
from routes.handlers.event_detail import admin_event_detail, event_detail
from tests.examples import NOW, published

COLUMNS = {**columns_of(EventDetails), **columns_of(EventState)}
VENUE = Venue("v", "Hall", "1 Street", "Oslo", None, "Norway", None, 40, None, "a", NOW, NOW)


def test_bodies_take_what_an_admin_may_change() -> None:
    assert NewEvent.model_fields.keys() == UPDATABLE - {"status"}
    # The one is what the change is based on, the other is there to be refused.
    assert EventChanges.model_fields.keys() - {"version", "available_seats"} == UPDATABLE | {
        "on_conflict"
    }


def test_lists_show_the_listed_fields_and_where_it_is() -> None:
    listed = {name for name, column in COLUMNS.items() if column.listed}
    where = {"venue_name", "venue_city", "timezone"}
    assert {*EventInAdminList.__struct_fields__} == listed | where | {"level"}
    assert {*EventInList.__struct_fields__} < {*EventInAdminList.__struct_fields__}


def test_a_detail_shows_what_lists_show_and_all_that_an_admin_may_change() -> None:
    detail = {*AdminEventDetail.__struct_fields__}
    local = {"timezone", "start_local", "end_local"}
    assert detail == {*EventInAdminList.__struct_fields__, *UPDATABLE, "datetime", "venue", *local}
    assert detail - {*EventDetail.__struct_fields__} == {
        "created_by",
        "created_at",
        "updated_at",
        "held_seats",
        "revenue",
        "paused",
        "held_back_seats",
        "holdbacks",
    }


def test_a_detail_is_the_state_by_name_with_its_venue_and_prices_as_numbers() -> None:
    state = published(**kept_back((Holdback("Press", 2, NOW), Holdback("Crew", 1))))
    detail = admin_event_detail(state, VENUE, NOW)
    for name in (COLUMNS.keys() & {*AdminEventDetail.__struct_fields__}) - {"holdbacks"}:
        owner = state if hasattr(state, name) else state.details
        assert getattr(detail, name) == getattr(owner, name), name
    assert type(detail.base_price) is float
    shown = [(one.name, one.quantity, one.release_at) for one in detail.holdbacks]
    assert shown == [("Press", 2, NOW), ("Crew", 1, None)]
    assert detail.datetime == state.details.start_datetime
    assert (detail.venue_name, detail.venue_city) == ("Hall", "Oslo")
    assert (detail.venue.venue_id, detail.venue.capacity) == ("v", 40)


def test_a_detail_is_completed_once_its_end_has_passed() -> None:
    state = published()
    ended = replace(state, details=replace(state.details, end_datetime=NOW - timedelta(seconds=1)))
    assert event_detail(state, VENUE, NOW).status is Status.PUBLISHED
    assert event_detail(ended, VENUE, NOW).status is Status.COMPLETED
