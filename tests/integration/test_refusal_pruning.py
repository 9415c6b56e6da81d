"""Old refusals are deleted in chunks, and the others stay."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import asyncpg
import pytest

from db.database import Database
from db.refusal_store import PRUNE_LOCK_ID, RefusalStore
from evently.domain.commands import Reserve
from evently.domain.errors import DatabaseUnavailable
from evently.domain.outcomes import InsufficientSeats
from evently.refusal_pruning import RefusalPruner, pruning_refusals
from tests.integration.two_owners import Pair
from tests.until import until

AGE = "UPDATE event_refusals SET refused_at = now() - interval '2 hours' WHERE request_key < 'k3'"


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[Pair]:
    """Five refusals have been committed, and three of them are two hours old."""
    async with AsyncExitStack() as stack:
        pair = Pair(database_url)
        await pair.start(stack)
        event_id = await pair.event(seats=1)
        for number in range(5):
            answer = await pair.ask(0, event_id, Reserve(2, None), f"k{number}")
            assert answer == InsufficientSeats(2, 1)
        await pair.sql(AGE)
        yield pair


@pytest.fixture
async def other(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def kept(pair: Pair) -> list[str]:
    rows = await pair.sql("SELECT request_key FROM event_refusals ORDER BY 1")
    return [row["request_key"] for row in rows]


async def test_old_refusals_are_deleted_in_chunks(pair: Pair, database_url: str) -> None:
    async with Database(database_url) as database:
        store = RefusalStore(database)
        pruner = RefusalPruner(store, chunk_max=2, sleep=lambda seconds: asyncio.sleep(0))

        assert await pruner.prune() == 3
        assert await pruner.prune() == 0

    assert await kept(pair) == ["k3", "k4"]


async def test_one_node_prunes_at_a_time(
    pair: Pair, database_url: str, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with Database(database_url) as database:
        pruner = RefusalPruner(RefusalStore(database))
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock($1)", PRUNE_LOCK_ID)

            assert await pruner.prune() == 0

        assert await pruner.prune() == 3


async def test_they_are_deleted_in_the_background(pair: Pair, database_url: str) -> None:
    figures: dict[str, Callable[[], float]] = {}
    async with (
        Database(database_url) as database,
        pruning_refusals(
            RefusalStore(database),
            lambda name, _, read: figures.update({name: read}),
            lambda name, _, read: figures.update({name: read}),
        ),
    ):
        await until(lambda: _pruned(pair))
        await until(lambda: figures["evently_refusals_pruned_total"]() == 3)
        await until(lambda: 0 < figures["evently_oldest_refusal_seconds"]() < 60)


async def test_the_age_of_the_oldest_grows_while_it_cannot_be_read(
    pair: Pair, database_url: str
) -> None:
    now = [0.0]
    async with Database(database_url) as database:
        pruner = RefusalPruner(RefusalStore(database), clock=lambda: now[0])
        assert pruner.oldest_s == 0
        await pruner.look()
        known_s = pruner.oldest_s
    assert 7200 <= known_s < 7260
    with pytest.raises(DatabaseUnavailable):
        await pruner.look()
    now[0] = 600.0
    assert pruner.oldest_s == known_s + 600


async def test_what_goes_wrong_is_logged_and_tried_again(
    pair: Pair, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [DatabaseUnavailable("away"), ZeroDivisionError()]

    class Failing(RefusalStore):
        async def prune(self, older_than_s: float, at_most: int) -> int | None:
            if wrong:
                raise wrong.pop(0)
            return await super().prune(older_than_s, at_most)

    async with Database(database_url) as database:
        store = Failing(database)
        pruner = RefusalPruner(store, sleep=lambda seconds: asyncio.sleep(0))
        task = asyncio.create_task(pruner.run())
        await until(lambda: pruner.pruned == 3)
        task.cancel()

    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def _pruned(pair: Pair) -> bool:
    return await kept(pair) == ["k3", "k4"]
