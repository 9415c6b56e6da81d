"""What a command led to, named as a fact.

Rule: a refusal is a value that carries what the caller needs to act on it, never an exception.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from evently.domain.commands import NEEDING_ROOM
from evently.domain.holds import Hold, HoldStatus
from evently.domain.notices import Notice
from evently.domain.state import EventState, Status
from evently.domain.value import value


class LedgerKind(StrEnum):
    """Why an event has one more version."""

    CREATED = "created"
    UPDATED = "updated"
    PUBLISHED = "published"
    CANCELLED = "cancelled"
    RESERVED = "reserved"
    RETURNED = "returned"
    HELD = "held"
    HOLD_CHANGED = "hold_changed"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


# A change of one of these says when seats are sold.
SALES_TIMES = frozenset({"start_datetime", "sales_start", "sales_end", "paused"})
# Plain names: to look one up in its class costs 0.15 us, at every move.
_RESERVED = LedgerKind.RESERVED
_HOLDING = frozenset({LedgerKind.HELD, LedgerKind.HOLD_CHANGED})
# An admin's changes.
EDITS = frozenset(
    {LedgerKind.CREATED, LedgerKind.UPDATED, LedgerKind.PUBLISHED, LedgerKind.CANCELLED}
)


@value
class LedgerEntry:
    """One version of an event: what changed, and what was answered.

    `capacity_delta` is the change of `available_seats` by one of the capacity and `seat_delta` any
    other: `available_seats` is the sum of both over all versions, `revenue` the sum of
    `money_delta`, `held_seats` that of `held_delta`, `held_back_seats` that of `held_back_delta`.
    `changes` maps fields to their new values: those that an admin changed, and the blocks if seats
    were taken from one, or one was freed. `notice` is what the feed of changes tells of it. `holds`
    are the holds that changed, as they are after it.
    """

    version: int
    kind: LedgerKind
    seat_delta: int
    capacity_delta: int
    money_delta: Decimal
    available_seats: int
    status: Status
    changes: Mapping[str, Any] | None = None
    notice: Notice | None = None
    held_delta: int = 0
    holds: tuple[Hold, ...] = ()
    held_back_delta: int = 0

    @property
    def edits(self) -> bool:
        """Whether an admin made it."""
        return self.kind in EDITS

    @property
    def sells(self) -> bool:
        """Whether it takes seats that may only be taken while the event is on sale.

        What is confirmed keeps a promise, even if its seats are taken again.
        """
        kind = self.kind
        return kind is _RESERVED or (self.seat_delta < 0 and kind in _HOLDING)

    @property
    def schedules(self) -> bool:
        """Whether it needs a start that is still to come."""
        return self.kind is LedgerKind.PUBLISHED or "start_datetime" in (self.changes or ())

    @property
    def ends_batch(self) -> bool:
        """Whether what comes after it is decided in the next batch.

        A statement compares the clock with the one time of sales that was there before it.
        """
        if self.changes is None:
            return False
        opens = self.kind is LedgerKind.PUBLISHED or not self.changes.keys().isdisjoint(SALES_TIMES)
        return opens or self.needs_room

    @property
    def needs_room(self) -> bool:
        """Whether the venue must have room for what changed."""
        return self.changes is not None and not self.changes.keys().isdisjoint(NEEDING_ROOM)

    def __hash__(self) -> int:
        """Hash what identifies the entry; `changes` is a mapping and has no hash."""
        return hash((self.version, self.kind))


@value
class Accepted:
    """The command holds: `state` is the next one, once `entry` is committed with it.

    `retried` tells that a seat move came in between and the service took that conflict on itself.
    """

    state: EventState
    entry: LedgerEntry
    retried: bool = False


@value
class Unchanged:
    """The command finds its work done, and nothing is written: the event and the hold as they are.

    `hold` is None where expired ones were looked for, and none was found.
    """

    version: int
    available_seats: int
    status: Status
    hold: Hold | None


@value
class NotFound:
    """No such event, or a draft, which only admins know of."""


@value
class NotOwner:
    """The event is another admin's."""


@value
class NotModifiable:
    """The event is cancelled, or has `started` and sells nothing at the door any more.

    Once it is `archived`, nothing of it changes, not even by a return.
    """

    status: Status
    started: bool
    archived: bool = False


