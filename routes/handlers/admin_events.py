"""What an admin does with one event: create, read, change, publish, cancel.

Rule: every change passes through the event's actor; what is shown to the next request, on any
worker, is no older than the change that was answered. Once a change is committed, no answer says
that nothing was done, whatever fails on the way to it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from actors.envelope import Request
from actors.made_keys import made_key
from evently.domain.commands import NEEDING_ROOM, Cancel, Command, Update
from evently.domain.commits import Record
from evently.domain.creations import CreatedBefore, Creation
from evently.domain.errors import AnswerLost, NothingDone
from evently.domain.event import DETAIL_FIELDS, NULLABLE, created
from evently.domain.holdbacks import Holdback, Holdbacks, kept_back
from evently.domain.offer import misfits
from evently.domain.outcomes import Done, KeyReused, NotOwner
from evently.domain.state import EventDetails, EventState
from evently.domain.venues import Venue
from routes.call import Call
from routes.contract.answers import AdminEventDetail, EventCancelled
from routes.contract.bodies import (
    Cancellation,
    CancellationQuery,
    EventChanges,
    NewEvent,
    NewHoldback,
)
from routes.contract.deadline import deadline_s
from routes.contract.errors import Code, event_not_found, invalid, refused
from routes.endpoint import Access, Endpoint
from routes.handlers.creation import created_before, creation_of, earlier, told_by_its_key
from routes.handlers.event_detail import admin_event_detail


async def create_event(call: Call) -> AdminEventDetail:
    """Create an event as a draft."""
    creation = creation_of(call)
    with told_by_its_key(creation):
        event_id = await created_before(call, creation) or await _create(call, creation)
        call.headers["Location"] = f"/api/v1/admin/events/{event_id}"
        with _committed():
            stored = await call.services.events.read(event_id)
            assert stored is not None, "it was committed a moment ago"
            return await _detail(call, stored)


async def _create(call: Call, creation: Creation | None) -> str:
    """Commit the first version of the event in the body; its id."""
    body: NewEvent = call.body
    services = call.services
    now = services.events.clock.now()
    if body.start_datetime <= now:
        raise invalid(("body.start_datetime", "start_datetime must be in the future"))
    details = EventDetails(
        event_id=str(uuid4()),
        created_by=call.admin.admin_id,
        created_at=now,
        **body.model_dump(exclude={"total_capacity", "currency", "holdbacks"}),
        currency=body.currency or services.currency,
        **kept_back(_blocks(body.holdbacks)),
    )
    problems = [(f"body.{name}", message) for name, message in misfits(details, DETAIL_FIELDS)]
    if details.held_back_seats > body.total_capacity:
        message = f"holdbacks must not keep back more than total_capacity, {body.total_capacity}"
        problems.append(("body.holdbacks", message))
    if problems:
        raise invalid(*problems)
    await _venue_with_room(call, body.venue_id, body.total_capacity)
    state, entry = created(details, body.total_capacity, now)
    record = Record(entry, made_key(), "create", call.origin)
    if creation is None:
        made: bool | CreatedBefore | KeyReused = await services.event_store.create(state, record)
    else:
        made = await services.event_store.create_once(state, record, creation)
    if not isinstance(made, bool):
        return earlier(call, made)
    if not made:
        raise invalid(("body.venue_id", "venue does not exist or has become too small"))
    services.revision.bump()
    return details.event_id


async def get_admin_event(call: Call) -> AdminEventDetail:
    """One of the admin's events, drafts too."""
    return await _detail(call, await owned(call))


async def update_event(call: Call) -> AdminEventDetail:
    """Change, publish or cancel an event."""
    body: EventChanges = call.body
    changes = _changes(body)
    venue = await _venue_to_be(call, changes)
    admin, capacity = call.admin, 0 if venue is None else venue.capacity
    command = Update(
        admin.admin_id,
        admin.any_owner,
        body.version,
        changes,
        capacity,
        body.available_seats,
        body.on_conflict == "retry",
    )
    done = await _ask(call, command)
    with _committed():
        # An answer from the ledger, given when the first one was lost, has no state with it.
        return await _detail(call, done.state or await owned(call), venue)


async def cancel_event(call: Call) -> EventCancelled:
    """Cancel an event, for good."""
    body: Cancellation | None = call.body
    query: CancellationQuery = call.query
    asked = query if body is None else body
    if asked.version is None:
        raise invalid(("body.version", "version is required"))
    admin, retry = call.admin, asked.on_conflict == "retry"
    done = await _ask(call, Cancel(admin.admin_id, admin.any_owner, asked.version, retry))
    return EventCancelled("Event cancelled", call.event_id, done.version)


async def owned(call: Call) -> EventState:
    """The event of the path, if the admin may see it. Raises ApiError 404 or 403."""
    state = await call.services.events.read(call.event_id)
    if state is None:
        raise event_not_found(call.event_id)
    if not call.admin.any_owner and state.details.created_by != call.admin.admin_id:
        raise refused(call.event_id, NotOwner())
    return state


async def _detail(call: Call, state: EventState, known: Venue | None = None) -> AdminEventDetail:
    """The answer about an event; `known` is a venue that this request has read already."""
    venue_id = state.details.venue_id
    venue = known
    if venue is None or venue.venue_id != venue_id:
        venue = await call.services.venue_cache.get(venue_id)
    assert venue is not None, "a foreign key keeps the venue of every event"
    return admin_event_detail(state, venue, call.services.events.clock.now())


