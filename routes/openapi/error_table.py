"""The one table of errors: what each code means, and what to do about it.

Rule: the OpenAPI document and docs/api.md are written from here, so that both say the same.
`python -m routes.openapi.error_table` prints the part of docs/api.md between its markers.
"""

import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.peers.link import UNDER_WAY_S
from evently.domain.errors import NothingDone, OutcomeUnknown, TooManyLogins
from routes.contract.deadline import WAIT_HEADER, WAIT_MS, WAIT_MS_MAX
from routes.contract.errors import STATUS, Code

# `UNAUTHORIZED` has two statuses; `STATUS` has the other.
FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Explained:
    """What a code means, and what to do about it.

    `again` says whether and how to try again; `message` and `details` are an example's. Every
    answer has these details, but for those that are among `more`, which some answers have.
    """

    meaning: str
    again: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[str, ...] = ()


_EVENT = {"event_id": "0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"}
_HOLD = {**_EVENT, "hold_id": "6f1c2b9e-4a5d-8c70-9b1e-2d3f4a5b6c7d"}
_ADMIN = {"admin_id": "c7a1f6de-52f0-4b6e-9a3b-7f5d2f0e8c44"}
_VENUE = {"venue_id": "5f3e8a52-3b1d-4c83-8b8e-2f6f0d1f7a90"}

