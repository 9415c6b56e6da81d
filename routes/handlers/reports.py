"""What an event's ledger tells its admin: sales by time, and every version it has had.

Rule: both are for the event's owner and for those who may see every event, and one answer is
read as of one version.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from db.event_ledger import (
    BucketSales,
    DaySales,
    EventSales,
    EventVersion,
    SalesByDay,
    StillAddingUp,
)
from evently.domain.admins import admin_of
from evently.domain.outcomes import NotOwner
from routes.call import Call
from routes.contract.answers import BookingDay, EventAnalytics, EventHistory, LedgerRow
from routes.contract.bodies import Paging
from routes.contract.errors import ApiError, Code, event_not_found, refused
from routes.contract.report_queries import AnalyticsQuery, midnight
from routes.endpoint import Access, Endpoint

TAG = "Admin events"
_HUNDREDTH = Decimal("0.01")


async def get_analytics(call: Call) -> EventAnalytics:
    """Answer what the event has sold."""
    query: AnalyticsQuery = call.query
    sales = await _owned(call)
    if query.bucket != "day":
        since, until = query.span(call.services.events.clock.now())
        found = await call.services.ledger.by_bucket(
            call.event_id, sales.version, query.bucket, since, until
        )
        return _analytics(call.event_id, sales, [_trend(one.start, one) for one in found])
    days = await call.services.ledger.by_day(call.event_id)
    match days:
        case None:
            raise event_not_found(call.event_id)
        case StillAddingUp():
            raise _adding_up(days)
        case SalesByDay(sales=sales, days=found_days):
            trends = [_trend(midnight(day.date), day) for day in found_days if query.has(day.date)]
            return _analytics(call.event_id, sales, trends)


def _analytics(event_id: str, sales: EventSales, trends: list[BookingDay]) -> EventAnalytics:
    return EventAnalytics(
        event_id=event_id,
        tickets_sold=sales.sold,
        revenue=float(sales.revenue),
        capacity_utilization=percent(sales.sold, sales.total_capacity),
        booking_trends=trends,
        archived=sales.archived,
    )


def _trend(start: datetime, sums: DaySales | BucketSales) -> BookingDay:
    return BookingDay(
        date=start.date(),
        tickets_sold=sums.tickets_sold,
        tickets_returned=sums.tickets_returned,
        revenue=float(sums.revenue),
        start=start,
    )


def _adding_up(found: StillAddingUp) -> ApiError:
    message = (
        f"The sales of this event are being added up: {found.kept} of its {found.version} versions"
        " are done; try again, and the rest will be"
    )
    details = {"reason": "adding_up", "versions_done": found.kept, "versions": found.version}
    return ApiError(Code.OVERLOADED, message, details, headers={"Retry-After": "1"})


async def get_history(call: Call) -> EventHistory:
    """Answer a page of the event's versions, newest first."""
    query: Paging = call.query
    sales = await _owned(call)
    ledger, limit = call.services.ledger, query.limit
    # One more than are shown, for what the last of them replaced.
    versions = await ledger.history(call.event_id, sales.version, limit + 1, query.offset)
    previous = await ledger.previous(call.event_id, versions)
    shown = versions[:limit]
    admins = {admin_of(one.caller) for one in shown} - {None}
    names = await call.services.accounts.names([one for one in admins if one is not None])
    rows = [
        _row(one, previous.get(one.version, {}), names.get(admin_of(one.caller) or ""))
        for one in shown
    ]
    return EventHistory(call.event_id, rows, sales.version, query.page, limit, sales.archived)


async def _owned(call: Call) -> EventSales:
    sales = await call.services.ledger.sales(call.event_id)
    if sales is None:
        raise event_not_found(call.event_id)
    if sales.created_by != call.admin.admin_id and not call.admin.any_owner:
        raise refused(call.event_id, NotOwner())
    return sales


def percent(part: int, whole: int) -> float:
    """`part` of `whole` in percent: 100 only where it is all of it, 0 only where it is nothing."""
    rounded = (Decimal(100 * part) / whole).quantize(_HUNDREDTH, ROUND_HALF_UP)
    if 0 < part < whole:
        rounded = min(max(rounded, _HUNDREDTH), 100 - _HUNDREDTH)
    return float(rounded)


def _row(version: EventVersion, previous: Mapping[str, Any], caller_name: str | None) -> LedgerRow:
    return LedgerRow(
        version=version.version,
        kind=version.kind,
        caller=version.caller,
        changed_fields=sorted(version.changes),
        changes=dict(version.changes),
        quantity=version.seat_delta,
        available_seats=version.available_seats,
        status=version.status,
        request_id=version.request_id,
        recorded_at=version.recorded_at,
        held=version.held_delta,
        hold_id=version.hold_id,
        previous=dict(previous),
        caller_name=caller_name,
        held_back=version.held_back_delta,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/admin/events/{event_id}/analytics",
        handler=get_analytics,
        tag=TAG,
        summary="Sales of an event, by UTC day, hour or minute",
        description=(
            "Exact, and as of one version. Revenue is what the seats that are now sold were sold "
            "for. The totals are the event's, whatever time is asked for; buckets in which no seat "
            "moved are left out. Once an event is `archived`, its sales are told by UTC day, and "
            "no longer by hour or minute."
        ),
        answer=EventAnalytics,
        access=Access.ADMIN,
        query=AnalyticsQuery,
        errors=(Code.EVENT_NOT_FOUND, Code.UNAUTHORIZED, Code.OVERLOADED),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/events/{event_id}/history",
        handler=get_history,
        tag=TAG,
        summary="Every version of an event, newest first",
        description=(
            "The ledger of an event: who changed what, and how many seats were left. Rows "
            "never change, but for `caller_name`, which is an admin's name now. Once an event is "
            "`archived`, its versions are in the archive's files and no longer here; `total` still "
            "tells how many there were."
        ),
        answer=EventHistory,
        access=Access.ADMIN,
        query=Paging,
        errors=(Code.EVENT_NOT_FOUND, Code.UNAUTHORIZED, Code.OVERLOADED),
    ),
)
