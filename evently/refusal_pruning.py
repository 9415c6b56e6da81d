"""Deletes committed refusals that nobody will ask for again.

Rules:

1. A refusal is kept for REMEMBERED_S at least, whatever the load.
2. Older ones are deleted by one node at a time, in small chunks with a pause in between, so that a
   backlog does not stand in the way of sales.
3. Whatever goes wrong is logged, and tried again later: nobody waits for it. That nothing is
   deleted any more shows by the age of the oldest, which also grows while it cannot be read.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from db.refusal_store import RefusalStore
from evently.background import in_background
from evently.domain.errors import Fault
from evently.drift import Watch

log = logging.getLogger(__name__)

# Clients are promised ten minutes; an hour costs little and forgives slow ones.
REMEMBERED_S = 3600.0
# A chunk this small is deleted within some milliseconds.
CHUNK_MAX = 1000
PRUNE_EVERY_S = 30.0
# Ten thousand a second at most, as many as one worker refuses at its fastest.
PAUSE_S = 0.1


class RefusalPruner:
    """Deletes old refusals in the background; `pruned` counts them.

    `clock` counts seconds, from any moment.
    """

    def __init__(
        self,
        store: RefusalStore,
        *,
        remembered_s: float = REMEMBERED_S,
        chunk_max: int = CHUNK_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._remembered_s = remembered_s
        self._chunk_max = chunk_max
        self._sleep = sleep
        self._clock = clock
        self._oldest_since: float | None = None
        self.pruned = 0

    @property
    def oldest_s(self) -> float:
        """How long the oldest refusal has been kept, as far as is known; 0 if there is none."""
        return 0.0 if self._oldest_since is None else self._clock() - self._oldest_since

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            try:
                await self.prune()
                await self.look()
            except Fault as fault:
                log.info("old refusals stay for now: %s", fault)
            except Exception:
                log.exception("pruning old refusals failed")
            await self._sleep(PRUNE_EVERY_S)

    async def prune(self) -> int:
        """Delete all refusals that are old enough; how many. None are, while another node does."""
        total = 0
        while True:
            pruned = await self._store.prune(self._remembered_s, self._chunk_max)
            total += pruned or 0
            self.pruned += pruned or 0
            if pruned is None or pruned < self._chunk_max:
                return total
            await self._sleep(PAUSE_S)

    async def look(self) -> None:
        """Read how old the oldest refusal is."""
        oldest_s = await self._store.oldest_s()
        self._oldest_since = None if oldest_s is None else self._clock() - oldest_s


@asynccontextmanager
async def pruning_refusals(
    store: RefusalStore, watch: Watch, watch_total: Watch
) -> AsyncIterator[None]:
    """Prune in the background, and export how many; one worker of each node does."""
    pruner = RefusalPruner(store)
    watch_total(
        "evently_refusals_pruned_total",
        "Old refusals that this node has deleted since its start",
        lambda: pruner.pruned,
    )
    watch(
        "evently_oldest_refusal_seconds",
        "How long the oldest refusal has been kept; they are deleted after an hour",
        lambda: pruner.oldest_s,
    )
    async with in_background(refusal_pruner=pruner.run()):
        yield
