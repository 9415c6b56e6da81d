"""What everybody may read: the events on sale, and how many seats they have left."""

from collections.abc import Sequence
from datetime import date

from .answers import Availability, EventDetail, EventPage
from .calls import Call, Calls, body_as
from .sent import Id, ids_of, query, segment

_EVENTS = "/api/v1/events"


class PublicClient(Calls):
    """Reads what one Event Service shows to the public; it needs no credentials.

    Every call raises Unavailable or a Refused.
    """

    async def list_events(
        self,
        *,
        event_type: str | None = None,
        city: str | None = None,
        date_from: date | None = None,
        date_to: date | None = None,
        event_ids: Sequence[Id] | None = None,
        page: int = 1,
        limit: int | None = None,
    ) -> EventPage:
        """One page of the events on sale, by start.

        `date_from` and `date_to` are dates or aware datetimes: an event is listed if it is on
        between them. `event_ids` are 1 to 100 ids: only these are listed, those of them that are on
        sale. `limit` is 100 at most; without one it is 20, or as many as there are `event_ids`.
        """
        target = _EVENTS + query(
            event_type=event_type,
            city=city,
            date_from=date_from,
            date_to=date_to,
            ids=None if event_ids is None else ids_of(event_ids),
            page=page,
            limit=limit,
        )
        call = Call("list_events", "GET", target, body_as(EventPage))
        return await self._call(call)

    async def get_event(self, event_id: Id) -> EventDetail:
        """An event with its venue. Raises EventNotFound."""
        target = f"{_EVENTS}/{segment('event_id', event_id)}"
        call = Call("get_event", "GET", target, body_as(EventDetail))
        return await self._call(call)

    async def get_availability(self, event_id: Id) -> Availability:
        """How many seats are left. Raises EventNotFound."""
        target = f"{_EVENTS}/{segment('event_id', event_id)}/availability"
        call = Call("get_availability", "GET", target, body_as(Availability))
        return await self._call(call)
