"""Checks in the background for events that differ from their ledgers and consumers that lag.

Rules:

1. It costs the database little, however many events there are and however long their ledgers: a
   slice of events or some thousand versions at a time, and then a pause of many times its duration.
2. One node checks; the others wait for its connection to end, and know of nothing that differs.
3. It changes no event, and waits while the database does not answer.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from db.database import Session
from db.event_check import Replayed
from db.ledger_proofs import SLICE_EVENTS, VERSIONS_MAX, WHOLE_EVERY_S, LedgerProofs, Standing
from db.replication_slots import SlotLag, read_slot_lag
from evently.background import in_background
from evently.domain.errors import Fault

log = logging.getLogger(__name__)

# At most one twentieth of one connection's time, and at most one slice a second.
PAUSE_FACTOR = 20.0
PAUSE_MIN_S = 1.0
# After a pass through all events, which may be none, or while the database is down or another node
# checks.
IDLE_S = 10.0
# Lag grows with every commit; Prometheus scrapes every 15 s.
SLOTS_EVERY_S = 5.0
# More would be no more alarming, and would fill the memory.
DIFFERING_MAX = 10_000

Watch: TypeAlias = Callable[[str, str, Callable[[], float]], None]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


def drift_seats(replayed: Replayed) -> int:
    """By how many seats an event's row and ledger differ; all of them if one is missing."""
    row, ledger = replayed.row, replayed.ledger
    if row is None:
        return abs(ledger.capacity - ledger.seats) if ledger is not None else 0
    if ledger is None:
        return row.total_capacity - row.available_seats
    return max(
        abs(row.total_capacity - ledger.capacity),
        abs(row.available_seats - ledger.seats),
        abs(row.held_seats - ledger.held),
        abs(row.held_seats - replayed.in_holds),
        abs(row.held_back_seats - ledger.held_back),
        abs(row.held_back_seats - replayed.in_blocks),
    )


class DriftCheck:
    """Checks all events again and again; its properties say what it has found."""

    def __init__(
        self,
        dsn: str,
        *,
        slice_events: int = SLICE_EVENTS,
        versions_max: int = VERSIONS_MAX,
        whole_every_s: float = WHOLE_EVERY_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._slice_events = slice_events
        self._versions_max = versions_max
        self._whole_every_s = whole_every_s
        self._sleep = sleep
        self._differing: dict[str, int] = {}
        self.checked = self.replayed = 0

    @property
    def seats(self) -> int:
        """Seats by which rows and ledgers differ, as each event was last read."""
        return sum(self._differing.values())

    @property
    def events(self) -> int:
        """Events that differ from their ledger in any respect."""
        return len(self._differing)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                async with self._proofs() as proofs:
                    while await self._check(proofs):
                        await self._sleep(IDLE_S)
            except Fault as fault:
                log.warning("the drift check waits for the database: %s", fault)
            # A check that ended unnoticed would find nothing any more.
            except Exception:
                log.exception("the drift check failed and starts again")
            await self._sleep(IDLE_S)

    async def check_all(self) -> bool:
        """Check every event once; False while another node does. Raises the database's faults."""
        async with self._proofs() as proofs:
            return await self._check(proofs)

    def _proofs(self) -> LedgerProofs:
        return LedgerProofs(
            self._dsn,
            slice_events=self._slice_events,
            versions_max=self._versions_max,
            whole_every_s=self._whole_every_s,
        )

    async def _check(self, proofs: LedgerProofs) -> bool:
        if not await proofs.lead():
            self._differing.clear()
            return False
        started_s = time.monotonic()
        async for standings in proofs.slices():
            left: Sequence[Standing] = standings
            while True:
                before = sum(standing.left for standing in left)
                whole, left = await proofs.advance(left)
                for replayed in whole:
                    self._note(replayed)
                self.replayed += before - sum(standing.left for standing in left)
                await self._pause(time.monotonic() - started_s)
                started_s = time.monotonic()
                if not left:
                    break
        return True

    async def _pause(self, took_s: float) -> None:
        await self._sleep(max(PAUSE_MIN_S, PAUSE_FACTOR * took_s))

    def _note(self, replayed: Replayed) -> None:
        self.checked += 1
        found = replayed.differences()
        if not found:
            self._differing.pop(replayed.event_id, None)
            return
        if replayed.event_id not in self._differing:
            log.critical(
                "an event differs from its ledger",
                extra={"fields": {"event_id": replayed.event_id, "differences": found}},
            )
        if len(self._differing) < DIFFERING_MAX or replayed.event_id in self._differing:
            self._differing[replayed.event_id] = drift_seats(replayed)


class SlotWatch:
    """Reads the lag of the logical replication slots at an interval."""

    def __init__(self, session: Session, *, sleep: Sleep = asyncio.sleep) -> None:
        self._session = session
        self._sleep = sleep
        self.lag = SlotLag(0, 0)

    async def run(self) -> None:
        """Read until cancelled; while the database does not answer, the last figure is kept."""
        while True:
            try:
                self.lag = await read_slot_lag(self._session)
            except Fault as fault:
                log.debug("replication slots: the lag cannot be read: %s", fault)
            # A watch that ended unnoticed would show its last figure for ever.
            except Exception:
                log.exception("reading the lag of replication slots failed and starts again")
            await self._sleep(SLOTS_EVERY_S)


@asynccontextmanager
async def watching_database(
    dsn: str, session: Session, watch: Watch, watch_total: Watch
) -> AsyncIterator[None]:
    """Check in the background and export the findings; one worker of each node does."""
    drift, slots = DriftCheck(dsn), SlotWatch(session)
    watch("evently_seat_drift_seats", "Seats by which rows and ledgers differ", lambda: drift.seats)
    watch("evently_drifting_events", "Events that differ from their ledger", lambda: drift.events)
    watch_total(
        "evently_drift_checked_events_total",
        "Events compared with their ledgers since the start",
        lambda: drift.checked,
    )
    watch_total(
        "evently_drift_replayed_versions_total",
        "Versions of ledgers replayed by the check since the start",
        lambda: drift.replayed,
    )
    watch(
        "evently_replication_slot_lag_bytes",
        "WAL in bytes that the slowest logical replication slot retains",
        lambda: slots.lag.lag_bytes,
    )
    watch(
        "evently_replication_slots_lost",
        "Logical slots that fell so far behind that the server invalidated them",
        lambda: slots.lag.lost,
    )
    async with in_background(drift_check=drift.run(), slot_watch=slots.run()):
        yield
