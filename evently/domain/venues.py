"""Venues: what an admin can ask for, and what it leads to.

Rules:
1. A venue is never smaller than an event that is held there and has not ended. An event that is
   cancelled or over needs no room.
2. A venue with events, past and cancelled ones included, is never deleted.
3. A venue is changed and deleted by the admin who created it, or by one who may change every venue:
   its name is on other admins' events.
4. A change that changes nothing leaves the venue as it is: the same `updated_at`, and nothing to
   record.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import NoneType
from typing import Any, TypeAlias, get_args, get_type_hints

from evently.domain.admins import Admin
from evently.domain.value import value


@value
class Venue:
    """A venue; ids are canonical UUIDs, times are UTC. `timezone` is an IANA name; None is UTC."""

    venue_id: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    layout_config: dict[str, Any] | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    timezone: str | None = None


_SET_BY_SERVICE = frozenset({"venue_id", "created_by", "created_at", "updated_at"})
_TYPES = {name: kind for name, kind in get_type_hints(Venue).items() if name not in _SET_BY_SERVICE}
# The fields that admins write, in the order in which the statements take them.
FIELDS = tuple(_TYPES)
# Those that a venue can be without; setting one to None removes it.
OPTIONAL = frozenset(name for name, kind in _TYPES.items() if NoneType in get_args(kind))


@value
class VenuePage:
    """Some venues in order, and how many there are in total."""

    venues: tuple[Venue, ...]
    total: int


@value
class CreateVenue:
    """Add a venue; optional FIELDS that are left out are None."""

    admin_id: str
    fields: Mapping[str, Any]


@value
class UpdateVenue:
    """Set the FIELDS in `changes`; the others stay as they are."""

    venue_id: str
    admin: Admin
    changes: Mapping[str, Any]


@value
class DeleteVenue:
    """Delete a venue."""

    venue_id: str
    admin: Admin


@value
class VenueUpdated:
    """The venue as it now is; `changed` maps each field that differs to its previous value."""

    venue: Venue
    changed: Mapping[str, Any]


@value
class VenueDeleted:
    """The venue no longer exists."""


@value
class VenueNotFound:
    """There is no such venue."""


@value
class NotVenueOwner:
    """The venue is another admin's."""


@value
class VenueInUse:
    """`events` events name the venue, which therefore stays."""

    events: int


@value
class VenueTooSmall:
    """An event that has not ended needs more seats than the venue would have."""

    capacity: int
    event_id: str
    total_capacity: int


UpdateOutcome: TypeAlias = VenueUpdated | VenueNotFound | NotVenueOwner | VenueTooSmall
DeleteOutcome: TypeAlias = VenueDeleted | VenueNotFound | NotVenueOwner | VenueInUse


@value
class RoomNeeded:
    """The largest event at a venue that needs its room, and its seats."""

    event_id: str
    total_capacity: int


def may_change(admin: Admin, venue: Venue) -> bool:
    """Whether the admin may change the venue, and delete it."""
    return admin.any_venue or admin.admin_id == venue.created_by


def shrinks(venue: Venue, command: UpdateVenue) -> bool:
    """Whether the update makes the venue smaller, so that its events have to be looked at."""
    return bool(command.changes.get("capacity", venue.capacity) < venue.capacity)


def decide_update(
    venue: Venue, command: UpdateVenue, needed: RoomNeeded | None
) -> VenueUpdated | VenueTooSmall:
    """What the update leads to.

    `needed` matters only if the update shrinks the venue; None if no event needs room there.
    """
    after = replace(venue, **command.changes)
    if needed is not None and after.capacity < min(venue.capacity, needed.total_capacity):
        return VenueTooSmall(after.capacity, needed.event_id, needed.total_capacity)
    changed = {
        name: getattr(venue, name)
        for name in FIELDS
        if getattr(after, name) != getattr(venue, name)
    }
    return VenueUpdated(after, changed)
