"""A network that swallows every reply: what waits for the database is given up in time, and what
comes after the network has healed is served at once.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from db.database import COMMAND_S, Database
from db.event_check import EventCheck
from db.event_store import EventStore
from db.statements import Statement
from evently.domain.errors import DatabaseUnavailable
from evently.embedded import EmbeddedPostgres
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.server import socket_of

# A read of an event and a commit wait for the same event: neither may take much longer than the
# other's limit of 3 s.
GIVEN_UP_S = 4.5
SERVED_S = 2.0


@pytest.fixture
async def proxy(postgres: EmbeddedPostgres) -> AsyncIterator[Proxy]:
    async with Proxy(socket_of(postgres)) as proxy:
        yield proxy


def name_of(database_url: str) -> str:
    """The database's name."""
    return database_url.rpartition("@/")[2].partition("?")[0]


@pytest.mark.parametrize("read", ["load", "recall"])
async def test_a_read_that_events_wait_for_is_given_up_in_time(
    proxy: Proxy, database_url: str, read: str
) -> None:
    loop = asyncio.get_running_loop()
    dsn = proxy.dsn(name_of(database_url))
    async with Database(dsn) as database:
        store = EventStore(database, dsn)

        async def act() -> object:
            if read == "load":
                return await store.load([])
            return await store.recall([(str(uuid4()), "booking", "k")])

        await act()
        proxy.set(Mode.LOSE_REPLIES)
        started_s = loop.time()

        with pytest.raises(DatabaseUnavailable):
            await act()

        assert loop.time() - started_s < GIVEN_UP_S
        await proxy.heal()
        started_s = loop.time()
        await act()
        assert loop.time() - started_s < SERVED_S


async def test_a_check_ends_although_nobody_hears_its_goodbye(
    proxy: Proxy, database_url: str
) -> None:
    async with EventCheck(proxy.dsn(name_of(database_url))) as check:
        assert await check.count() == 0
        proxy.set(Mode.LOSE_REPLIES)
    assert check._connection is not None
    assert check._connection.is_closed()


async def test_a_pool_that_is_made_anew_lets_go_of_silent_connections_without_a_word(
    proxy: Proxy, database_url: str
) -> None:
    """As after a failover from a silent primary; the driver closes them in the background."""
    loop = asyncio.get_running_loop()
    told: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    async with Database(proxy.dsn(name_of(database_url))) as database:
        await database.fetchrow(Statement.COUNT_EVENTS)
        proxy.set(Mode.LOSE_REPLIES)
        await database.expire()

        await database.fetchrow(Statement.COUNT_EVENTS)

        async with asyncio.timeout(2 * COMMAND_S):
            while any("Connection.close" in repr(task) for task in asyncio.all_tasks()):
                await asyncio.sleep(0.05)
    gc.collect()
    assert not told
