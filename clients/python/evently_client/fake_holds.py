"""The rules of the service for holds, in memory, for `testing`.

Rule: what the service promises about holds is promised here, and one suite of tests checks both.
The event is told to `expire` before each command, so no hold here is past its time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .fake_event import HOLD_LIFE, FakeEvent, FakeHold, Outcome, Refusal


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Seats to be kept for a buyer; `version` is None for any."""

    hold_id: str
    quantity: int
    duration_s: int
    reference: str | None
    version: int | None
    retry: bool

    def carry_out(self, event: FakeEvent, now: datetime) -> Outcome:
        """Move free seats into a new hold."""
        refusal = (
            event.closed(now)
            or _too_many(event, self.quantity)
            or event.too_few(self.quantity)
            or event.conflict(self.version, now, retry=self.retry)
        )
        if refusal is not None:
            return refusal
        hold = FakeHold(
            self.hold_id,
            self.quantity,
            event.base_price,
            self.reference,
            now,
            now + timedelta(seconds=self.duration_s),
        )
        event.holds[self.hold_id] = hold
        return event.move(-self.quantity, now, hold)


@dataclass(frozen=True, slots=True)
class ChangeHold:
    """Another number of seats, more time, or both; None leaves it."""

    hold_id: str
    quantity: int | None
    duration_s: int | None

    def carry_out(self, event: FakeEvent, now: datetime) -> Outcome:
        """Change a hold that is held."""
        hold = event.holds.get(self.hold_id)
        if hold is None:
            return _not_found(self.hold_id)
        quantity = hold.quantity if self.quantity is None else self.quantity
        more = quantity - hold.quantity
        refusal = _cancelled(event, now) or (
            self._growth(event, quantity, now) if more > 0 else None
        )
        if refusal is None and hold.status != "held":
            refusal = _not_active(hold)
        if refusal is None and more > 0:
            refusal = event.too_few(more) or _price_changed(event, hold)
        if refusal is not None:
            return refusal
        expires_at = hold.expires_at
        if self.duration_s is not None:
            wanted = now + timedelta(seconds=self.duration_s)
            expires_at = min(wanted, hold.held_at + HOLD_LIFE)
        if (quantity, expires_at) == (hold.quantity, hold.expires_at):
            return event.done(now, hold, kept=False)
        hold.quantity, hold.expires_at = quantity, expires_at
        return event.move(-more, now, hold)

    @staticmethod
    def _growth(event: FakeEvent, quantity: int, now: datetime) -> Refusal | None:
        return event.closed(now) or _too_many(event, quantity)


@dataclass(frozen=True, slots=True)
class ConfirmHold:
    """The seats of a hold are paid for; `amount` is None for what they cost when held."""

    hold_id: str
    amount: Decimal | None
    retake: bool

    def carry_out(self, event: FakeEvent, now: datetime) -> Outcome:
        """Sell the seats of a hold."""
        hold = event.holds.get(self.hold_id)
        refusal = _not_found(self.hold_id) if hold is None else _cancelled(event, now)
        if hold is None or refusal is not None:
            assert refusal is not None
            return refusal
        if hold.status == "confirmed" and self.amount in {None, hold.amount}:
            return event.done(now, hold, kept=False)
        if hold.status not in {"held", "expired"}:
            return _not_active(hold)
        late = hold.status == "expired"
        if late and not (self.retake and self._is_there(event, hold, now)):
            details = {
                "hold_id": hold.hold_id,
                "expired_at": hold.expires_at.isoformat(),
                "requested": hold.quantity,
                "available": event.available_seats,
            }
            message = "The hold has expired and its seats were not taken again"
            return Refusal(409, "HOLD_EXPIRED", message, details)
        hold.status, hold.closed_at, hold.retaken = "confirmed", now, late
        hold.amount = hold.quantity * hold.unit_price if self.amount is None else self.amount
        return event.move(-hold.quantity if late else 0, now, hold, hold.amount)

    @staticmethod
    def _is_there(event: FakeEvent, hold: FakeHold, now: datetime) -> bool:
        return event.status_at(now) != "completed" and hold.quantity <= event.available_seats


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """The seats of a hold are not wanted any more."""

    hold_id: str

    def carry_out(self, event: FakeEvent, now: datetime) -> Outcome:
        """Give them back."""
        hold = event.holds.get(self.hold_id)
        if hold is None:
            return _not_found(self.hold_id)
        if hold.status == "confirmed":
            return _not_active(hold)
        if hold.status != "held":
            return event.done(now, hold, kept=False)
        hold.status, hold.closed_at = "released", now
        return event.move(hold.quantity, now, hold)


def command_of(
    method: str, hold_id: str, body: Mapping[str, Any], *, confirms: bool
) -> "PlaceHold | ChangeHold | ConfirmHold | ReleaseHold":
    """The command of a request; `hold_id` is a new one where a hold is placed."""
    if confirms:
        amount = body.get("amount")
        retake = body.get("late", "retake") == "retake"
        return ConfirmHold(hold_id, None if amount is None else Decimal(str(amount)), retake)
    match method:
        case "POST":
            version = body["version"]
            return PlaceHold(
                hold_id,
                body["quantity"],
                body["duration_s"],
                body["reference"],
                None if version == "*" else version,
                body["on_conflict"] == "retry",
            )
        case "PUT":
            return ChangeHold(hold_id, body.get("quantity"), body.get("duration_s"))
        case _:
            return ReleaseHold(hold_id)


def _not_found(hold_id: str) -> Refusal:
    message = "This event has no such hold"
    return Refusal(404, "HOLD_NOT_FOUND", message, {"hold_id": hold_id}, final=False)


def _not_active(hold: FakeHold) -> Refusal:
    details = {"hold_id": hold.hold_id, "status": hold.status}
    return Refusal(409, "HOLD_NOT_ACTIVE", f"The hold is {hold.status}", details)


def _cancelled(event: FakeEvent, now: datetime) -> Refusal | None:
    return event.not_modifiable("is cancelled", now) if event.status == "cancelled" else None


def _too_many(event: FakeEvent, quantity: int) -> Refusal | None:
    most = event.max_tickets_per_booking
    if quantity <= most:
        return None
    details = {"requested": quantity, "max_tickets_per_booking": most}
    message = f"A booking of this event has {most} seats at most"
    return Refusal(409, "MAX_TICKETS_EXCEEDED", message, details, final=False)


def _price_changed(event: FakeEvent, hold: FakeHold) -> Refusal | None:
    if event.base_price == hold.unit_price:
        return None
    details = {
        "hold_id": hold.hold_id,
        "unit_price": hold.unit_price,
        "base_price": event.base_price,
    }
    message = "The price has changed since the hold was placed; place another one"
    return Refusal(409, "HOLD_PRICE_CHANGED", message, details, final=False)
