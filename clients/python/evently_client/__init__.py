"""Clients of the Evently Event Service: for booking services, for readers and for admins.

Rules
1. Every seat move, change of a hold and creation has one Idempotency-Key for all of its tries, so a
   try whose answer was lost can be repeated: it is carried out once, whatever happens on the way.
2. 503, 429, other 5xx, lost connections and timeouts are retried: with full jitter, not before
   Retry-After, a bounded number of times in a bounded time. A refusal is never retried.
3. An error says what is certain. `Refused` and `Unavailable`: nothing changed. `OutcomeUnknown`:
   it may have; the same call with its `key`, from any process, gets the outcome.
4. A call that is cancelled or times out around you may have been carried out too: `key_of` tells
   the key from the exception.

    async with EventServiceClient("http://127.0.0.1:8002", api_key) as events:
        event = await events.get_event(event_id)
        try:
            moved = await events.reserve(event_id, 2, version=event.version)
        except InsufficientSeats as error:
            print(f"only {error.available} left")

A process that must be able to finish a booking after its own crash stores a `new_key()` first,
passes it as `key`, and repeats the same call after the restart.
"""

from .admin import AdminClient
from .answers import (
    AdminEvent,
    AdminEventInList,
    AdminEventPage,
    Analytics,
    Availability,
    BookingDay,
    Change,
    ChangePage,
    EventCancelled,
    EventDetail,
    EventForBooking,
    EventInList,
    EventInSnapshot,
    EventPage,
    History,
    Hold,
    Holdback,
    HoldPage,
    LedgerRow,
    LoggedIn,
    Registered,
    SeatsHeld,
    SeatsMoved,
    SnapshotPage,
    Tokens,
    Venue,
    VenueInEvent,
    VenuePage,
)
from .booking import EventServiceClient
from .bulk import MOVES_MAX, MoveResult, SeatMove
from .calls import Retry, RetryHook
from .course import ClientLimits
from .errors import (
    AmountExceedsRevenue,
    ConcurrentUpdate,
    CursorExpired,
    EventNotFound,
    EventNotModifiable,
    EventNotOnSale,
    EventServiceError,
    Failure,
    HoldbackNotFound,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    InvalidRequest,
    KeyReused,
    MaxTicketsExceeded,
    OutcomeUnknown,
    Refused,
    SeatsExceedCapacity,
    Unauthorized,
    Unavailable,
    VenueNotFound,
    key_of,
)
from .feed import LATEST, Changes
from .public import PublicClient
from .sent import (
    ANY,
    HOLD_S_MAX,
    HOLD_S_MIN,
    KEY_MAX,
    UNCHANGED,
    OnConflict,
    Unchanged,
    Version,
    new_key,
)
from .sync import SyncAdminClient, SyncChanges, SyncEventServiceClient, SyncPublicClient

__all__ = [
    "ANY",
    "HOLD_S_MAX",
    "HOLD_S_MIN",
    "KEY_MAX",
    "LATEST",
    "MOVES_MAX",
    "UNCHANGED",
    "AdminClient",
    "AdminEvent",
    "AdminEventInList",
    "AdminEventPage",
    "AmountExceedsRevenue",
    "Analytics",
    "Availability",
    "BookingDay",
    "Change",
    "ChangePage",
    "Changes",
    "ClientLimits",
    "ConcurrentUpdate",
    "CursorExpired",
    "EventCancelled",
    "EventDetail",
    "EventForBooking",
    "EventInList",
    "EventInSnapshot",
    "EventNotFound",
    "EventNotModifiable",
    "EventNotOnSale",
    "EventPage",
    "EventServiceClient",
    "EventServiceError",
    "Failure",
    "History",
    "Hold",
    "HoldExpired",
    "HoldNotActive",
    "HoldNotFound",
    "HoldPage",
    "HoldPriceChanged",
    "Holdback",
    "HoldbackNotFound",
    "InsufficientSeats",
    "InvalidRequest",
    "KeyReused",
    "LedgerRow",
    "LoggedIn",
    "MaxTicketsExceeded",
    "MoveResult",
    "OnConflict",
    "OutcomeUnknown",
    "PublicClient",
    "Refused",
    "Registered",
    "Retry",
    "RetryHook",
    "SeatMove",
    "SeatsExceedCapacity",
    "SeatsHeld",
    "SeatsMoved",
    "SnapshotPage",
    "SyncAdminClient",
    "SyncChanges",
    "SyncEventServiceClient",
    "SyncPublicClient",
    "Tokens",
    "Unauthorized",
    "Unavailable",
    "Unchanged",
    "Venue",
    "VenueInEvent",
    "VenueNotFound",
    "VenuePage",
    "Version",
    "key_of",
    "new_key",
]
