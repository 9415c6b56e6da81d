"""Examples of bodies and answers, for people who read and tools that send them.

Rule: all examples are about the same event and venue; the service accepts every body here, and
could return every value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVENT_ID = "0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"
VENUE_ID = "5f3e8a52-3b1d-4c83-8b8e-2f6f0d1f7a90"
CURSOR = "AfHmoMIbd0pYjlstPB8Km0QAABAAAAC8UwucHA5vCk0Ln0MMai88XREAAAAAAAAAKrr04P4"
HOLD_ID = "6f1c2b9e-4a5d-8c70-9b1e-2d3f4a5b6c7d"
ADMIN_ID = "c7a1f6de-52f0-4b6e-9a3b-7f5d2f0e8c44"
REFRESH_TOKEN = "kq2vX0dU3mS9wJfY7bTz5nRcL1hGpE8aViOxW4yK6Qs"  # noqa: S105 - nobody's


@dataclass(frozen=True, slots=True)
class Sent:
    """A body, and what it does."""

    summary: str
    body: Mapping[str, Any]


_EVENT: Mapping[str, Any] = {
    "name": "Aida",
    "description": "Opera in four acts, under the stars",
    "venue_id": VENUE_ID,
    "event_type": "opera",
    "start_datetime": "2035-06-01T20:45:00+02:00",
    "end_datetime": "2035-06-02T00:30:00+02:00",
    "total_capacity": 12000,
    "base_price": 89.5,
    "max_tickets_per_booking": 8,
    "sales_start": "2035-05-02T10:00:00+02:00",
    "sales_end": "2035-06-01T21:30:00+02:00",
    "paused": False,
    "currency": "EUR",
    "holdbacks": [
        {"name": "Press", "quantity": 20, "release_at": "2035-05-25T12:00:00+02:00"},
        {"name": "Sponsors", "quantity": 40},
    ],
}
_OPTIONAL = frozenset(
    {
        "description",
        "max_tickets_per_booking",
        "sales_start",
        "sales_end",
        "paused",
        "currency",
        "holdbacks",
    }
)
_VENUE: Mapping[str, Any] = {
    "name": "Arena di Verona",
    "address": "Piazza Bra 1",
    "city": "Verona",
    "state": "Veneto",
    "country": "Italy",
    "postal_code": "37121",
    "capacity": 15000,
    "layout_config": {"sections": [{"name": "Stalls", "rows": 60}]},
    "timezone": "Europe/Rome",
}
_CREDENTIALS: Mapping[str, Any] = {
    "email": "ada@example.org",
    "password": "correct horse battery",
}

# By the name of the body's model, then by the name of the example.
BODIES: Mapping[str, Mapping[str, Sent]] = {
    "Registration": {
        "event_manager": Sent(
            "An event manager", {**_CREDENTIALS, "name": "Ada", "phone_number": "+14155550100"}
        ),
        "admin": Sent("Another role", {**_CREDENTIALS, "name": "Ada", "role": "admin"}),
    },
    "Login": {"login": Sent("Email and password", _CREDENTIALS)},
    "RefreshToken": {"token": Sent("A refresh token", {"refresh_token": REFRESH_TOKEN})},
    "ProfileChanges": {
        "name": Sent("Another name", {"name": "Ada King"}),
        "phone": Sent("Remove the phone number", {"phone_number": None}),
    },
    "PasswordChange": {
        "change": Sent(
            "A new password",
            {"old_password": "correct horse battery", "new_password": "staple of another stable"},
        )
    },
    "AdminChanges": {
        "role": Sent("Another role", {"role": "admin"}),
        "deactivate": Sent("Keep them out", {"is_active": False}),
    },
    "NewEvent": {
        "all": Sent("All fields", _EVENT),
        "least": Sent(
            "Required fields only",
            {name: to for name, to in _EVENT.items() if name not in _OPTIONAL},
        ),
    },
    "EventChanges": {
        "publish": Sent("Put a draft on sale", {"version": 1, "status": "published"}),
        "change": Sent(
            "Another price and capacity", {"version": 2, "base_price": 95, "total_capacity": 12500}
        ),
        "pause": Sent(
            "Stop sales while they run",
            {"version": 42, "paused": True, "on_conflict": "retry"},
        ),
        "open": Sent(
            "Open sales at another time, and sell until the start",
            {"version": 2, "sales_start": "2035-05-03T10:00:00+02:00", "sales_end": None},
        ),
        "keep_back": Sent(
            "Keep back these blocks, and no others",
            {"version": 2, "holdbacks": [{"name": "Press", "quantity": 20, "release_at": None}]},
        ),
        "cancel": Sent("Cancel", {"version": 3, "status": "cancelled"}),
    },
    "Cancellation": {
        "cancel": Sent("Cancel at this version", {"version": 3}),
        "retry": Sent(
            "Cancel unless another admin has changed the event",
            {"version": 42, "on_conflict": "retry"},
        ),
    },
    "NewVenue": {"venue": Sent("A venue", _VENUE)},
    "VenueChanges": {
        "change": Sent("Another capacity", {"capacity": 14000}),
        "remove": Sent("Remove a value", {"layout_config": None}),
    },
    "SeatMove": {
        "any": Sent("Reserve two seats at any version", {"quantity": -2, "version": "*"}),
        "strict": Sent("Reserve at this version only", {"quantity": -2, "version": 42}),
        "retry": Sent(
            "Reserve if only the seat count has changed",
            {"quantity": -2, "version": 42, "on_conflict": "retry"},
        ),
        "return": Sent("Return two seats", {"quantity": 2, "version": "*"}),
        "block": Sent(
            "Give away two seats of a block",
            {"quantity": -2, "version": "*", "holdback": "Press", "amount": 0},
        ),
    },
    "NewHold": {
        "hold": Sent(
            "Keep two seats for ten minutes",
            {"quantity": 2, "duration_s": 600, "reference": "booking-7f3a"},
        ),
        "least": Sent("Keep one seat for a quarter of an hour", {"quantity": 1}),
    },
    "HoldChange": {
        "time": Sent("Ten minutes from now", {"duration_s": 600}),
        "seats": Sent("Another number of seats", {"quantity": 1}),
    },
    "Confirmation": {
        "paid": Sent("What was paid in total", {"amount": 179}),
        "in_time": Sent("Only if the hold has not expired", {"late": "refuse"}),
    },
    "SeatMoves": {
        "each_on_its_own": Sent(
            "Two moves, each on its own: one may be done and the other refused",
            {
                "moves": [
                    {
                        "event_id": EVENT_ID,
                        "quantity": -2,
                        "version": "*",
                        "idempotency_key": "booking-7f3a",
                    },
                    {
                        "event_id": EVENT_ID,
                        "quantity": 1,
                        "version": 42,
                        "on_conflict": "retry",
                        "idempotency_key": "refund-19c2",
                    },
                ]
            },
        )
    },
    "SeatReturn": {"return": Sent("Return two seats", {"quantity": 2, "version": "*"})},
}

# By field, or by struct and field if the field means something else there.
FIELDS: Mapping[str, Any] = {
    **_VENUE,
    **_EVENT,
    "Holdback.name": "Press",
    "Holdback.quantity": 20,
    "holdbacks": None,
    "release_at": "2035-05-25T10:00:00Z",
    "Health.status": "healthy",
    "Readiness.status": "ready",
    "Readiness.database": "connected",
    "Message.message": "Venue deleted",
    "EventCancelled.message": "Event cancelled",
    "EventCancelled.version": 4,
    "ErrorDetail.message": "Not enough seats available",
    "LedgerRow.version": 3,
    "LedgerRow.quantity": -2,
    "LedgerRow.available_seats": 11998,
    "LedgerRow.changes": {},
    "LedgerRow.held": 0,
    "LedgerRow.previous": {},
    "LedgerRow.held_back": 0,
    "Account.name": "Ada",
    "Account.phone_number": "+1 415 555 0100",
    "SessionsEnded.message": "Logged out everywhere",
    "AuditEntry.details": {"from": "event_manager", "to": "admin"},
    "AuditEntry.caller": f"admin:{ADMIN_ID}",
    "Registered.name": "Ada",
    "Venue.name": _VENUE["name"],
    "VenueInEvent.name": _VENUE["name"],
    "VenueInEvent.capacity": _VENUE["capacity"],
    "BookingDay.revenue": 1790,
    "EventForBooking.version": 42,
    "SeatsMoved.version": 43,
    "MoveResult.status": 200,
    "MoveResult.replayed": True,
    "MoveResult.retry_after": 1,
    "Change.kind": "updated",
    "Change.data": {"base_price": {"from": 89.5, "to": 95}},
    "Changes.next": CURSOR,
    "EventSnapshot.next": EVENT_ID,
    "at": "2035-05-02T09:30:00.250000Z",
    "not_found": [],
    "SeatsHeld.version": 43,
    "Hold.quantity": 2,
    "Hold.status": "confirmed",
    "Hold.amount": 179,
    "service": "Evently Event Service",
    "openapi": "openapi.json",
    "docs": "docs",
    "console": "console",
    "registration": "open",
    "hold_id": HOLD_ID,
    "unit_price": 89.5,
    "reference": "booking-7f3a",
    "held_at": "2035-05-02T09:30:00.250000Z",
    "expires_at": "2035-05-02T09:40:00.250000Z",
    "latest_expires_at": "2035-05-02T11:30:00.250000Z",
    "closed_at": "2035-05-02T09:34:10.500000Z",
    "retaken": False,
    "archived": False,
    "HoldCounts.active": 12,
    "HoldCounts.next_expires_at": "2035-05-02T09:40:00.250000Z",
    "HoldCounts.confirmed": 84,
    "HoldCounts.released": 7,
    "HoldCounts.expired": 9,
    "HoldCounts.retaken": 2,
    "HoldCounts.confirmed_percent": 84,
    "EventInventory.sold": 180,
    "EventInventory.held": 20,
    "EventInventory.total_capacity": 12000,
    "EventInventory.held_back": 20,
    "EventInventory.available_seats": 11780,
    "next": "MjAzNS0wNS0wMlQwOTozMDowMCswMDowMCA2ZjFjMmI5ZS00YTVkLThjNzAtOWIxZS0yZDNmNGE1YjZjN2Q",
    "event_id": EVENT_ID,
    "admin_id": ADMIN_ID,
    "created_by": ADMIN_ID,
    "email": _CREDENTIALS["email"],
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjN2ExZjZkZSJ9.3Xc0",
    "refresh_token": REFRESH_TOKEN,
    "role": "event_manager",
    "permissions": ["events:create", "events:read_own", "venues:read"],
    "venue_name": _VENUE["name"],
    "venue_city": _VENUE["city"],
    "start_datetime": "2035-06-01T18:45:00Z",
    "end_datetime": "2035-06-01T22:30:00Z",
    "datetime": "2035-06-01T18:45:00Z",
    "sales_start": "2035-05-02T08:00:00Z",
    "sales_end": "2035-06-01T19:30:00Z",
    "start_local": "2035-06-01T20:45:00+02:00",
    "end_local": "2035-06-02T00:30:00+02:00",
    "level": "available",
    "held_seats": 4,
    "held_back_seats": 20,
    "on_sale": True,
    "last_updated": "2035-05-02T09:30:00.250000Z",
    "recorded_at": "2035-05-02T09:30:00.250000Z",
    "created_at": "2035-04-01T08:00:00Z",
    "updated_at": "2035-05-02T09:30:00.250000Z",
    "timestamp": "2035-05-02T09:30:00.250000Z",
    "available_seats": 11980,
    "status": "published",
    "version": 42,
    "total": 1,
    "page": 1,
    "limit": 20,
    "has_more": False,
    "tickets_sold": 20,
    "tickets_returned": 0,
    "revenue": 1790,
    "capacity_utilization": 0.17,
    "date": "2035-05-02",
    "start": "2035-05-02T00:00:00Z",
    "is_active": True,
    "sessions": 1,
    "sessions_ended": 2,
    "action": "role_changed",
    "caller_name": "Ada",
    "subject_id": ADMIN_ID,
    "subject_name": "Charles",
    "kind": "reserved",
    "caller": "internal:booking",
    "changed_fields": [],
    "request_id": "booking-7f3a",
    "code": "INSUFFICIENT_SEATS",
    "details": {"event_id": EVENT_ID, "requested": 5, "available": 3},
}


def field_example(struct: str, field: str) -> Any:
    """An example of `field` of `struct`; None if its nested fields have the examples."""
    return FIELDS.get(f"{struct}.{field}", FIELDS.get(field))
