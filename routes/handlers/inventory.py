"""What an admin asks while an event sells: where its seats are, and what becomes of its holds.

Rule: it is for the event's owner and for those who may see every event, and one answer is as of one
version.
"""

from db.event_inventory import HoldsSoFar
from evently.domain.outcomes import NotOwner
from routes.call import Call
from routes.contract.errors import Code, event_not_found, refused
from routes.contract.hold_answers import EventInventory, HoldCounts
from routes.endpoint import Access, Endpoint
from routes.handlers.event_detail import holdbacks_shown
from routes.handlers.reports import TAG, percent


async def get_inventory(call: Call) -> EventInventory:
    """Answer where the seats of the event are."""
    found = await call.services.inventory.find(call.event_id)
    if found is None:
        raise event_not_found(call.event_id)
    if found.created_by != call.admin.admin_id and not call.admin.any_owner:
        raise refused(call.event_id, NotOwner())
    return EventInventory(
        call.event_id,
        found.version,
        found.status,
        found.total_capacity,
        found.sold,
        found.held,
        found.held_back,
        found.available_seats,
        holdbacks_shown(found.holdbacks),
        _counts(found.holds),
    )


def _counts(holds: HoldsSoFar) -> HoldCounts:
    return HoldCounts(
        holds.active,
        holds.next_expires_at,
        holds.confirmed,
        holds.released,
        holds.expired,
        holds.retaken,
        percent(holds.confirmed, holds.ended) if holds.ended else None,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/admin/events/{event_id}/inventory",
        handler=get_inventory,
        tag=TAG,
        summary="Where the seats of an event are, and what became of its holds",
        description=(
            "All as of one version: `sold`, `held`, `held_back` and `available_seats` add up to"
            " `total_capacity`, always. `held` counts the seats of an expired hold until its expiry"
            " is written, which takes a second while the event sells and seven otherwise; the"
            " counts of `holds` call it expired at once."
        ),
        answer=EventInventory,
        access=Access.ADMIN,
        errors=(Code.EVENT_NOT_FOUND, Code.UNAUTHORIZED, Code.OVERLOADED),
    ),
)