@value
class NotOnSale:
    """Seats are not sold at `now`: not yet, not any more, or sales are paused."""

    sales_start: datetime | None
    sales_end: datetime | None
    paused: bool
    now: datetime


@value
class InsufficientSeats:
    """Fewer seats are left than were asked for: free ones, or in the block `holdback`.

    `held` seats are in holds; some may be free again at `next_hold_expires_at`, if that is known.
    """

    requested: int
    available: int
    held: int = 0
    next_hold_expires_at: datetime | None = None
    holdback: str | None = None


@value
class HoldbackNotFound:
    """The event has no block of this name."""

    holdback: str


@value
class SeatsExceedCapacity:
    """More seats would come back than are out."""

    requested: int
    returnable: int


@value
class AmountExceedsRevenue:
    """More money would be paid back than the event has taken."""

    amount: Decimal
    revenue: Decimal


@value
class StaleVersion:
    """The caller decided on another version than the current one.

    `changed_fields` are the terms of the offer that changed since the caller's version, by name;
    None where some did, and not all of them are known.
    """

    expected_version: int
    current_version: int
    available_seats: int
    status: Status
    changed_fields: tuple[str, ...] | None = ()


@value
class InvalidTransition:
    """The status table has no such step."""

    current: Status
    requested: str


@value
class CapacityBelowSold:
    """The new capacity is less than the seats that are sold, in holds, or kept back."""

    total_capacity: int
    sold: int
    held: int = 0
    held_back: int = 0


@value
class MaxTicketsExceeded:
    """A hold is one booking, and would have more seats than a booking may."""

    requested: int
    max_tickets_per_booking: int


@value
class HoldNotFound:
    """The event has no such hold."""

    hold_id: str


@value
class HoldNotActive:
    """The hold has ended, in another way than the command would end it."""

    hold_id: str
    status: HoldStatus


@value
class HoldExpired:
    """The hold had expired when it was confirmed, and its seats are not retaken."""

    hold_id: str
    expired_at: datetime
    requested: int
    available: int


@value
class HoldPriceChanged:
    """A hold cannot grow: the event has another price than when it was placed."""

    hold_id: str
    unit_price: Decimal
    base_price: Decimal


@value
class InvalidFields:
    """Fields that do not fit the event as it is: (name, what is wrong and what to do) each."""

    problems: tuple[tuple[str, str], ...]


# A change of an event's venue or capacity for which its venue has no room when it is committed.
NO_ROOM = InvalidFields((("venue_id", "venue does not exist or has become too small"),))

Refusal: TypeAlias = (
    NotFound
    | NotOwner
    | NotModifiable
    | NotOnSale
    | InsufficientSeats
    | SeatsExceedCapacity
    | AmountExceedsRevenue
    | StaleVersion
    | InvalidTransition
    | CapacityBelowSold
    | InvalidFields
    | MaxTicketsExceeded
    | HoldNotFound
    | HoldNotActive
    | HoldExpired
    | HoldPriceChanged
    | HoldbackNotFound
)
Outcome: TypeAlias = Accepted | Unchanged | Refusal

# The last word on a key: nothing is done under it any more. The others may hold differently later.
FinalRefusal: TypeAlias = (
    NotModifiable | InsufficientSeats | SeatsExceedCapacity | HoldExpired | HoldNotActive
)
FINAL = (NotModifiable, InsufficientSeats, SeatsExceedCapacity, HoldExpired, HoldNotActive)
# What only buyers are told, while seats are sold: before the opening they hear of that.
OF_SALES = (InsufficientSeats, MaxTicketsExceeded, HoldPriceChanged, HoldbackNotFound)


@value
class Done:
    """The answer to a command that is committed: what its ledger row says, and the whole state.

    `state` is None when the answer is an earlier one, read again from the ledger. `hold` is the one
    that the command was about. `unit_price` is the event's price at a seat move.
    """

    version: int
    available_seats: int
    status: Status
    committed_at: datetime
    state: EventState | None = None
    retried: bool = False
    hold: Hold | None = None
    replayed: bool = False
    unit_price: Decimal | None = None


@value
class KeyReused:
    """The idempotency key was used before, with another request."""

    key: str


Answer: TypeAlias = Done | Refusal | KeyReused
