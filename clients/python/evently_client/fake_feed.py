"""The feed of changes and the snapshot, in memory, for `testing`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from .fake_answers import answer, error, invalid
from .fake_event import FakeEvent
from .transport import Answer

# Another thread may make the change that is waited for.
POLL_S = 0.005
_CURSOR = "fake-"


class FakeFeed:
    """What happened to the events of a fake service, in order."""

    def __init__(self, now: Callable[[], datetime], expire: Callable[[], None]) -> None:
        self._now = now
        self._expire = expire
        self._changes: list[Mapping[str, Any]] = []
        # How many of them are archived.
        self._archived = 0

    def archive(self) -> None:
        """Take all changes until now out of the feed."""
        self._archived = len(self._changes)

    def tell(self, event: FakeEvent, kind: str, data: Mapping[str, Any]) -> None:
        """Note what has happened to an event."""
        now = self._now()
        self._changes.append(
            {
                "kind": kind,
                "event_id": event.event_id,
                "version": event.version,
                "at": now.isoformat(),
                "status": event.status_at(now),
                "available_seats": event.available_seats,
                "data": dict(data),
            }
        )

    async def read(self, query: Mapping[str, str]) -> Answer:
        """A page of changes, as soon as there is one."""
        after = query.get("after", f"{_CURSOR}{self._archived}")
        if after == "latest":
            place = len(self._changes)
            return answer(200, {"changes": [], "next": f"{_CURSOR}{place}", "has_more": False})
        number = after.removeprefix(_CURSOR)
        if not number.isdigit() or int(number) > len(self._changes):
            return invalid("query.after", "after must be a `next` that this feed has answered")
        if int(number) < self._archived:
            return error(410, "CURSOR_EXPIRED", "Changes after this cursor are archived")
        first, kinds = int(number), set(filter(None, query.get("kinds", "").split(",")))
        ends_s = asyncio.get_running_loop().time() + float(query.get("wait_s", "0"))
        while True:
            self._expire()
            page, place = self._page(first, kinds, int(query.get("limit", "100")))
            if page or asyncio.get_running_loop().time() >= ends_s:
                more = place < len(self._changes)
                return answer(200, {"changes": page, "next": f"{_CURSOR}{place}", "has_more": more})
            await asyncio.sleep(POLL_S)

    def _page(self, first: int, kinds: set[str], limit: int) -> tuple[list[Mapping[str, Any]], int]:
        """The changes of a page, and the place after it."""
        found: list[Mapping[str, Any]] = []
        place = first
        for change in self._changes[first:]:
            if len(found) == limit:
                break
            place += 1
            if not kinds or change["kind"] in kinds:
                found.append(change)
        return found, place


def snapshot(events: Iterable[FakeEvent], query: Mapping[str, str], now: datetime) -> Answer:
    """A page of the events that were ever published, or those that are named."""
    known = {event.event_id: event for event in events if event.status != "draft"}
    if "ids" in query:
        ids = list(dict.fromkeys(one.lower() for one in query["ids"].split(",")))
        shown = [_shown(known[one], now) for one in sorted(ids) if one in known]
        missing = [one for one in ids if one not in known]
        return answer(200, {"events": shown, "next": None, "not_found": missing})
    after, limit = query.get("after", ""), int(query.get("limit", "500"))
    page = [event_id for event_id in sorted(known) if event_id > after][:limit]
    body = {
        "events": [_shown(known[event_id], now) for event_id in page],
        "next": page[-1] if len(page) == limit else None,
        "not_found": [],
    }
    return answer(200, body)


def _shown(event: FakeEvent, now: datetime) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "name": "Event",
        "event_type": "concert",
        "venue_id": str(uuid5(NAMESPACE_URL, "venue")),
        "venue_name": "Hall",
        "venue_city": "Oslo",
        "start_datetime": event.start_datetime.isoformat(),
        "end_datetime": event.end_datetime.isoformat(),
        "total_capacity": event.total_capacity,
        "available_seats": event.available_seats,
        "base_price": event.base_price,
        "max_tickets_per_booking": event.max_tickets_per_booking,
        "status": event.status_at(now),
        "version": event.version,
        "updated_at": now.isoformat(),
    }
