"""A consumer of the feed of changes that dies now and then, and goes on from its cursor.

Rule: it keeps what it heard and its cursor together, as docs/changes.md asks; what it read and had
not kept when it died is read again.
"""

import asyncio
import random
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.acceptance.service import Service
from tests.chaos.history import Told

# Of the pages: those that it has read and not kept when it dies.
DIES = 0.1
PAGE_MAX = 20
WAIT_S = 2.0
PATIENCE_S = 8.0
TRY_AGAIN_S = 0.1
# Nothing came for so long, with everything well: it has heard all there is.
QUIET_PAGES = 3


class Follower:
    """Follows one service from the place it begins at; `heard` is what it has kept, in order."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._dice = random.Random(f"{seed} follower")  # noqa: S311 - can be repeated
        self._cursor = "latest"
        self._over = False
        self._task: asyncio.Task[None] | None = None
        self.heard: list[Told] = []
        self.deaths = 0

    async def start(self) -> None:
        """Take the place to begin at, then follow."""
        async with self._session() as session:
            page = await self._page(session, 0)
        assert page is not None, "the service is well when a round begins"
        self._cursor = page["next"]
        self._task = asyncio.create_task(self._follow())

    async def finish(self, within_s: float) -> None:
        """Hear everything that is there, then end."""
        self._over = True
        assert self._task is not None, "it was started"
        async with asyncio.timeout(within_s):
            await self._task

    async def _follow(self) -> None:
        quiet = 0
        while quiet < QUIET_PAGES:
            quiet = 0
            async with self._session() as session:
                while quiet < QUIET_PAGES:
                    page = await self._page(session, 0.2 if self._over else WAIT_S)
                    if page is None:
                        await asyncio.sleep(TRY_AGAIN_S)
                        continue
                    if not self._over and self._dice.random() < DIES:
                        self.deaths += 1
                        break
                    self._keep(page)
                    quiet = quiet + 1 if self._over and not page["changes"] else 0

    def _keep(self, page: dict[str, Any]) -> None:
        self.heard += [
            Told(one["event_id"], one["version"], one["kind"], one["available_seats"])
            for one in page["changes"]
        ]
        self._cursor = page["next"]

    async def _page(self, session: aiohttp.ClientSession, wait_s: float) -> dict[str, Any] | None:
        """What is after the cursor; None where nobody answers."""
        query = {"after": self._cursor, "limit": str(PAGE_MAX), "wait_s": str(wait_s)}
        url = f"{self._service.process.url}/internal/changes"
        with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with session.get(url, params=query, headers=self._service.api.internal) as answer:
                page: dict[str, Any] = await answer.json(content_type=None)
                if answer.status == HTTPStatus.OK:
                    return page
        return None

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S))
