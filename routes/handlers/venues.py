"""Venues, which admins manage.

Rule: the shared revision is raised after a change and before its answer, even if the change's
outcome is unknown, so that no worker goes on answering with the venue as it was.
"""

from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from evently.domain.venues import (
    OPTIONAL,
    CreateVenue,
    DeleteVenue,
    NotVenueOwner,
    UpdateVenue,
    Venue,
    VenueDeleted,
    VenueInUse,
    VenueNotFound,
    VenueTooSmall,
    VenueUpdated,
)
from routes.call import Call
from routes.contract import answers
from routes.contract.bodies import NewVenue, VenueChanges, VenueListQuery
from routes.contract.errors import ApiError, Code, forbidden, invalid
from routes.endpoint import Access, Endpoint
from routes.handlers.creation import created_before, creation_of, earlier, told_by_its_key

TAG = "Venues"


async def create_venue(call: Call) -> answers.Venue:
    """Add a venue."""
    creation = creation_of(call)
    with told_by_its_key(creation):
        venue_id = await created_before(call, creation)
        if venue_id is None:
            command = CreateVenue(call.admin.admin_id, call.body.model_dump())
            made = await call.services.venues.create(
                command, call.caller, call.request_id, creation
            )
            if isinstance(made, Venue):
                return _created(call, made)
            venue_id = earlier(call, made)
        venue = await call.services.venues.get(venue_id)
    if venue is None:
        message = "The venue that this Idempotency-Key created has been deleted since"
        raise ApiError(Code.VENUE_NOT_FOUND, message, {"venue_id": venue_id})
    return _created(call, venue)


def _created(call: Call, venue: Venue) -> answers.Venue:
    call.headers["Location"] = f"/api/v1/admin/venues/{venue.venue_id}"
    return _answer(venue)


async def list_venues(call: Call) -> answers.VenueList:
    """Answer a page of venues."""
    query: VenueListQuery = call.query
    page = await call.services.venues.list(
        city=query.city or None,
        search=query.search or None,
        limit=query.limit,
        offset=query.offset,
    )
    venues = [_answer(venue) for venue in page.venues]
    return answers.VenueList(venues, page.total, query.page, query.limit)


async def get_venue(call: Call) -> answers.Venue:
    """Answer one venue."""
    venue = await call.services.venues.get(call.venue_id)
    if venue is None:
        raise _refused(call, VenueNotFound())
    return _answer(venue)


async def update_venue(call: Call) -> answers.Venue:
    """Set the fields in the body."""
    command = UpdateVenue(call.venue_id, call.admin, _changes(call.body))
    try:
        outcome = await call.services.venues.update(command, call.caller, call.request_id)
    finally:
        call.services.revision.bump()
    if isinstance(outcome, VenueUpdated):
        return _answer(outcome.venue)
    raise _refused(call, outcome)


async def delete_venue(call: Call) -> answers.Message:
    """Delete a venue that no event names."""
    command = DeleteVenue(call.venue_id, call.admin)
    try:
        outcome = await call.services.venues.delete(command, call.caller, call.request_id)
    finally:
        call.services.revision.bump()
    if isinstance(outcome, VenueDeleted):
        return answers.Message("Venue deleted")
    raise _refused(call, outcome)


def _changes(body: VenueChanges) -> Mapping[str, Any]:
    changes = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
    if not changes:
        fields = ", ".join(type(body).model_fields)
        raise invalid(("body", f"body must change at least one of {fields}"))
    missing = [name for name, to in changes.items() if to is None and name not in OPTIONAL]
    if missing:
        raise invalid(*((f"body.{name}", f"{name} is required") for name in missing))
    return changes


def _answer(venue: Venue) -> answers.Venue:
    return msgspec.convert(venue, answers.Venue, from_attributes=True)


def _refused(
    call: Call, refusal: VenueNotFound | NotVenueOwner | VenueInUse | VenueTooSmall
) -> ApiError:
    match refusal:
        case NotVenueOwner():
            return forbidden("This venue belongs to another admin", {"venue_id": call.venue_id})
        case VenueNotFound():
            return ApiError(Code.VENUE_NOT_FOUND, "Venue not found", {"venue_id": call.venue_id})
        case VenueInUse(events):
            message = "Venue has events and cannot be deleted"
            return ApiError(
                Code.VENUE_IN_USE, message, {"venue_id": call.venue_id, "events": events}
            )
        case VenueTooSmall(capacity, event_id, total_capacity):
            message = f"capacity must be at least the {total_capacity} of a coming event"
            details = {
                "venue_id": call.venue_id,
                "capacity": capacity,
                "event_id": event_id,
                "total_capacity": total_capacity,
            }
            return ApiError(Code.VENUE_IN_USE, message, details)
        case _:
            assert_never(refusal)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/api/v1/admin/venues",
        handler=create_venue,
        tag=TAG,
        summary="Create a venue",
        description=(
            "Every admin may hold events there; only its creator and a `super_admin` may "
            "change it. With an `Idempotency-Key`, repeating the request answers the venue "
            "that it created."
        ),
        answer=answers.Venue,
        status=201,
        access=Access.ADMIN,
        body=NewVenue,
        errors=(Code.VENUE_NOT_FOUND, Code.IDEMPOTENCY_KEY_REUSED),
        idempotent=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/venues",
        handler=list_venues,
        tag=TAG,
        summary="List venues by name",
        description=(
            "The venues of all admins. Filters combine, and ignore case and kinds of "
            "apostrophes, hyphens and spaces."
        ),
        answer=answers.VenueList,
        access=Access.ADMIN,
        query=VenueListQuery,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/venues/{venue_id}",
        handler=get_venue,
        tag=TAG,
        summary="Get a venue",
        description="A venue of any admin.",
        answer=answers.Venue,
        access=Access.ADMIN,
        errors=(Code.VENUE_NOT_FOUND,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/venues/{venue_id}",
        handler=update_venue,
        tag=TAG,
        summary="Change a venue",
        description=(
            "Changes the fields that are given; `null` removes a state, a postal code or a "
            "layout. The capacity cannot go below that of a coming event there."
        ),
        answer=answers.Venue,
        access=Access.ADMIN,
        body=VenueChanges,
        errors=(Code.VENUE_NOT_FOUND, Code.VENUE_IN_USE),
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/admin/venues/{venue_id}",
        handler=delete_venue,
        tag=TAG,
        summary="Delete a venue that no event names",
        description=("For good. A venue that any event names, even a past one, cannot be deleted."),
        answer=answers.Message,
        access=Access.ADMIN,
        errors=(Code.VENUE_NOT_FOUND, Code.VENUE_IN_USE),
    ),
)
