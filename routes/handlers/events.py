"""What the public reads of one event.

Rule: an event that was never published is unknown to the public; a cancelled or completed one that
was still answers, so that ticket holders see it.
"""

import asyncio
from typing import TypeAlias

from evently.domain.level import level_of
from evently.domain.state import EventState
from evently.domain.venues import Venue
from routes.call import Call
from routes.contract.answers import EventAvailability, EventDetail
from routes.contract.errors import Code, event_not_found
from routes.endpoint import Endpoint, SplitHandler
from routes.handlers.event_detail import event_detail

PUBLIC_CACHE = "public, max-age=1"


State: TypeAlias = EventState | None


# An event as the database has it, and its venue where the event is known.
Found: TypeAlias = tuple[State, Venue | None]


def find(call: Call) -> "Found | asyncio.Future[Found]":
    """The event and its venue, at once where both are in memory."""
    state = look_up(call)
    if isinstance(state, EventState):
        venue = call.services.venue_cache.look_up(state.details.venue_id)
        if not isinstance(venue, asyncio.Future):
            return state, venue
    return asyncio.get_running_loop().create_task(_find(call, state))


async def _find(call: Call, looked_up: "State | asyncio.Future[State]") -> Found:
    state = await looked_up if isinstance(looked_up, asyncio.Future) else looked_up
    if state is None:
        return None, None
    return state, await call.services.venue_cache.get(state.details.venue_id)


def event(call: Call, found: Found) -> EventDetail:
    """An event with its venue."""
    state, venue = _published(call, found[0]), found[1]
    assert venue is not None, "a foreign key keeps the venue of every event"
    return event_detail(state, venue, call.services.events.clock.now())


def look_up(call: Call) -> "State | asyncio.Future[State]":
    """The event, as of the newest answer given by this node."""
    return call.services.events.look_up(call.params["event_id"])


def availability(call: Call, state: State) -> EventAvailability:
    """How many seats are left."""
    found = _published(call, state)
    details, now = found.details, call.services.events.clock.now()
    return EventAvailability(
        found.available_seats,
        found.status_at(now),
        found.updated_at,
        level_of(found, now),
        details.sales_start,
        details.sales_end,
    )


def _published(call: Call, state: State) -> EventState:
    if state is None or not state.known:
        raise event_not_found(call.event_id)
    return state


_ERRORS = (Code.EVENT_NOT_FOUND, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/events/{event_id}",
        handler=SplitHandler("get_event", find, event),
        tag="Public events",
        summary="An event with its venue",
        description=(
            "An event that is or was on sale, as ticket holders see it. It is no older than "
            "250 milliseconds, and never older than what the same node has answered before."
        ),
        answer=EventDetail,
        errors=_ERRORS,
        cache_control=PUBLIC_CACHE,
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/events/{event_id}/availability",
        handler=SplitHandler("get_availability", look_up, availability),
        tag="Public events",
        summary="Seats that are left, in real time",
        description=(
            "The number of free seats, no older than 250 milliseconds. It is no promise: only "
            "a reserve takes a seat."
        ),
        answer=EventAvailability,
        errors=_ERRORS,
        cache_control=PUBLIC_CACHE,
        hot=True,
    ),
)
