"""So many at once, the others in order and not for long, and nothing left behind."""

import asyncio
from collections.abc import Callable

import pytest

from db.turns import Turns
from evently.domain.errors import Overloaded


class Reader:
    """Takes a turn, and keeps it until it is told to go."""

    def __init__(self, turns: Turns) -> None:
        self.go = asyncio.Event()
        self.inside = False
        self.task = asyncio.create_task(self._read(turns))

    async def _read(self, turns: Turns) -> None:
        async with turns.turn():
            self.inside = True
            await self.go.wait()
            self.inside = False


async def test_as_many_as_the_bound_go_on_and_the_next_waits() -> None:
    turns = Turns("lists", 2, wait_s=60)
    readers = [Reader(turns) for _ in range(3)]
    await _until(lambda: repr(turns) == "<Turns lists: 2 of 2, 1 wait>")
    assert [reader.inside for reader in readers] == [True, True, False]
    readers[0].go.set()
    await _until(lambda: readers[2].inside)
    for reader in readers:
        reader.go.set()
        await reader.task
    assert repr(turns) == "<Turns lists: 0 of 2, 0 wait>"


async def test_one_that_waits_too_long_is_refused_and_takes_no_turn() -> None:
    turns = Turns("lists", 1, wait_s=0)
    first = Reader(turns)
    await _until(lambda: first.inside)
    with pytest.raises(Overloaded, match="too many lists are being read"):
        await Reader(turns).task
    assert repr(turns) == "<Turns lists: 1 of 1, 0 wait>"
    first.go.set()
    await first.task
    async with turns.turn():
        assert repr(turns) == "<Turns lists: 1 of 1, 0 wait>"


async def test_as_many_as_may_wait_do_and_the_next_is_refused_at_once() -> None:
    turns = Turns("lists", 1, wait_s=60, waiting_max=2)
    readers = [Reader(turns) for _ in range(3)]
    await _until(lambda: repr(turns) == "<Turns lists: 1 of 1, 2 wait>")
    with pytest.raises(Overloaded, match="too many lists are waiting"):
        await Reader(turns).task
    for reader in readers:
        reader.go.set()
        await reader.task


@pytest.mark.parametrize("cancelled", [0, 1], ids=["running", "waiting"])
async def test_one_that_is_cancelled_leaves_its_turn_to_the_next(cancelled: int) -> None:
    turns = Turns("lists", 1, wait_s=60)
    readers = [Reader(turns) for _ in range(3)]
    await _until(lambda: repr(turns) == "<Turns lists: 1 of 1, 2 wait>")
    readers[cancelled].task.cancel()
    for reader in readers[:2]:
        reader.go.set()
    await _until(lambda: readers[2].inside)
    readers[2].go.set()
    await readers[2].task
    assert repr(turns) == "<Turns lists: 0 of 1, 0 wait>"


async def test_an_error_ends_the_turn() -> None:
    turns = Turns("lists", 1)
    with pytest.raises(ZeroDivisionError):
        async with turns.turn():
            raise ZeroDivisionError
    async with turns.turn():
        assert repr(turns) == "<Turns lists: 1 of 1, 0 wait>"


async def _until(true: Callable[[], bool]) -> None:
    """Let the tasks run until it is so."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)
