"""The errors of a call, and the failure of a single try.

Rule: the class of an error says what is certain about the seats, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one try did not succeed.

    `again` means that it may be retried, not before `wait_s`; `unknown` means that it may have
    moved the seats.
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

    `code` and `details` are those of the service. If there was no answer, `status` is None and
    `code` is UNREACHABLE (the request was not sent), CONNECTION_LOST or TIMEOUT.
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
    """The request is invalid: a bug in the caller or in this client."""

    @property
    def fields(self) -> list[dict[str, str]]:
        """Each invalid field, with a message."""
        return list(self.details.get("fields", ()))


class Unauthorized(Refused):
    """The internal key is missing, unknown or not allowed."""


class EventNotFound(Refused):
    """There is no such event, or it is not published."""


class EventNotModifiable(Refused):
    """The event has started or is cancelled."""

    @property
    def event_status(self) -> str | None:
        """The event's status, if the answer has it."""
        return self.details.get("status")


class InsufficientSeats(Refused):
    """Fewer seats are left than requested; final."""

    @property
    def requested(self) -> int:
        """Seats requested."""
        return int(self.details["requested"])

    @property
    def available(self) -> int:
        """Seats left."""
        return int(self.details["available"])


class SeatsExceedCapacity(Refused):
    """More seats were returned than are sold."""

    @property
    def requested(self) -> int:
        """Seats to be returned."""
        return int(self.details["requested"])

    @property
    def returnable(self) -> int:
        """Seats that can be returned."""
        return int(self.details["returnable"])


class ConcurrentUpdate(Refused):
    """The event has changed since the caller's version, more than `on_conflict` allows."""

    @property
    def current_version(self) -> int | None:
        """The version to base the next decision on."""
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
    """The key was already used for another request."""


class Unavailable(EventServiceError):
    """No try succeeded; nothing changed."""


class OutcomeUnknown(EventServiceError):
    """The seats may have moved: repeat the same call with this `key` to learn the outcome."""

    key: str


# The class for each code of the service; any other refusal is a plain `Refused`.
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
