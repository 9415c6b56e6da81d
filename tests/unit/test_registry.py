"""The events of one worker: who is in memory, who is let go, and what does not fit."""

import asyncio
from uuid import UUID

import pytest

from actors.event_actor import SNAPSHOT_MAX_AGE_S
from actors.registry import SWEEP_S
from evently.domain.errors import DatabaseUnavailable, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Done, NotFound
from tests.examples import EVENT, request, reserve
from tests.memory_store import Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import faults_of, one_worker

OTHERS = [f"00000000-0000-0000-0000-{n:012d}" for n in range(100, 110)]
UNKNOWN = "00000000-0000-0000-0000-0000000000ff"
SLOW = Step(before_s=1.0)


@in_virtual_time
async def test_an_event_is_activated_by_its_first_request_and_let_go_when_nobody_asks() -> None:
    async with one_worker(idle_s=60.0) as worker:
        worker.open()
        await worker.send()
        assert worker.registry.alive == 1

        await asyncio.sleep(60.0 - 2 * SWEEP_S)
        assert worker.registry.alive == 1
        await asyncio.sleep(4 * SWEEP_S)

        assert worker.registry.alive == 0
        assert isinstance(await worker.send(key="next"), Done)


@in_virtual_time
async def test_events_that_do_not_exist_leave_no_actor_behind() -> None:
    async with one_worker() as worker:
        assert await worker.send(UNKNOWN) == NotFound()
        assert await worker.registry.read(UNKNOWN) is None

        assert worker.registry.alive == 0


@in_virtual_time
async def test_as_many_events_fit_as_the_bound_and_an_idle_one_makes_room() -> None:
    async with one_worker(actors_max=2) as worker:
        for event_id in OTHERS[:3]:
            worker.open(event_id)
            await worker.send(event_id)

        assert worker.registry.alive <= 2


@in_virtual_time
async def test_the_few_that_were_used_longest_ago_make_room() -> None:
    async with one_worker(actors_max=200) as worker:
        events = [worker.open(str(UUID(int=number))) for number in range(1, 202)]
        for event_id in events[:200]:
            await worker.send(event_id)
        # Read, sold, and being sold: none of these is the oldest any more.
        await worker.registry.read(events[0])
        await worker.send(events[1])
        worker.will("commit", SLOW)
        busy = worker.send(events[2])
        await worker.send(events[200])

        assert worker.registry.alive == 199
        gone = [event for event in events if event not in worker.registry._actors]
        assert gone == events[3:5]
        assert isinstance(await busy, Done)


@in_virtual_time
async def test_an_event_that_is_busy_is_passed_over_by_what_makes_room() -> None:
    async with one_worker(actors_max=2) as worker:
        for event_id in OTHERS[:3]:
            worker.open(event_id)
        worker.will("commit", SLOW)
        busy = worker.send(OTHERS[0])
        await worker.registry.read(OTHERS[1])
        await worker.registry.read(OTHERS[2])

        assert set(worker.registry._actors) == {OTHERS[0], OTHERS[2]}
        assert isinstance(await busy, Done)


@in_virtual_time
async def test_one_event_more_than_fits_is_refused_while_all_are_busy() -> None:
    async with one_worker(actors_max=2) as worker:
        for event_id in OTHERS[:3]:
            worker.open(event_id)
        worker.will("commit", SLOW)
        busy = [worker.send(event_id) for event_id in OTHERS[:2]]
        await asyncio.sleep(0.5)

        (fault,) = await faults_of(worker.send(OTHERS[2]))

        assert isinstance(fault, Overloaded)
        assert worker.loop.time() == 0.5
        assert all(isinstance(answer, Done) for answer in await asyncio.gather(*busy))


@in_virtual_time
async def test_as_many_requests_wait_as_the_bound_and_one_more_is_refused_at_once() -> None:
    async with one_worker(pending_max=3) as worker:
        worker.open()
        worker.will("commit", SLOW)
        waiting = worker.send_all(("a", "b", "c"))
        await asyncio.sleep(0.5)
        assert worker.registry.pending == 3

        (fault,) = await faults_of(worker.send(key="d"))

        assert isinstance(fault, Overloaded)
        assert worker.loop.time() == 0.5
        await asyncio.gather(*waiting)
        assert worker.registry.pending == 0
        assert worker.ledger() == ["a", "b", "c"]


