"""Writes an event with its venue, for the public and for its admin.

Rule: the two answers differ in what an admin may see, and in nothing else.
"""

from datetime import datetime
from typing import Any

from db.venue_store import Venue
from evently.domain.columns import columns_of
from evently.domain.state import EventDetails, EventState
from routes.contract.answers import AdminEventDetail, EventDetail, VenueInEvent, filled

_DETAILS, _STATE = tuple(columns_of(EventDetails)), tuple(columns_of(EventState))


def event_detail(state: EventState, venue: Venue, now: datetime) -> EventDetail:
    """An event as the public sees it at `now`, the database's time."""
    return filled(EventDetail, _values(state, venue, now))


def admin_event_detail(state: EventState, venue: Venue, now: datetime) -> AdminEventDetail:
    """An event as its admin sees it at `now`, the database's time."""
    return filled(AdminEventDetail, _values(state, venue, now))


def _values(state: EventState, venue: Venue, now: datetime) -> dict[str, Any]:
    details = state.details
    values = {name: getattr(details, name) for name in _DETAILS}
    for name in _STATE:
        values[name] = getattr(state, name)
    values["status"] = state.status_at(now)
    values["datetime"] = details.start_datetime
    values["venue_name"] = venue.name
    values["venue_city"] = venue.city
    values["venue"] = VenueInEvent(
        venue_id=venue.venue_id,
        name=venue.name,
        address=venue.address,
        city=venue.city,
        state=venue.state,
        country=venue.country,
        postal_code=venue.postal_code,
        capacity=venue.capacity,
        layout_config=venue.layout_config,
    )
    return values
