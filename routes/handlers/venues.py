"""Venues, which admins keep.

Rule: the shared revision is bumped after a change and before its answer, also when nobody can
tell whether the change was made, so that no worker goes on telling what a venue was.
"""

from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from db.venue_store import (
    Author,
    Venue,
    VenueDeleted,
    VenueNamedByEvents,
    VenueNotFound,
    VenueTooSmall,
)
from routes.call import Call
from routes.contract import answers
from routes.contract.bodies import NewVenue, VenueChanges, VenueListQuery
from routes.contract.errors import ApiError, Code, invalid
from routes.endpoint import Access, Endpoint

TAG = "Venues"

# What a venue may be without, and what null in a PUT therefore takes away.
_OPTIONAL = frozenset({"state", "postal_code", "layout_config"})


async def create_venue(call: Call) -> answers.Venue:
    """Add a venue."""
    venue = await call.services.venues.create(call.body.model_dump(), _author(call))
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
        raise _not_found(call)
    return _answer(venue)


async def update_venue(call: Call) -> answers.Venue:
    """Change what the body names."""
    changes = _changes(call.body)
    try:
        outcome = await call.services.venues.update(call.venue_id, changes, _author(call))
    finally:
        call.services.revision.bump()
    match outcome:
        case Venue():
            return _answer(outcome)
        case VenueNotFound():
            raise _not_found(call)
        case VenueTooSmall():
            raise _too_small(call, outcome)
        case _:
            assert_never(outcome)


async def delete_venue(call: Call) -> answers.Message:
    """Delete a venue that no event names."""
    try:
        outcome = await call.services.venues.delete(call.venue_id, _author(call))
    finally:
        call.services.revision.bump()
    match outcome:
        case VenueDeleted():
            return answers.Message("Venue deleted")
        case VenueNotFound():
            raise _not_found(call)
        case VenueNamedByEvents():
            message = "Venue has events and cannot be deleted"
            details = {"venue_id": call.venue_id, "events": outcome.events}
            raise ApiError(Code.VENUE_IN_USE, message, details)
        case _:
            assert_never(outcome)


def _changes(body: VenueChanges) -> Mapping[str, Any]:
    changes = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
    if not changes:
        fields = ", ".join(type(body).model_fields)
        raise invalid(("body", f"body must change at least one of {fields}"))
    missing = [name for name, to in changes.items() if to is None and name not in _OPTIONAL]
    if missing:
        raise invalid(*((f"body.{name}", f"{name} is required") for name in missing))
    return changes


def _author(call: Call) -> Author:
    return Author(call.admin.admin_id, call.caller, call.request_id)


def _answer(venue: Venue) -> answers.Venue:
    return msgspec.convert(venue, answers.Venue, from_attributes=True)


def _not_found(call: Call) -> ApiError:
    return ApiError(Code.VENUE_NOT_FOUND, "Venue not found", {"venue_id": call.venue_id})


def _too_small(call: Call, refusal: VenueTooSmall) -> ApiError:
    message = f"capacity must be at least the {refusal.total_capacity} of a coming event"
    details = {
        "venue_id": call.venue_id,
        "capacity": refusal.capacity,
        "event_id": refusal.event_id,
        "total_capacity": refusal.total_capacity,
    }
    return ApiError(Code.VENUE_IN_USE, message, details)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/api/v1/admin/venues",
        handler=create_venue,
        tag=TAG,
        summary="Create a venue",
        answer=answers.Venue,
        status=201,
        access=Access.ADMIN,
        body=NewVenue,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/venues",
        handler=list_venues,
        tag=TAG,
        summary="List venues by name",
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
        answer=answers.Message,
        access=Access.ADMIN,
        errors=(Code.VENUE_NOT_FOUND, Code.VENUE_IN_USE),
    ),
)
