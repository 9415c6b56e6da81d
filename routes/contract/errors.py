"""The one table of errors: every code, its HTTP status, and how refusals and faults map to it.

Rule: every error is `{"error": {code, message, details, timestamp}}`, and its message tells a
person what to do next.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, assert_never

import msgspec

from actors.made_keys import MADE
from evently.domain.errors import (
    AnswerLost,
    DatabaseUnavailable,
    Fault,
    OutcomeUnknown,
    Overloaded,
    RowLocked,
    TooManyLogins,
)
from evently.domain.outcomes import (
    AmountExceedsRevenue,
    CapacityBelowSold,
    HoldbackNotFound,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    InvalidFields,
    InvalidTransition,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    NotOnSale,
    NotOwner,
    Refusal,
    SeatsExceedCapacity,
    StaleVersion,
)


class Code(StrEnum):
    """Every error code of this service."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    UNAUTHORIZED = "UNAUTHORIZED"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    VENUE_NOT_FOUND = "VENUE_NOT_FOUND"
    HOLD_NOT_FOUND = "HOLD_NOT_FOUND"
    HOLDBACK_NOT_FOUND = "HOLDBACK_NOT_FOUND"
    ADMIN_NOT_FOUND = "ADMIN_NOT_FOUND"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    EMAIL_ALREADY_EXISTS = "EMAIL_ALREADY_EXISTS"
    CONCURRENT_UPDATE = "CONCURRENT_UPDATE"
    INSUFFICIENT_SEATS = "INSUFFICIENT_SEATS"
    SEATS_EXCEED_CAPACITY = "SEATS_EXCEED_CAPACITY"
    AMOUNT_EXCEEDS_REVENUE = "AMOUNT_EXCEEDS_REVENUE"
    EVENT_NOT_MODIFIABLE = "EVENT_NOT_MODIFIABLE"
    EVENT_NOT_ON_SALE = "EVENT_NOT_ON_SALE"
    MAX_TICKETS_EXCEEDED = "MAX_TICKETS_EXCEEDED"
    HOLD_PRICE_CHANGED = "HOLD_PRICE_CHANGED"
    HOLD_NOT_ACTIVE = "HOLD_NOT_ACTIVE"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    INVALID_STATUS_TRANSITION = "INVALID_STATUS_TRANSITION"
    CAPACITY_BELOW_SOLD = "CAPACITY_BELOW_SOLD"
    VENUE_IN_USE = "VENUE_IN_USE"
    LAST_SUPER_ADMIN = "LAST_SUPER_ADMIN"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    RATE_LIMITED = "RATE_LIMITED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    OVERLOADED = "OVERLOADED"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"


# UNAUTHORIZED is 401 for an unknown caller, and 403 for one that lacks permission: see `forbidden`.
STATUS: Mapping[Code, int] = {
    Code.VALIDATION_ERROR: 400,
    Code.UNAUTHORIZED: 401,
    Code.EVENT_NOT_FOUND: 404,
    Code.VENUE_NOT_FOUND: 404,
    Code.HOLD_NOT_FOUND: 404,
    Code.HOLDBACK_NOT_FOUND: 404,
    Code.ADMIN_NOT_FOUND: 404,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.REQUEST_TIMEOUT: 408,
    Code.EMAIL_ALREADY_EXISTS: 409,
    Code.CONCURRENT_UPDATE: 409,
    Code.INSUFFICIENT_SEATS: 409,
    Code.SEATS_EXCEED_CAPACITY: 409,
    Code.AMOUNT_EXCEEDS_REVENUE: 409,
    Code.EVENT_NOT_MODIFIABLE: 409,
    Code.EVENT_NOT_ON_SALE: 409,
    Code.MAX_TICKETS_EXCEEDED: 409,
    Code.HOLD_PRICE_CHANGED: 409,
    Code.HOLD_NOT_ACTIVE: 409,
    Code.HOLD_EXPIRED: 409,
    Code.INVALID_STATUS_TRANSITION: 409,
    Code.CAPACITY_BELOW_SOLD: 409,
    Code.VENUE_IN_USE: 409,
    Code.LAST_SUPER_ADMIN: 409,
    Code.CURSOR_EXPIRED: 410,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.IDEMPOTENCY_KEY_REUSED: 422,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL_ERROR: 500,
    Code.OVERLOADED: 503,
    Code.DATABASE_UNAVAILABLE: 503,
    Code.OUTCOME_UNKNOWN: 503,
}


