"""The bad network that the chaos runs use does what it says, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest

from db.failures import Meaning, meaning
from evently.embedded import EmbeddedPostgres
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.server import socket_of
from tests.until import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NOTE = "INSERT INTO notes VALUES ($1)"


@pytest.fixture
async def proxy(postgres: EmbeddedPostgres, empty_database_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(socket_of(postgres)) as proxy:
        yield proxy


@pytest.fixture
async def direct(empty_database_url: str) -> AsyncIterator[Connection]:
    """A connection past the proxy, to a table that the tests write to."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("CREATE TABLE notes (note text)")
    yield connection
    await connection.close()


@pytest.fixture
async def proxied(proxy: Proxy, direct: Connection) -> AsyncIterator[Connection]:
    async with connected(proxy, direct) as connection:
        yield connection


@asynccontextmanager
async def connected(proxy: Proxy, direct: Connection) -> AsyncIterator[Connection]:
    """A connection through the proxy, with the statement prepared as a lane has it."""
    name = await direct.fetchval("SELECT current_database()")
    connection = await asyncpg.connect(proxy.dsn(name), timeout=5, command_timeout=5)
    try:
        yield connection
    finally:
        connection.terminate()


async def notes(direct: Connection) -> list[str]:
    return [row["note"] for row in await direct.fetch("SELECT note FROM notes ORDER BY 1")]


async def test_a_good_network_carries_what_it_is_given(
    proxy: Proxy, proxied: Connection, direct: Connection
) -> None:
    await proxied.execute(NOTE, "x" * 500_000)
    assert await proxied.fetchval("SELECT length(note) FROM notes") == 500_000
    assert len(list(proxy.links)) == 1
    await proxied.close()
    await until(lambda: not list(proxy.links), what="the end of the link")


@pytest.mark.parametrize(("mode", "done"), [(Mode.CUT_BEFORE, []), (Mode.CUT_AFTER, ["a"])])
async def test_a_cut_looks_the_same_before_the_statement_and_after_it(
    proxy: Proxy, direct: Connection, mode: Mode, done: list[str]
) -> None:
    async with connected(proxy, direct) as proxied:
        statement = await proxied.prepare(NOTE)
        proxy.set(mode)
        with pytest.raises((asyncpg.PostgresConnectionError, OSError)) as raised:
            await statement.fetch("a")
        assert meaning(raised.value) is Meaning.UNKNOWN
        assert await notes(direct) == done
    # The next connection is as good as ever.
    async with connected(proxy, direct) as proxied:
        await proxied.execute(NOTE, "b")
    assert await notes(direct) == [*done, "b"]


async def test_a_reply_that_was_lost_never_comes_and_its_connection_never_heals(
    proxy: Proxy, proxied: Connection, direct: Connection
) -> None:
    statement = await proxied.prepare(NOTE)
    proxy.set(Mode.LOSE_REPLIES)
    with pytest.raises(TimeoutError):
        await statement.fetch("a", timeout=0.2)
    assert await notes(direct) == ["a"]
    await proxy.heal()
    assert Mode.LOSE_REPLIES in {link.mode for link in proxy.links}


async def test_a_connection_that_lost_nothing_is_whole_again(
    proxy: Proxy, proxied: Connection, direct: Connection
) -> None:
    proxy.set(Mode.LOSE_REPLIES)
    await proxy.heal()
    await proxied.execute(NOTE, "a")
    assert await notes(direct) == ["a"]


async def test_held_bytes_arrive_late_though_their_sender_has_gone(
    proxy: Proxy, direct: Connection
) -> None:
    async with connected(proxy, direct) as old:
        statement = await old.prepare(NOTE)
        proxy.set(Mode.HOLD)
        with pytest.raises(TimeoutError):
            await statement.fetch("late", timeout=0.2)
        # The way is free for others meanwhile: what they do comes first.
        async with connected(proxy, direct) as proxied:
            await proxied.execute(NOTE, "first")
    assert await notes(direct) == ["first"]
    await proxy.heal()
    await until(_noted(direct, ["first", "late"]), what="the late statement")


def _noted(direct: Connection, wanted: list[str]) -> Any:
    async def fact() -> bool:
        return await notes(direct) == wanted

    return fact


async def test_connects_are_refused_until_it_heals(proxy: Proxy, direct: Connection) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        async with connected(proxy, direct):
            pass
    await proxy.heal()
    async with connected(proxy, direct) as proxied:
        assert await proxied.fetchval("SELECT 1") == 1


async def test_bytes_take_their_time_in_each_direction(proxy: Proxy, proxied: Connection) -> None:
    loop = asyncio.get_running_loop()
    proxy.delay_s = 0.1
    started_s = loop.time()
    assert await proxied.fetchval("SELECT 1") == 1
    assert loop.time() - started_s >= 0.2


async def test_without_a_server_the_connection_ends(postgres: EmbeddedPostgres) -> None:
    async with Proxy(socket_of(postgres).with_name("nobody")) as proxy:
        with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
            await asyncpg.connect(proxy.dsn("any"), timeout=5)
        await until(lambda: not list(proxy.links), what="the end of the link")
