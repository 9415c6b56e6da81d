"""The store in memory is a store like any other, and misbehaves as it is told."""

import asyncio

import pytest

from evently.domain.commits import Batch, FateUnknown, Locked, Record
from evently.domain.event import created
from evently.domain.origin import Origin
from tests.contracts import EventStoreContract, Setting, Version
from tests.examples import EVENT, NOW, ORIGIN, batch, details, publish, reserve
from tests.hold_contracts import HoldStoreContract
from tests.holdback_contracts import HoldbackStoreContract
from tests.memory_store import LOCK_S, Fate, MemoryDatabase, MemoryStore, Step
from tests.opening_contracts import OpeningStoreContract
from tests.simulation.virtual_loop import in_virtual_time


class InMemory:
    """A database in memory, whose clock is the loop's."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(NOW, asyncio.get_running_loop().time)
        self.store = MemoryStore(self.database)

    async def set_venue(self, venue_id: str, capacity: int) -> None:
        self.database.venues[venue_id] = capacity

    async def ledger(self, event_id: str) -> list[Version]:
        entries = [(row.record.entry, row.record) for row in self.database.ledger.get(event_id, [])]
        return [
            Version(
                entry.version,
                entry.kind,
                record.key,
                record.request,
                entry.seat_delta,
                entry.capacity_delta,
                entry.money_delta,
                entry.available_seats,
                entry.status,
            )
            for entry, record in entries
        ]


class TestMemoryStore(
    EventStoreContract, HoldStoreContract, HoldbackStoreContract, OpeningStoreContract
):
    @pytest.fixture
    async def setting(self) -> Setting:
        return InMemory()


class Misbehaving:
    """An event on sale in a store of which the next commits meet `steps`."""

    def __init__(self, *steps: Step) -> None:
        self.loop = asyncio.get_running_loop()
        self.database = MemoryDatabase(NOW, self.loop.time)
        state, entry = created(details(), 10, NOW)
        self.database.insert(state, Record(entry, "create", "create", Origin("admin", "request")))
        self.database.execute([batch(self.database.states[EVENT], ("publish", publish()))])
        planned = list(steps)
        self.store = MemoryStore(self.database, lambda call: planned.pop(0) if planned else Step())

    def move(self, key: str = "k") -> Batch:
        return batch(self.database.states[EVENT], (key, reserve()))

    @property
    def version(self) -> int:
        return self.database.states[EVENT].version


@pytest.mark.parametrize(
    ("fate", "at_once", "later"),
    [
        (Fate.LOSE_REPLY, 3, 3),
        (Fate.LOSE_STATEMENT, 2, 2),
        (Fate.RUN_LATER, 2, 3),
        (Fate.STALL, 2, 3),
    ],
)
@in_virtual_time
async def test_a_statement_whose_fate_is_unknown_was_run_or_not_or_will_be(
    fate: Fate, at_once: int, later: int
) -> None:
    it = Misbehaving(Step(fate, later_s=5.0))

    with pytest.raises(FateUnknown):
        await it.store.lane().commit([it.move()])

    assert it.version == at_once
    await asyncio.sleep(6.0)
    assert it.version == later


@in_virtual_time
async def test_a_late_statement_whose_version_is_gone_changes_nothing() -> None:
    it = Misbehaving(Step(Fate.RUN_LATER, later_s=5.0))
    with pytest.raises(FateUnknown):
        await it.store.lane().commit([it.move("late")])
    await it.store.lane().commit([it.move("in between")])

    await asyncio.sleep(6.0)

    assert it.version == 3
    assert (EVENT, ORIGIN.caller, "late") not in it.database.by_key


@pytest.mark.parametrize("held_s", [0.5 * LOCK_S, 2 * LOCK_S])
@in_virtual_time
async def test_a_statement_waits_for_a_row_that_is_held_and_not_for_ever(held_s: float) -> None:
    it = Misbehaving(Step(Fate.STALL, later_s=held_s))
    twin = it.move()
    with pytest.raises(FateUnknown):
        await it.store.lane().commit([twin])

    if held_s > LOCK_S:
        with pytest.raises(Locked):
            await it.store.lane().commit([twin])
        assert it.version == 2
    else:
        assert (await it.store.lane().commit([twin])).event_ids == frozenset()
        assert it.version == 3


@in_virtual_time
async def test_a_dead_process_hears_of_nothing_and_what_it_sent_runs() -> None:
    it = Misbehaving(Step(before_s=1.0, after_s=1.0))
    waits = asyncio.create_task(it.store.lane().commit([it.move()]))
    await asyncio.sleep(1.5)

    it.store.die()
    await asyncio.sleep(100.0)

    assert not waits.done()
    assert it.version == 3
    waits.cancel()
    await asyncio.wait((waits,))
