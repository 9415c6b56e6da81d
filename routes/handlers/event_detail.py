"""Writes an event with its venue, for the public and for its admin.

Rule: the two answers differ in what an admin may see, and in nothing else.
"""

from datetime import datetime
from typing import Any

from db.venue_store import Venue
from evently.domain.state import EventState
from routes.contract.answers import AdminEventDetail, EventDetail, VenueInEvent


def event_detail(state: EventState, venue: Venue, now: datetime) -> EventDetail:
    """An event as the public sees it at `now`, the database's time."""
    return EventDetail(**_fields(state, venue, now))


def admin_event_detail(state: EventState, venue: Venue, now: datetime) -> AdminEventDetail:
    """An event as its admin sees it at `now`, the database's time."""
    return AdminEventDetail(
        **_fields(state, venue, now),
        created_by=state.details.created_by,
        created_at=state.details.created_at,
        updated_at=state.updated_at,
    )


def _fields(state: EventState, venue: Venue, now: datetime) -> dict[str, Any]:
    details = state.details
    return {
        "event_id": details.event_id,
        "name": details.name,
        "event_type": details.event_type,
        "venue_id": details.venue_id,
        "venue_name": venue.name,
        "venue_city": venue.city,
        "start_datetime": details.start_datetime,
        "end_datetime": details.end_datetime,
        "total_capacity": state.total_capacity,
        "available_seats": state.available_seats,
        "base_price": float(details.base_price),
        "max_tickets_per_booking": details.max_tickets_per_booking,
        "status": state.status_at(now),
        "version": state.version,
        "description": details.description,
        "datetime": details.start_datetime,
        "venue": VenueInEvent(
            venue_id=venue.venue_id,
            name=venue.name,
            address=venue.address,
            city=venue.city,
            state=venue.state,
            country=venue.country,
            postal_code=venue.postal_code,
            capacity=venue.capacity,
            layout_config=venue.layout_config,
        ),
    }
