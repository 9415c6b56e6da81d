"""Rows of holds that are read while the batch before is committed; none of them is remembered."""

import asyncio

import pytest

from evently.domain.commands import Confirm, Release
from evently.domain.holds import HoldStatus
from evently.domain.outcomes import Answer, Done, HoldNotActive
from tests.examples import EVENT, hold, hold_id
from tests.memory_store import Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import CALL_S, OneWorker, one_worker

A, B = hold_id("a"), hold_id("b")
# Long enough for all that does not wait for a slow call.
A_WHILE_S = 0.1


async def opened(worker: OneWorker) -> None:
    """An event with the holds A and B."""
    worker.open()
    for name in ("a", "b"):
        await worker.send(command=hold(1, name, duration_s=60), key=name)


def reads(worker: OneWorker) -> int:
    return len(worker.calls("find_holds"))


async def confirming(worker: OneWorker) -> "list[asyncio.Task[Answer]]":
    """A is being confirmed, slowly; B waits, and its row was read ahead."""
    await opened(worker)
    worker.will("commit", Step(before_s=1.0))
    answers = []
    for key, name in (("1", A), ("2", B)):
        answers.append(worker.send(command=Confirm(name), key=key))
        await asyncio.sleep(A_WHILE_S)
    assert reads(worker) == 2
    assert not answers[0].done()
    return answers


def done(answer: object) -> Done:
    assert isinstance(answer, Done)
    return answer


@in_virtual_time
async def test_the_rows_of_the_next_batch_are_read_while_this_one_is_committed() -> None:
    async with one_worker(holds_max=0) as worker:
        for answer in await confirming(worker):
            assert done(await answer).hold is not None

        assert reads(worker) == 2


@in_virtual_time
@pytest.mark.parametrize("slow", [Step(before_s=1.0), Step(after_s=1.0)], ids=["before", "after"])
async def test_a_row_that_the_batch_changes_is_read_as_it_leaves_it(slow: Step) -> None:
    async with one_worker(holds_max=0) as worker:
        await opened(worker)
        worker.will("commit", slow)
        first = worker.send(command=Confirm(A), key="1")
        await asyncio.sleep(A_WHILE_S)
        again = worker.send(command=Confirm(A), key="2")
        released = worker.send(command=Release(A), key="3")
        await asyncio.sleep(A_WHILE_S)
        assert reads(worker) == 2
        assert not first.done()

        assert done(await again).hold == done(await first).hold
        assert await released == HoldNotActive(A, HoldStatus.CONFIRMED)


@in_virtual_time
async def test_rows_are_read_again_if_another_owner_was_first() -> None:
    async with one_worker(holds_max=0) as worker:
        first, second = await confirming(worker)
        rows = worker.database.holds[EVENT]
        worker.write(EVENT, ("other", Release(B)), holds=dict(rows))

        assert done(await first).hold is not None
        assert await second == HoldNotActive(B, HoldStatus.RELEASED)


@in_virtual_time
async def test_a_read_that_the_commit_does_not_wait_for_is_not_made_twice() -> None:
    async with one_worker(holds_max=0) as worker:
        await opened(worker)
        worker.will("commit", Step(before_s=1.0))
        worker.will("find_holds", Step(before_s=CALL_S), Step(before_s=1.5))
        first = worker.send(command=Confirm(A), key="1")
        await asyncio.sleep(A_WHILE_S)
        second = worker.send(command=Confirm(B), key="2")

        await first
        assert not second.done()
        assert done(await second).hold is not None

        assert reads(worker) == 2


@in_virtual_time
@pytest.mark.parametrize("fate", [Fate.UNAVAILABLE, Fate.BUG], ids=["unavailable", "bug"])
async def test_nobody_hears_of_a_read_ahead_that_fails(fate: Fate) -> None:
    async with one_worker(holds_max=0) as worker:
        await opened(worker)
        worker.will("commit", Step(before_s=1.0))
        worker.will("find_holds", Step(before_s=CALL_S), Step(fate))
        first = worker.send(command=Confirm(A), key="1")
        await asyncio.sleep(A_WHILE_S)
        second = worker.send(command=Confirm(B), key="2")

        for answer in (first, second):
            assert done(await answer).hold is not None

        assert reads(worker) == 3


@in_virtual_time
async def test_what_was_read_of_a_history_that_may_be_gone_is_read_again() -> None:
    async with one_worker(holds_max=0) as worker:
        answers = await confirming(worker)
        for forget in worker.store.forgets:
            forget()

        for answer in answers:
            assert done(await answer).hold is not None

        assert reads(worker) == 3
