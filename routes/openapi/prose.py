"""The text of the OpenAPI document: its introduction, its groups and its errors.

Rule: only what cannot be derived from a declaration is written here;
`routes.openapi.operations` derives the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from routes.contract.errors import STATUS, Code

TITLE = "Evently Event Service"

TAGS: Mapping[str, str] = {
    "Admin authentication": (
        "Access tokens are JWTs that expire within minutes. A refresh token buys the next pair of"
        " tokens, once: using it a second time ends the login."
    ),
    "Public events": (
        "Events on sale, for everybody. An event that was never published is not found here; a"
        " cancelled or completed one that was is still found by its id."
    ),
    "Admin events": (
        "An admin's own events; a `super_admin` may see and change all of them. Every change needs"
        " the `version` it is based on."
    ),
    "Venues": (
        "Where events take place. A venue is changed by the admin who created it, or by a"
        " `super_admin`; one that has events cannot be deleted."
    ),
    "Internal": (
        "For the booking service, with an internal key. A `2xx` means that the move is committed."
        " If several refusals apply, the answer is the first of these: not found, not"
        " modifiable, too few seats, stale version."
    ),
    "Monitoring": "For load balancers, orchestrators and Prometheus.",
    "Documentation": "This document, and a page that shows it.",
}

_ABOUT = """\
The Evently platform's source of truth for events, their venues and the seats they have left.

## Versions
An event has one `version`. Every change raises it by one, whether by an admin or by a seat move.
- An integer is strict: if the event has another version, nothing changes and the answer is
  409 `CONCURRENT_UPDATE`, with the `current_version` and `available_seats` for the next try.
- On seat moves, `"on_conflict": "retry"` beside an integer lets the service resolve the conflict,
  if only the seat count has changed since that version.
- On seat moves, `"*"` accepts whatever version the event has.

## Idempotency
Send an `Idempotency-Key` with every seat move, and when you create an event or a venue. The same
key with the same body gets the first answer again, with `Idempotent-Replayed: true`: hours later,
through any worker, after a crash. (A creation answers what it created, as it is by then.)
The same key with another body is 422. After 503 `OUTCOME_UNKNOWN`, a timeout or a lost
connection, send the same request with the same key to learn the outcome. A final refusal is
remembered for ten minutes; `CONCURRENT_UPDATE`, 429 and 503 never are.

## Requests
Bodies are JSON objects in UTF-8, 64 KiB at most, without duplicate keys. Integers are JSON
integers: `1.0`, `"1"` and `true` are refused. Text is trimmed, brought to Unicode's form NFC, and
must not contain NUL; a name is one line with something visible. An optional text that is empty
counts as absent. Fields that are not in the schema are ignored, so that an answer can be sent back,
but one that looks like a slip of a missing field is refused with `did you mean ...?`, and so is a
query parameter. A query parameter is given at most once. `HEAD` works wherever `GET` does, and
`OPTIONS` lists the methods of a path.

