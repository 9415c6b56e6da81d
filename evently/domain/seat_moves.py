"""What moves seats: reserve and return, and what holds have in common with them.

Rule: every function here is pure; `evently.domain.event` has the rules that all of them keep.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from evently.domain.commands import PlaceHold, Reserve, Return
from evently.domain.currencies import misfit, smallest
from evently.domain.holdbacks import Holdbacks, kept_back, named, seats_in, with_seats
from evently.domain.holds import Hold
from evently.domain.notices import REOPENED, SOLD_OUT
from evently.domain.outcomes import (
    Accepted,
    AmountExceedsRevenue,
    HoldbackNotFound,
    InsufficientSeats,
    InvalidFields,
    LedgerEntry,
    LedgerKind,
    NotFound,
    NotModifiable,
    NotOnSale,
    Outcome,
    Refusal,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import ON_SALE, EventState, Status

# What the feed of changes tells once the seats make an event sold out, or put it on sale again.
AVAILABILITY = {Status.SOLD_OUT: SOLD_OUT, Status.PUBLISHED: REOPENED}
NO_MONEY = Decimal("0.00")


def reserve(state: EventState, command: Reserve, now: datetime) -> Outcome:
    """Sell free seats, or seats of a block."""
    refusal = closed(state, now)
    if refusal is not None:
        return refusal
    amount = command.amount
    if amount is not None and (wrong := not_in_currency(state, amount)):
        return wrong
    if command.holdback is not None:
        return _take_from_block(state, command, command.holdback, now)
    if command.seats > state.available_seats:
        return too_few(state, command.seats)
    if is_stale(state, command):
        return stale(state, command.version, now)
    money = command.seats * state.unit_price if amount is None else amount
    return moved(state, LedgerKind.RESERVED, now, -command.seats, 0, money, (), command.version)


def _take_from_block(state: EventState, command: Reserve, name: str, now: datetime) -> Outcome:
    """Sell seats of a block: until its release is written, they can be nobody else's."""
    blocks, seats = state.details.holdbacks, command.seats
    block = named(blocks, name)
    if block is None:
        return HoldbackNotFound(name)
    if seats > block.quantity:
        return InsufficientSeats(seats, block.quantity, holdback=block.name)
    if is_stale(state, command):
        return stale(state, command.version, now)
    money = seats * state.unit_price if command.amount is None else command.amount
    left = with_seats(blocks, [block], block.quantity - seats)
    return moved(state, LedgerKind.RESERVED, now, 0, 0, money, (), command.version, left)


def give_back(state: EventState, command: Return, now: datetime) -> Outcome:
    """Take back seats that were sold, and the amount given or else their share of the money."""
    if not state.known:
        return NotFound()
    if state.archived:
        return archived(state, now)
    amount = command.amount
    if amount is not None and (wrong := not_in_currency(state, amount)):
        return wrong
    sold = state.sold
    if command.seats > sold:
        return SeatsExceedCapacity(command.seats, sold)
    if amount is not None and amount > state.revenue:
        return AmountExceedsRevenue(amount, state.revenue)
    if is_stale(state, command):
        return stale(state, command.version, now)
    if amount is None:
        amount = _share(state.revenue, command.seats, sold, state.details.currency)
    money = -amount
    return moved(state, LedgerKind.RETURNED, now, command.seats, 0, money, (), command.version)


def archived(state: EventState, now: datetime) -> NotModifiable:
    """Nothing moves any more: what was done under which key is no longer at hand."""
    return NotModifiable(state.status_at(now), started=state.started(now), archived=True)


def not_in_currency(state: EventState, amount: Decimal) -> InvalidFields | None:
    """What is wrong with `amount` in the event's currency, if anything is."""
    problem = misfit("amount", amount, state.details.currency)
    return None if problem is None else InvalidFields((problem,))


def moved(
    state: EventState,
    kind: LedgerKind,
    now: datetime,
    seat_delta: int,
    held_delta: int,
    money_delta: Decimal,
    holds: tuple[Hold, ...] = (),
    seen: int | None = None,
    blocks: Holdbacks | None = None,
) -> Accepted:
    """The next version, in which seats move between free, held, kept back and sold.

    If the caller saw another version than the current one, the service takes that conflict on
    itself. `blocks` are what is kept back then, None for what was before.
    """
    details, changes, held_back_delta = state.details, None, 0
    if blocks is not None:
        held_back_delta = seats_in(blocks) - details.held_back_seats
        details = replace(details, **kept_back(blocks))
        changes = {"holdbacks": blocks}
    available = state.available_seats + seat_delta
    held = state.held_seats + held_delta
    version = state.version + 1
    after = EventState(
        details,
        state.total_capacity,
        available,
        by_seats(state.status, available, held),
        version,
        state.terms_version,
        state.revenue + money_delta,
        state.updated_at,
        state.cancelled_as_draft,
        state.fence,
        held,
        state.edited_version or state.version,
    )
    notice = None if after.status is state.status else AVAILABILITY[after.status]
    entry = LedgerEntry(
        version,
        kind,
        seat_delta,
        0,
        money_delta,
        available,
        after.status_at(now),
        changes,
        notice,
        held_delta,
        holds,
        held_back_delta,
    )
    return Accepted(after, entry, seen is not None and seen != state.version)


def by_seats(status: Status, available: int, held: int) -> Status:
    """The stored status with so many seats free and held: on-sale events sell out and come back.

    While the last seats are held, an event is not sold out: they may be free again soon.
    """
    if status in ON_SALE:
        return Status.PUBLISHED if available or held else Status.SOLD_OUT
    return status


def closed(state: EventState, now: datetime) -> Refusal | None:
    """Why no seats can be bought, if so."""
    if state.status not in ON_SALE:
        if not state.known:
            return NotFound()
        return NotModifiable(state.status, started=state.started(now))
    # Written out, because every seat move asks this.
    details = state.details
    opens, closes = details.sales_start, details.sales_end
    if (details.start_datetime if closes is None else closes) <= now:
        if state.started(now):
            return NotModifiable(state.status_at(now), started=True)
    elif not details.paused and (opens is None or opens <= now):
        return None
    return NotOnSale(opens, closes, details.paused, now)


def too_few(state: EventState, seats: int) -> InsufficientSeats:
    """Fewer than `seats` are free."""
    return InsufficientSeats(seats, state.available_seats, state.held_seats)


def is_stale(state: EventState, command: Reserve | Return | PlaceHold) -> bool:
    """Whether the command was decided on another version, and that matters to it."""
    if command.version is None or command.version == state.version:
        return False
    return not (command.retry and state.terms_version <= command.version < state.version)


def stale(state: EventState, expected: int | None, now: datetime) -> StaleVersion:
    """The caller decided on version `expected`, which is not the current one."""
    assert expected is not None, "a move at any version is never stale"
    changed = state.details.term_versions.changed_after(expected, state.terms_version)
    return StaleVersion(
        expected, state.version, state.available_seats, state.status_at(now), changed
    )


def _share(revenue: Decimal, seats: int, sold: int, currency: str) -> Decimal:
    """The part of `revenue` that `seats` of `sold` take back: all of it with the last."""
    if seats == sold:
        return revenue
    return min(revenue, (revenue * seats / sold).quantize(smallest(currency)))
