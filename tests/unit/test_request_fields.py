"""What clients may send for a field, and what they are told about anything else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from routes.contract.account_bodies import Registration
from routes.contract.bodies import (
    AdminEventListQuery,
    EventChanges,
    EventListQuery,
    NewEvent,
    NewVenue,
    SeatMove,
    VenueChanges,
    VenueListQuery,
)
from routes.contract.errors import ApiError
from routes.contract.hold_bodies import HoldListQuery
from routes.contract.slips import NAME_MAX, UNKNOWN_MAX, is_slip, slips
from routes.contract.texts import PHONE_MAX
from routes.contract.validation import read_body, read_query

EVENT = {
    "name": "Aida",
    "venue_id": "5f3e8a52-3b1d-4c83-8b8e-2f6f0d1f7a90",
    "event_type": "opera",
    "start_datetime": "2035-06-01T20:00:00Z",
    "end_datetime": "2035-06-01T23:00:00Z",
    "total_capacity": 100,
    "base_price": 25,
}
VENUE = {"name": "Hall", "address": "1 Street", "city": "Oslo", "country": "Norway", "capacity": 9}
ADMIN = {"email": "ada@example.org", "password": "correct horse", "name": "Ada"}


def problems(model: type[BaseModel], body: Any) -> dict[str, str]:
    with pytest.raises(ApiError) as caught:
        read_body(model, body)
    return {problem["field"]: problem["message"] for problem in caught.value.details["fields"]}


@pytest.mark.parametrize(
    "name",
    [
        "\u05d1\u05d9\u05ea \u05d4\u05d0\u05d5\u05e4\u05e8\u05d4",
        "\u200fدار الأوبرا\u200f",
        "\U0001f469\u200d\U0001f3a4",
        "\u2764\ufe0f",
        "\u0e01\u0e33\u0e41\u0e1e\u0e07",
        "می\u200cخواهم",
        "A\u00a0B",
        "\ue000",
    ],
)
def test_a_name_in_any_script_passes_as_it_is(name: str) -> None:
    assert read_body(NewEvent, {**EVENT, "name": name}).name == name


@pytest.mark.parametrize(
    "name",
    [
        *("\u200b", "\ufeff", "\u00ad", "\u2800", "\u3164", "\u202a\u202c", "\u200e\u200f"),
        *("\u2066\u2069", "\u200b \u200b", "\u0301", "\ufe0f", "\U000e0020", "\u115f\u1160"),
    ],
)
def test_a_name_has_something_to_see(name: str) -> None:
    found = problems(NewEvent, {**EVENT, "name": name})
    assert found == {"body.name": "name must have at least one visible character"}


@pytest.mark.parametrize("between", ["\n", "\t", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029"])
def test_a_name_is_one_line_and_a_description_may_be_more(between: str) -> None:
    text = f"one{between}two"
    found = problems(NewEvent, {**EVENT, "name": text})
    assert found == {"body.name": "name must be one line without control characters"}
    assert read_body(NewEvent, {**EVENT, "description": text}).description == text


def test_a_text_is_bounded_in_one_form() -> None:
    assert len(read_body(NewEvent, {**EVENT, "name": "e\u0301" * 200}).name) == 200
    assert "body.name" in problems(NewEvent, {**EVENT, "name": "e\u0301" * 201})


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_an_optional_text_that_is_empty_is_not_there(blank: str) -> None:
    venue = read_body(NewVenue, {**VENUE, "state": blank, "postal_code": blank})
    assert (venue.state, venue.postal_code) == (None, None)
    assert read_body(Registration, {**ADMIN, "phone_number": blank}).phone_number is None
    changes = read_body(VenueChanges, {"state": blank})
    assert (changes.state, changes.model_fields_set) == (None, {"state"})
    query = dict.fromkeys(("type", "event_type", "city", "date_from", "date_to", "ids"), blank)
    assert read_query(EventListQuery, query) == read_query(EventListQuery, {})
    assert read_query(VenueListQuery, {"search": blank}).search is None
    admins = dict.fromkeys(("status", "search", "date_from", "date_to", "attention"), blank)
    assert read_query(AdminEventListQuery, {**admins, "order": blank}) == AdminEventListQuery()
    assert read_query(HoldListQuery, {"status": blank, "after": blank}) == HoldListQuery()
    assert problems(VenueChanges, {"name": blank}) == {"body.name": "name is required"}


@pytest.mark.parametrize(
    "phone",
    [
        "+14155550100",
        "+1 (415) 555-0100",
        "030/901820",
        "0049.30.901820",
        "[030] 90 18 20",
        "(+49) 30 901820",
        "+44 20 7946 0958 ext. 12",
        "+44 20 7946 0958x12",
        "555-0100 #7",
        "01\u00a042\u202f68\u201153\u201300",
        "1234",
        "1" * 15,
        "1".ljust(PHONE_MAX - 3) + "234",
    ],
)
def test_a_phone_number_is_judged_by_its_digits_and_kept_as_written(phone: str) -> None:
    assert read_body(Registration, {**ADMIN, "phone_number": phone}).phone_number == phone


@pytest.mark.parametrize(
    "phone",
    [
        *("123", "1" * 16, "call me", "1-800-FLOWERS", "+1+4155550100", "4155550100+", "555 x"),
        *("\uff11\uff12\uff13\uff14\uff15", "+", "1234;5678", "1234".ljust(PHONE_MAX - 3) + "5678"),
    ],
)
def test_what_is_no_phone_number_is_told_what_is(phone: str) -> None:
    assert "body.phone_number" in problems(Registration, {**ADMIN, "phone_number": phone})


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2035-06-01T20:00Z", datetime(2035, 6, 1, 20, tzinfo=UTC)),
        ("2035-06-01T20:00+02:00", datetime(2035, 6, 1, 18, tzinfo=UTC)),
        ("2035-06-01t20:00:01.5z", datetime(2035, 6, 1, 20, 0, 1, 500_000, tzinfo=UTC)),
    ],
)
def test_seconds_that_are_left_out_are_zero(text: str, meant: datetime) -> None:
    event = read_body(NewEvent, {**EVENT, "start_datetime": text})
    assert event.start_datetime == meant
    assert read_query(EventListQuery, {"date_from": text}).date_from == meant


def test_an_end_that_is_wrong_is_named_beside_all_else_that_is() -> None:
    body = {**EVENT, "name": "", "end_datetime": EVENT["start_datetime"]}
    assert problems(NewEvent, body) == {
        "body.name": "name is required",
        "body.end_datetime": "end_datetime must be after start_datetime",
    }


@pytest.mark.parametrize(
    ("model", "body", "slip", "meant"),
    [
        (SeatMove, {"quantity": -1, "version": 1}, "on_conflct", "on_conflict"),
        (SeatMove, {"quantity": -1}, "verison", "version"),
        (NewEvent, EVENT, "max_ticket_per_booking", "max_tickets_per_booking"),
        (NewEvent, EVENT, "maxTicketsPerBooking", "max_tickets_per_booking"),
        (EventChanges, {"version": 1}, "base-price", "base_price"),
        (VenueChanges, {}, "citty", "city"),
        (Registration, ADMIN, "phone_numer", "phone_number"),
    ],
)
def test_a_slip_of_a_field_is_told(
    model: type[BaseModel], body: dict[str, Any], slip: str, meant: str
) -> None:
    found = problems(model, {**body, slip: 1})
    assert found[f"body.{slip}"] == f"{slip} is not known; did you mean {meant}?"


def test_what_is_only_read_and_what_is_nothing_like_a_field_is_ignored() -> None:
    answered = {
        *("event_id", "venue_name", "venue_city", "datetime", "status", "version", "created_at"),
        *("updated_at", "created_by", "available_seats", "venue", "tickets_sold", "revenue"),
    }
    extra = dict.fromkeys({*answered, "notes", "id", "x", "colour", "description_html"}, 1)
    assert read_body(NewEvent, {**EVENT, **extra}).name == "Aida"


def test_a_field_that_is_there_has_no_slips() -> None:
    assert read_body(NewEvent, {**EVENT, "names": ["Aida", "Aïda"]}).name == "Aida"


def test_a_slip_of_a_parameter_is_told() -> None:
    with pytest.raises(ApiError) as caught:
        read_query(EventListQuery, {"citty": "Rome"})
    assert "did you mean city?" in caught.value.message
    assert read_query(EventListQuery, {"utm_source": "mail", "_": "1", "q": "x"}).city is None


def test_the_search_for_slips_is_bounded() -> None:
    many = [f"unknown_{number}" for number in range(UNKNOWN_MAX - 1)]
    assert list(slips([*many, "citty"], ["city"], frozenset())) == [("citty", "city")]
    assert list(slips([*many, "more", "citty"], ["city"], frozenset())) == []
    assert is_slip("c" * NAME_MAX, "c" * (NAME_MAX - 2))
    assert not is_slip("c" * (NAME_MAX + 1), "c" * (NAME_MAX - 1))


@pytest.mark.parametrize(
    ("name", "meant", "close"),
    [
        *(("citty", "city", True), ("cit", "city", True), ("ciyt", "city", True)),
        *(("cities", "city", False), ("name", "note", False), ("Name", "name", True)),
        *(("venue_name", "venue_id", False), ("starts", "state", False)),
    ],
)
def test_a_slip_is_a_letter_or_two_away(name: str, meant: str, close: bool) -> None:
    assert is_slip(name, meant) is close
