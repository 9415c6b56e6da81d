"""The rules of the service for one event, in memory, for `testing`.

Rule: what the service promises to a booking service holds here in the same words: one version for
every change, a key acts once, and a final refusal is the last word on its key. One suite of tests
holds both to that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

ON_SALE = frozenset({"published", "sold_out"})
# No hold outlives it, however often it is prolonged.
HOLD_LIFE = timedelta(seconds=7200)
CENT = Decimal("0.01")


@dataclass(slots=True)
class FakeHold:
    """One hold. `status` is as it was last written; `held` ends by the clock too."""

    hold_id: str
    quantity: int
    unit_price: Decimal
    reference: str | None
    held_at: datetime
    expires_at: datetime
    status: str = "held"
    closed_at: datetime | None = None
    retaken: bool = False
    amount: Decimal | None = None

    def shown(self) -> dict[str, Any]:
        """The hold as it is answered."""
        return {
            "hold_id": self.hold_id,
            "quantity": self.quantity,
            "unit_price": self.unit_price,
            "status": self.status,
            "reference": self.reference,
            "held_at": self.held_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "latest_expires_at": (self.held_at + HOLD_LIFE).isoformat(),
            "closed_at": None if self.closed_at is None else self.closed_at.isoformat(),
            "retaken": self.retaken,
            "amount": self.amount,
        }


@dataclass(slots=True)
class FakeBlock:
    """Seats that are kept back under a name, until `release_at` if that is set."""

    name: str
    quantity: int
    release_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left; `hold` is as it is answered, `unit_price` told of moves without one.

    One that is not `kept` has changed nothing, and is not remembered under its key.
    """

    available_seats: int
    status: str
    version: int
    unit_price: Decimal
    hold: Mapping[str, Any] | None = None
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing was done. A final one is remembered under its key."""

    http_status: int
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    final: bool = True


Outcome: TypeAlias = Done | Refusal


class Command(Protocol):
    """What is to be done to an event. Two commands are equal if they ask for the same."""

    def carry_out(self, event: "FakeEvent", now: datetime) -> Outcome:
        """Do it, or tell why not."""
        ...


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
    # At which version each term of the offer last changed; those that never did are not there.
    term_versions: dict[str, int]
    # Told of what the feed of changes shows: the kind, and its data.
    tell: Callable[["FakeEvent", str, Mapping[str, Any]], None] = lambda *_: None
    keys: dict[str, tuple[Command, Outcome]] = field(default_factory=dict)
    holds: dict[str, FakeHold] = field(default_factory=dict)
    sales_start: datetime | None = None
    sales_end: datetime | None = None
    paused: bool = False
    revenue: Decimal = Decimal(0)
    blocks: list[FakeBlock] = field(default_factory=list)

    @property
    def held_seats(self) -> int:
        """Seats in holds."""
        return sum(hold.quantity for hold in self.holds.values() if hold.status == "held")

    @property
    def sold_seats(self) -> int:
        """Seats that are sold."""
        return self.total_capacity - self.available_seats - self.held_seats - self.held_back_seats

    @property
    def held_back_seats(self) -> int:
        """Seats in blocks."""
        return sum(block.quantity for block in self.blocks)

    def block(self, name: str) -> FakeBlock | None:
        """The block of this name, in any case."""
        wanted = name.casefold()
        return next((one for one in self.blocks if one.name.casefold() == wanted), None)

    def status_at(self, now: datetime) -> str:
        """The status as it is answered."""
        return "completed" if self.status in ON_SALE and self.end_datetime <= now else self.status

    def change(self, **terms: Any) -> None:
        """Make a new version with these terms of the offer, as an admin does."""
        terms = {name: value for name, value in terms.items() if value != getattr(self, name)}
        changes = {
            name: {"from": plain(getattr(self, name)), "to": plain(value)}
            for name, value in terms.items()
        }
        self.version += 1
        for name, value in terms.items():
            setattr(self, name, value)
            self.term_versions[name] = self.version
        if self.status == "cancelled":
            self.tell(self, "cancelled", {})
        elif self.status != "draft" and changes:
            self.tell(self, "updated", changes)

    def answer(self, command: Command, key: str | None, now: datetime) -> tuple[Outcome, bool]:
        """What becomes of a command, and whether its key had been told that before."""
        if key in self.keys:
            known, outcome = self.keys[key]
            if known != command:
                message = "This Idempotency-Key was used with another request; choose a new one"
                return Refusal(422, "IDEMPOTENCY_KEY_REUSED", message, final=False), False
            return outcome, isinstance(outcome, Done)
        outcome = command.carry_out(self, now)
        if key is not None and (outcome.kept if isinstance(outcome, Done) else outcome.final):
            self.keys[key] = command, outcome
        return outcome, False

    def expire(self, now: datetime) -> None:
        """Give back the seats of holds and blocks whose time has passed, in one version."""
        due = [
            hold for hold in self.holds.values() if hold.status == "held" and hold.expires_at <= now
        ]
        for hold in due:
            hold.status, hold.closed_at = "expired", now
        seats = sum(hold.quantity for hold in due)
        for block in self.blocks:
            if block.release_at is not None and block.release_at <= now:
                seats, block.quantity = seats + block.quantity, 0
        if seats:
            self.move(seats, now)
        if due:
            told = [
                {"hold_id": hold.hold_id, "reference": hold.reference, "quantity": hold.quantity}
                for hold in due
            ]
            self.tell(self, "holds_expired", {"holds": told})

    def move(
        self,
        seats: int,
        now: datetime,
        hold: FakeHold | None = None,
        money: Decimal = Decimal(0),
    ) -> Done:
        """Make the next version, with so many more free seats and so much more revenue."""
        before = self.status
        self.revenue += money
        self.available_seats += seats
        self.version += 1
        if self.status in ON_SALE:
            sold_out = not self.available_seats and not self.held_seats
            self.status = "sold_out" if sold_out else "published"
        if self.status != before:
            self.tell(self, "sold_out" if self.status == "sold_out" else "reopened", {})
        return self.done(now, hold)

    def done(self, now: datetime, hold: FakeHold | None, *, kept: bool = True) -> Done:
        """The event, and a hold, as they are now."""
        shown = None if hold is None else hold.shown()
        status = self.status_at(now)
        return Done(self.available_seats, status, self.version, self.base_price, shown, kept)

    def closed(self, now: datetime) -> Refusal | None:
        """Why no seats can be bought, if so."""
        closes = self.sales_end or self.start_datetime
        started = max(self.start_datetime, closes) <= now
        if self.status not in ON_SALE or started:
            return self.not_modifiable("has started" if started else f"is {self.status}", now)
        opened = self.sales_start is None or self.sales_start <= now
        if opened and not self.paused and now < closes:
            return None
        details = {
            "sales_start": plain(self.sales_start),
            "sales_end": plain(self.sales_end),
            "paused": self.paused,
            "now": plain(now),
        }
        return Refusal(409, "EVENT_NOT_ON_SALE", "Sales are not open", details, final=False)

    def not_modifiable(self, why: str, now: datetime) -> Refusal:
        """The event can't be changed any more."""
        message = f"Event {why} and can no longer change"
        return Refusal(409, "EVENT_NOT_MODIFIABLE", message, {"status": self.status_at(now)})

    def too_few(self, seats: int) -> Refusal | None:
        """Why there are not so many seats, if so."""
        if seats <= self.available_seats:
            return None
        ends = [hold.expires_at for hold in self.holds.values() if hold.status == "held"]
        details = {
            "requested": seats,
            "available": self.available_seats,
            "held": self.held_seats,
            "next_hold_expires_at": min(ends).isoformat() if ends else None,
        }
        return Refusal(409, "INSUFFICIENT_SEATS", "Not enough seats available", details)

    def conflict(self, version: int | None, now: datetime, *, retry: bool) -> Refusal | None:
        """Why a decision that is based on `version`, None for any, does not hold, if so."""
        if version is None or version == self.version:
            return None
        changed = sorted(name for name, at in self.term_versions.items() if at > version)
        if retry and version < self.version and not changed:
            return None
        details: dict[str, Any] = {
            "expected_version": version,
            "current_version": self.version,
            "available_seats": self.available_seats,
            "status": self.status_at(now),
        }
        if changed:
            details["changed_fields"] = changed
        message = "Event has changed since that version; try again with current_version"
        return Refusal(409, "CONCURRENT_UPDATE", message, details, final=False)


