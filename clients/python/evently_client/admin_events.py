"""An admin's calls for events: create, read, change, publish, cancel, and what was sold."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from .answers import AdminEvent, AdminEventPage, Analytics, EventCancelled, History, Holdback
from .calls import Call, Calls, body_as
from .course import Safety
from .sent import (
    INT32_MAX,
    UNCHANGED,
    VERSION_MAX,
    Id,
    OnEditConflict,
    Unchanged,
    body_of,
    instant_of,
    key_or_new,
    price_of,
    query,
    segment,
    whole,
)

_EVENTS = "/api/v1/admin/events"


class AdminEvents(Calls):
    """The calls for events. A change needs the `version` that it is based on."""

    async def create_event(
        self,
        *,
        name: str,
        venue_id: Id,
        event_type: str,
        start_datetime: datetime,
        end_datetime: datetime,
        total_capacity: int,
        base_price: Decimal | int,
        description: str | Unchanged = UNCHANGED,
        max_tickets_per_booking: int | Unchanged = UNCHANGED,
        sales_start: datetime | Unchanged | None = UNCHANGED,
        sales_end: datetime | Unchanged | None = UNCHANGED,
        paused: bool | Unchanged = UNCHANGED,
        currency: str | Unchanged = UNCHANGED,
        holdbacks: Sequence[Holdback] | Unchanged = UNCHANGED,
        key: str | None = None,
    ) -> AdminEvent:
        """Create an event, a draft at version 1. Raises InvalidRequest, which names fields."""
        fields = _fields(
            name=name,
            venue_id=venue_id,
            event_type=event_type,
            start_datetime=start_datetime,
            end_datetime=end_datetime,
            total_capacity=total_capacity,
            base_price=base_price,
            description=description,
            max_tickets_per_booking=max_tickets_per_booking,
            sales_start=sales_start,
            sales_end=sales_end,
            paused=paused,
            currency=currency,
            holdbacks=holdbacks,
        )
        call = Call(
            "create_event",
            "POST",
            _EVENTS,
            body_as(AdminEvent),
            body=body_of(fields),
            safety=Safety.KEYED,
            key=key_or_new(key),
        )
        return await self._call(call)

    async def get_event(self, event_id: Id) -> AdminEvent:
        """One of the admin's events. Raises EventNotFound, or Unauthorized for another's."""
        call = Call("get_event", "GET", _path(event_id), body_as(AdminEvent))
        return await self._call(call)

    async def list_events(
        self, *, status: str | None = None, page: int = 1, limit: int = 20
    ) -> AdminEventPage:
        """One page of the admin's events, by start; a super_admin sees all."""
        target = _EVENTS + query(status=status, page=page, limit=limit)
        call = Call("list_events", "GET", target, body_as(AdminEventPage))
        return await self._call(call)

    async def update_event(
        self,
        event_id: Id,
        version: int,
        *,
        name: str | Unchanged = UNCHANGED,
        description: str | Unchanged = UNCHANGED,
        venue_id: Id | Unchanged = UNCHANGED,
        event_type: str | Unchanged = UNCHANGED,
        start_datetime: datetime | Unchanged = UNCHANGED,
        end_datetime: datetime | Unchanged = UNCHANGED,
        total_capacity: int | Unchanged = UNCHANGED,
        base_price: Decimal | int | Unchanged = UNCHANGED,
        max_tickets_per_booking: int | Unchanged = UNCHANGED,
        sales_start: datetime | Unchanged | None = UNCHANGED,
        sales_end: datetime | Unchanged | None = UNCHANGED,
        paused: bool | Unchanged = UNCHANGED,
        currency: str | Unchanged = UNCHANGED,
        holdbacks: Sequence[Holdback] | Unchanged = UNCHANGED,
        status: str | Unchanged = UNCHANGED,
        on_conflict: OnEditConflict = "fail",
    ) -> AdminEvent:
        """Change what is given; None removes a time of sales.

        `holdbacks` are all blocks that are kept back: they replace those at `version`, so they do
        not go together with `on_conflict="retry"`.

        Raises ConcurrentUpdate if `version` is not the current one, or with `on_conflict="retry"`
        if another admin has changed the event since; EventNotModifiable, another Refused,
        Unavailable or OutcomeUnknown.
        """
        fields = _fields(
            version=whole("version", version, VERSION_MAX),
            name=name,
            description=description,
            venue_id=venue_id,
            event_type=event_type,
            start_datetime=start_datetime,
            end_datetime=end_datetime,
            total_capacity=total_capacity,
            base_price=base_price,
            max_tickets_per_booking=max_tickets_per_booking,
            sales_start=sales_start,
            sales_end=sales_end,
            paused=paused,
            currency=currency,
            holdbacks=holdbacks,
            status=status,
            on_conflict="retry" if on_conflict == "retry" else UNCHANGED,
        )
        call = Call(
            "update_event",
            "PUT",
            _path(event_id),
            body_as(AdminEvent),
            body=body_of(fields),
            safety=Safety.ONCE,
        )
        return await self._call(call)

    async def publish_event(self, event_id: Id, version: int) -> AdminEvent:
        """Put a draft on sale. Raises as `update_event` does."""
        return await self.update_event(event_id, version, status="published")

    async def cancel_event(
        self, event_id: Id, version: int, *, on_conflict: OnEditConflict = "fail"
    ) -> EventCancelled:
        """Cancel an event, for good. Raises as `update_event` does."""
        retry = "retry" if on_conflict == "retry" else None
        call = Call(
            "cancel_event",
            "DELETE",
            _path(event_id)
            + query(version=whole("version", version, VERSION_MAX), on_conflict=retry),
            body_as(EventCancelled),
            safety=Safety.ONCE,
        )
        return await self._call(call)

    async def get_analytics(self, event_id: Id) -> Analytics:
        """What was sold, by UTC day."""
        target = _path(event_id, "/analytics")
        call = Call("get_analytics", "GET", target, body_as(Analytics))
        return await self._call(call)

    async def get_history(self, event_id: Id, *, page: int = 1, limit: int = 20) -> History:
        """Every version of an event, newest first."""
        target = _path(event_id, "/history") + query(page=page, limit=limit)
        call = Call("get_history", "GET", target, body_as(History))
        return await self._call(call)


def _path(event_id: Id, action: str = "") -> str:
    return f"{_EVENTS}/{segment('event_id', event_id)}{action}"


def _fields(**given: Any) -> dict[str, Any]:
    """The fields of an event as JSON has them."""
    return {
        name: value if value is UNCHANGED else _field(name, value) for name, value in given.items()
    }


def _field(name: str, value: Any) -> Any:
    match name:
        case "base_price":
            return price_of(value)
        case "sales_start" | "sales_end" if value is None:
            return None
        case "start_datetime" | "end_datetime" | "sales_start" | "sales_end":
            return instant_of(name, value)
        case "venue_id":
            return str(value)
        case "holdbacks":
            return [_holdback(block) for block in value]
        case "total_capacity" | "max_tickets_per_booking":
            return whole(name, value, INT32_MAX)
        case _:
            return value


def _holdback(block: Holdback) -> dict[str, Any]:
    at = block.release_at
    release_at = None if at is None else instant_of("release_at", at)
    quantity = whole("quantity", block.quantity, INT32_MAX, 0)
    return {"name": block.name, "quantity": quantity, "release_at": release_at}
