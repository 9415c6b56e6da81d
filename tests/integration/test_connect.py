"""A silent host before the primary: everything that connects gets through within a second or so."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import asyncpg
import pytest

from db.connect import CONNECT_S, SERVER_SETTINGS, connect
from db.database import Database
from db.event_check import EventCheck
from db.event_store import EventStore
from db.migrate import check_database, migrate_database
from db.statements import Statement
from evently.domain.errors import DatabaseUnavailable
from evently.embedded import EmbeddedPostgres
from tests.chaos.proxy import Proxy
from tests.chaos.server import socket_of
from tests.contracts import _published
from tests.examples import batch, reserve
from tests.integration.test_black_hole import name_of
from tests.integration.test_event_store import OnPostgres

# Far below the timeout of the silent host, far over what a connection takes.
SOON_S = 1.5


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a listener that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
async def server(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Where the server answers over TCP."""
    async with Proxy(socket_of(postgres)) as proxy:
        yield proxy.dsn("any").rpartition("@")[2].partition("/")[0]


@pytest.fixture
def dsn(silent: int, server: str, database_url: str) -> str:
    """The silent host first, then the server."""
    name = name_of(database_url)
    return f"postgresql://postgres@127.0.0.1:{silent},{server}/{name}?sslmode=disable"


async def commit(dsn: str, other: "asyncpg.Connection[asyncpg.Record]") -> None:
    async with Database(dsn) as database:
        setting = OnPostgres(database, dsn, other)
        lane = setting.store.lane()
        assert (await lane.commit([batch(await _published(setting), ("k", reserve()))])).event_ids
        await lane.close()


async def read(dsn: str, other: object) -> None:
    async with Database(dsn) as database:
        await EventStore(database, dsn).load([])


async def list_from_a_replica(dsn: str, other: object) -> None:
    async with Database(dsn, writable=False) as database:
        await database.fetchrow(Statement.COUNT_EVENTS)


async def check_events(dsn: str, other: object) -> None:
    async with EventCheck(dsn) as check:
        assert await check.count() == 0


async def migrate(dsn: str, other: object) -> None:
    assert not await migrate_database(dsn)
    await check_database(dsn)


@pytest.mark.parametrize("use", [commit, read, list_from_a_replica, check_events, migrate])
async def test_a_silent_host_keeps_nobody_from_the_server(
    dsn: str, database_url: str, use: Callable[..., Awaitable[None]]
) -> None:
    other = await asyncpg.connect(database_url)
    started_s = time.monotonic()

    await use(dsn, other)

    assert time.monotonic() - started_s < SOON_S
    await other.close()


async def test_hosts_that_are_all_silent_are_given_up_together(silent: int) -> None:
    started_s = time.monotonic()

    with pytest.raises(TimeoutError):
        await connect(
            f"postgresql://evently@127.0.0.1:{silent},127.0.0.1:{silent}/any",
            command_timeout=1.0,
            server_settings=SERVER_SETTINGS,
        )

    assert time.monotonic() - started_s < 1.5 * CONNECT_S


async def test_what_a_server_says_is_told_rather_than_that_another_is_silent(dsn: str) -> None:
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await connect(dsn.replace("/test_", "/no_test_"), command_timeout=1.0, server_settings={})


async def test_a_pool_without_a_server_says_so_and_not_that_it_is_busy(silent: int) -> None:
    async with Database(f"postgresql://evently@127.0.0.1:{silent}/any") as database:
        with pytest.raises(DatabaseUnavailable):
            await database.fetchrow(Statement.COUNT_EVENTS)


async def test_who_is_cancelled_leaves_no_connection_behind(dsn: str, database_url: str) -> None:
    looking = asyncio.create_task(
        connect(dsn, command_timeout=1.0, server_settings={"application_name": "left-behind"})
    )
    await asyncio.sleep(0)
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking

    other = await asyncpg.connect(database_url)
    seen = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'left-behind'"
    async with asyncio.timeout(5):
        while await other.fetchval(seen):
            await asyncio.sleep(0.01)
    await other.close()
