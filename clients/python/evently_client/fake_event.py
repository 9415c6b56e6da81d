"""The rules of the service for one event, in memory, for `testing`.

Rule: what the service promises to a booking service holds here in the same words: one version for
every change, a key acts once, and a final refusal is the last word on its key. One suite of tests
holds both to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

ON_SALE = frozenset({"published", "sold_out"})


@dataclass(frozen=True, slots=True)
class Move:
    """A move of seats; `quantity` is negative to reserve, `version` None for any."""

    quantity: int
    version: int | None
    retry: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move left."""

    available_seats: int
    status: str
    version: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was done. A final one is remembered under its key."""

    http_status: int
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    final: bool = True


Outcome: TypeAlias = Moved | Refusal


@dataclass(slots=True)
class FakeEvent:
    """One event. `status` is published, sold_out, draft or cancelled; completed is by the clock."""

    event_id: str
    total_capacity: int
    available_seats: int
    base_price: Decimal
    max_tickets_per_booking: int
    start_datetime: datetime
    end_datetime: datetime
    status: str
    version: int
    terms_version: int
    keys: dict[str, tuple[Move, Outcome]] = field(default_factory=dict)

    def status_at(self, now: datetime) -> str:
        """The status as it is answered."""
        return "completed" if self.status in ON_SALE and self.end_datetime <= now else self.status

    def change(self, **terms: Any) -> None:
        """Make a new version with another offer, as an admin does."""
        for name, value in terms.items():
            setattr(self, name, value)
        self.version += 1
        self.terms_version = self.version

    def answer(self, move: Move, key: str | None, now: datetime) -> tuple[Outcome, bool]:
        """What becomes of a move, and whether its key had been told that before."""
        if key in self.keys:
            known, outcome = self.keys[key]
            if known != move:
                message = "This Idempotency-Key was used with another request; choose a new one"
                return Refusal(422, "IDEMPOTENCY_KEY_REUSED", message, final=False), False
            return outcome, isinstance(outcome, Moved)
        outcome = self._refusal(move, now) or self._moved(move, now)
        if key is not None and (isinstance(outcome, Moved) or outcome.final):
            self.keys[key] = move, outcome
        return outcome, False

    def _refusal(self, move: Move, now: datetime) -> Refusal | None:
        sold = self.total_capacity - self.available_seats
        started = self.start_datetime <= now
        if move.quantity < 0 and (self.status not in ON_SALE or started):
            why = "has started" if started else f"is {self.status}"
            details: dict[str, Any] = {"status": self.status_at(now)}
            message = f"Event {why} and can no longer change"
            return Refusal(409, "EVENT_NOT_MODIFIABLE", message, details)
        if -move.quantity > self.available_seats:
            details = {"requested": -move.quantity, "available": self.available_seats}
            return Refusal(409, "INSUFFICIENT_SEATS", "Not enough seats available", details)
        if move.quantity > sold:
            details = {"requested": move.quantity, "returnable": sold}
            return Refusal(
                409, "SEATS_EXCEED_CAPACITY", "More seats returned than are sold", details
            )
        return self._conflict(move, now)

    def _conflict(self, move: Move, now: datetime) -> Refusal | None:
        version = move.version
        if version is None or version == self.version:
            return None
        if move.retry and self.terms_version <= version < self.version:
            return None
        details = {
            "expected_version": version,
            "current_version": self.version,
            "available_seats": self.available_seats,
            "status": self.status_at(now),
        }
        message = "Event has changed since that version; try again with current_version"
        return Refusal(409, "CONCURRENT_UPDATE", message, details, final=False)

    def _moved(self, move: Move, now: datetime) -> Moved:
        self.available_seats += move.quantity
        self.version += 1
        if self.status in ON_SALE:
            self.status = "published" if self.available_seats else "sold_out"
        return Moved(self.available_seats, self.status_at(now), self.version)
