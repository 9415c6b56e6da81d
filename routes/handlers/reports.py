"""What an event's ledger tells its admin: sales by day, and every version it has had.

Rule: both are for the event's owner and for those who may see every event, and one answer is
read as of one version.
"""

from decimal import ROUND_HALF_UP, Decimal

from db.event_ledger import EventSales, EventVersion, SalesByDay, StillAddingUp
from evently.domain.outcomes import NotOwner
from routes.call import Call
from routes.contract.answers import BookingDay, EventAnalytics, EventHistory, LedgerRow
from routes.contract.bodies import Paging
from routes.contract.errors import ApiError, Code, event_not_found, refused
from routes.endpoint import Access, Endpoint

TAG = "Admin events"
_HUNDREDTH = Decimal("0.01")


async def get_analytics(call: Call) -> EventAnalytics:
    """Answer what the event has sold."""
    await _owned(call)
    found = await call.services.ledger.by_day(call.event_id)
    match found:
        case None:
            raise event_not_found(call.event_id)
        case StillAddingUp():
            raise _adding_up(found)
        case _:
            return _analytics(call.event_id, found)


def _analytics(event_id: str, found: SalesByDay) -> EventAnalytics:
    sales = found.sales
    return EventAnalytics(
        event_id=event_id,
        tickets_sold=sales.sold,
        revenue=float(sales.revenue),
        capacity_utilization=_percent(sales.sold, sales.total_capacity),
        booking_trends=[
            BookingDay(day.date, day.tickets_sold, day.tickets_returned, float(day.revenue))
            for day in found.days
        ],
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
    versions = await call.services.ledger.history(
        call.event_id, sales.version, query.limit, query.offset
    )
    rows = [_row(version) for version in versions]
    return EventHistory(call.event_id, rows, sales.version, query.page, query.limit)


async def _owned(call: Call) -> EventSales:
    sales = await call.services.ledger.sales(call.event_id)
    if sales is None:
        raise event_not_found(call.event_id)
    if sales.created_by != call.admin.admin_id and not call.admin.any_owner:
        raise refused(call.event_id, NotOwner())
    return sales


def _percent(part: int, whole: int) -> float:
    """100 only where all is sold, 0 only where nothing is."""
    rounded = (Decimal(100 * part) / whole).quantize(_HUNDREDTH, ROUND_HALF_UP)
    if 0 < part < whole:
        rounded = min(max(rounded, _HUNDREDTH), 100 - _HUNDREDTH)
    return float(rounded)


def _row(version: EventVersion) -> LedgerRow:
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
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/admin/events/{event_id}/analytics",
        handler=get_analytics,
        tag=TAG,
        summary="Sales of an event, by UTC day",
        description=(
            "Exact, and as of one version. Revenue is what the seats that are now sold were sold "
            "for."
        ),
        answer=EventAnalytics,
        access=Access.ADMIN,
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
            "never change."
        ),
        answer=EventHistory,
        access=Access.ADMIN,
        query=Paging,
        errors=(Code.EVENT_NOT_FOUND, Code.UNAUTHORIZED),
    ),
)
