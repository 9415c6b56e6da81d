"""Deletes committed refusals that nobody will ask for again.

Rule: a refusal is kept for REMEMBERED_S at least, whatever the load; older ones are deleted in
small chunks, so that a backlog never stands in the way of sales.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from db.event_store import EventStore
from evently.domain.errors import Fault

log = logging.getLogger(__name__)

# Clients are promised ten minutes; an hour costs little and forgives slow ones.
REMEMBERED_S = 3600.0
# A chunk this small is deleted within some milliseconds.
CHUNK_MAX = 1000
PRUNE_EVERY_S = 30.0
PAUSE_S = 0.2


class RefusalPruner:
    """Deletes old refusals in the background."""

    def __init__(
        self,
        store: EventStore,
        *,
        remembered_s: float = REMEMBERED_S,
        chunk_max: int = CHUNK_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._remembered_s = remembered_s
        self._chunk_max = chunk_max
        self._sleep = sleep

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            try:
                await self.prune()
            except Fault as fault:
                log.debug("old refusals are not pruned: %s", fault)
            await self._sleep(PRUNE_EVERY_S)

    async def prune(self) -> int:
        """Delete all refusals that are old enough; how many. None are, while another node does."""
        total = 0
        while True:
            pruned = await self._store.prune_refusals(self._remembered_s, self._chunk_max)
            total += pruned or 0
            if pruned is None or pruned < self._chunk_max:
                return total
            await self._sleep(PAUSE_S)


@asynccontextmanager
async def pruning_refusals(store: EventStore) -> AsyncIterator[None]:
    """Prune meanwhile. One worker of each node does it."""
    task = asyncio.create_task(RefusalPruner(store).run(), name="refusal-pruner")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
