"""The errors of a call, and the failure of a single try.

Rule: the class of an error says what is certain about the service's state, and no more. Errors can
be pickled, so that they survive a task queue.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

# The attribute in which a cancellation carries the key of its call.
_KEY = "evently_key"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one try did not succeed.

    `again` means that it may be retried, not before `wait_s`, which is None if the service did not
    say; `unknown` means that it may have been carried out.
    """

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    status: int | None = None
    request_id: str | None = None
    again: bool = False
    unknown: bool = False
    wait_s: float | None = None


class EventServiceError(Exception):
    """A call that failed.

    `code` and `details` are those of the service. If there was no answer, `status` is None and
    `code` is UNREACHABLE (the request was not sent), CONNECTION_LOST or TIMEOUT. `retry_after_s` is
    the service's `Retry-After` in seconds, None if it did not send one.
    """

    def __init__(self, failure: Failure, key: str | None, tries: int, conflicts: int) -> None:
        super().__init__(failure, key, tries, conflicts)
        self.code = failure.code
        self.message = failure.message
        self.details: Mapping[str, Any] = failure.details
        self.status = failure.status
        self.request_id = failure.request_id
        self.retry_after_s = failure.wait_s
        self.key = key
        self.tries = tries
        self.conflicts = conflicts

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refused(EventServiceError):
    """The service refused; nothing changed, and the same call would be refused again."""


class InvalidRequest(Refused):
    """The request is invalid; `fields` names what is wrong."""

    @property
    def fields(self) -> list[dict[str, str]]:
        """Each invalid field, with a message."""
        return list(self.details.get("fields", ()))


class CursorExpired(Refused):
    """Changes after the cursor are archived: take the `latest_cursor`, then read the `snapshot`."""


class Unauthorized(Refused):
    """The credentials are missing or wrong (`status` 401), or not sufficient (403)."""


class EventNotFound(Refused):
    """There is no such event, or the caller may not see it."""


class VenueNotFound(Refused):
    """There is no such venue."""


class EventNotModifiable(Refused):
    """The event is cancelled, archived, or has started and sells nothing at the door."""

    @property
    def event_status(self) -> str | None:
        """The event's status, if the answer has it."""
        return self.details.get("status")


class EventNotOnSale(Refused):
    """Seats are not sold now: not yet, not any more, or sales are paused.

    It is never final: the same call with the same key gets its seats once sales go on.
    """

    @property
    def sales_start(self) -> datetime | None:
        """When sales open, if that is set."""
        return _instant(self.details.get("sales_start"))

    @property
    def sales_end(self) -> datetime | None:
        """When sales close, if that is set; else they do at the event's start."""
        return _instant(self.details.get("sales_end"))

    @property
    def paused(self) -> bool:
        """Whether sales are stopped for the time being."""
        return bool(self.details.get("paused"))

    @property
    def now(self) -> datetime | None:
        """The service's time, by which sales open: wait for the difference."""
        return _instant(self.details.get("now"))


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

    @property
    def held(self) -> int:
        """Seats in holds, which may be free again."""
        return int(self.details.get("held") or 0)

    @property
    def next_hold_expires_at(self) -> datetime | None:
        """When some of them may be free again, if the service said so."""
        return _instant(self.details.get("next_hold_expires_at"))

    @property
    def holdback(self) -> str | None:
        """The block that has too few, if seats were asked of one."""
        return self.details.get("holdback")


class MaxTicketsExceeded(Refused):
    """A hold is one booking, and a booking may not have so many seats."""

    @property
    def requested(self) -> int:
        """Seats requested."""
        return int(self.details["requested"])

    @property
    def max_tickets_per_booking(self) -> int:
        """Seats that one booking may have."""
        return int(self.details["max_tickets_per_booking"])


class HoldNotFound(Refused):
    """The event has no such hold."""


class HoldbackNotFound(Refused):
    """The event keeps back no block of that name."""


class HoldNotActive(Refused):
    """The hold has ended in another way than this call would end it."""

    @property
    def hold_status(self) -> str | None:
        """What has become of the hold: confirmed, released or expired."""
        return self.details.get("status")