## Errors
Every error is `{"error": {"code", "message", "details", "timestamp"}}`. Act on the `code`; the
`message` is for people. Every answer has an `X-Request-ID`, which is in the log lines too.
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a code means, the message of an example, and the details it always has."""

    meaning: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


_EVENT = {"event_id": "0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"}
_VENUE = {"venue_id": "5f3e8a52-3b1d-4c83-8b8e-2f6f0d1f7a90"}

ERRORS: Mapping[Code, Explained] = {
    Code.VALIDATION_ERROR: Explained(
        "A field, parameter, header or id is invalid; `fields` names each",
        "base_price must have at most two decimals",
        {
            "fields": [
                {
                    "field": "body.base_price",
                    "message": "base_price must have at most two decimals",
                }
            ]
        },
    ),
    Code.UNAUTHORIZED: Explained(
        "401: the token, key or password is missing or wrong; 403: valid, but not permitted",
        "The access token is not valid",
    ),
    Code.EVENT_NOT_FOUND: Explained(
        "No such event, or none that this caller may see", "Event not found", _EVENT
    ),
    Code.VENUE_NOT_FOUND: Explained("No such venue", "Venue not found", _VENUE),
    Code.NOT_FOUND: Explained("No endpoint has this path", "There is nothing at this path"),
    Code.METHOD_NOT_ALLOWED: Explained(
        "The path exists, but not with this method; `Allow` lists the methods it has",
        "This path answers GET, HEAD, OPTIONS",
    ),
    Code.REQUEST_TIMEOUT: Explained(
        "The body took too long to arrive", "The body did not arrive within 5 seconds"
    ),
    Code.EMAIL_ALREADY_EXISTS: Explained(
        "Another admin has this email; case is ignored",
        "An admin with this email already exists",
    ),
    Code.CONCURRENT_UPDATE: Explained(
        "The event has changed since that version; nothing was done",
        "Event has changed since that version; try again with current_version",
        {
            **_EVENT,
            "expected_version": 41,
            "current_version": 42,
            "available_seats": 3,
            "status": "published",
        },
    ),
    Code.INSUFFICIENT_SEATS: Explained(
        "Fewer seats are left than requested; final",
        "Not enough seats available",
        {**_EVENT, "requested": 5, "available": 3},
    ),
    Code.SEATS_EXCEED_CAPACITY: Explained(
        "More seats were returned than are sold",
        "More seats returned than are sold",
        {**_EVENT, "requested": 5, "returnable": 2},
    ),
    Code.EVENT_NOT_MODIFIABLE: Explained(
        "The event has started or is cancelled",
        "Event is cancelled and can no longer change",
        {**_EVENT, "status": "cancelled"},
    ),
    Code.INVALID_STATUS_TRANSITION: Explained(
        "An event cannot change from its status to the requested one",
        "Event cannot go from published to draft",
        {**_EVENT, "from": "published", "to": "draft"},
    ),
    Code.CAPACITY_BELOW_SOLD: Explained(
        "The new capacity is below the number of seats sold",
        "total_capacity must be at least the 120 seats already sold",
        {**_EVENT, "total_capacity": 100, "sold": 120},
    ),
    Code.VENUE_IN_USE: Explained(
        "The venue has events, or one of its events needs the capacity",
        "Venue has events and cannot be deleted",
        _VENUE,
    ),
    Code.PAYLOAD_TOO_LARGE: Explained(
        "The body is over 64 KiB", "The body must not exceed 65536 bytes"
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: Explained(
        "The body is not `application/json` in UTF-8, or is compressed",
        "Content-Type must be application/json in UTF-8",
    ),
    Code.IDEMPOTENCY_KEY_REUSED: Explained(
        "The key was already used for another request; nothing was done",
        "This Idempotency-Key was used with another request; choose a new one",
    ),
    Code.RATE_LIMITED: Explained(
        "Too many attempts; `Retry-After` says when to try again",
        "Too many attempts; wait and try again",
    ),
    Code.INTERNAL_ERROR: Explained(
        "A bug; the log has the cause, under the request id",
        "Internal error; the log has the cause under this request id",
    ),
    Code.OVERLOADED: Explained(
        "More waits than can be done in time, or another transaction holds the row "
        "(`details.reason` is `row_locked`); nothing was done, try again after `Retry-After`",
        "Too many requests are waiting; nothing was done, try again",
    ),
    Code.DATABASE_UNAVAILABLE: Explained(
        "The database does not answer; nothing was done, try again after `Retry-After`",
        "The database does not answer; nothing was done, try again",
    ),
    Code.OUTCOME_UNKNOWN: Explained(
        "The change may have been made. Repeat the request with the same key to learn the outcome; "
        "without a key, read what it was meant to change",
        "The outcome is not known yet; repeat the request with the same key",
        {"request_key": "booking-7f3a"},
    ),
}


def about() -> str:
    """The document's introduction, with a table of every error code."""
    rows = [f"| `{code}` | {STATUS[code]} | {_meaning(code)} |" for code in Code]
    table = ["| code | status | meaning |", "|---|---|---|", *rows]
    return "\n".join(
        [_ABOUT, "<details><summary>All codes</summary>", "", *table, "", "</details>"]
    )


def _meaning(code: Code) -> str:
    return ERRORS[code].meaning
