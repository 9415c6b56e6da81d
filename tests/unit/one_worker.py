"""One worker over a store in memory, whose calls meet the fates that a test lays out for them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from actors.clock import DatabaseClock
from actors.registry import Registry
from evently.domain.commands import Command
from evently.domain.commits import Record
from evently.domain.event import created
from evently.domain.holds import NO_HOLDS, Holds
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer
from tests.examples import (
    ADMIN,
    EVENT,
    NOW,
    VENUE,
    VENUE_CAPACITY,
    details,
    draft,
    publish,
    request,
)
from tests.examples import batch as batch_of
from tests.memory_store import Call, MemoryDatabase, MemoryStore, Step

# How long a call takes that nothing befalls.
CALL_S = 0.001


class Counts:
    """Counts what the committer tells."""

    def __init__(self) -> None:
        self.commits: list[tuple[int, int]] = []
        self.overtakings = 0
        self.failures: list[str] = []
        self.went_backs = 0
        self.ends: list[tuple[str, float]] = []
        self.freed = 0

    def committed(self, events: int, moves: int, seconds: float) -> None:
        assert seconds >= 0
        self.commits.append((events, moves))

    def overtaken(self, events: int) -> None:
        self.overtakings += events

    def went_back(self) -> None:
        self.went_backs += 1

    def failed(self, reason: str) -> None:
        self.failures.append(reason)

    def hold_ended(self, end: str, late_s: float) -> None:
        self.ends.append((end, late_s))

    def blocks_freed(self, seats: int) -> None:
        self.freed += seats


class OneWorker:
    """The worker, its database, and the steps that its next calls of each kind will take."""

    def __init__(self, **bounds: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.database = MemoryDatabase(NOW, self.loop.time, venues={VENUE: VENUE_CAPACITY})
        self.steps: dict[str, list[Step]] = {
            kind: [] for kind in ("commit", "load", "recall", "find_holds", "due_holds", "held")
        }
        self.store = MemoryStore(self.database, self._script)
        self.counts = Counts()
        self.registry = Registry(self.store, DatabaseClock(self.loop.time), self.counts, **bounds)

    def open(self, event_id: str = EVENT, capacity: int = 10) -> str:
        """Put an event on sale."""
        _, entry = created(details(event_id), capacity, NOW)
        row = Record(entry, "create", "create", Origin(ADMIN, "set-up"))
        self.database.insert(draft(capacity, event_id), row)
        self.write(event_id, ("publish", publish()))
        return event_id

    def write(self, event_id: str, *moves: tuple[str, Command], holds: Holds = NO_HOLDS) -> None:
        """Let another writer carry out `moves`, with these rows of `holds`."""
        state, now = self.database.states[event_id], self.database.now()
        self.database.execute([batch_of(state, *moves, now=now, holds=holds)], "another")

    def will(self, kind: str, *steps: Step) -> None:
        """Lay out what befalls the next calls of `kind`."""
        self.steps[kind] += steps

    def send(
        self, event_id: str = EVENT, command: Command | None = None, key: str = "k", **given: Any
    ) -> "asyncio.Task[Answer]":
        """Ask without waiting for the answer."""
        deadline_s = self.loop.time() + given.pop("wait_s", 2.0)
        wanted = request(command, key, deadline_s=deadline_s, **given)
        return asyncio.create_task(self.registry.ask(event_id, wanted))

    def send_all(self, keys: Iterable[str], event_id: str = EVENT) -> "list[asyncio.Task[Answer]]":
        """Ask for one seat under each of these keys."""
        return [self.send(event_id, key=key) for key in keys]

    def calls(self, kind: str) -> list[Call]:
        """The calls of `kind` so far."""
        return [call for call in self.store.calls if call.kind == kind]

    def ledger(self, event_id: str = EVENT) -> list[str]:
        """The keys in the event's ledger after it was published, in order."""
        return [row.record.key for row in self.database.ledger[event_id][2:]]

    def _script(self, call: Call) -> Step:
        steps = self.steps.get(call.kind)
        return steps.pop(0) if steps else Step(before_s=CALL_S, after_s=CALL_S)


class Earlier:
    """Takes a worker's database back to what it is now, as a restore would."""

    def __init__(self, worker: OneWorker) -> None:
        database = worker.database
        self._database = database
        self._states = dict(database.states)
        self._ledger = {event_id: list(rows) for event_id, rows in database.ledger.items()}
        self._by_key = dict(database.by_key)
        self._refusals = dict(database.refusals)
        self._holds = {event_id: dict(rows) for event_id, rows in database.holds.items()}

    def restore(self) -> None:
        """What was committed since is gone."""
        self._database.states = dict(self._states)
        self._database.ledger = {event_id: list(rows) for event_id, rows in self._ledger.items()}
        self._database.by_key = dict(self._by_key)
        self._database.refusals = dict(self._refusals)
        self._database.holds = {event_id: dict(rows) for event_id, rows in self._holds.items()}


@asynccontextmanager
async def one_worker(**bounds: Any) -> AsyncIterator[OneWorker]:
    """A worker that runs; nothing of it is left afterwards."""
    worker = OneWorker(**bounds)
    worker.registry.start()
    try:
        yield worker
    finally:
        await worker.registry.stop()
        # Whoever has an answer is counted off in the loop's next turn.
        await asyncio.sleep(0)
    assert worker.registry.pending == 0
    assert worker.store.open_lanes == 0


async def faults_of(*tasks: "asyncio.Task[Answer]") -> list[BaseException | None]:
    """What was raised to those who waited."""
    await asyncio.wait(tasks)
    return [task.exception() for task in tasks]
