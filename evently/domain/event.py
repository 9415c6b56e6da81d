"""What each command does to an event.

Rules:

1. `decide` is total, synchronous and pure: the same state, command and time give the same
   outcome, and the state that was passed in is never changed.
2. An accepted command raises `version` by exactly one and says, in one ledger entry, all that
   it changed; a refused one is a value and leaves no trace.
3. Free, held, held back and sold seats are 0 or more, and add up to `total_capacity`, always.
4. `terms_version` is the last version at which anything a buyer relies on (price, schedule,
   limits, venue, status other than published/sold_out) changed: a caller that saw that version
   or a later one saw the same offer, whatever the seat count. `term_versions` says so of each of
   them and is written with it.
5. "Completed" is told by the clock and never stored. An event can be changed until its last moment:
   its start, or the end of sales if that is later.
6. What the feed of changes tells follows from the two states and is decided with them.
7. Seats are sold from `sales_start` until `sales_end` while the event is not paused. Nothing
   happens at these moments: each command is compared with them.
8. `edited_version` is the last version that an admin made: one who saw that version or a later one
   saw all that admins have said of the event.
9. An archived event never changes. It is past its end, so only returns and steps of holds ask.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from evently.domain import hold_rules, seat_moves
from evently.domain.columns import columns_of
from evently.domain.commands import (
    Cancel,
    ChangeHold,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.holdbacks import kept_back, seats_in
from evently.domain.holds import NO_HOLDS, Holds
from evently.domain.notices import CANCELLED, PUBLISHED, ChangeKind, Notice
from evently.domain.offer import Problem, misfits
from evently.domain.outcomes import (
    Accepted,
    CapacityBelowSold,
    InsufficientSeats,
    InvalidFields,
    InvalidTransition,
    LedgerEntry,
    LedgerKind,
    NotModifiable,
    NotOwner,
    Outcome,
    Refusal,
)
from evently.domain.seat_moves import AVAILABILITY, NO_MONEY, by_seats, stale
from evently.domain.state import EventDetails, EventState, Status, field_of

# The steps an admin may ask for. Published and sold_out change into each other by the seats
# alone, completed comes by the clock, cancelled is final.
TRANSITIONS: dict[Status, dict[str, LedgerKind]] = {
    Status.DRAFT: {
        Status.PUBLISHED: LedgerKind.PUBLISHED,
        Status.CANCELLED: LedgerKind.CANCELLED,
    },
    Status.PUBLISHED: {Status.CANCELLED: LedgerKind.CANCELLED},
    Status.SOLD_OUT: {Status.CANCELLED: LedgerKind.CANCELLED},
}

_COLUMNS = {**columns_of(EventDetails), **columns_of(EventState)}
# What an admin may change, and which of it stands in EventDetails.
UPDATABLE = frozenset(name for name, column in _COLUMNS.items() if column.editable)
DETAIL_FIELDS = UPDATABLE & columns_of(EventDetails).keys()
# What an admin may clear.
NULLABLE = frozenset(name for name, column in _COLUMNS.items() if column.nullable)
# A change of one of these makes a new offer. Name, description and type do not.
TERMS = frozenset(name for name, column in _COLUMNS.items() if column.term)
# The public hears nothing of these.
_PRIVATE = frozenset(name for name, column in _COLUMNS.items() if column.private)


def decide(state: EventState, command: Command, now: datetime, holds: Holds = NO_HOLDS) -> Outcome:
    """What `command` leads to in `state` at `now` (aware, the database's clock).

    `holds` are those that the command names, as they are stored at this version; for Expire, those
    whose time may have passed.
    """
    match command:
        case Reserve():
            return seat_moves.reserve(state, command, now)
        case Return():
            return seat_moves.give_back(state, command, now)
        case PlaceHold():
            return hold_rules.place(state, command, now)
        case ChangeHold() | Confirm() | Release():
            return hold_rules.step(state, command, now, holds)
        case Expire():
            return hold_rules.expire(state, now, holds)
        case Update():
            return _update(state, command, now)
        case Cancel():
            return _cancel(state, command, now)
        case _:
            assert_never(command)


def created(
    details: EventDetails, total_capacity: int, now: datetime
) -> tuple[EventState, LedgerEntry]:
    """The first version of an event, and its ledger entry.

    It is a draft, with every seat available that is not kept back.
    """
    available = total_capacity - details.held_back_seats
    state = EventState(
        details=details,
        total_capacity=total_capacity,
        available_seats=available,
        status=Status.DRAFT,
        version=1,
        terms_version=1,
        revenue=NO_MONEY,
        updated_at=now,
        cancelled_as_draft=False,
        edited_version=1,
    )
    changes = {name: getattr(details, name) for name in sorted(DETAIL_FIELDS)}
    changes["total_capacity"] = total_capacity
    entry = LedgerEntry(
        version=1,
        kind=LedgerKind.CREATED,
        seat_delta=-details.held_back_seats,
        capacity_delta=total_capacity,
        money_delta=NO_MONEY,
        available_seats=available,
        status=Status.DRAFT,
        changes=changes,
        held_back_delta=details.held_back_seats,
    )
    return state, entry


def _cancel(state: EventState, command: Cancel, now: datetime) -> Outcome:
    refusal = _refuse_admin(state, command, now)
    if refusal is not None:
        return refusal
    return _accepted_admin(state, {"status": Status.CANCELLED}, LedgerKind.CANCELLED, now)


def _update(state: EventState, command: Update, now: datetime) -> Outcome:
    refusal = _refuse_admin(state, command, now)
    if refusal is not None:
        return refusal
    changes = {name: to for name, to in command.changes.items() if to != field_of(state, name)}
    kind = LedgerKind.UPDATED
    asked = command.changes.get("status")
    if "status" in changes or (asked is not None and len(command.changes) == 1):
        steps = TRANSITIONS.get(state.status, {})
        if asked not in steps:
            return InvalidTransition(state.status_at(now), str(asked))
        kind = steps[asked]
    lacking = _lacks_room(state, changes)
    if lacking is not None:
        return lacking
    problems = tuple(_misfits(state, command, changes, now))
    if problems:
        return InvalidFields(problems)
    return _accepted_admin(state, changes, kind, now)


def _refuse_admin(state: EventState, command: Update | Cancel, now: datetime) -> Refusal | None:
    if not command.any_owner and command.admin_id != state.details.created_by:
        return NotOwner()
    # A draft has no buyers, so its start may pass.
    began = state.status is not Status.DRAFT and state.started(now)
    if state.status is Status.CANCELLED or began:
        return NotModifiable(state.status_at(now), started=state.started(now))
    if _is_stale(state, command):
        return stale(state, command.version, now)
    return None


def _is_stale(state: EventState, command: Update | Cancel) -> bool:
    if command.version == state.version:
        return False
    # An older release writes its changes of terms, and no `edited_version`.
    last = max(state.last_edit, state.terms_version)
    return not (command.retry and last <= command.version < state.version)


def _lacks_room(state: EventState, changes: dict[str, Any]) -> Refusal | None:
    """Why what is sold, in holds and kept back would not fit, if so."""
    sold, held = state.sold, state.held_seats
    capacity = changes.get("total_capacity", state.total_capacity)
    held_back = seats_in(changes.get("holdbacks", state.details.holdbacks))
    if capacity >= sold + held + held_back:
        return None
    if "total_capacity" in changes:
        return CapacityBelowSold(capacity, sold, held, held_back)
    more = held_back - state.details.held_back_seats
    return InsufficientSeats(more, state.available_seats, held)


def _misfits(
    state: EventState, command: Update, changes: dict[str, Any], now: datetime
) -> list[Problem]:
    problems = []
    # If seats have moved since, what was read cannot be told from what was written.
    current = command.version == state.version
    if current and command.seats_read not in {None, state.available_seats}:
        message = (
            f"available_seats is {state.available_seats} and cannot be written; change"
            " total_capacity, or reserve and return seats"
        )
        problems.append(("available_seats", message))
    details = _edited(state.details, changes)
    publishes = changes.get("status") == Status.PUBLISHED
    if details.start_datetime <= now and (publishes or "start_datetime" in changes):
        problems.append(("start_datetime", "start_datetime must be in the future"))
    if "currency" in changes and state.status is not Status.DRAFT:
        problems.append(("currency", "currency can be changed only while the event is a draft"))
    problems += misfits(details, changes)
    capacity = changes.get("total_capacity", state.total_capacity)
    limit = command.venue_capacity
    if capacity > limit and ("total_capacity" in changes or "venue_id" in changes):
        message = f"total_capacity must not exceed the venue's capacity of {limit}"
        problems.append(("total_capacity", message))
    return problems


def _edited(details: EventDetails, changes: dict[str, Any]) -> EventDetails:
    edits = {name: to for name, to in changes.items() if name in DETAIL_FIELDS}
    if "holdbacks" in edits:
        edits |= kept_back(edits["holdbacks"])
    return replace(details, **edits) if edits else details


def _accepted_admin(
    state: EventState, changes: dict[str, Any], kind: LedgerKind, now: datetime
) -> Accepted:
    version = state.version + 1
    details, terms_version = _edited(state.details, changes), state.terms_version
    terms = changes.keys() & TERMS
    if terms:
        noted = details.term_versions.with_change(terms, version, terms_version)
        details, terms_version = replace(details, term_versions=noted), version
    capacity = changes.get("total_capacity", state.total_capacity)
    delta = capacity - state.total_capacity
    held_back_delta = details.held_back_seats - state.details.held_back_seats
    available = state.available_seats + delta - held_back_delta
    status = Status(changes.get("status", state.status))
    after = EventState(
        details=details,
        total_capacity=capacity,
        available_seats=available,
        status=by_seats(status, available, state.held_seats),
        version=version,
        terms_version=terms_version,
        revenue=state.revenue,
        updated_at=state.updated_at,
        cancelled_as_draft=state.status is Status.DRAFT and status is Status.CANCELLED,
        fence=state.fence,
        held_seats=state.held_seats,
        edited_version=version,
    )
    entry = LedgerEntry(
        version=version,
        kind=kind,
        seat_delta=-held_back_delta,
        capacity_delta=delta,
        money_delta=NO_MONEY,
        available_seats=available,
        status=after.status_at(now),
        changes=changes,
        notice=_notice(state, after, changes),
        held_back_delta=held_back_delta,
    )
    return Accepted(after, entry)


def _notice(before: EventState, after: EventState, changes: dict[str, Any]) -> Notice | None:
    """What the feed of changes tells of an admin's change; nothing of what only admins see."""
    if not after.known:
        return None
    if before.status is Status.DRAFT:
        return PUBLISHED
    if after.status is Status.CANCELLED:
        return CANCELLED
    told = {name: to for name, to in changes.items() if name not in _PRIVATE}
    kinds = [ChangeKind.UPDATED] if told else []
    if after.status is not before.status:
        kinds = [*AVAILABILITY[after.status].kinds, *kinds]
    if not kinds:
        return None
    data = {name: {"from": field_of(before, name), "to": to} for name, to in told.items()}
    return Notice(tuple(kinds), data)
