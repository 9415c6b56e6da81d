"""How an event sells, in a word, for whoever shows it to buyers.

Rule: what is open is decided as `evently.domain.seat_moves` decides it, and a level promises no
seat: only a reserve or a hold takes one.
"""

from datetime import datetime
from enum import StrEnum

from evently.domain.state import EventState, Status

# Buyers hurry when there are this few seats, or this part of all of them.
FEW_SEATS, FEW_PART = 10, 20


class Level(StrEnum):
    """What a buyer can expect."""

    NOT_YET_ON_SALE = "not_yet_on_sale"
    AVAILABLE = "available"
    FEW_LEFT = "few_left"
    NONE_LEFT = "none_left"
    SOLD_OUT = "sold_out"
    PAUSED = "paused"
    CLOSED = "closed"
    CANCELLED = "cancelled"


def level_of(state: EventState, now: datetime) -> Level:
    """The level of an event at `now`."""
    details = state.details
    return level(
        state.status,
        details.sales_start,
        details.sales_close,
        now,
        paused=details.paused,
        free=state.available_seats,
        held=state.held_seats,
        capacity=state.total_capacity,
    )


def level(
    status: str,
    opens: datetime | None,
    closes: datetime,
    now: datetime,
    *,
    paused: bool,
    free: int,
    held: int,
    capacity: int,
) -> Level:
    """The level by what it follows from; `status` may be the stored one or that which is answered.

    Seats in holds may come back, so with them an event has none left, but is not sold out.
    """
    if status == Status.CANCELLED:
        return Level.CANCELLED
    if closes <= now:
        return Level.CLOSED
    if status == Status.DRAFT or (opens is not None and now < opens):
        return Level.NOT_YET_ON_SALE
    if paused:
        return Level.PAUSED
    if not free:
        return Level.NONE_LEFT if held else Level.SOLD_OUT
    if free <= FEW_SEATS or free * FEW_PART <= capacity:
        return Level.FEW_LEFT
    return Level.AVAILABLE