class HoldExpired(Refused):
    """The hold had expired, and its seats were not taken again: refund the buyer."""

    @property
    def expired_at(self) -> datetime | None:
        """When it expired."""
        return _instant(self.details.get("expired_at"))

    @property
    def available(self) -> int:
        """Seats left."""
        return int(self.details["available"])


class HoldPriceChanged(Refused):
    """A hold cannot grow: the event's price is another one now. Place a second hold."""

    @property
    def unit_price(self) -> Decimal:
        """The price of the hold's seats."""
        return Decimal(self.details["unit_price"])

    @property
    def base_price(self) -> Decimal:
        """The event's price."""
        return Decimal(self.details["base_price"])


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


class AmountExceedsRevenue(Refused):
    """More money would be paid back than the event has taken."""

    @property
    def amount(self) -> Decimal:
        """The money to be paid back."""
        return Decimal(self.details["amount"])

    @property
    def revenue(self) -> Decimal:
        """The money that the event has taken."""
        return Decimal(self.details["revenue"])


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

    @property
    def changed_fields(self) -> tuple[str, ...] | None:
        """The terms of the offer that changed since the caller's version, like `base_price`.

        All of them, sorted; empty if only seats moved; None if the service does not know which.
        """
        found = self.details.get("changed_fields", ())
        return None if found is None else tuple(found)


class KeyReused(Refused):
    """The key was already used for another request."""


class Unavailable(EventServiceError):
    """No try succeeded; nothing changed."""


class OutcomeUnknown(EventServiceError):
    """The call may have been carried out.

    With a `key`, which every change of seats, of holds and every creation has: repeat the same call
    with it to learn the outcome. Without one: look before you repeat the call.
    """


def carry_key(ended: BaseException, key: str | None) -> None:
    """Let what ends a call from outside tell the call's key."""
    if key is not None:
        setattr(ended, _KEY, key)


def key_of(error: BaseException) -> str | None:
    """The key of the call that ended in `error`; None if no call with a key did.

    It finds the key of an EventServiceError, of a cancellation, and of the timeout or other error
    that a cancellation was turned into.
    """
    for found in _chain(error):
        key = _key(found)
        if key is not None:
            return key
    return None


def leaves_open(error: BaseException) -> bool:
    """Whether a call with a key ended in `error` that may have been carried out."""
    for found in _chain(error):
        if _key(found) is not None:
            return isinstance(found, OutcomeUnknown) or not isinstance(found, EventServiceError)
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _key(error: BaseException) -> str | None:
    key = error.key if isinstance(error, EventServiceError) else getattr(error, _KEY, None)
    return key if isinstance(key, str) else None


def _instant(given: Any) -> datetime | None:
    # Python 3.10 does not read the Z.
    return datetime.fromisoformat(given.replace("Z", "+00:00")) if given else None


# The class for each code of the service; any other refusal is a plain `Refused`.
REFUSALS: Mapping[str, type[Refused]] = {
    "VALIDATION_ERROR": InvalidRequest,
    "PAYLOAD_TOO_LARGE": InvalidRequest,
    "UNSUPPORTED_MEDIA_TYPE": InvalidRequest,
    "UNAUTHORIZED": Unauthorized,
    "EVENT_NOT_FOUND": EventNotFound,
    "VENUE_NOT_FOUND": VenueNotFound,
    "EVENT_NOT_MODIFIABLE": EventNotModifiable,
    "EVENT_NOT_ON_SALE": EventNotOnSale,
    "INSUFFICIENT_SEATS": InsufficientSeats,
    "SEATS_EXCEED_CAPACITY": SeatsExceedCapacity,
    "AMOUNT_EXCEEDS_REVENUE": AmountExceedsRevenue,
    "MAX_TICKETS_EXCEEDED": MaxTicketsExceeded,
    "HOLD_NOT_FOUND": HoldNotFound,
    "HOLDBACK_NOT_FOUND": HoldbackNotFound,
    "HOLD_NOT_ACTIVE": HoldNotActive,
    "HOLD_EXPIRED": HoldExpired,
    "HOLD_PRICE_CHANGED": HoldPriceChanged,
    "CONCURRENT_UPDATE": ConcurrentUpdate,
    "IDEMPOTENCY_KEY_REUSED": KeyReused,
    "CURSOR_EXPIRED": CursorExpired,
}
