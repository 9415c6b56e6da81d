"""Ready says whether sales can go on, within a second, and why not."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from db.database import POOL_MAX, Database
from db.migrate import migrate_database
from db.readiness import REMEMBER_S, ReadyCheck, worth
from db.statements import Statement
from db.witness import Proof
from tests.chaos.server import Server
from tests.standby import ReplicatedPair

WITHIN_S = 1.0
GRANTS = """
CREATE ROLE seller LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO seller;
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
async def other(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def reason(ready: ReadyCheck) -> str | None:
    """Why it is not ready, which it must say in time."""
    started_s = time.monotonic()
    problem = await ready.problem()
    assert time.monotonic() - started_s < WITHIN_S
    return problem.reason if problem else None


async def until(ready: ReadyCheck, wanted: str | None) -> None:
    async with asyncio.timeout(10):
        while await reason(ready) != wanted:
            await asyncio.sleep(0.02)


async def test_a_database_that_commits_is_ready_and_one_that_is_not_there_is_not(
    database: Database,
) -> None:
    assert await reason(ReadyCheck(database.witness)) is None
    async with Database("postgresql://nobody@127.0.0.1:1/none") as missing:
        assert await reason(ReadyCheck(missing.witness)) == "unreachable"


async def test_lists_that_take_every_connection_leave_it_ready(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ready = ReadyCheck(database.witness)
    async with other.transaction():
        await other.execute("LOCK TABLE venues IN ACCESS EXCLUSIVE MODE")
        lists = [
            asyncio.create_task(database.fetchrow(Statement.COUNT_VENUES, None, None))
            for _ in range(2 * POOL_MAX)
        ]
        async with asyncio.timeout(5):
            while database.in_use < POOL_MAX:
                await asyncio.sleep(0.01)
        assert await reason(ready) is None
    await asyncio.gather(*lists, return_exceptions=True)


@pytest.mark.parametrize("table", ["events", "event_ledger"])
async def test_a_table_that_is_held_is_told(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]", table: str
) -> None:
    ready = ReadyCheck(database.witness)
    async with other.transaction():
        # As an index that is not built concurrently does.
        await other.execute(f"LOCK TABLE {table} IN SHARE MODE")
        assert await reason(ready) == "locked"
    await until(ready, None)


async def test_a_database_that_takes_no_writes_is_not_ready(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    name = await other.fetchval("SELECT current_database()")
    await other.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    assert await reason(ReadyCheck(database.witness)) == "unreachable"


async def test_the_services_own_role_needs_no_more_than_its_grants(
    database_url: str, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await other.execute(GRANTS)
    try:
        async with Database(database_url.replace("postgres@", "seller@", 1)) as database:
            assert await reason(ReadyCheck(database.witness)) is None
    finally:
        await other.execute("DROP OWNED BY seller; DROP ROLE seller")


async def test_probes_share_an_answer_and_a_moment_later_it_is_asked_for_again(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ready = ReadyCheck(database.witness)
    position = "SELECT pg_current_wal_insert_lsn()"
    assert await reason(ready) is None
    before = await other.fetchval(position)

    await asyncio.gather(*(ready.problem() for _ in range(50)))

    assert await other.fetchval(position) == before
    await asyncio.sleep(1.1 * REMEMBER_S)
    await ready.problem()
    assert await other.fetchval(position) != before


@pytest.fixture
def frozen() -> Iterator[Server]:
    """A server that the test may stop, and that goes on afterwards."""
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        Path(folder).chmod(0o711)
        with Server(Path(folder)) as server:
            yield server


async def test_a_frozen_server_turns_it_red_and_one_that_goes_on_green(
    frozen: Server,
) -> None:
    frozen.create_database("sold")
    await migrate_database(frozen.dsn("sold"))
    async with Database(frozen.dsn("sold")) as database:
        ready = ReadyCheck(database.witness)
        assert await reason(ready) is None
        stopped = [frozen.pid, *frozen.backends()]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(1.1 * REMEMBER_S)
            assert await reason(ready) == "not committing"
            await asyncio.sleep(1.1 * REMEMBER_S)
            assert await reason(ready) is not None
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await until(ready, None)


async def test_a_standby_that_is_away_turns_it_red_until_it_is_back(pair: ReplicatedPair) -> None:
    async with Database(pair.dsn) as database:
        ready = ReadyCheck(database.witness)
        assert await reason(ready) is None
        pair.standby.end(signal.SIGQUIT)
        await asyncio.sleep(1.1 * REMEMBER_S)

        assert await reason(ready) == "not committing"

        pair.bring_back()
        await until(ready, None)


@pytest.mark.parametrize(
    ("to", "wanted"),
    [("local", "not durable"), ("off", "not durable"), ("remote_write", None), ("on", None)],
)
async def test_commits_that_do_not_wait_for_the_standby_are_not_ready(
    pair: ReplicatedPair, to: str, wanted: str | None
) -> None:
    pair.primary.psql(f"ALTER DATABASE sold SET synchronous_commit = '{to}'")
    async with Database(pair.dsn) as database:
        assert await reason(ReadyCheck(database.witness)) == wanted
    pair.primary.psql("ALTER DATABASE sold RESET synchronous_commit")


SAFE = Proof(flushes=True, synchronous_commit="on", replicated=False, encoding="UTF8")


@pytest.mark.parametrize(
    ("proof", "wanted"),
    [
        (SAFE, None),
        (replace(SAFE, flushes=False), "not durable"),
        (replace(SAFE, synchronous_commit="off"), "not durable"),
        (replace(SAFE, synchronous_commit="local"), None),
        (replace(SAFE, synchronous_commit="local", replicated=True), "not durable"),
        (replace(SAFE, encoding="LATIN1"), "not UTF8"),
    ],
)
def test_what_a_commit_is_worth(proof: Proof, wanted: str | None) -> None:
    problem = worth(proof)
    assert (problem.reason if problem else None) == wanted
