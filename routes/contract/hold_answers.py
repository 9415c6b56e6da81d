"""What clients get of holds, and of where an event's seats are.

Rule: as in `answers`, these structs are both what is encoded and what the document describes.
"""

import datetime as dt

import msgspec

from evently.domain.holds import HoldStatus
from evently.domain.state import Status
from routes.contract.answers import Holdback


class Hold(msgspec.Struct):
    """Seats that are kept for a buyer; `amount` is what was paid for them in total."""

    hold_id: str
    quantity: int
    unit_price: float
    status: HoldStatus
    reference: str | None
    held_at: dt.datetime
    expires_at: dt.datetime
    latest_expires_at: dt.datetime
    closed_at: dt.datetime | None
    retaken: bool
    amount: float | None


class SeatsHeld(msgspec.Struct):
    """The event after a committed change of a hold, and the hold."""

    event_id: str
    available_seats: int
    status: Status
    version: int
    hold: Hold


class EventHold(msgspec.Struct):
    """A hold of an event."""

    event_id: str
    hold: Hold


class EventHoldList(msgspec.Struct):
    """One page of an event's holds; `next` is the `after` of the following one, null at the end."""

    event_id: str
    holds: list[Hold]
    next: str | None


class HoldCounts(msgspec.Struct):
    """How many holds are active, and how many ended in which way; `retaken` ones are confirmed.

    `confirmed_percent` is of those that have ended, null if none has.
    """

    active: int
    next_expires_at: dt.datetime | None
    confirmed: int
    released: int
    expired: int
    retaken: int
    confirmed_percent: float | None


class EventInventory(msgspec.Struct):
    """Where the seats of an event are as of `version`.

    Those `held` are in holds, those `held_back` in the blocks of `holdbacks`.
    """

    event_id: str
    version: int
    status: Status
    total_capacity: int
    sold: int
    held: int
    held_back: int
    available_seats: int
    holdbacks: list[Holdback]
    holds: HoldCounts
