"""What clients get: one struct for every answer that is a success.

Rule: these structs are both what is encoded and what the OpenAPI document describes, so that
neither can say what the other does not. Times are UTC; prices are JSON numbers.
"""

import datetime as dt
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from evently.domain.level import Level
from evently.domain.notices import ChangeKind
from evently.domain.outcomes import LedgerKind
from evently.domain.state import Status

_ENCODER = msgspec.json.Encoder()


def encode(answer: Any) -> bytes:
    """Compact UTF-8 JSON in which `<` is escaped, so that no browser takes it for markup."""
    return _ENCODER.encode(answer).replace(b"<", b"\\u003c")


def etag_of(body: bytes) -> str:
    """The strong ETag of an answer's bytes."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


class Health(msgspec.Struct):
    """The process answers."""

    status: str = "healthy"


class Readiness(msgspec.Struct):
    """The service can do its work."""

    status: str
    database: str


class Message(msgspec.Struct):
    """What was done."""

    message: str


class EventCancelled(msgspec.Struct):
    """The event is cancelled, for good; `version` is its last but for returns."""

    message: str
    event_id: str
    version: int


class SeatsMoved(msgspec.Struct):
    """The event after a committed seat move; `unit_price` is the event's price at that version."""

    event_id: str
    available_seats: int
    status: Status
    version: int
    unit_price: float


class EventForBooking(msgspec.Struct):
    """What a booking service needs to know before it reserves; `on_sale`: seats are sold now."""

    event_id: str
    available_seats: int
    max_tickets_per_booking: int
    base_price: float
    version: int
    status: Status
    held_seats: int
    sales_start: dt.datetime | None
    sales_end: dt.datetime | None
    paused: bool
    currency: str
    on_sale: bool


class EventAvailability(msgspec.Struct):
    """How many seats are left, and when they are sold."""

    available_seats: int
    status: Status
    last_updated: dt.datetime
    level: Level
    sales_start: dt.datetime | None
    sales_end: dt.datetime | None


class Change(msgspec.Struct):
    """One change of an event, and what it left; `data` maps changed fields to `from` and `to`."""

    kind: ChangeKind
    event_id: str
    version: int
    at: dt.datetime
    status: Status
    available_seats: int
    data: dict[str, Any]


class Changes(msgspec.Struct):
    """Changes in the order of their commits; `next` is the cursor to go on with."""

    changes: list[Change]
    next: str
    has_more: bool


class Holdback(msgspec.Struct):
    """A block of seats that is kept back from sale, until `release_at` if that is not null."""

    name: str
    quantity: int
    release_at: dt.datetime | None


class VenueInEvent(msgspec.Struct):
    """The venue of an event."""

    venue_id: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    layout_config: dict[str, Any] | None
    timezone: str | None


class _Listed(msgspec.Struct):
    """What every list shows of an event, before what came later."""

    event_id: str
    name: str
    event_type: str
    venue_id: str
    venue_name: str
    venue_city: str
    start_datetime: dt.datetime
    end_datetime: dt.datetime
    total_capacity: int
    available_seats: int
    base_price: float
    max_tickets_per_booking: int
    status: Status
    version: int


class EventInList(_Listed):
    """An event as a list shows it."""

    sales_start: dt.datetime | None
    sales_end: dt.datetime | None
    currency: str
    level: Level


class EventList(msgspec.Struct):
    """One page of published events; `total` counts all that match."""

    events: list[EventInList]
    total: int
    page: int
    limit: int
    has_more: bool


class EventInAdminList(_Listed):
    """An event as its admin's list shows it; `held_seats` are in holds, `revenue` of those sold.

    `held_back_seats` are in blocks. `timezone` is its venue's.
    """

    created_by: str
    created_at: dt.datetime
    updated_at: dt.datetime
    held_seats: int
    revenue: float
    sales_start: dt.datetime | None
    sales_end: dt.datetime | None
    currency: str
    level: Level
    timezone: str
    held_back_seats: int


class AdminEventList(msgspec.Struct):
    """One page of an admin's events."""

    events: list[EventInAdminList]
    total: int
    page: int
    limit: int


class EventInSnapshot(_Listed):
    """An event as a snapshot has it."""

    updated_at: dt.datetime
    sales_start: dt.datetime | None
    sales_end: dt.datetime | None
    currency: str
    level: Level


class EventSnapshot(msgspec.Struct):
    """Events that were ever published, by id; `next` is null after the last of them."""

    events: list[EventInSnapshot]
    next: str | None
    not_found: list[str]


class _Detailed(_Listed):
    """An event with its venue, before what came later."""

    description: str
    datetime: dt.datetime
    venue: VenueInEvent


class EventDetail(_Detailed):
    """An event with its venue; `datetime` is its start.

    `start_local` and `end_local` are what clocks at the venue show, in its `timezone`.
    """

    sales_start: dt.datetime | None
    sales_end: dt.datetime | None
    currency: str
    level: Level
    timezone: str
    start_local: dt.datetime
    end_local: dt.datetime


class AdminEventDetail(_Detailed):
    """An event with its venue, as its admin sees it."""

    created_by: str
    created_at: dt.datetime
    updated_at: dt.datetime
    held_seats: int
    revenue: float
    sales_start: dt.datetime | None
    sales_end: dt.datetime | None
    currency: str
    level: Level
    timezone: str
    start_local: dt.datetime
    end_local: dt.datetime
    paused: bool
    held_back_seats: int
    holdbacks: list[Holdback]


class LedgerRow(msgspec.Struct):
    """One version of an event: what made it, and what it left.

    `quantity` is the change of free seats, `held` that of the seats in holds, `held_back` that of
    the seats in blocks. `previous` has what `changes` replaced, but for a field whose last change
    lies 100 000 versions or more back; `caller_name` is an admin's name of now.
    """

    version: int
    kind: LedgerKind
    caller: str
    changed_fields: list[str]
    changes: dict[str, Any]
    quantity: int
    available_seats: int
    status: Status
    request_id: str
    recorded_at: dt.datetime
    held: int
    hold_id: str | None
    previous: dict[str, Any]
    caller_name: str | None
    held_back: int


class EventHistory(msgspec.Struct):
    """One page of an event's ledger, newest first; empty once the ledger is `archived`."""

    event_id: str
    history: list[LedgerRow]
    total: int
    page: int
    limit: int
    archived: bool


class BookingDay(msgspec.Struct):
    """What was sold and returned in the UTC day, hour or minute that begins at `start`."""

    date: dt.date
    tickets_sold: int
    tickets_returned: int
    revenue: float
    start: dt.datetime


class EventAnalytics(msgspec.Struct):
    """Sales of an event; `capacity_utilization` in percent, `revenue` of the seats now out.

    Of an `archived` event the trends are by day only.
    """

    event_id: str
    tickets_sold: int
    revenue: float
    capacity_utilization: float
    booking_trends: list[BookingDay]
    archived: bool


class Venue(msgspec.Struct):
    """A venue."""

    venue_id: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    layout_config: dict[str, Any] | None
    created_by: str
    created_at: dt.datetime
    updated_at: dt.datetime
    timezone: str | None


class VenueList(msgspec.Struct):
    """One page of venues."""

    venues: list[Venue]
    total: int
    page: int
    limit: int


class Entry(msgspec.Struct):
    """Where to go from here: the API's document, a page that shows it, and the console."""

    service: str
    openapi: str
    docs: str
    console: str
    registration: Literal["open", "closed"]
