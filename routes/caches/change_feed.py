"""Lets many clients wait for the next changes at the cost of one.

Rules:

1. Whoever waits is answered from what one query read for all of this worker, or by a query of
   their own where that began after their place.
2. The number that wait is bounded; a client that is gone waits no more.
3. Nothing is read while nobody waits.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from operator import attrgetter

from db.change_feed import BEGINNING, Change, ChangePage, ChangeReader, Mark
from evently.domain.errors import Fault, Overloaded
from evently.domain.notices import ChangeKind

# Over what one booking platform has of consumers; a waiting client costs a connection and 5 KB.
WAITING_MAX = 500
# How late a change of another node is told; a worker's own are told at once.
POLL_S = 0.25
# How soon a change is looked for again that an open transaction holds back, at first.
HELD_S = 0.01
# More changes than these at once are somebody's import; then clients read pages of their own.
KEPT_MAX = 1000

_mark = attrgetter("mark")


class NoPlace(Enum):
    """Why the feed cannot be read on from a cursor."""

    OF_ANOTHER_FEED = auto()
    ARCHIVED = auto()


class ChangeFeed:
    """The feed as one worker serves it; `observe` hears how long the oldest change waits, in s."""

    def __init__(
        self,
        reader: ChangeReader,
        observe: Callable[[float], None] = lambda _: None,
        *,
        waiting_max: int = WAITING_MAX,
        poll_s: float = POLL_S,
        kept_max: int = KEPT_MAX,
    ) -> None:
        self._reader = reader
        self._observe = observe
        self._waiting_max = waiting_max
        self._poll_s = poll_s
        self._kept_max = kept_max
        self._feed_id = ""
        # All changes after `_start` and up to `_end`; `_start` is None until something was read.
        self._kept: list[Change] = []
        self._start: Mark | None = None
        self._end: Mark | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._nudge = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._draining = False

    def __repr__(self) -> str:
        return f"<ChangeFeed {len(self._waiting)} waiting, {len(self._kept)} kept>"

    @property
    def waiting(self) -> int:
        """Clients that wait for a change."""
        return len(self._waiting)

    async def read(
        self,
        after: Mark | None,
        limit: int,
        kinds: frozenset[ChangeKind],
        wait_s: float,
        feed_id: str | None = None,
    ) -> ChangePage | NoPlace:
        """Changes of these kinds after `after`; None stands for the latest, and gives none.

        `after` is a place of the feed `feed_id`, if that is given: then it has to be this feed, and
        nothing after it may be archived. Waits up to `wait_s` for the first change. Raises
        Overloaded when too many wait, or a fault when the database does not answer.
        """
        if after is None:
            return self._seen(await self._reader.latest())
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        # One who does not wait is told what the database has at this moment.
        read = self._page if wait_s > 0 else self._fresh_page
        while True:
            page = _of(kinds, await read(after, limit))
            if feed_id is not None:
                if feed_id != page.feed_id:
                    return NoPlace.OF_ANOTHER_FEED
                if after < page.begins_at:
                    return NoPlace.ARCHIVED
            left_s = until_s - loop.time()
            if page.changes or page.has_more or left_s <= 0 or self._draining:
                return page
            after = page.next
            await self._wait(left_s)

    def nudge(self) -> None:
        """Look for changes now: this worker has committed one."""
        if self._waiting:
            self._nudge.set()

    def drain(self) -> None:
        """Answer all who wait, and let nobody wait any more."""
        self._draining = True
        self._wake()

    async def stop(self) -> None:
        """End; nobody waits any more."""
        self.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _page(self, after: Mark, limit: int) -> ChangePage:
        """A page of what was read for all, or of its own where that begins after `after`."""
        if self._start is None or self._end is None or not self._start <= after <= self._end:
            return await self._fresh_page(after, limit)
        first = bisect_right(self._kept, after, key=_mark)
        found = self._kept[first : first + limit]
        has_more = first + limit < len(self._kept)
        end = found[-1].mark if has_more else self._end
        return ChangePage(self._feed_id, found, end, has_more, 0.0, BEGINNING)

    async def _fresh_page(self, after: Mark, limit: int) -> ChangePage:
        return self._seen(await self._reader.changes(after, limit))

    def _seen(self, page: ChangePage) -> ChangePage:
        self._feed_id = page.feed_id
        self._observe(page.waits_s)
        return page

    async def _wait(self, at_most_s: float) -> None:
        """Wait until something was read for all, or for so long."""
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded(f"{self._waiting_max} clients wait for changes")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.add(future)
        if self._task is None:
            self._task = loop.create_task(self._follow(), name="change-feed")
        try:
            await asyncio.wait((future,), timeout=at_most_s)
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def _follow(self) -> None:
        """Read for all, as long as somebody waits."""
        held_s = HELD_S
        try:
            while self._waiting:
                waits_s = 0.0
                # A database that is away is asked again; meanwhile nobody hears of a change.
                with suppress(Fault):
                    waits_s = await self._advance()
                held_s = min(2 * held_s, self._poll_s) if waits_s else HELD_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(held_s if waits_s else self._poll_s):
                        await self._nudge.wait()
                self._nudge.clear()
        finally:
            self._kept, self._start, self._end, self._task = [], None, None, None
            # Nobody looks any more, so nobody knows.
            self._observe(0.0)

    async def _advance(self) -> float:
        """Read what came since; how long the oldest change has waited that cannot be read yet."""
        if self._end is None:
            # Those who came first may have read before this: they read once more, and then wait.
            page = self._seen(await self._reader.latest())
            self._start = self._end = page.next
            self._wake()
            return page.waits_s
        page = self._seen(await self._reader.changes(self._end, self._kept_max))
        self._end = page.next
        if page.changes:
            self._kept.extend(page.changes)
            if gone := self._kept[: -self._kept_max]:
                self._start = gone[-1].mark
                del self._kept[: len(gone)]
            self._wake()
        return page.waits_s


def _of(kinds: frozenset[ChangeKind], page: ChangePage) -> ChangePage:
    """The changes that are of one of these kinds; all where none is named."""
    if not kinds:
        return page
    found = [change for change in page.changes if not kinds.isdisjoint(change.kinds)]
    return replace(page, changes=found)
