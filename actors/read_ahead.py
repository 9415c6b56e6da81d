"""Reads the rows of holds that the next batches need, while the present ones are committed.

A confirmed hold needs its row, and a batch that read them only once the one before was committed
waited for the database twice. What was read counts if it fits the batch that was in progress when
it was asked for: `actors/hold_rows.py` has the rules.

Rule: nobody hears of a read ahead that fails. Its rows are read again in their turn, and that fails
or not.
"""

import asyncio
import logging
from collections.abc import Iterable

from actors.actor_phase import Phase
from actors.event_actor import BATCH_MAX, EventActor
from actors.hold_rows import HoldRows
from actors.store import EventStore
from evently.domain.commits import Batch
from evently.domain.errors import Fault

log = logging.getLogger(__name__)


class ReadAhead:
    """The reads of one committer: one at a time, for all that ask meanwhile."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._asking: dict[EventActor, None] = {}
        self._task: asyncio.Task[None] | None = None

    def ask(self, actor: EventActor) -> None:
        """Read the rows that those need who wait for the batch of `actor`, if any."""
        if not actor.wants_rows or actor.phase is not Phase.COMMITTING:
            return
        self._asking[actor] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="read-ahead")

    async def done(self) -> None:
        """Wait for the reads that are under way."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while self._asking:
                asking, self._asking = self._asking, {}
                await self._read(asking)
        except Fault as fault:
            log.info("rows of holds were not read ahead: %r", fault)
        except Exception:
            log.exception("rows of holds were not read ahead")
        finally:
            self._asking, self._task = {}, None

    async def _read(self, actors: Iterable[EventActor]) -> None:
        named: list[tuple[HoldRows, Batch, list[str]]] = []
        for actor in actors:
            batch = actor.holds.batch
            if batch is not None and actor.phase is Phase.COMMITTING:
                its_holds, _ = actor.holds.questions(batch.after.version, BATCH_MAX)
                named.append((actor.holds, batch, its_holds))
        asked = [(batch.event_id, hold_id) for _, batch, its in named for hold_id in its]
        if not asked:
            return
        found = await self._store.find_holds(asked)
        for holds, batch, its_holds in named:
            event_id = batch.event_id
            rows = {hold_id: found.rows.get((event_id, hold_id)) for hold_id in its_holds}
            holds.read_ahead(batch, rows, found.versions.get(event_id))
