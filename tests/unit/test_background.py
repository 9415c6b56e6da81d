"""Work beside the service ends with the block that it belongs to."""

import asyncio

import pytest

from evently.background import in_background


async def test_it_runs_under_its_name_and_is_over_when_the_block_ends() -> None:
    begun, over = asyncio.Event(), asyncio.Event()
    names: list[str | None] = []

    async def work() -> None:
        task = asyncio.current_task()
        names.append(task.get_name() if task else None)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    async with in_background(slow_work=work()):
        await begun.wait()
        assert not over.is_set()
    assert over.is_set()
    assert names == ["slow-work"]


async def test_what_failed_before_the_end_does_not_hide_what_the_block_raises() -> None:
    async def fail() -> None:
        raise ValueError("of the work")

    async def raise_in_the_block() -> None:
        async with in_background(failing=fail()):
            await asyncio.sleep(0)
            raise KeyError("of the block")

    with pytest.raises(KeyError, match="of the block"):
        await raise_in_the_block()
