"""Frees the seats of holds that expired, and of blocks that are due, at events nobody is busy with.

Rules:

1. Events that were busy lately see to it themselves (`actors/expiry.py`); this finds the others,
   whichever node they were at, also after a restart.
2. One node at a time looks, and asks each event in the ordinary way, so that its owner writes the
   expiry in the order of all its other moves.
3. Whatever goes wrong is logged, and tried again later: nobody waits for it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from actors.expire_request import expiry_request
from actors.peers.forwarder import Events
from db.hold_sweep import HoldSweep
from evently.background import in_background
from evently.domain.errors import Fault
from evently.drift import Watch

log = logging.getLogger(__name__)

# Together these are the longest that reads show the seats of an expired hold as held.
SWEEP_EVERY_S = 5.0
# An event that somebody is busy with has done it by then.
OVERDUE_S = 2.0
# So many events expire their holds at a time, as not to take the place of buyers.
EVENTS_MAX = 100


class HoldSweeper:
    """Looks for expired holds in the background; `held_seats` are all that are in holds."""

    def __init__(
        self,
        sweep: HoldSweep,
        events: Events,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sweep = sweep
        self._events = events
        self._sleep = sleep
        self.held_seats = 0

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except Fault as fault:
                self.held_seats = 0
                log.info("expired holds stay for now: %s", fault)
            except Exception:
                log.exception("looking for expired holds failed")
            await self._sleep(SWEEP_EVERY_S)

    async def sweep(self) -> int:
        """Have every event expire what is overdue; how many do. None, while another node does."""
        swept = await self._sweep.sweep(OVERDUE_S)
        self.held_seats = swept.held_seats if swept else 0
        event_ids = swept.event_ids if swept else ()
        for first in range(0, len(event_ids), EVENTS_MAX):
            some = event_ids[first : first + EVENTS_MAX]
            await asyncio.gather(*map(self._expire, some))
        return len(event_ids)

    async def _expire(self, event_id: str) -> None:
        try:
            await self._events.ask(event_id, expiry_request(time.monotonic()))
        except Fault as fault:
            log.info("the expired holds of %s stay for now: %s", event_id, fault)


@asynccontextmanager
async def sweeping_holds(dsn: str, events: Events, watch: Watch) -> AsyncIterator[None]:
    """Sweep in the background; one worker of each node does."""
    async with HoldSweep(dsn) as sweep:
        sweeper = HoldSweeper(sweep, events)
        watch(
            "evently_held_seats",
            "Seats in holds, of all events; reported by the node that looks after expired holds",
            lambda: sweeper.held_seats,
        )
        async with in_background(hold_sweeper=sweeper.run()):
            yield
