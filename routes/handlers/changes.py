"""What other services follow: the feed of changes, and the snapshot to begin with.

Rule: both tell of events that were published at some time, and of no others.
"""

from typing import Any

import msgspec

from db.change_feed import BEGINNING, Change, Mark
from evently.domain.notices import ChangeKind
from routes.caches.change_feed import NoPlace
from routes.call import Call
from routes.contract.answers import Change as ChangeAnswer
from routes.contract.answers import Changes, EventInSnapshot, EventSnapshot
from routes.contract.cursor import cursor_of, expired, not_ours, read_cursor
from routes.contract.errors import Code
from routes.contract.feed_queries import LATEST, ChangesQuery, SnapshotQuery
from routes.endpoint import Access, Endpoint

_NO_KINDS: frozenset[ChangeKind] = frozenset()


async def get_changes(call: Call) -> Changes:
    """The changes after a cursor, as soon as there is one."""
    query: ChangesQuery = call.query
    feed_id, after = _place(query.after)
    kinds = query.kinds or _NO_KINDS
    feed = call.services.change_feed
    page = await feed.read(after, query.limit, kinds, query.wait_s, feed_id)
    if page is NoPlace.OF_ANOTHER_FEED:
        raise not_ours()
    if page is NoPlace.ARCHIVED:
        raise expired()
    return Changes(
        [_change(change, kinds) for change in page.changes],
        cursor_of(page.feed_id, page.next),
        page.has_more,
    )


def _place(after: str | None) -> tuple[str | None, Mark | None]:
    """The feed that a cursor is of, if there is one, and the place; None for the latest."""
    if after is None:
        return None, BEGINNING
    return (None, None) if after == LATEST else read_cursor(after)


def _change(change: Change, kinds: frozenset[ChangeKind]) -> ChangeAnswer:
    """A change of two kinds is told as the first of them that was asked for."""
    data: dict[str, Any] = msgspec.json.decode(change.data)
    return ChangeAnswer(
        kind=next(kind for kind in change.kinds if not kinds or kind in kinds),
        event_id=change.mark.event_id,
        version=change.mark.version,
        at=change.at,
        status=change.status,
        available_seats=change.available_seats,
        data=data,
    )


async def get_snapshot(call: Call) -> EventSnapshot:
    """The events that were ever published: a page of them, or those that are named."""
    query: SnapshotQuery = call.query
    reader = call.services.change_reader
    if query.ids is None:
        found = await reader.snapshot(query.after, query.limit)
    else:
        found = await reader.pick(query.ids)
    events = msgspec.convert(found, list[EventInSnapshot])
    if query.ids is not None:
        known = {event.event_id for event in events}
        return EventSnapshot(events, None, [one for one in query.ids if one not in known])
    return EventSnapshot(events, events[-1].event_id if len(events) == query.limit else None, [])


_ERRORS = (Code.OVERLOADED, Code.DATABASE_UNAVAILABLE)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/internal/changes",
        handler=get_changes,
        tag="Internal",
        summary="What happened to events, in order; waits for the next change",
        description=(
            "A feed to follow by long poll: ask again with the `next` of the last answer as "
            "`after`. Delivery is at least once, in order for each event, and complete up to "
            "`next`. A cursor from before what is archived is 410: read the snapshot, and go on "
            "with `after=latest`."
        ),
        answer=Changes,
        access=Access.INTERNAL,
        query=ChangesQuery,
        errors=(Code.CURSOR_EXPIRED, *_ERRORS),
    ),
    Endpoint(
        method="GET",
        path="/internal/events",
        handler=get_snapshot,
        tag="Internal",
        summary="Every event that was ever published, or those that are named",
        description=(
            "The snapshot to begin following changes with, page by page with `after`. `ids` "
            "names up to 100 events to read instead."
        ),
        answer=EventSnapshot,
        access=Access.INTERNAL,
        query=SnapshotQuery,
        errors=_ERRORS,
    ),
)
