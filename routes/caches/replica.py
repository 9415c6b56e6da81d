"""Lists from a replica, as long as it knows what the primary knew a moment ago.

Rules:

1. It is read only if it has replayed all that the primary had made durable after the last change by
   an admin of this node, and what the primary had a moment ago, whoever changed it.
2. Nobody waits for it. While that is not known the primary is asked; a query that the replica does
   not answer soon is left to itself, and the primary is asked.
3. Queries begin a new check when the last one is old, so the replica is read again once it answers
   and has caught up.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from db.event_lists import EventPage, LogPosition
from db.on_sale_index import OnSaleFilter
from evently.domain.errors import Fault
from routes.caches.revision import Revision

log = logging.getLogger(__name__)

# A list that comes so long after a check begins another; meanwhile what the last one found holds,
# so that lists do not go back and forth between two servers.
CHECK_S, HOLDS_S = 0.5, 1.0
# A replica that is further behind than this is not read.
LAG_MAX_S = 1.0
# Lists take a few milliseconds; a client should not notice that a replica hangs.
ANSWER_S = 0.3


class ListServer(Protocol):
    """A server that lists come from."""

    def forget(self) -> None:
        """Take nothing from memory that was read before."""

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        """A page of the events on sale."""

    async def position(self) -> LogPosition:
        """How far it is."""


class Replica:
    """Reads lists from `server` while it keeps up with `primary`."""

    def __init__(
        self,
        server: ListServer,
        primary: ListServer,
        revision: Revision,
        *,
        answer_s: float = ANSWER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._primary = primary
        self._revision = revision
        self._answer_s = answer_s
        self._clock = clock
        self._usable = False
        # Of the last check: when it began, after which changes, and how far the primary was then.
        self._checked_at = -LAG_MAX_S
        self._checked_revision: int | None = None
        self._primary_was = 0
        self._needed = 0
        self._forgotten = 0
        self._check: asyncio.Task[None] | None = None
        self._pages: set[asyncio.Task[EventPage]] = set()

    def __repr__(self) -> str:
        return f"<Replica {'read' if self._usable else 'not read'}>"

    @property
    def usable(self) -> bool:
        """Whether lists come from it."""
        return self._usable

    def forget(self) -> None:
        """Read the primary until a new check: positions of another history say nothing."""
        self._server.forget()
        self._forgotten += 1
        self._checked_at, self._checked_revision = -LAG_MAX_S, None
        self._primary_was = self._needed = 0
        self._found(usable=False)

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage | None:
        """A page of the events on sale; None: ask the primary."""
        if not self._proven():
            return None
        page = asyncio.create_task(self._server.on_sale(wanted, limit, offset))
        self._pages.add(page)
        page.add_done_callback(self._landed)
        await asyncio.wait({page}, timeout=self._answer_s)
        if page.done() and not page.cancelled() and page.exception() is None:
            return page.result()
        self._found(usable=False)
        return None

    async def stop(self) -> None:
        """Wait for what is under way, no longer than for an answer."""
        waiting = {*self._pages, *({self._check} if self._check else ())}
        if waiting:
            await asyncio.wait(waiting, timeout=self._answer_s)
        for task in waiting:
            task.cancel()

    def _proven(self) -> bool:
        """Whether the last check still holds; where it is old, the next one begins."""
        age_s = self._clock() - self._checked_at
        same = self._checked_revision == self._revision.current()
        if (not same or age_s >= CHECK_S) and self._check is None:
            self._check = asyncio.create_task(self._look())
            self._check.add_done_callback(self._looked)
        return same and age_s < HOLDS_S and self._usable

    async def _look(self) -> None:
        revision, now, forgotten = self._revision.current(), self._clock(), self._forgotten
        # All that is read from here on is from after the change that raised the revision.
        primary = (await self._primary.position()).position
        recent = now - self._checked_at <= LAG_MAX_S
        before = self._needed if revision == self._checked_revision else primary
        needed = max(before, self._primary_was if recent else primary)
        found = await self._server.position()
        if forgotten != self._forgotten:
            return
        # All at once: a query that comes meanwhile must not take the last check for this one.
        self._checked_revision, self._checked_at = revision, now
        self._primary_was, self._needed = primary, before
        self._found(usable=found.standby and found.position >= needed)

    def _looked(self, check: asyncio.Task[None]) -> None:
        self._check = None
        if check.cancelled():
            return
        error = check.exception()
        if error is None:
            return
        self._found(usable=False)
        if not isinstance(error, Fault):
            log.error("the check of the replica failed", exc_info=error)

    def _landed(self, page: asyncio.Task[EventPage]) -> None:
        self._pages.discard(page)
        if not page.cancelled():
            # Looked at here, since nobody may wait for it any more.
            page.exception()

    def _found(self, *, usable: bool) -> None:
        if usable != self._usable:
            log.warning("lists come from the %s", "replica" if usable else "primary")
        self._usable = usable
