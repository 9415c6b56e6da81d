"""Reads the answers of the service: an event, a move, or a failure.

Rule: nothing is guessed. An answer that lacks a field is not a success, and prices stay exact.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from .course import Course
from .errors import Failure

# Codes by which the service says that nothing was done; any other 5xx may come from a proxy.
NOTHING_DONE = frozenset({"OVERLOADED", "DATABASE_UNAVAILABLE", "RATE_LIMITED", "REQUEST_TIMEOUT"})
# A price never passes through binary floating point.
_DECODER = json.JSONDecoder(parse_float=Decimal)


@dataclass(frozen=True, slots=True)
class EventForBooking:
    """The data of an event that a booking needs."""

    event_id: str
    available_seats: int
    max_tickets_per_booking: int
    base_price: Decimal
    version: int
    status: str


@dataclass(frozen=True, slots=True)
class SeatsMoved:
    """The event after a committed move, and how the call went.

    `replayed` means that an earlier request with the same key had moved the seats; `tries` and
    `conflicts` count the requests sent and the conflicts met.
    """

    event_id: str
    available_seats: int
    status: str
    version: int
    key: str
    replayed: bool = False
    tries: int = 1
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is None if it was not JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


def decoded(raw: bytes) -> Any:
    """A body as JSON, or None."""
    try:
        return _DECODER.decode(raw.decode())
    except ValueError:
        return None


def event_for_booking(answer: Answer, _: Course) -> EventForBooking:
    """The event in `answer`. Raises the error of a missing or invalid field."""
    body = answer.body
    return EventForBooking(
        event_id=body["event_id"],
        available_seats=_whole(body["available_seats"]),
        max_tickets_per_booking=_whole(body["max_tickets_per_booking"]),
        base_price=Decimal(body["base_price"]),
        version=_whole(body["version"]),
        status=body["status"],
    )


def seats_moved(answer: Answer, course: Course) -> SeatsMoved:
    """The move in `answer`. Raises the error of a missing or invalid field."""
    body = answer.body
    assert course.key is not None, "every move has a key"
    return SeatsMoved(
        event_id=body["event_id"],
        available_seats=_whole(body["available_seats"]),
        status=body["status"],
        version=_whole(body["version"]),
        key=course.key,
        replayed=answer.headers.get("Idempotent-Replayed") == "true",
        tries=course.tries,
        conflicts=course.conflicts,
    )


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise TypeError("not a whole number")
    return given


def failure_of(answer: Answer) -> Failure:
    """The failure in `answer`, and whether it may be retried."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or f"HTTP_{answer.status}")
    details = error.get("details")
    nothing_done = code in NOTHING_DONE
    server_side = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failure(
        code,
        str(error.get("message") or f"HTTP status {answer.status}"),
        details if isinstance(details, dict) else {},
        answer.status,
        answer.headers.get("X-Request-ID"),
        again=server_side or nothing_done or answer.status == HTTPStatus.TOO_MANY_REQUESTS,
        unknown=server_side and not nothing_done,
        wait_s=_retry_after_s(answer.headers.get("Retry-After")),
    )


def _retry_after_s(header: str | None) -> float:
    """RFC 9110, section 10.2.3: seconds or a date; 0 for neither."""
    if header is None:
        return 0.0
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