@contextmanager
def _committed() -> Iterator[None]:
    """Within it a fault only keeps the answer from being written: the change was made."""
    try:
        yield
    except NothingDone as fault:
        raise AnswerLost(f"it was done, and its answer failed: {fault}") from fault


async def _ask(call: Call, command: Command) -> Done:
    by_s = deadline_s(call.sent, call.received_s)
    request = Request(command, made_key(), False, call.origin, by_s)
    answer = await call.services.events.ask(call.event_id, request)
    match answer:
        case Done():
            call.services.revision.bump()
            return answer
        case KeyReused():
            raise AssertionError("the key was made a moment ago")
        case _:
            raise refused(call.event_id, answer)


def _changes(body: EventChanges) -> dict[str, Any]:
    given = body.model_fields_set - {"version", "available_seats", "on_conflict"}
    empty = sorted(name for name in given - NULLABLE if getattr(body, name) is None)
    if empty:
        raise invalid(*((f"body.{name}", f"{name} is required") for name in empty))
    if not given and "available_seats" in body.model_fields_set:
        message = "available_seats cannot be written; change total_capacity, or move seats"
        raise invalid(("body.available_seats", message))
    if not given:
        raise invalid(("body", "body changes nothing: give at least one field to change"))
    changes = {name: getattr(body, name) for name in given}
    if body.holdbacks is not None:
        changes["holdbacks"] = _blocks(body.holdbacks)
    return changes


def _blocks(given: Sequence[NewHoldback]) -> Holdbacks:
    return tuple(Holdback(one.name, one.quantity, one.release_at) for one in given)


async def _venue_to_be(call: Call, changes: dict[str, Any]) -> Venue | None:
    """The venue that bounds the event once changed; None where its capacity does not matter."""
    if changes.keys().isdisjoint(NEEDING_ROOM):
        return None
    venue_id = changes.get("venue_id")
    if venue_id is None:
        venue_id = (await owned(call)).details.venue_id
    return await _venue_with_room(call, venue_id, 0)


async def _venue_with_room(call: Call, venue_id: str, capacity: int) -> Venue:
    """The venue. Raises ApiError 400 if it does not exist or is smaller than `capacity`."""
    venue = await call.services.venues.get(venue_id)
    if venue is None:
        raise invalid(("body.venue_id", "venue does not exist"))
    if capacity > venue.capacity:
        message = f"total_capacity must not exceed the venue's capacity of {venue.capacity}"
        raise invalid(("body.total_capacity", message))
    return venue


_CHANGE_ERRORS = (
    Code.EVENT_NOT_FOUND,
    Code.CONCURRENT_UPDATE,
    Code.EVENT_NOT_MODIFIABLE,
    Code.OVERLOADED,
    Code.DATABASE_UNAVAILABLE,
    Code.OUTCOME_UNKNOWN,
)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/admin/events",
        handler=create_event,
        tag="Admin events",
        summary="Create an event",
        description=(
            "Creates a draft at version 1, with every seat available that is not kept back, which "
            "only its admin sees until it is published. The capacity must not exceed the venue's. "
            "With an `Idempotency-Key`, repeating the request answers the event that it created."
        ),
        answer=AdminEventDetail,
        status=201,
        access=Access.ADMIN,
        body=NewEvent,
        errors=(Code.IDEMPOTENCY_KEY_REUSED, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE),
        idempotent=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/events/{event_id}",
        handler=get_admin_event,
        tag="Admin events",
        summary="One of your events",
        description=(
            "An event of the caller, in any status; a `super_admin` may read all of them."
        ),
        answer=AdminEventDetail,
        access=Access.ADMIN,
        etag=True,
        errors=(Code.EVENT_NOT_FOUND, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/events/{event_id}",
        handler=update_event,
        tag="Admin events",
        summary="Change, publish or cancel an event",
        description=(
            "Changes the fields that are given, if `version` is still the current one. "
            "`status` publishes a draft or cancels an event. Once it is cancelled, or has started "
            "and sells nothing at the door, an event cannot be changed; capacity cannot go below "
            "the seats that are sold, held or kept back. `holdbacks` is the whole list of blocks, "
            "and replaces the one at `version`. While it sells, send the version that you have "
            "read and `on_conflict: retry`: only another admin's change is a conflict then."
        ),
        answer=AdminEventDetail,
        access=Access.ADMIN,
        body=EventChanges,
        waits=True,
        errors=(
            *_CHANGE_ERRORS,
            Code.INVALID_STATUS_TRANSITION,
            Code.CAPACITY_BELOW_SOLD,
            Code.INSUFFICIENT_SEATS,
        ),
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/admin/events/{event_id}",
        handler=cancel_event,
        tag="Admin events",
        summary="Cancel an event",
        description=(
            "Cancels for good: nothing is sold afterwards, and sold seats can still be "
            "returned. Give the current `version` in the body, or in the query for clients "
            "that send no body with DELETE. With `on_conflict: retry` only another admin's "
            "change is a conflict."
        ),
        answer=EventCancelled,
        access=Access.ADMIN,
        body=Cancellation,
        body_optional=True,
        query=CancellationQuery,
        waits=True,
        errors=_CHANGE_ERRORS,
    ),
)
