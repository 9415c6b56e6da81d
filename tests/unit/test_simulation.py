"""Two hundred worlds; `make sim` goes through two thousand."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.expire_request import ORIGIN
from tests.memory_store import LedgerRow
from tests.simulation.__main__ import known_seeds, main, simulate
from tests.simulation.checker import Checker
from tests.simulation.virtual_loop import NothingLeftToDo, in_virtual_time, run
from tests.simulation.world import WEATHERS, World

SEEDS = 200
BATCH = 20


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """The worlds are full of faults; each would be told in the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", known_seeds())
def test_a_seed_that_failed_once_keeps_the_promise(seed: int) -> None:
    simulate(seed)


@pytest.mark.parametrize("first", range(1, SEEDS + 1, BATCH))
def test_the_promise_is_kept(first: int) -> None:
    for seed in range(first, first + BATCH):
        simulate(seed)


def test_a_seed_is_the_same_world_every_time() -> None:
    one, again = simulate(7), simulate(7)

    assert one.counts == again.counts
    assert _ledger(one) == _ledger(again)


def _ledger(checker: Checker) -> list[LedgerRow]:
    """All rows, without the keys that the workers draw from the system's randomness."""
    rows = [row for its in checker.database.ledger.values() for row in its]
    return [
        replace(row, record=replace(row.record, key="")) if row.record.origin == ORIGIN else row
        for row in rows
    ]


def test_every_weather_comes_and_something_happens_in_it() -> None:
    weathers: set[str] = set()

    async def look() -> None:
        weathers.update(World(seed).weather for seed in range(100))

    run(look)

    assert weathers == set(WEATHERS)
    assert simulate(1).counts["commits"] > 0


def test_a_seed_that_fails_is_noted_and_says_how_to_repeat_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("# none yet\n", encoding="utf-8")

    def fail(seed: int) -> Checker:
        raise AssertionError(f"seed {seed} breaks the promise")

    assert main(["--seed", "42"], play=fail, seeds_file=seeds) == 1

    assert known_seeds(seeds) == [42]
    assert "again: python -m tests.simulation --seed 42" in capsys.readouterr().out


@in_virtual_time
async def test_virtual_time_passes_when_nobody_has_anything_to_do() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (3.0, 500.0, 0.25)))

    assert loop.time() == pytest.approx(500.0)


def test_to_wait_for_what_never_comes_is_an_error() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingLeftToDo):
        run(wait)
