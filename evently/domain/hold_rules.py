"""What each command about holds does to an event and to the hold.

Rules:

1. The hold's row is an argument, as it is stored at the version of `state`; the row that a command
   leaves behind is in its ledger entry.
2. If several refusals apply, the first of these is told: not found, not modifiable, not on sale,
   too many seats for a booking, the hold's own state, too few seats, price, stale version.
3. Whoever holds seats keeps the promise of their price, and may confirm until the hold expires,
   also after sales have closed or the event has begun.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from evently.domain.commands import ChangeHold, Confirm, HoldStep, PlaceHold, Release
from evently.domain.holdbacks import seats_in, with_seats
from evently.domain.holds import EXPIRED_MAX, Hold, Holds, HoldStatus
from evently.domain.notices import ChangeKind, Notice
from evently.domain.outcomes import (
    Accepted,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    LedgerKind,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    Outcome,
    Refusal,
    Unchanged,
)
from evently.domain.seat_moves import (
    NO_MONEY,
    archived,
    closed,
    is_stale,
    moved,
    not_in_currency,
    stale,
    too_few,
)
from evently.domain.state import EventState, Status


def place(state: EventState, command: PlaceHold, now: datetime) -> Outcome:
    """Move free seats into a new hold."""
    refusal = closed(state, now) or _too_many(state, command.seats)
    if refusal is not None:
        return refusal
    if command.seats > state.available_seats:
        return too_few(state, command.seats)
    if is_stale(state, command):
        return stale(state, command.version, now)
    hold = Hold(
        command.hold_id,
        command.seats,
        state.unit_price,
        HoldStatus.HELD,
        command.reference,
        now,
        now + timedelta(seconds=command.duration_s),
    )
    return moved(
        state,
        LedgerKind.HELD,
        now,
        -command.seats,
        command.seats,
        NO_MONEY,
        (hold,),
        command.version,
    )


def step(state: EventState, command: HoldStep, now: datetime, holds: Holds) -> Outcome:
    """Change, confirm or release a hold."""
    if not state.known:
        return NotFound()
    if state.archived:
        return archived(state, now)
    hold = holds.get(command.hold_id)
    if hold is None:
        return HoldNotFound(command.hold_id)
    match command:
        case ChangeHold():
            return _change(state, command, now, hold)
        case Confirm():
            return _confirm(state, command, now, hold)
        case Release():
            return _release(state, now, hold)


def expire(state: EventState, now: datetime, holds: Holds) -> Outcome:
    """Move the seats of holds and of blocks whose time has passed to the free ones."""
    due = [
        hold
        for hold in holds.values()
        if hold is not None and hold.status is HoldStatus.HELD and hold.expires_at <= now
    ]
    kept = state.details.holdbacks
    freed = [block for block in kept if block.due(now)]
    if not due and not freed:
        return _unchanged(state, now, None)
    gone = tuple(
        replace(hold, status=HoldStatus.EXPIRED, closed_at=now) for hold in due[:EXPIRED_MAX]
    )
    seats = sum(hold.quantity for hold in gone)
    blocks = with_seats(kept, freed, 0) if freed else None
    free = seats + seats_in(freed)
    expired = moved(state, LedgerKind.EXPIRED, now, free, -seats, NO_MONEY, gone, blocks=blocks)
    if not gone:
        return expired
    # An event with held seats is not sold out, so there is nothing else to tell.
    return replace(expired, entry=replace(expired.entry, notice=_expiry_of(gone)))


def _expiry_of(gone: tuple[Hold, ...]) -> Notice:
    """What those hear who placed the holds, and who may act for them."""
    holds = [
        {"hold_id": hold.hold_id, "reference": hold.reference, "quantity": hold.quantity}
        for hold in gone
    ]
    return Notice((ChangeKind.HOLDS_EXPIRED,), {"holds": holds})


def _change(state: EventState, command: ChangeHold, now: datetime, hold: Hold) -> Outcome:
    quantity = hold.quantity if command.seats is None else command.seats
    more = quantity - hold.quantity
    refusal = _cancelled(state, now)
    if refusal is None and more > 0:
        refusal = closed(state, now) or _too_many(state, quantity)
    if refusal is not None:
        return refusal
    if hold.status_at(now) is not HoldStatus.HELD:
        return HoldNotActive(hold.hold_id, hold.status_at(now))
    if more > state.available_seats:
        return too_few(state, more)
    price = state.unit_price
    if more > 0 and price != hold.unit_price:
        return HoldPriceChanged(hold.hold_id, hold.unit_price, price)
    expires_at = hold.expires_at
    if command.duration_s is not None:
        # From now, not added on: a repeated call prolongs nothing.
        wanted = now + timedelta(seconds=command.duration_s)
        expires_at = min(wanted, hold.latest_expires_at)
    changed = replace(hold, quantity=quantity, expires_at=expires_at)
    if changed == hold:
        return _unchanged(state, now, hold)
    return moved(state, LedgerKind.HOLD_CHANGED, now, -more, more, NO_MONEY, (changed,))


def _confirm(state: EventState, command: Confirm, now: datetime, hold: Hold) -> Outcome:
    refusal = _cancelled(state, now)
    if refusal is not None:
        return refusal
    if command.amount is not None and (wrong := not_in_currency(state, command.amount)):
        return wrong
    match hold.status_at(now):
        case HoldStatus.HELD:
            return _sold(state, command, now, hold, retaken=False)
        case HoldStatus.EXPIRED:
            # Until the expiry is written, its seats can be nobody else's.
            there = state.available_seats + (hold.quantity if hold.status is HoldStatus.HELD else 0)
            over = state.status_at(now) is Status.COMPLETED
            if not command.retake or over or hold.quantity > there:
                return HoldExpired(
                    hold.hold_id, hold.expires_at, hold.quantity, state.available_seats
                )
            return _sold(state, command, now, hold, retaken=True)
        case HoldStatus.CONFIRMED if command.amount in {None, hold.amount}:
            return _unchanged(state, now, hold)
        case status:
            return HoldNotActive(hold.hold_id, status)


def _sold(
    state: EventState, command: Confirm, now: datetime, hold: Hold, *, retaken: bool
) -> Accepted:
    """The seats of the hold are sold: out of it, or if its expiry was written, anew."""
    amount = hold.quantity * hold.unit_price if command.amount is None else command.amount
    held = hold.status is HoldStatus.HELD
    sold = Hold(
        hold.hold_id,
        hold.quantity,
        hold.unit_price,
        HoldStatus.CONFIRMED,
        hold.reference,
        hold.held_at,
        hold.expires_at,
        now,
        retaken,
        amount,
    )
    seat_delta, held_delta = (0, -hold.quantity) if held else (-hold.quantity, 0)
    return moved(state, LedgerKind.CONFIRMED, now, seat_delta, held_delta, amount, (sold,))


def _release(state: EventState, now: datetime, hold: Hold) -> Outcome:
    match hold.status_at(now):
        case HoldStatus.HELD:
            gone = replace(hold, status=HoldStatus.RELEASED, closed_at=now)
            seats = hold.quantity
            return moved(state, LedgerKind.RELEASED, now, seats, -seats, NO_MONEY, (gone,))
        case HoldStatus.CONFIRMED as status:
            return HoldNotActive(hold.hold_id, status)
        case _:
            return _unchanged(state, now, hold)


def _unchanged(state: EventState, now: datetime, hold: Hold | None) -> Unchanged:
    shown = None if hold is None else hold.at(now)
    return Unchanged(state.version, state.available_seats, state.status_at(now), shown)


def _cancelled(state: EventState, now: datetime) -> Refusal | None:
    if state.status is Status.CANCELLED:
        return NotModifiable(state.status, started=state.started(now))
    return None


def _too_many(state: EventState, seats: int) -> Refusal | None:
    """A hold is one booking."""
    most = state.details.max_tickets_per_booking
    return MaxTicketsExceeded(seats, most) if seats > most else None