@in_virtual_time
async def test_a_caller_that_goes_waits_no_more() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("load", SLOW)
        gone = worker.send()
        await asyncio.sleep(0.5)

        gone.cancel()
        await asyncio.wait((gone,))

        assert worker.registry.pending == 0
        await asyncio.sleep(2.0)
        assert worker.ledger() == []


@in_virtual_time
async def test_a_repeated_key_is_answered_without_the_database() -> None:
    async with one_worker() as worker:
        worker.open()
        first = await worker.send()
        calls = len(worker.store.calls)

        again = await worker.send()

        assert isinstance(first, Done)
        assert isinstance(again, Done)
        assert again.replayed
        assert again.version == first.version
        assert len(worker.store.calls) == calls


@in_virtual_time
async def test_fifty_requests_under_one_key_are_one_move() -> None:
    async with one_worker() as worker:
        worker.open()

        answers = await asyncio.gather(*worker.send_all(["k"] * 50))

        assert worker.ledger() == ["k"]
        assert {answer.version for answer in answers if isinstance(answer, Done)} == {3}
        assert [isinstance(a, Done) and a.replayed for a in answers] == [False] + [True] * 49


# Reads


@in_virtual_time
async def test_a_read_after_an_answer_is_never_older_and_needs_no_database() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send()
        calls = len(worker.store.calls)

        state = await worker.registry.read(EVENT)

        assert state is not None
        assert state.version == 3
        assert len(worker.store.calls) == calls


@in_virtual_time
async def test_a_read_of_old_state_asks_the_database_once_for_all_readers() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send()
        await asyncio.sleep(2 * SNAPSHOT_MAX_AGE_S)
        worker.write(EVENT, ("elsewhere", reserve(2)))
        calls = len(worker.store.calls)

        states = await asyncio.gather(*(worker.registry.read(EVENT) for _ in range(20)))

        assert [state.version if state else 0 for state in states] == [4] * 20
        assert len(worker.store.calls) == calls + 1


@in_virtual_time
async def test_a_worker_that_is_not_trusted_yet_answers_no_read_from_memory() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send()
        worker.registry.distrust(1.0)
        assert worker.registry.snapshot(EVENT) is None

        worker.write(EVENT, ("elsewhere", reserve(2)))
        state = await worker.registry.read(EVENT)

        assert state is not None
        assert state.version == 4


@in_virtual_time
async def test_a_read_that_was_slow_does_not_take_a_newer_answer_back() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("load", Step(after_s=1.0))
        reading = asyncio.create_task(worker.registry.read(EVENT))
        await asyncio.sleep(0.1)
        await worker.send()

        state = await reading

        assert state is not None
        assert state.version == 3


@pytest.mark.parametrize(
    ("fate", "fault"), [(Fate.UNAVAILABLE, DatabaseUnavailable), (Fate.OVERLOADED, Overloaded)]
)
@in_virtual_time
async def test_a_read_says_that_the_database_does_not_answer(
    fate: Fate, fault: type[Exception]
) -> None:
    async with one_worker() as worker:
        worker.will("load", Step(fate))

        with pytest.raises(fault):
            await worker.registry.read(EVENT)


@in_virtual_time
async def test_a_stopped_worker_refuses_and_keeps_nothing() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.registry.stop()

        with pytest.raises(Overloaded):
            worker.registry.submit(EVENT, request())

        assert worker.registry.pending == 0
        assert worker.registry.alive == 0


@in_virtual_time
async def test_what_comes_late_makes_no_actor_and_pushes_none_out() -> None:
    async with one_worker(actors_max=2) as worker:
        for event_id in OTHERS[:3]:
            worker.open(event_id)
        for event_id in OTHERS[:2]:
            await worker.send(event_id)
        late = [worker.send(event_id, wait_s=-0.001) for event_id in (OTHERS[2], UNKNOWN)]

        assert [type(fault) for fault in await faults_of(*late)] == [Overloaded, Overloaded]
        assert list(worker.registry._actors) == OTHERS[:2]


@in_virtual_time
async def test_a_late_repetition_of_what_was_done_is_not_told_that_nothing_was() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send()
        worker.registry.sweep(-1.0)
        assert worker.registry.alive == 0

        (fault,) = await faults_of(worker.send(wait_s=-0.001))
        assert isinstance(fault, OutcomeUnknown)
        again = await worker.send()
        assert isinstance(again, Done)
        assert again.replayed
