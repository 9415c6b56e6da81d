"""The Event Service as a booking service calls it: read an event, reserve seats, return seats.

It needs aiohttp and nothing else of this project, so that the folder may be copied.

Rules
1. Every move has one Idempotency-Key for all of its tries, so a try whose answer was lost is
   simply sent again: seats move once, whatever happens to connections.
2. Tried again: 503, 429, other 5xx, lost connections, timeouts; with full jitter, after
   Retry-After, a bounded number of times within a bounded time. Never: a refusal.
3. An error says what is certain. `Refused` and `Unavailable`: nothing changed. `OutcomeUnknown`:
   the seats may have moved; the same call with its `key` tells, also from another process.

    async with EventServiceClient("http://127.0.0.1:8002", api_key) as events:
        event = await events.get_event(event_id)
        try:
            moved = await events.reserve(event_id, 2, version=event.version)
        except InsufficientSeats as error:
            print(f"only {error.available} left")

A booking that must survive a crash of its own process stores a key of its own first, passes it as
`key`, and makes the same call with it after the restart: with `version="*"` or the same version.
"""

from .answers import EventForBooking, SeatsMoved
from .course import ClientLimits
from .errors import (
    ConcurrentUpdate,
    EventNotFound,
    EventNotModifiable,
    EventServiceError,
    Failure,
    InsufficientSeats,
    InvalidRequest,
    KeyReused,
    OutcomeUnknown,
    Refused,
    SeatsExceedCapacity,
    Unauthorized,
    Unavailable,
)
from .event_service_client import EventServiceClient
from .moves import ANY, KEY_MAX, OnConflict, Version

__all__ = [
    "ANY",
    "KEY_MAX",
    "ClientLimits",
    "ConcurrentUpdate",
    "EventForBooking",
    "EventNotFound",
    "EventNotModifiable",
    "EventServiceClient",
    "EventServiceError",
    "Failure",
    "InsufficientSeats",
    "InvalidRequest",
    "KeyReused",
    "OnConflict",
    "OutcomeUnknown",
    "Refused",
    "SeatsExceedCapacity",
    "SeatsMoved",
    "Unauthorized",
    "Unavailable",
    "Version",
]
