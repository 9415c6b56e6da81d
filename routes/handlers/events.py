"""What the public reads of one event.

Rule: a draft is unknown to the public; a cancelled or completed event still answers, so that
ticket holders see it.
"""

from evently.domain.state import EventState, Status
from routes.answers import EventAvailability, EventDetail
from routes.call import Call
from routes.endpoint import Endpoint
from routes.errors import Code, event_not_found
from routes.event_detail import event_detail

PUBLIC_CACHE = "public, max-age=1"


async def event(call: Call) -> EventDetail:
    """An event with its venue."""
    return await event_detail(call, await _published(call))


async def availability(call: Call) -> EventAvailability:
    """How many seats are left, as of the newest answer given by this node."""
    state = await _published(call)
    status = state.status_at(call.services.events.clock.now())
    return EventAvailability(state.available_seats, status, state.updated_at)


async def _published(call: Call) -> EventState:
    state = await call.services.events.read(call.event_id)
    if state is None or state.status is Status.DRAFT:
        raise event_not_found(call.event_id)
    return state


_ERRORS = (Code.EVENT_NOT_FOUND, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/events/{event_id}",
        handler=event,
        tag="Public events",
        summary="An event with its venue",
        answer=EventDetail,
        errors=_ERRORS,
        cache_control=PUBLIC_CACHE,
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/events/{event_id}/availability",
        handler=availability,
        tag="Public events",
        summary="Seats that are left, in real time",
        answer=EventAvailability,
        errors=_ERRORS,
        cache_control=PUBLIC_CACHE,
        hot=True,
    ),
)
