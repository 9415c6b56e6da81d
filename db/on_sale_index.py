"""Which events are on sale, in the order of lists, in memory.

Rules:

1. It holds nothing that seat moves change, so sales cost it nothing, and a list costs the database
   its own page only: neither a count nor a walk over the pages before.
2. Every combination of type and city that lists filter by has a sorted list of its own. A page is a
   slice of it and a total the distance of two positions, so both take microseconds however many
   there are.
3. What is on at a moment but began before it is found by length: an event of less than 2^n seconds
   that is on then began less than 2^n seconds before. So a list that begins next year looks at
   about as many of the earlier events as are still on then, even if one of them lasts ten years.
4. Text comes folded (evently.domain.text), so the database's locale decides nothing.

An event takes some 500 bytes here.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from evently.domain.value import value

# Longer events, of 2^28 seconds or eight years, are few: they are looked at one by one.
LONG = 28
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class OnSale(NamedTuple):
    """An event on sale, in the order of lists; type and city are folded."""

    starts: datetime
    event_id: str
    ends: datetime
    event_type: str
    city: str


@value
class OnSaleFilter:
    """Which events on sale: type and city whole and folded; on in [from, before); of these ids."""

    event_type: str | None = None
    city: str | None = None
    on_from: datetime | None = None
    on_before: datetime | None = None
    ids: tuple[str, ...] | None = None


# A type, a city, both or neither.
Key: TypeAlias = tuple[str | None, str | None]


class OnSaleIndex:
    """Events on sale that have not ended, as of the last `expire`."""

    def __init__(self) -> None:
        self._events: dict[str, OnSale] = {}
        self._lists: defaultdict[Key, _Ordered] = defaultdict(_Ordered)
        self._ends: list[tuple[datetime, str]] = []
        self._now = _LONG_AGO

    def __len__(self) -> int:
        return len(self._events)

    def __repr__(self) -> str:
        return f"<OnSaleIndex {len(self)} events in {len(self._lists)} lists>"

    def put(self, event: OnSale) -> None:
        """Add the event, or replace what was known of it."""
        if self._events.get(event.event_id) == event:
            return
        self.drop(event.event_id)
        self._events[event.event_id] = event
        for key in _keys(event):
            self._lists[key].add(event)
        heappush(self._ends, (event.ends, event.event_id))

    def drop(self, event_id: str) -> None:
        """Remove the event, if it is there."""
        event = self._events.pop(event_id, None)
        if event is None:
            return
        for key in _keys(event):
            events = self._lists[key]
            events.remove(event)
            if not events.all:
                del self._lists[key]

    def expire(self, now: datetime) -> None:
        """Remove what has ended by `now`."""
        self._now = now
        while self._ends and self._ends[0][0] <= now:
            ends, event_id = heappop(self._ends)
            event = self._events.get(event_id)
            # The heap still has the ends that events had before they were rescheduled.
            if event is not None and event.ends == ends:
                self.drop(event_id)

    def page(self, wanted: OnSaleFilter, limit: int, offset: int) -> tuple[list[str], int]:
        """The ids of a page of the events that match, and how many match in all."""
        if wanted.ids is not None:
            named = self._named(wanted, wanted.ids)
            return named[offset : offset + limit], len(named)
        events = self._lists.get((wanted.event_type, wanted.city))
        if events is None:
            return [], 0
        first, end, running = 0, len(events.all), list[OnSale]()
        if wanted.on_before is not None:
            end = bisect_left(events.all, wanted.on_before, key=_starts)
        # What is here has not ended, so whatever began before now is on now.
        if wanted.on_from is not None and wanted.on_from > self._now:
            first = min(bisect_left(events.all, wanted.on_from, key=_starts), end)
            running = events.on_at(wanted.on_from, end)
        found = running[offset : offset + limit]
        start = first + max(0, offset - len(running))
        found += events.all[start : min(start + limit - len(found), end)]
        return [event.event_id for event in found], len(running) + end - first

    def _named(self, wanted: OnSaleFilter, ids: tuple[str, ...]) -> list[str]:
        """Those of `ids` that match; they are few, so each is looked at."""
        there = (self._events[event_id] for event_id in ids if event_id in self._events)
        return [event.event_id for event in sorted(there) if _matches(event, wanted)]


class _Ordered:
    """Events by start and id, all of them and those of each length."""

    def __init__(self) -> None:
        self.all: list[OnSale] = []
        self._by_length: defaultdict[int, list[OnSale]] = defaultdict(list)

    def add(self, event: OnSale) -> None:
        """Add an event that is not there."""
        for events in (self.all, self._by_length[_length(event)]):
            if events and event < events[-1]:
                insort(events, event)
            else:
                events.append(event)

    def remove(self, event: OnSale) -> None:
        """Remove an event that is there."""
        for events in (self.all, self._by_length[_length(event)]):
            del events[bisect_left(events, event)]

    def on_at(self, moment: datetime, end: int) -> list[OnSale]:
        """Those of the first `end` that began before `moment` and have not ended then, in order."""
        found = list[OnSale]()
        for length, events in self._by_length.items():
            first = 0
            if length <= LONG:
                first = bisect_left(events, moment - timedelta(seconds=1 << length), key=_starts)
            last = bisect_left(events, moment, key=_starts)
            found += [event for event in events[first:last] if event.ends > moment]
        found.sort()
        if found and end < len(self.all):
            del found[bisect_left(found, self.all[end]) :]
        return found


def _length(event: OnSale) -> int:
    """The event takes less than 2 to the power of so many seconds."""
    return int((event.ends - event.starts).total_seconds()).bit_length()


def _matches(event: OnSale, wanted: OnSaleFilter) -> bool:
    """Whether the event, which has not ended, is one of those that are wanted."""
    return (
        wanted.event_type in {None, event.event_type}
        and wanted.city in {None, event.city}
        and (wanted.on_from is None or event.ends > wanted.on_from)
        and (wanted.on_before is None or event.starts < wanted.on_before)
    )


def _keys(event: OnSale) -> Iterator[Key]:
    yield None, None
    yield event.event_type, None
    yield None, event.city
    yield event.event_type, event.city


def _starts(event: OnSale) -> datetime:
    return event.starts
