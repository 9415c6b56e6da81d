"""Rows that other transactions hold: whom they delay, and for how long."""

import asyncio

from actors.event_actor import PARKED_S
from evently.domain.errors import Overloaded, RowLocked
from evently.domain.outcomes import Done
from tests.examples import EVENT, VENUE, update
from tests.memory_store import LOCK_S, Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import CALL_S, OneWorker, faults_of, one_worker

OTHER = "00000000-0000-0000-0000-000000000000"
LONG_S = 1000.0
CHANGE = update(3, total_capacity=11)
# A few calls of a database that nobody holds up.
AT_ONCE_S = 20 * CALL_S


async def opened(worker: OneWorker) -> None:
    """Two events whose actors know their states."""
    for event_id in (EVENT, OTHER):
        worker.open(event_id)
        await worker.send(event_id, key="first")


@in_virtual_time
async def test_neighbours_wait_for_a_held_row_once_and_not_again() -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.database.held_until_s[EVENT] = LONG_S
        started_s = worker.loop.time()
        await faults_of(worker.send(key="held"))
        free = worker.send(OTHER, key="free")
        await free
        assert worker.loop.time() - started_s < LOCK_S + AT_ONCE_S

        for number in range(3):
            await asyncio.sleep(PARKED_S)
            started_s = worker.loop.time()
            held, free = worker.send(key=f"held-{number}"), worker.send(OTHER, key=f"{number}")
            (fault,) = await faults_of(held)
            await free

            assert isinstance(fault, RowLocked)
            assert isinstance(free.result(), Done)
            assert worker.loop.time() - started_s < AT_ONCE_S


@in_virtual_time
async def test_a_row_that_was_held_is_written_again_once_it_is_free() -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.database.held_until_s[EVENT] = worker.loop.time() + 2 * LOCK_S
        await faults_of(worker.send(key="held"))
        await asyncio.sleep(2 * LOCK_S)

        await worker.send(key="free")
        await worker.send(key="next")

        assert worker.ledger()[-2:] == ["free", "next"]
        assert len(worker.calls("held")) == 1, "it is not asked for what nobody holds"


@in_virtual_time
async def test_a_held_venue_delays_its_own_event_s_change_and_nobody_else() -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.database.held_until_s[VENUE] = LONG_S
        started_s = worker.loop.time()

        change = worker.send(command=CHANGE, key="change")
        free = worker.send(OTHER, key="free")
        await free
        assert worker.loop.time() - started_s < AT_ONCE_S
        (fault,) = await faults_of(change)
        await worker.send(key="sold")

        assert isinstance(fault, Overloaded)
        assert worker.ledger() == ["first", "sold"]
        assert worker.loop.time() - started_s < 10 * AT_ONCE_S


@in_virtual_time
async def test_a_venue_that_is_held_for_a_moment_delays_the_change_by_that() -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.database.held_until_s[VENUE] = worker.loop.time() + 5 * CALL_S

        change = worker.send(command=CHANGE, key="change")
        await change

        assert worker.database.states[EVENT].total_capacity == 11


@in_virtual_time
async def test_whoever_cannot_be_looked_up_is_refused_and_unchanged() -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.will("held", Step(Fate.UNAVAILABLE))

        change = worker.send(command=CHANGE, key="change")
        await faults_of(change)

        assert worker.ledger() == ["first"]
