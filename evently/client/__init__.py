"""A client of the Event Service for booking services: read an event, reserve and return seats.

It needs aiohttp and nothing else of this project, so the folder can be copied.

Rules
1. Every move has one Idempotency-Key for all of its tries, so a try whose answer was lost can be
   repeated: the seats move once, whatever happens to the connections.
2. 503, 429, other 5xx, lost connections and timeouts are retried: with full jitter, not before
   Retry-After, a bounded number of times in a bounded time. A refusal is never retried.
3. An error says what is certain. `Refused` and `Unavailable`: nothing changed. `OutcomeUnknown`:
   the seats may have moved; the same call with its `key`, from any process, gets the outcome.

    async with EventServiceClient("http://127.0.0.1:8002", api_key) as events:
        event = await events.get_event(event_id)
        try:
            moved = await events.reserve(event_id, 2, version=event.version)
        except InsufficientSeats as error:
            print(f"only {error.available} left")

A process that must be able to finish a booking after its own crash stores a key first, passes it
as `key`, and repeats the same call after the restart, with `version="*"` or the same version.
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