@dataclass(frozen=True, slots=True)
class Move:
    """A move of seats; `quantity` is negative to reserve, `version` None for any.

    `amount` is the money of the move, None for what the service makes of it. Seats are reserved
    from the block of the name `holdback`, or from the free ones.
    """

    quantity: int
    version: int | None
    retry: bool
    amount: Decimal | None = None
    holdback: str | None = None

    def carry_out(self, event: FakeEvent, now: datetime) -> Outcome:
        """Sell free seats or those of a block, or take back sold ones."""
        if self.holdback is not None:
            return self._of_block(event, now, self.holdback)
        seats = self.quantity
        refusal = event.closed(now) or event.too_few(-seats) if seats < 0 else None
        if seats > event.sold_seats:
            details = {"requested": seats, "returnable": event.sold_seats}
            message = "More seats returned than are sold"
            return Refusal(409, "SEATS_EXCEED_CAPACITY", message, details)
        if seats > 0 and self.amount is not None and self.amount > event.revenue:
            money = {"amount": self.amount, "revenue": event.revenue}
            message = "More money would be paid back than the event has taken"
            return Refusal(409, "AMOUNT_EXCEEDS_REVENUE", message, money)
        refusal = refusal or event.conflict(self.version, now, retry=self.retry)
        return refusal or event.move(seats, now, money=self._money(event))

    def _of_block(self, event: FakeEvent, now: datetime, name: str) -> Outcome:
        refusal, block = event.closed(now), event.block(name)
        if refusal is not None:
            return refusal
        if block is None:
            message = "This event keeps back no block of that name"
            return Refusal(404, "HOLDBACK_NOT_FOUND", message, {"holdback": name}, final=False)
        if -self.quantity > block.quantity:
            seats = {"requested": -self.quantity, "available": block.quantity}
            details = {**seats, "held": 0, "next_hold_expires_at": None, "holdback": block.name}
            return Refusal(409, "INSUFFICIENT_SEATS", "Not enough seats in this block", details)
        refusal = event.conflict(self.version, now, retry=self.retry)
        if refusal is not None:
            return refusal
        block.quantity += self.quantity
        return event.move(0, now, money=self._money(event))

    def _money(self, event: FakeEvent) -> Decimal:
        """What the move adds to the event's revenue."""
        if self.quantity < 0:
            return -self.quantity * event.base_price if self.amount is None else self.amount
        if self.amount is not None:
            return -self.amount
        if self.quantity == event.sold_seats:
            return -event.revenue
        share = event.revenue * self.quantity / event.sold_seats
        return -min(event.revenue, share.quantize(CENT))


def plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    return value.isoformat() if isinstance(value, datetime) else value
