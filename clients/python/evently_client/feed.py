"""What follows events: the feed of changes, the snapshot to begin with, and the batch read.

Rules
1. A change is handed over at least once: the cursor passes a change only when the next one is asked
   for, so whoever keeps the cursor after a crash loses none.
2. A feed outlasts any outage: it asks again until the service answers. Only a refusal ends it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from .answers import Change, ChangePage, EventInSnapshot, SnapshotPage
from .calls import Call, Calls, body_as
from .errors import Unavailable
from .sent import Id, ids_of, query, segment, text_or_none, whole

# The place after all changes until now.
LATEST = "latest"
# The most that the service gives in one answer, and waits before an empty one.
PAGE_MAX = 500
WAIT_S_MAX = 10
# Between two calls that found no service; each of them has made its own tries before.
OUTAGE_S = 2.0


class Feed(Calls):
    """The calls of those who follow events."""

    async def latest_cursor(self) -> str:
        """The place in the feed after all changes until now. Raises Unavailable.

        To begin: take it, then read the `snapshot`, then follow `changes` from it.
        """
        return (await self.read_changes(LATEST, limit=1)).next

    async def read_changes(
        self,
        after: str | None = None,
        *,
        kinds: Sequence[str] = (),
        limit: int = 100,
        wait_s: int = 0,
    ) -> ChangePage:
        """One page of changes after a cursor, or from the first that there is.

        Without any it is answered after `wait_s`, 10 at most. `limit` is 500 at most. Raises
        InvalidRequest for a cursor that is not of this feed, CursorExpired for one after which
        changes are archived, another Refused or Unavailable.
        """
        wait_s = whole("wait_s", wait_s, WAIT_S_MAX, 0)
        if self._options.timeout_s is not None:
            # The rest is for the answer's way.
            wait_s = min(wait_s, int(self._options.timeout_s / 2))
        filters = query(
            after=text_or_none("after", after),
            limit=whole("limit", limit, PAGE_MAX),
            wait_s=wait_s,
            kinds=",".join(kinds) or None,
        )
        target = f"/internal/changes{filters}"
        call = Call("read_changes", "GET", target, body_as(ChangePage), waits_s=float(wait_s))
        return await self._call(call)

    def changes(
        self, after: str | None = None, *, kinds: Sequence[str] = (), limit: int = 100
    ) -> "Changes":
        """Follow the feed from a cursor, or from the first change: `async for change in ...`.

        `kinds` are those to be told of; `limit` is how many changes are read at once. Iterating
        raises CursorExpired if you were away for so long that changes are archived: then begin
        anew, with `latest_cursor` and `snapshot`.
        """
        whole("limit", limit, PAGE_MAX)
        return Changes(lambda cursor: self._read_on(cursor, tuple(kinds), limit), after)

    async def _read_on(
        self, cursor: str | None, kinds: Sequence[str], limit: int
    ) -> ChangePage | None:
        """The next page; None after an outage, for which this has waited."""
        try:
            return await self.read_changes(cursor, kinds=kinds, limit=limit, wait_s=WAIT_S_MAX)
        except Unavailable as error:
            await self._transport.wait(max(OUTAGE_S, error.retry_after_s or 0.0))
            return None

    async def snapshot(self, *, after: Id | None = None) -> AsyncIterator[EventInSnapshot]:
        """Every event that was ever published, by id, or those with ids after one.

        It is read page by page while you go on. Raises Unavailable or a Refused.
        """
        place = None if after is None else segment("after", after)
        while True:
            page = await self._snapshot_page(query(after=place))
            for event in page.events:
                yield event
            if page.next is None:
                return
            place = page.next

    async def find_events(self, event_ids: Sequence[Id]) -> SnapshotPage:
        """1 to 100 events at once; `not_found` has the ids of those that were never published.

        Raises InvalidRequest, another Refused or Unavailable.
        """
        return await self._snapshot_page(query(ids=ids_of(event_ids)))

    async def _snapshot_page(self, filters: str) -> SnapshotPage:
        target = f"/internal/events{filters}"
        return await self._call(Call("snapshot", "GET", target, body_as(SnapshotPage)))


class Changes:
    """A feed that is followed: iterate over it, or over its `pages`.

    `cursor` is where to go on: all changes before it were handed over, and the next was asked for.
    Iterating again goes on from there, so a change may come twice, and none is left out.
    """

    def __init__(
        self, read: Callable[[str | None], Awaitable[ChangePage | None]], after: str | None
    ) -> None:
        self._read = read
        self.cursor = after

    async def __aiter__(self) -> AsyncIterator[Change]:
        async for page in self.pages():
            for change in page.changes:
                yield change

    async def pages(self) -> AsyncIterator[ChangePage]:
        """The changes as they were read; for who keeps a page and its `next` in one transaction."""
        while True:
            page = await self._read(self.cursor)
            if page is None:
                continue
            if page.changes:
                yield page
            self.cursor = page.next