ERRORS: Mapping[Code, Explained] = {
    Code.VALIDATION_ERROR: Explained(
        "A field, parameter, header or id is invalid; `fields` names each",
        "No; correct what `fields` names",
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
        "401: with new credentials (refresh, log in, another key); 403: no",
        "The access token is not valid",
        more=("event_id", "venue_id"),
    ),
    Code.EVENT_NOT_FOUND: Explained(
        "No such event, or none that this caller may see", "No", "Event not found", _EVENT
    ),
    Code.VENUE_NOT_FOUND: Explained("No such venue", "No", "Venue not found", _VENUE),
    Code.HOLD_NOT_FOUND: Explained(
        "The event has no such hold", "No", "This event has no such hold", _HOLD
    ),
    Code.HOLDBACK_NOT_FOUND: Explained(
        "The event keeps back no block of that name",
        "No; with the name of a block that the event has, or without `holdback`",
        "This event keeps back no block of that name",
        {**_EVENT, "holdback": "Press"},
    ),
    Code.ADMIN_NOT_FOUND: Explained(
        "No such admin, or one whose account the user service keeps",
        "No",
        "Admin not found",
        _ADMIN,
    ),
    Code.NOT_FOUND: Explained("No endpoint has this path", "No", "There is nothing at this path"),
    Code.METHOD_NOT_ALLOWED: Explained(
        "The path exists, but not with this method; `Allow` lists the methods it has",
        "No; use a method that `Allow` lists",
        "This path answers GET, HEAD, OPTIONS",
    ),
    Code.REQUEST_TIMEOUT: Explained(
        "The body took too long to arrive",
        "Yes, on a new connection; nothing was done",
        "The body did not arrive within 5 seconds",
    ),
    Code.EMAIL_ALREADY_EXISTS: Explained(
        "Another admin has this email; case is ignored",
        "No; log in, or use another email",
        "An admin with this email already exists",
    ),
    Code.CONCURRENT_UPDATE: Explained(
        "The event has changed since that version; nothing was done. `changed_fields` names the"
        " terms of the offer that changed since, if any did: `base_price`, the schedule, ...; null"
        " if they are not known",
        "Yes, with `current_version`, if the change still makes sense; nothing was done",
        "Event has changed since that version; try again with current_version",
        {
            **_EVENT,
            "expected_version": 41,
            "current_version": 42,
            "available_seats": 3,
            "status": "published",
        },
        more=("changed_fields",),
    ),
    Code.INSUFFICIENT_SEATS: Explained(
        "Fewer seats are left than requested; final. `held` ones are in holds; some may be free"
        " again at `next_hold_expires_at`, if that is not null. Of a block, which `holdback` names"
        " then, `available` are left",
        "No, not under this key; under a new one fewer seats, or the same once holds have expired",
        "Not enough seats available",
        {
            **_EVENT,
            "requested": 5,
            "available": 3,
            "held": 4,
            "next_hold_expires_at": "2035-05-02T09:45:00Z",
        },
    ),
    Code.SEATS_EXCEED_CAPACITY: Explained(
        "More seats were returned than are sold; final",
        "No, not under this key",
        "More seats returned than are sold",
        {**_EVENT, "requested": 5, "returnable": 2},
    ),
    Code.AMOUNT_EXCEEDS_REVENUE: Explained(
        "A return would pay back more money than the event has taken",
        "No; with `revenue` at most",
        "More money would be paid back than the event has taken",
        {**_EVENT, "amount": 200, "revenue": 179},
    ),
    Code.EVENT_NOT_MODIFIABLE: Explained(
        "The event is cancelled, archived, or has started and sells nothing at the door; final",
        "No",
        "Event is cancelled and can no longer change",
        {**_EVENT, "status": "cancelled"},
    ),
    Code.EVENT_NOT_ON_SALE: Explained(
        "Seats are not sold at `now`: before `sales_start`, from `sales_end` on, or `paused`; never"
        " final",
        "Yes, with the same key, at `sales_start` or once sales go on",
        "Sales open at 2035-05-02T10:00:00+00:00; try again then, with the same key",
        {
            **_EVENT,
            "sales_start": "2035-05-02T10:00:00Z",
            "sales_end": None,
            "paused": False,
            "now": "2035-05-02T09:59:58.500000Z",
        },
    ),
    Code.INVALID_STATUS_TRANSITION: Explained(
        "An event cannot change from its status to the requested one",
        "No",
        "Event cannot go from published to draft",
        {**_EVENT, "from": "published", "to": "draft"},
    ),
    Code.CAPACITY_BELOW_SOLD: Explained(
        "The new capacity is below the number of seats that are sold, held or kept back",
        "No; with `sold`, `held` and `held_back` together, or more",
        "total_capacity must be at least the 130 seats sold, held or kept back",
        {**_EVENT, "total_capacity": 100, "sold": 120, "held": 4, "held_back": 6},
    ),
    Code.MAX_TICKETS_EXCEEDED: Explained(
        "A hold is one booking, and would have more seats than a booking may",
        "No; with `max_tickets_per_booking` seats at most",
        "A booking of this event has 8 seats at most",
        {**_EVENT, "requested": 9, "max_tickets_per_booking": 8},
    ),
    Code.HOLD_PRICE_CHANGED: Explained(
        "The hold cannot grow: the event has another price by now; the hold stays as it is",
        "No; place another hold for the seats that are missing",
        "The price has changed since the hold was placed; place another one",
        {**_HOLD, "unit_price": 89.5, "base_price": 95},
    ),
    Code.HOLD_NOT_ACTIVE: Explained(
        "The hold has ended in another way, or was confirmed for another amount; final",
        "No; a confirmed one is returned with `return-seats`, for others place a new hold",
        "The hold is released",
        {**_HOLD, "status": "released"},
    ),
    Code.HOLD_EXPIRED: Explained(
        "The hold had expired, and its seats are gone or were not to be taken again; final",
        "No; refund the buyer, or place a new hold",
        "The hold has expired and its seats were not taken again",
        {**_HOLD, "expired_at": "2035-05-02T09:45:00Z", "requested": 2, "available": 0},
    ),
    Code.VENUE_IN_USE: Explained(
        "The venue has events, or one of its events needs the capacity",
        "No; not while these events are there",
        "Venue has events and cannot be deleted",
        _VENUE,
        more=("events", "capacity", "event_id", "total_capacity"),
    ),
    Code.LAST_SUPER_ADMIN: Explained(
        "No active super_admin would be left",
        "No; make another admin a super_admin first",
        "This is the last active super_admin; make another one first",
        _ADMIN,
    ),
    Code.CURSOR_EXPIRED: Explained(
        "Changes after this cursor are archived and no longer in the feed",
        "No; take `after=latest`, read the snapshot, and go on from there",
        "Changes after this cursor are archived; take after=latest, read the snapshot at"
        " /internal/events, and go on from there",
    ),
    Code.PAYLOAD_TOO_LARGE: Explained(
        "The body is over 64 KiB", "No", "The body must not exceed 65536 bytes"
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: Explained(
        "The body is not `application/json` in UTF-8, or is compressed",
        "No",
        "Content-Type must be application/json in UTF-8",
    ),
    Code.IDEMPOTENCY_KEY_REUSED: Explained(
        "The key was already used for another request; nothing was done",
        "No; this request needs a key of its own",
        "This Idempotency-Key was used with another request; choose a new one",
        more=("event_id", "request_key"),
    ),
    Code.RATE_LIMITED: Explained(
        "Too many attempts",
        "Yes, after `Retry-After`",
        "Too many attempts; wait and try again",
    ),
    Code.INTERNAL_ERROR: Explained(
        "A bug; the log has the cause, under the request id",
        "Once, with the same key; without a key, look first whether it was done",
        "Internal error; the log has the cause under this request id",
    ),
    Code.OVERLOADED: Explained(
        "More waits than can be done in time, another transaction holds the row "
        "(`reason` is `row_locked`), or a first report is long (`adding_up`); nothing was done",
        "Yes, after `Retry-After`, with the same key",
        "Too many requests are waiting; nothing was done, try again",
        more=("reason", "versions_done", "versions"),
    ),
    Code.DATABASE_UNAVAILABLE: Explained(
        "The database does not answer; nothing was done",
        "Yes, after `Retry-After`, with the same key",
        "The database does not answer; nothing was done, try again",
    ),
    Code.OUTCOME_UNKNOWN: Explained(
        "The change may have been made, or may yet be",
        "With the same key only, after `Retry-After`, until another answer comes; without a key,"
        " look at what it was to change",
        "The outcome is not known yet; repeat the request with the same key",
        {"request_key": "booking-7f3a"},
        more=("request_key",),
    ),
}


def error_table() -> str:
    """Every code in a table of Markdown."""
    rows = [
        f"| `{code}` | {_status(code)} | {one.meaning} | {_details(one)} | {one.again} |"
        for code, one in ERRORS.items()
    ]
    head = "| code | HTTP | meaning | details | try again? |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def waiting() -> str:
    """How long a client waits, for an answer and before another try."""
    turn_s = WAIT_MS / 1000
    taken = (
        f"A change waits for its turn for {turn_s:g} s, or as long as `{WAIT_HEADER}` says"
        f" ({WAIT_MS_MAX} at most), and is dropped undone after that. Once it is under way it is"
        f" answered within {UNDER_WAY_S:g} s more, with `OUTCOME_UNKNOWN` if need be. So give a"
        f" call {turn_s + UNDER_WAY_S + 1:g} s before you take it for lost; after a shorter time,"
        " ask again with the same key."
    )
    again = (
        f"`Retry-After` is {NothingDone.retry_after_s} s after a 503,"
        f" {OutcomeUnknown.retry_after_s} s after `OUTCOME_UNKNOWN`,"
        f" {TooManyLogins.retry_after_s} s when logins queue, and what is left of the window after"
        " too many attempts. Wait that long, and a random while more that doubles with each try: a"
        " thousand clients that come back together are refused together. Bound the tries, and keep"
        " the key."
    )
    tickets = (
        "`max_tickets_per_booking` is enforced on holds, each of which is one booking. It is not on"
        " seat moves, which may bundle bookings: there the booking service enforces it, by what"
        " `GET /internal/events/{event_id}` says."
    )
    texts = (taken, again, tickets)
    return "\n\n".join(textwrap.fill(text, 100, break_on_hyphens=False) for text in texts)


def _status(code: Code) -> str:
    return f"{STATUS[code]}, {FORBIDDEN}" if code is Code.UNAUTHORIZED else str(STATUS[code])


def _details(one: Explained) -> str:
    always = [f"`{name}`" for name in one.details if name not in one.more]
    sometimes = [f"(`{name}`)" for name in one.more]
    return ", ".join([*always, *sometimes])


if __name__ == "__main__":
    sys.stdout.write(f"{error_table()}\n\n{waiting()}\n")
