"""Lists of events: the public one and the admins' own.

Rule: the public list is bytes that were encoded already; nothing is done for one client that
could be done once a second for all.
"""

import asyncio

from routes.caches.event_lists import Listing
from routes.call import Call
from routes.contract.answers import AdminEventList, EventList
from routes.contract.bodies import AdminEventListQuery, EventListQuery
from routes.contract.raw import Raw
from routes.endpoint import Access, Endpoint, SplitHandler


def page(call: Call) -> "Listing | asyncio.Future[Listing]":
    """A page of the events on sale."""
    return call.services.event_lists.on_sale(call.query)


def listed(call: Call, listing: Listing) -> Raw:
    """Answer the page with the ETag of its bytes."""
    call.headers["ETag"] = listing.etag
    return listing.raw


list_events = SplitHandler("list_events", page, listed)


async def list_own_events(call: Call) -> AdminEventList:
    """Answer a page of the admin's events; a super_admin's are everybody's."""
    admin = call.admin
    admin_id = None if admin.any_owner else admin.admin_id
    lists = call.services.event_lists
    query: AdminEventListQuery = call.query
    return await (lists.search if query.narrowed else lists.of_admin)(admin_id, query)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/events",
        handler=list_events,
        tag="Public events",
        summary="List events on sale, by start",
        description=(
            "Published and sold out events that have not ended. Filters combine. `ids` names up "
            "to 100 events, all of them on one page unless there is a `limit`; those that are not "
            "on sale are left out. Seat counts are at most a second old."
        ),
        answer=EventList,
        query=EventListQuery,
        cache_control="public, max-age=1",
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/events",
        handler=list_own_events,
        tag="Admin events",
        summary="List one's own events, by start; a super_admin lists all",
        description=(
            "Events in every status, drafts too. `status` is the status as it is answered: "
            "`completed` finds events that have ended."
        ),
        answer=AdminEventList,
        access=Access.ADMIN,
        query=AdminEventListQuery,
    ),
)