class ApiError(Exception):
    """An answer that is an error: raised anywhere in `routes`, written in one place."""

    def __init__(
        self,
        code: Code,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.status = STATUS[code] if status is None else status
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The envelope, ready to be encoded."""
        return {"error": self.detail()}

    def detail(self) -> dict[str, Any]:
        """What the envelope holds."""
        return {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "timestamp": datetime.now(UTC),
        }


class ErrorDetail(msgspec.Struct):
    """What the envelope holds."""

    code: Code
    message: str
    details: dict[str, Any]
    timestamp: datetime


class ErrorEnvelope(msgspec.Struct):
    """Every answer that is not a success."""

    error: ErrorDetail


def invalid(*problems: tuple[str, str]) -> ApiError:
    """400 for the given (field, message) pairs, the field as a path like `body.base_price`."""
    fields = [{"field": field, "message": message} for field, message in problems]
    return ApiError(Code.VALIDATION_ERROR, problems[0][1], {"fields": fields})


def repeated(where: str, *names: str) -> ApiError:
    """400 for each of `names` that is given more than once in the request's `where`."""
    return invalid(*((f"{where}.{name}", f"{name} must be given once") for name in names))


def unauthorized(message: str, scheme: str = "Bearer") -> ApiError:
    """401: the caller is not known; `scheme` says how to authenticate."""
    return ApiError(Code.UNAUTHORIZED, message, headers={"WWW-Authenticate": scheme})


def forbidden(message: str, details: Mapping[str, Any] | None = None) -> ApiError:
    """403: the caller is known and lacks permission."""
    return ApiError(Code.UNAUTHORIZED, message, details, status=403)


def rate_limited(message: str, retry_after_s: int) -> ApiError:
    """429, with the seconds to wait before the next try."""
    return ApiError(Code.RATE_LIMITED, message, headers={"Retry-After": str(retry_after_s)})


def event_not_found(event_id: str) -> ApiError:
    """404 for an event that is unknown to this caller."""
    return ApiError(Code.EVENT_NOT_FOUND, "Event not found", {"event_id": event_id})


def key_reused(details: Mapping[str, Any]) -> ApiError:
    """422: the key stands for another request."""
    message = "This Idempotency-Key was used with another request; choose a new one"
    return ApiError(Code.IDEMPOTENCY_KEY_REUSED, message, details)


def refused(event_id: str, refusal: Refusal) -> ApiError:
    """The error for a refusal of a command on `event_id`."""
    match refusal:
        case NotFound():
            return event_not_found(event_id)
        case NotOwner():
            return forbidden("This event belongs to another admin", {"event_id": event_id})
        case InvalidFields():
            return invalid(*((f"body.{name}", text) for name, text in refusal.problems))
        case HoldNotFound(hold_id):
            return hold_not_found(event_id, hold_id)
        case HoldbackNotFound(holdback):
            message = "This event keeps back no block of that name"
            details = {"event_id": event_id, "holdback": holdback}
            return ApiError(Code.HOLDBACK_NOT_FOUND, message, details)
        case MaxTicketsExceeded() | HoldNotActive() | HoldExpired() | HoldPriceChanged():
            code, message, details = _hold_conflict(refusal)
        case _:
            code, message, details = _conflict(refusal)
    return ApiError(code, message, {"event_id": event_id, **details})


def hold_not_found(event_id: str, hold_id: str) -> ApiError:
    """404 for a hold that the event does not have."""
    details = {"event_id": event_id, "hold_id": hold_id}
    return ApiError(Code.HOLD_NOT_FOUND, "This event has no such hold", details)


HoldConflict = MaxTicketsExceeded | HoldNotActive | HoldExpired | HoldPriceChanged


def _hold_conflict(refusal: HoldConflict) -> tuple[Code, str, dict[str, Any]]:
    match refusal:
        case MaxTicketsExceeded(requested, most):
            details: dict[str, Any] = {"requested": requested, "max_tickets_per_booking": most}
            message = f"A booking of this event has {most} seats at most"
            return Code.MAX_TICKETS_EXCEEDED, message, details
        case HoldNotActive(hold_id, status):
            details = {"hold_id": hold_id, "status": status}
            return Code.HOLD_NOT_ACTIVE, f"The hold is {status}", details
        case HoldExpired(hold_id, expired_at, requested, available):
            details = {
                "hold_id": hold_id,
                "expired_at": expired_at,
                "requested": requested,
                "available": available,
            }
            message = "The hold has expired and its seats were not taken again"
            return Code.HOLD_EXPIRED, message, details
        case HoldPriceChanged(hold_id, unit_price, base_price):
            details = {
                "hold_id": hold_id,
                "unit_price": float(unit_price),
                "base_price": float(base_price),
            }
            message = "The price has changed since the hold was placed; place another one"
            return Code.HOLD_PRICE_CHANGED, message, details


Conflict = (
    NotModifiable
    | NotOnSale
    | InsufficientSeats
    | SeatsExceedCapacity
    | AmountExceedsRevenue
    | StaleVersion
    | InvalidTransition
    | CapacityBelowSold
)


def _conflict(refusal: Conflict) -> tuple[Code, str, dict[str, Any]]:
    match refusal:
        case NotModifiable(status, started, archived):
            why = "has started" if started else f"is {status}"
            why = "is archived" if archived else why
            details: dict[str, Any] = {"status": status}
            return Code.EVENT_NOT_MODIFIABLE, f"Event {why} and can no longer change", details
        case NotOnSale(sales_start, sales_end, paused, now):
            details = {
                "sales_start": sales_start,
                "sales_end": sales_end,
                "paused": paused,
                "now": now,
            }
            return Code.EVENT_NOT_ON_SALE, _not_on_sale(refusal), details
        case InsufficientSeats(requested, available, held, next_hold_expires_at, block):
            details = {
                "requested": requested,
                "available": available,
                "held": held,
                "next_hold_expires_at": next_hold_expires_at,
            }
            if block is None:
                return Code.INSUFFICIENT_SEATS, "Not enough seats available", details
            details["holdback"] = block
            return Code.INSUFFICIENT_SEATS, "Not enough seats in this block", details
        case SeatsExceedCapacity(requested, returnable):
            details = {"requested": requested, "returnable": returnable}
            return Code.SEATS_EXCEED_CAPACITY, "More seats returned than are sold", details
        case AmountExceedsRevenue(amount, revenue):
            details = {"amount": float(amount), "revenue": float(revenue)}
            message = "More money would be paid back than the event has taken"
            return Code.AMOUNT_EXCEEDS_REVENUE, message, details
        case StaleVersion():
            message = "Event has changed since that version; try again with current_version"
            return Code.CONCURRENT_UPDATE, message, _stale(refusal)
        case InvalidTransition(current_status, requested_status):
            details = {"from": current_status, "to": requested_status}
            message = f"Event cannot go from {current_status} to {requested_status}"
            return Code.INVALID_STATUS_TRANSITION, message, details
        case CapacityBelowSold(capacity, sold, held, held_back):
            details = {
                "total_capacity": capacity,
                "sold": sold,
                "held": held,
                "held_back": held_back,
            }
            least = sold + held + held_back
            message = f"total_capacity must be at least the {least} seats sold, held or kept back"
            return Code.CAPACITY_BELOW_SOLD, message, details
        case _:
            assert_never(refusal)


def _stale(refusal: StaleVersion) -> dict[str, Any]:
    details: dict[str, Any] = {
        "expected_version": refusal.expected_version,
        "current_version": refusal.current_version,
        "available_seats": refusal.available_seats,
        "status": refusal.status,
    }
    if refusal.changed_fields != ():
        details["changed_fields"] = refusal.changed_fields
    return details


def _not_on_sale(refusal: NotOnSale) -> str:
    opens = refusal.sales_start
    if opens is not None and refusal.now < opens:
        return f"Sales open at {opens.isoformat()}; try again then, with the same key"
    if refusal.paused:
        return "Sales are paused; try again later, with the same key"
    return "Sales are closed"


def failed(fault: Fault, *, reads: bool) -> ApiError:
    """The error for a fault; for a bug it does not reveal the cause.

    `reads` means that the request changes nothing, so a lost answer leaves no doubt.
    """
    match fault:
        case OutcomeUnknown() if fault.key.startswith(MADE):
            # The caller has no key to send again: an admin's change, or a move without one.
            message = "The outcome is not known; look whether it was done before you repeat it"
            code, details = Code.OUTCOME_UNKNOWN, {}
        case OutcomeUnknown():
            message = "The outcome is not known yet; repeat the request with the same key"
            code, details = Code.OUTCOME_UNKNOWN, {"request_key": fault.key}
        case AnswerLost() if not reads:
            message = "The outcome is not known; check whether it was done before you repeat it"
            code, details = Code.OUTCOME_UNKNOWN, {}
        case DatabaseUnavailable():
            message = "The database does not answer; nothing was done, try again"
            code, details = Code.DATABASE_UNAVAILABLE, {}
        case TooManyLogins():
            message = "Too many logins are waiting; try again"
            code, details = Code.RATE_LIMITED, {}
        case RowLocked():
            message = f"{fault.what} is busy: another transaction holds its row; try again"
            code, details = Code.OVERLOADED, {"reason": "row_locked"}
        case Overloaded():
            message = "Too many requests are pending; nothing was done, try again"
            code, details = Code.OVERLOADED, {}
        case _:
            return internal_error()
    retry_after_s = fault.retry_after_s
    return ApiError(code, message, details, headers={"Retry-After": str(retry_after_s)})


def internal_error() -> ApiError:
    """500: the log line with the same request id has the cause."""
    return ApiError(
        Code.INTERNAL_ERROR, "Internal error; the log has the cause under this request id"
    )
