"""What answers are expected to look like, for the tests of all endpoints."""

from typing import Any
from uuid import uuid4

from tests.acceptance.service_api import Answer

_LISTED = [
    *("event_id", "name", "event_type", "venue_id", "venue_name", "venue_city"),
    *("start_datetime", "end_datetime", "total_capacity", "available_seats"),
    *("base_price", "max_tickets_per_booking", "status", "version"),
]
_DETAILED = [*_LISTED, "description", "datetime", "venue"]
_FOR_ADMIN = ["created_by", "created_at", "updated_at"]
_SALES = ["sales_start", "sales_end", "currency", "level"]
_LOCAL = ["timezone", "start_local", "end_local"]
IN_LIST = [*_LISTED, *_SALES]
IN_ADMIN_LIST = [
    *_LISTED,
    *_FOR_ADMIN,
    "held_seats",
    "revenue",
    *_SALES,
    "timezone",
    "held_back_seats",
]
IN_SNAPSHOT = [*_LISTED, "updated_at", *_SALES]
IN_DETAIL = [*_DETAILED, *_SALES, *_LOCAL]
IN_ADMIN_DETAIL = [
    *(*_DETAILED, *_FOR_ADMIN, "held_seats", "revenue", *_SALES, *_LOCAL, "paused"),
    *("held_back_seats", "holdbacks"),
]
_VENUE = [
    *("venue_id", "name", "address", "city", "state", "country", "postal_code"),
    *("capacity", "layout_config"),
]
VENUE = [*_VENUE, *_FOR_ADMIN, "timezone"]
VENUE_IN_EVENT = [*_VENUE, "timezone"]
BAD_ID = "not-a-uuid"
MOVE = "/internal/events/{event_id}/update-availability"


def unknown() -> str:
    return str(uuid4())


def fields_of(answer: Answer) -> list[str]:
    return list(answer.json)


def problems(answer: Answer) -> dict[str, str]:
    """The bad fields of a 400, with what is wrong."""
    assert answer.status == 400, answer
    assert answer.code == "VALIDATION_ERROR"
    return {found["field"]: found["message"] for found in answer.details["fields"]}


def expect(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The details of the error that is expected."""
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(answer.json) == ["error"]
    assert list(answer.json["error"]) == ["code", "message", "details", "timestamp"]
    assert answer.json["error"]["timestamp"].endswith("Z")
    return answer.details


def registration(**over: Any) -> dict[str, Any]:
    return {
        "email": f"{uuid4().hex}@example.org",
        "password": "correct horse",
        "name": "Grace",
    } | over


REGISTER, LOGIN = "/api/v1/auth/admin/register", "/api/v1/auth/admin/login"
REFRESH, LOGOUT = "/api/v1/auth/admin/refresh", "/api/v1/auth/admin/logout"
