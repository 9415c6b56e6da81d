"""What a call ends with where it does not succeed, and what one try of it may meet on the way.

Rule: the class of an error says what is certain about the seats, and nothing is promised beyond.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """What came instead of a success, in one try.

    `again` tells that another try makes sense, not before `wait_s`; `unknown` that this one may
    have moved the seats.
    """

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    status: int | None = None
    request_id: str | None = None
    again: bool = False
    unknown: bool = False
    wait_s: float = 0.0


class EventServiceError(Exception):
    """A call that failed.

    `code` and `details` are the service's own; where no answer came, `code` is UNREACHABLE (the
    request never left), CONNECTION_LOST or TIMEOUT. `status` is None then.
    """

    def __init__(self, failure: Failure, key: str | None, tries: int, conflicts: int) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.code = failure.code
        self.message = failure.message
        self.details: Mapping[str, Any] = failure.details
        self.status = failure.status
        self.request_id = failure.request_id
        self.key = key
        self.tries = tries
        self.conflicts = conflicts


class Refused(EventServiceError):
    """The service refused; nothing changed, and the same call would be refused again."""


class InvalidRequest(Refused):
    """The service does not understand the request: a bug of the caller's, or of this client."""

    @property
    def fields(self) -> list[dict[str, str]]:
        """Each bad field with what is wrong with it."""
        return list(self.details.get("fields", ()))


class Unauthorized(Refused):
    """The internal key is missing, unknown or not allowed."""


class EventNotFound(Refused):
    """No such event, or not published."""


class EventNotModifiable(Refused):
    """The event has started or is cancelled."""

    @property
    def event_status(self) -> str | None:
        """The event's status, where the service told it."""
        return self.details.get("status")


class InsufficientSeats(Refused):
    """Fewer seats are left than were asked for; final."""

    @property
    def requested(self) -> int:
        """Seats asked for."""
        return int(self.details["requested"])

    @property
    def available(self) -> int:
        """Seats left."""
        return int(self.details["available"])


class SeatsExceedCapacity(Refused):
    """More seats were returned than are out."""

    @property
    def requested(self) -> int:
        """Seats to be returned."""
        return int(self.details["requested"])

    @property
    def returnable(self) -> int:
        """Seats that are out."""
        return int(self.details["returnable"])


class ConcurrentUpdate(Refused):
    """The event has changed since the caller's version, in a way that the caller did not allow."""

    @property
    def current_version(self) -> int | None:
        """The version to decide on anew."""
        return self.details.get("current_version")

    @property
    def available_seats(self) -> int | None:
        """Seats left at that version."""
        return self.details.get("available_seats")

    @property
    def event_status(self) -> str | None:
        """The event's status at that version."""
        return self.details.get("status")


class KeyReused(Refused):
    """The key was used before, with another request."""


class Unavailable(EventServiceError):
    """The service could not do it in any try; nothing changed."""


class OutcomeUnknown(EventServiceError):
    """The seats may have moved: the same call with this `key` tells."""

    key: str


# What the service's own codes become; any other refusal is a plain `Refused`.
REFUSALS: Mapping[str, type[Refused]] = {
    "VALIDATION_ERROR": InvalidRequest,
    "PAYLOAD_TOO_LARGE": InvalidRequest,
    "UNSUPPORTED_MEDIA_TYPE": InvalidRequest,
    "UNAUTHORIZED": Unauthorized,
    "EVENT_NOT_FOUND": EventNotFound,
    "EVENT_NOT_MODIFIABLE": EventNotModifiable,
    "INSUFFICIENT_SEATS": InsufficientSeats,
    "SEATS_EXCEED_CAPACITY": SeatsExceedCapacity,
    "CONCURRENT_UPDATE": ConcurrentUpdate,
    "IDEMPOTENCY_KEY_REUSED": KeyReused,
}
