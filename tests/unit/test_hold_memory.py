"""What a worker remembers of the open holds that it has placed, and when that counts no more."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.hold_memory import HoldMemory
from evently.domain.commands import ChangeHold, Confirm, Release
from evently.domain.holds import Hold, HoldStatus
from evently.domain.outcomes import Answer, Done, HoldNotActive, HoldNotFound
from tests.examples import EVENT, NOW, hold, hold_id, reserve
from tests.memory_store import Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import CALL_S, Earlier, OneWorker, one_worker

A, B = hold_id("a"), hold_id("b")


def open_hold(name: str = A, **values: Any) -> Hold:
    until = NOW + timedelta(seconds=60)
    kept = Hold(name, 2, Decimal("25.50"), HoldStatus.HELD, "basket", NOW, until)
    return replace(kept, **values)


@pytest.fixture
def memory() -> HoldMemory:
    return HoldMemory()


def test_an_open_hold_is_recalled_as_it_is(memory: HoldMemory) -> None:
    memory.note(1, [open_hold(), open_hold(B, reference=None)])

    assert memory.recall(1, A) == open_hold()
    assert memory.recall(1, B) == open_hold(B, reference=None)
    assert memory.knows(1, A)
    assert memory.recall(1, "another") is None
    assert not memory.knows(1, "another")


def test_nothing_is_known_of_another_chain(memory: HoldMemory) -> None:
    memory.note(memory.new_chain(), [open_hold()])

    other = memory.new_chain()
    assert memory.recall(other, A) is None
    assert not memory.knows(other, A)


@pytest.mark.parametrize("end", [HoldStatus.CONFIRMED, HoldStatus.RELEASED, HoldStatus.EXPIRED])
def test_a_hold_that_has_ended_is_forgotten(memory: HoldMemory, end: HoldStatus) -> None:
    memory.note(1, [open_hold()])
    memory.note(1, [open_hold(status=end, closed_at=NOW)])

    assert len(memory) == 0


def test_the_last_that_was_said_of_a_hold_counts(memory: HoldMemory) -> None:
    memory.note(1, [open_hold()])
    memory.note(1, [open_hold(quantity=1)])

    assert memory.recall(1, A) == open_hold(quantity=1)
    assert len(memory) == 1


def test_the_oldest_go_first() -> None:
    memory = HoldMemory(holds_max=2)
    memory.note(1, [open_hold("1"), open_hold("2"), open_hold("3")])

    assert [memory.knows(1, name) for name in "123"] == [False, True, True]
    assert len(memory) == 2


def reads(worker: OneWorker) -> int:
    return len(worker.calls("find_holds"))


async def opened(worker: OneWorker) -> None:
    """An event with the holds A and B."""
    worker.open()
    for name in ("a", "b"):
        await worker.send(command=hold(1, name, duration_s=60), key=name)


def done(answer: Answer) -> Done:
    assert isinstance(answer, Done)
    return answer


@in_virtual_time
async def test_what_the_worker_has_placed_is_changed_and_confirmed_without_a_read() -> None:
    async with one_worker() as worker:
        await opened(worker)
        await worker.send(command=ChangeHold(A, None, 600), key="1")
        await worker.send(command=reserve(), key="2")
        confirmed = done(await worker.send(command=Confirm(A), key="3")).hold
        released = done(await worker.send(command=Release(B), key="4")).hold

        assert confirmed is not None
        assert released is not None
        assert confirmed.status is HoldStatus.CONFIRMED
        assert worker.database.holds[EVENT][A] == confirmed
        assert worker.database.holds[EVENT][B] == released
        assert reads(worker) == 0


@in_virtual_time
async def test_what_has_ended_is_read() -> None:
    async with one_worker() as worker:
        await opened(worker)
        await worker.send(command=Confirm(A), key="1")

        again = await worker.send(command=Release(A), key="2")
        assert again == HoldNotActive(A, HoldStatus.CONFIRMED)
        assert reads(worker) == 1


@in_virtual_time
async def test_two_at_once_for_one_hold_are_decided_one_after_the_other() -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.will("commit", Step(before_s=1.0))
        first = worker.send(command=Confirm(A), key="1")
        await asyncio.sleep(0.1)
        late = [worker.send(command=Release(A), key="2"), worker.send(command=Confirm(B), key="3")]

        assert done(await first).hold is not None
        assert await late[0] == HoldNotActive(A, HoldStatus.CONFIRMED)
        assert done(await late[1]).hold is not None


@in_virtual_time
async def test_a_version_of_another_owner_ends_what_is_known() -> None:
    async with one_worker() as worker:
        await opened(worker)
        rows = worker.database.holds[EVENT]
        worker.write(EVENT, ("other", Release(A)), holds=dict(rows))

        assert await worker.send(command=Confirm(A), key="1") == HoldNotActive(
            A, HoldStatus.RELEASED
        )
        # It was the row that told; and so for a hold that the other owner left alone.
        assert reads(worker) == 1
        assert done(await worker.send(command=Confirm(B), key="2")).hold is not None
        assert reads(worker) == 2


@in_virtual_time
async def test_a_version_of_another_owner_that_a_read_brought_ends_it_as_well() -> None:
    async with one_worker() as worker:
        await opened(worker)
        rows = worker.database.holds[EVENT]
        worker.write(EVENT, ("other", Release(A)), holds=dict(rows))
        await asyncio.sleep(1.0)
        await worker.registry.read(EVENT)

        assert await worker.send(command=Confirm(A), key="1") == HoldNotActive(
            A, HoldStatus.RELEASED
        )
        assert len(worker.calls("commit")) == 3, "nothing was tried on what is out of date"


@in_virtual_time
async def test_another_history_ends_what_is_known() -> None:
    async with one_worker() as worker:
        await opened(worker)
        for forget in worker.store.forgets:
            forget()

        assert done(await worker.send(command=Confirm(A), key="1")).hold is not None
        assert reads(worker) == 1


@in_virtual_time
@pytest.mark.parametrize(
    ("ended", "read"),
    [(False, True), (True, True), (True, False)],
    ids=["held-and-read", "confirmed-and-read", "confirmed"],
)
async def test_a_history_that_has_come_to_the_same_version_ends_what_is_known(
    ended: bool, read: bool
) -> None:
    async with one_worker() as worker:
        worker.open()
        earlier = Earlier(worker)
        await worker.send(command=hold(2, "a", duration_s=600), key="a")
        if ended:
            await worker.send(command=Confirm(A), key="paid")
        earlier.restore()
        worker.write(EVENT, ("b", hold(2, "b", duration_s=600)))
        await asyncio.sleep(1.0)
        if read:
            await worker.registry.read(EVENT)

        assert await worker.send(command=Confirm(A), key="1") == HoldNotFound(A)
        assert done(await worker.send(command=Confirm(B), key="2")).hold is not None


@in_virtual_time
async def test_a_hold_that_leaves_none_behind_is_forgotten_as_well() -> None:
    async with one_worker() as worker:
        worker.open()
        for number in range(3):
            name = f"h{number}"
            await worker.send(command=hold(1, name, duration_s=60), key=name)
            await worker.send(command=Confirm(hold_id(name)), key=f"paid {number}")

        assert reads(worker) == 0
        assert len(worker.registry._holds) == 0


@in_virtual_time
async def test_what_was_committed_while_the_history_was_in_question_is_not_known() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send(command=hold(1, "a", duration_s=60), key="a")
        worker.will("commit", Step(before_s=1.0))
        placed = worker.send(command=hold(1, "b", duration_s=60), key="b")
        await asyncio.sleep(0.1)
        for forget in worker.store.forgets:
            forget()
        await placed

        assert done(await worker.send(command=Confirm(B), key="1")).hold is not None
        assert reads(worker) == 1


@in_virtual_time
@pytest.mark.parametrize("fate", [Fate.UNAVAILABLE, Fate.BUG], ids=["unavailable", "bug"])
async def test_what_was_not_committed_is_not_known(fate: Fate) -> None:
    async with one_worker() as worker:
        await opened(worker)
        worker.will("commit", Step(fate))
        await asyncio.gather(
            worker.send(command=ChangeHold(A, None, 600), key="1"), return_exceptions=True
        )
        await asyncio.sleep(2 + CALL_S)
        confirmed = done(await worker.send(command=Confirm(A), key="2")).hold

        assert confirmed is not None
        assert (confirmed.expires_at - confirmed.held_at).total_seconds() == 60
