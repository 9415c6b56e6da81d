"""The shapes of the service's answers.

Rule: a field is named as in the API. A list is a tuple, a price a Decimal, a time aware and in UTC.
A field that a later release adds gets a default here, so that older services can still be read.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class EventForBooking:
    """The data of an event that a booking needs; `on_sale` means that seats are sold now.

    The fields with defaults are None from a service that does not say.
    """

    event_id: str
    available_seats: int
    max_tickets_per_booking: int
    base_price: Decimal
    version: int
    status: str
    held_seats: int | None = None
    sales_start: datetime | None = None
    sales_end: datetime | None = None
    paused: bool | None = None
    currency: str | None = None
    on_sale: bool | None = None


@dataclass(frozen=True, slots=True)
class SeatsMoved:
    """The event after a committed move, and how the call went.

    `replayed` means that an earlier request with the same key had moved the seats; `tries` and
    `conflicts` count the requests sent and the conflicts met. `unit_price` is the event's price at
    which the move was made, None from a service that does not say.
    """

    event_id: str
    available_seats: int
    status: str
    version: int
    key: str
    replayed: bool = False
    tries: int = 1
    conflicts: int = 0
    unit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Seats that are kept for a buyer who is paying.

    `status` is held, confirmed, released or expired. `unit_price` is the event's price when it was
    held, `amount` what was paid in total, None until it is confirmed. It can be prolonged up to
    `latest_expires_at`. `retaken` means that it was confirmed after its time.
    """

    hold_id: str
    quantity: int
    unit_price: Decimal
    status: str
    reference: str | None
    held_at: datetime
    expires_at: datetime
    latest_expires_at: datetime
    closed_at: datetime | None
    retaken: bool
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SeatsHeld(SeatsMoved):
    """The event and the hold after a committed change of it, and how the call went.

    `replayed` means that an earlier request with the same key had done it: `hold` is then what was
    answered at that time. `find_hold` tells what has become of it since.
    """

    # A move without a hold is answered as SeatsMoved, so there is no sensible default.
    hold: Hold = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class HoldPage:
    """A page of an event's holds, oldest first; `next` is the `after` of the next one, or None."""

    event_id: str
    holds: tuple[Hold, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Availability:
    """How many seats are left."""

    available_seats: int
    status: str
    last_updated: datetime


@dataclass(frozen=True, slots=True)
class EventInList:
    """An event as lists show it; `sales_start` is None if it can be bought since it is listed."""

    event_id: str
    name: str
    event_type: str
    venue_id: str
    venue_name: str
    venue_city: str
    start_datetime: datetime
    end_datetime: datetime
    total_capacity: int
    available_seats: int
    base_price: Decimal
    max_tickets_per_booking: int
    status: str
    version: int
    # None from a service that does not say.
    sales_start: datetime | None = field(default=None, kw_only=True)
    sales_end: datetime | None = field(default=None, kw_only=True)
    currency: str | None = field(default=None, kw_only=True)
    level: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of the events on sale; `total` counts all that match."""

    events: tuple[EventInList, ...]
    total: int
    page: int
    limit: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class VenueInEvent:
    """The venue of an event."""

    venue_id: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    layout_config: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class EventDetail(EventInList):
    """An event with its venue; `start_local` and `end_local` are its hours in its `timezone`."""

    description: str
    venue: VenueInEvent
    # None from a service that does not say.
    timezone: str | None = field(default=None, kw_only=True)
    start_local: str | None = field(default=None, kw_only=True)
    end_local: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class EventInSnapshot(EventInList):
    """An event as a snapshot has it: its status is any but draft."""

    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """A page of all events that were ever published, by id; `not_found` of ids asked for."""

    events: tuple[EventInSnapshot, ...]
    next: str | None
    not_found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an event, and how that version left it.

    `kind` is published, updated, cancelled, sold_out, reopened or holds_expired; later releases may
    tell of more. `data` has each changed field, `from` and `to`, or the `holds`. A consumer that
    keeps the last `version` it has handled of each event knows what it has seen.
    """

    kind: str
    event_id: str
    version: int
    at: datetime
    status: str
    available_seats: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes in order; `next` is the cursor to go on from once they are handled."""

    changes: tuple[Change, ...]
    next: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class AdminEventInList(EventInList):
    """An event as its admin's list shows it."""

    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Holdback:
    """A block of seats that is kept back from sale, until `release_at` if that is not None."""

    name: str
    quantity: int
    release_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdminEvent(EventDetail):
    """An event with its venue, as its admin sees it; `holdbacks` are its blocks."""

    created_by: str
    created_at: datetime
    updated_at: datetime
    holdbacks: tuple[Holdback, ...] = ()


@dataclass(frozen=True, slots=True)
class AdminEventPage:
    """One page of an admin's events."""

    events: tuple[AdminEventInList, ...]
    total: int
    page: int
    limit: int


@dataclass(frozen=True, slots=True)
class EventCancelled:
    """The event is cancelled for good."""

    event_id: str
    message: str
    version: int


@dataclass(frozen=True, slots=True)
class BookingDay:
    """What was sold and returned on one UTC day."""

    date: dt.date
    tickets_sold: int
    tickets_returned: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Analytics:
    """Sales of an event; `capacity_utilization` in percent, `revenue` of the seats now sold.

    Nothing changes an `archived` event any more.
    """

    event_id: str
    tickets_sold: int
    revenue: Decimal
    capacity_utilization: Decimal
    booking_trends: tuple[BookingDay, ...]
    archived: bool = False


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One version of an event: what made it, and what it left."""

    version: int
    kind: str
    caller: str
    changed_fields: tuple[str, ...]
    changes: Mapping[str, Any]
    quantity: int
    available_seats: int
    status: str
    request_id: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """One page of an event's versions, newest first; of an `archived` event there are none."""

    event_id: str
    history: tuple[LedgerRow, ...]
    total: int
    page: int
    limit: int
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Venue(VenueInEvent):
    """A venue."""

    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class VenuePage:
    """One page of venues, by name."""

    venues: tuple[Venue, ...]
    total: int
    page: int
    limit: int


@dataclass(frozen=True, slots=True)
class Registered:
    """A new admin."""

    admin_id: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """An admin who is logged in, and what they may do."""

    admin_id: str
    role: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens: whoever has it is logged in, so its text hides it."""

    access_token: str
    refresh_token: str

    def __repr__(self) -> str:
        return "Tokens(...)"
