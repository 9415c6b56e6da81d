"""What the OpenAPI document says in words: of the whole, of each group, and of each error.

Rule: nothing here can be derived from a declaration; what can be is derived in
`routes.openapi.operations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from routes.contract.errors import STATUS, Code

TITLE = "Evently Event Service"

TAGS: Mapping[str, str] = {
    "Admin authentication": (
        "Access tokens are JWTs that live for minutes; a refresh token is exchanged for the next"
        " pair of tokens and is then used up. One that comes back ends its login."
    ),
    "Public events": (
        "Events on sale, for everybody. A draft is unknown here; a cancelled or completed event"
        " still answers by its id."
    ),
    "Admin events": (
        "An admin's own events; a `super_admin` may see and change all. Every change needs the"
        " `version` it was based on."
    ),
    "Venues": "Where events take place. A venue that an event names cannot be deleted.",
    "Internal": (
        "For the booking service, with an internal key. A `2xx` is sent after the move is"
        " committed. When several refusals hold, the first of these is told: not found, not"
        " modifiable, too few seats, stale version."
    ),
    "Monitoring": "For load balancers, orchestrators and Prometheus.",
    "Documentation": "This document, and a page that shows it.",
}

_ABOUT = """\
The Evently platform's one source of truth for what there is to go to and how many seats are left.

## Versions
An event has one `version`, which grows by one with every change, be it an admin's or a seat move.
- An integer is strict: where the event has another version, nothing happens and the answer is
  409 `CONCURRENT_UPDATE`, with `current_version` and `available_seats` to try again with.
- On seat moves, `"on_conflict": "retry"` beside it lets the service take the conflict on itself,
  if nothing but the seat count has changed since.
- On seat moves, `"*"` takes the seats at whatever version the event has.

## Idempotency
Send an `Idempotency-Key` with every seat move. The same key with the same body gets the first
answer again, with `Idempotent-Replayed: true`: hours later, through any worker, after a crash.
The same key with another body is 422. After 503 `OUTCOME_UNKNOWN`, a timeout or a lost
connection, send the same request with the same key to learn what became of it. A refusal that is
final is remembered for ten minutes; `CONCURRENT_UPDATE`, 429 and 503 never are.

## Requests
Bodies are JSON objects in UTF-8, 64 KiB at most, and no key twice. Integers are JSON integers:
`1.0`, `"1"` and `true` are refused. Text is trimmed and holds no NUL. What a body holds beyond
its schema is ignored, so that an answer may be sent back. Query parameters are given once.
`HEAD` is answered wherever `GET` is, and `OPTIONS` says what else a path answers.

## Errors
Every error is `{"error": {"code", "message", "details", "timestamp"}}`. Act on the `code`; the
`message` is for people. Every answer has an `X-Request-ID`, which finds it in the log.
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
        "A field, parameter, header or id is not as described; `fields` names each",
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
        "401: token, key or password is missing or wrong; 403: it is good, and does not allow this",
        "The access token is not valid",
    ),
    Code.EVENT_NOT_FOUND: Explained(
        "No such event, or none that this caller may know of", "Event not found", _EVENT
    ),
    Code.VENUE_NOT_FOUND: Explained("No such venue", "Venue not found", _VENUE),
    Code.NOT_FOUND: Explained("No endpoint has this path", "There is nothing at this path"),
    Code.METHOD_NOT_ALLOWED: Explained(
        "The path is right and the method is not; `Allow` has those that are",
        "This path answers GET, HEAD, OPTIONS",
    ),
    Code.REQUEST_TIMEOUT: Explained(
        "The body took too long to arrive", "The body did not arrive within 5 seconds"
    ),
    Code.EMAIL_ALREADY_EXISTS: Explained(
        "Another admin has this email, in whatever case",
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
        "Fewer seats are left than were asked for; final",
        "Not enough seats available",
        {**_EVENT, "requested": 5, "available": 3},
    ),
    Code.SEATS_EXCEED_CAPACITY: Explained(
        "More seats were returned than are out",
        "More seats returned than are out",
        {**_EVENT, "requested": 5, "returnable": 2},
    ),
    Code.EVENT_NOT_MODIFIABLE: Explained(
        "The event has started or is cancelled",
        "Event is cancelled and can no longer change",
        {**_EVENT, "status": "cancelled"},
    ),
    Code.INVALID_STATUS_TRANSITION: Explained(
        "An event cannot go from the one status to the other",
        "Event cannot go from published to draft",
        {**_EVENT, "from": "published", "to": "draft"},
    ),
    Code.CAPACITY_BELOW_SOLD: Explained(
        "The capacity would be under what is sold",
        "total_capacity must be at least the 120 seats that are sold",
        {**_EVENT, "total_capacity": 100, "sold": 120},
    ),
    Code.VENUE_IN_USE: Explained(
        "Events name this venue, or one of them needs its capacity",
        "Venue has events and cannot be deleted",
        _VENUE,
    ),
    Code.PAYLOAD_TOO_LARGE: Explained(
        "The body is over 64 KiB", "The body must not exceed 65536 bytes"
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: Explained(
        "The body is no `application/json` in UTF-8, or is compressed",
        "Content-Type must be application/json in UTF-8",
    ),
    Code.IDEMPOTENCY_KEY_REUSED: Explained(
        "The key was used with another request; nothing was done",
        "This Idempotency-Key was used with another request; choose a new one",
        _EVENT,
    ),
    Code.RATE_LIMITED: Explained(
        "Too many attempts; `Retry-After` says when to try again",
        "Too many attempts; wait and try again",
    ),
    Code.INTERNAL_ERROR: Explained(
        "A bug; the log has its cause under the request's id",
        "Internal error; the request id finds it in the log",
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
        "Whether it was done is not known yet; the same key again tells, and where a request has "
        "none, a look at what it was to change",
        "The outcome is not known yet; send the same request with this key again",
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
