"""The time zones that venues may have, and what clocks there show."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from evently.commands.demo_data import VENUES
from routes.contract.bodies import VenueChanges
from routes.contract.errors import ApiError
from routes.contract.validation import read_body
from routes.contract.zones import local, zone_of


@pytest.mark.parametrize("name", sorted({"UTC", *(venue.timezone for venue in VENUES)}))
def test_a_zone_of_the_iana_is_taken_and_told(name: str) -> None:
    assert read_body(VenueChanges, {"timezone": name}).timezone == name
    assert zone_of(name)[0] == name


@pytest.mark.parametrize("name", ["Mars/Olympus", "europe/rome", "Europe/Rome ", "CEST", "/UTC", 1])
def test_another_one_is_refused_by_name(name: object) -> None:
    with pytest.raises(ApiError) as caught:
        read_body(VenueChanges, {"timezone": name})
    assert [one["field"] for one in caught.value.details["fields"]] == ["body.timezone"]


def test_an_empty_one_removes_it() -> None:
    assert read_body(VenueChanges, {"timezone": " "}).timezone is None


def test_a_moment_is_told_in_the_hours_of_its_day() -> None:
    name, zone = zone_of("Europe/Rome")
    assert (name, zone) == ("Europe/Rome", ZoneInfo("Europe/Rome"))
    for month, hours in ((6, 2), (12, 1)):
        moment = datetime(2035, month, 1, 18, 45, tzinfo=UTC)
        told = local(moment, zone)
        assert told == moment
        assert told.utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", [None, "Atlantis/Gone"])
def test_without_a_zone_that_is_known_hours_are_told_in_utc(name: str | None) -> None:
    moment = datetime(2035, 6, 1, 18, 45, tzinfo=UTC)
    told, zone = zone_of(name)
    assert (told, local(moment, zone)) == ("UTC", moment)
