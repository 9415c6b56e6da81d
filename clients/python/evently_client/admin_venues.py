"""An admin's calls for venues."""

from collections.abc import Mapping
from typing import Any

from .answers import Venue, VenuePage
from .calls import Call, Calls, body_as
from .course import Safety
from .sent import UNCHANGED, Id, Unchanged, body_of, key_or_new, query, segment

_VENUES = "/api/v1/admin/venues"


class AdminVenues(Calls):
    """The calls for venues. A venue is changed by the admin who created it, or a super_admin."""

    async def create_venue(
        self,
        *,
        name: str,
        address: str,
        city: str,
        country: str,
        capacity: int,
        state: str | None = None,
        postal_code: str | None = None,
        layout_config: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Venue:
        """Create a venue. Raises InvalidRequest, which names the fields."""
        fields = {
            "name": name,
            "address": address,
            "city": city,
            "state": state,
            "country": country,
            "postal_code": postal_code,
            "capacity": capacity,
            "layout_config": layout_config,
        }
        call = Call(
            "create_venue",
            "POST",
            _VENUES,
            body_as(Venue),
            body=body_of(fields),
            safety=Safety.KEYED,
            key=key_or_new(key),
        )
        return await self._call(call)

    async def get_venue(self, venue_id: Id) -> Venue:
        """A venue. Raises VenueNotFound."""
        call = Call("get_venue", "GET", _path(venue_id), body_as(Venue))
        return await self._call(call)

    async def list_venues(
        self,
        *,
        city: str | None = None,
        search: str | None = None,
        page: int = 1,
        limit: int = 20,
    ) -> VenuePage:
        """One page of the venues, by name; `search` finds parts of name, address and city."""
        target = _VENUES + query(city=city, search=search, page=page, limit=limit)
        call = Call("list_venues", "GET", target, body_as(VenuePage))
        return await self._call(call)

    async def update_venue(
        self,
        venue_id: Id,
        *,
        name: str | Unchanged = UNCHANGED,
        address: str | Unchanged = UNCHANGED,
        city: str | Unchanged = UNCHANGED,
        state: str | Unchanged | None = UNCHANGED,
        country: str | Unchanged = UNCHANGED,
        postal_code: str | Unchanged | None = UNCHANGED,
        capacity: int | Unchanged = UNCHANGED,
        layout_config: Mapping[str, Any] | Unchanged | None = UNCHANGED,
    ) -> Venue:
        """Change what is given; None removes a state, a postal code or a layout.

        Raises Refused while an event needs the capacity, VenueNotFound, Unauthorized, Unavailable
        or OutcomeUnknown.
        """
        fields = {
            "name": name,
            "address": address,
            "city": city,
            "state": state,
            "country": country,
            "postal_code": postal_code,
            "capacity": capacity,
            "layout_config": layout_config,
        }
        call = Call(
            "update_venue",
            "PUT",
            _path(venue_id),
            body_as(Venue),
            body=body_of(fields),
            safety=Safety.ONCE,
        )
        return await self._call(call)

    async def delete_venue(self, venue_id: Id) -> None:
        """Delete a venue that has no events. Raises Refused while it has some."""
        call = Call("delete_venue", "DELETE", _path(venue_id), lambda *_: None, safety=Safety.ONCE)
        await self._call(call)


def _path(venue_id: Id) -> str:
    return f"{_VENUES}/{segment('venue_id', venue_id)}"
