"""A database that goes back in time under a running service: noticed, told, and answered from."""

import asyncio
import logging
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from db.database import Database
from db.event_store import EventStore
from db.migrate import migrate_database
from evently.domain.errors import Fault
from evently.domain.origin import Origin
from evently.domain.outcomes import Done, InsufficientSeats
from tests.contracts import _published
from tests.examples import reserve
from tests.integration.test_event_store import OnPostgres
from tests.standby import DATABASE, ReplicatedPair
from tests.unit.one_worker import Counts
from tests.until import until

# As a restore of the database in place would, while connections stay open.
CALLER = "key:booking"
KEEP = """
CREATE TABLE kept_events AS TABLE events;
CREATE TABLE kept_ledger AS TABLE event_ledger;
"""
RESTORE = """
DELETE FROM event_ledger; DELETE FROM events;
INSERT INTO events SELECT * FROM kept_events;
INSERT INTO event_ledger SELECT * FROM kept_ledger;
"""
SOME_KEYS = ("a", "b", "c")


class Running:
    """One worker's events on a database."""

    def __init__(self, registry: Registry, counts: Counts) -> None:
        self.registry = registry
        self.counts = counts

    async def send(self, event_id: str, key: str, seats: int = 1) -> object:
        """The answer under a key, asked for until there is one."""
        async with asyncio.timeout(30):
            while True:
                deadline_s = asyncio.get_running_loop().time() + 5.0
                command = reserve(seats)
                origin = Origin(CALLER, "request")
                request = Request(command, key, True, origin, deadline_s)
                with suppress(Fault):
                    return await self.registry.ask(event_id, request)
                await asyncio.sleep(0.05)

    def remembers(self, event_id: str, key: str) -> bool:
        """Whether the answer under a key is in memory."""
        return self.registry._keys.recall(event_id, (CALLER, key), 0.0) is not None

    async def until_forgotten(self, event_id: str, key: str) -> None:
        """Wait until the worker has noticed that its connection is gone."""
        await until(lambda: not self.remembers(event_id, key), what="the end of the connection")

    async def sell(self, event_id: str, key: str) -> bool:
        """Reserve a seat; whether that was a replay."""
        answer = await self.send(event_id, key)
        assert isinstance(answer, Done)
        return answer.replayed


@asynccontextmanager
async def running(dsn: str) -> AsyncIterator[Running]:
    counts = Counts()
    async with Database(dsn) as database:
        registry = Registry(EventStore(database, dsn), DatabaseClock(), counts)
        registry.start()
        try:
            yield Running(registry, counts)
        finally:
            await registry.stop()


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[OnPostgres]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield OnPostgres(database, database_url, other)
    await other.close()


async def test_the_missing_moves_are_sent_again_while_the_service_runs(
    setting: OnPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    event_id = (await _published(setting)).details.event_id
    async with running(setting.dsn) as worker:
        assert not await worker.sell(event_id, "kept")
        refused = await worker.send(event_id, "many", 11)
        assert isinstance(refused, InsufficientSeats)
        await setting.other.execute(KEEP)
        for key in SOME_KEYS:
            assert not await worker.sell(event_id, key)
        await setting.other.execute(RESTORE)

        # A read notices it, within the quarter of a second that a state is answered from memory.
        async with asyncio.timeout(5):
            while not worker.counts.went_backs:
                await worker.registry.read(event_id)
                await asyncio.sleep(0.02)
        state = await worker.registry.read(event_id)
        assert state is not None
        assert (state.version, state.available_seats) == (3, 9)
        replays = [await worker.sell(event_id, key) for key in ("kept", *SOME_KEYS)]

        assert replays == [True, False, False, False]
        assert [row.key for row in (await setting.ledger(event_id))[2:]] == ["kept", *SOME_KEYS]
        assert await worker.send(event_id, "many", 11) == refused
        assert worker.counts.went_backs == 1
    (told,) = [record for record in caplog.records if "went back in time" in record.message]
    assert told.levelno == logging.ERROR
    assert vars(told)["fields"] == {
        "event_id": event_id,
        "committed_version": 6,
        "found_version": 3,
    }


async def test_a_lane_whose_connection_ends_says_so_before_anybody_uses_it(
    setting: OnPostgres,
) -> None:
    event_id = (await _published(setting)).details.event_id
    async with running(setting.dsn) as worker:
        await worker.sell(event_id, "k")
        assert worker.remembers(event_id, "k")
        await setting.other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'evently-committer'"
        )

        await worker.until_forgotten(event_id, "k")

        assert await worker.sell(event_id, "k")
        assert worker.counts.went_backs == 0


@pytest.fixture
def failing() -> Iterator[ReplicatedPair]:
    """A pair that the test may take apart; its standby is asynchronous."""
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        Path(folder).chmod(0o711)
        with ReplicatedPair(Path(folder)) as pair:
            pair.primary.psql("ALTER SYSTEM RESET synchronous_standby_names")
            pair.primary.psql("SELECT pg_reload_conf()")
            asyncio.run(migrate_database(pair.dsn))
            yield pair


async def test_a_failover_that_loses_moves_is_noticed_and_they_are_done_anew(
    failing: ReplicatedPair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    hosts = [server.dsn(DATABASE) for server in (failing.primary, failing.standby)]
    sockets = ",".join(dsn.partition("host=")[2].partition("&")[0] for dsn in hosts)
    where = f"host={quote(sockets, safe='%')}&port=5432&sslmode=disable"
    dsn = f"postgresql://postgres@/{DATABASE}?{where}"
    other = await asyncpg.connect(failing.dsn)
    async with Database(failing.dsn) as database:
        event_id = (await _published(OnPostgres(database, failing.dsn, other))).details.event_id
    await other.close()
    async with running(dsn) as worker:
        await worker.sell(event_id, "kept")
        replicated = "SELECT count(*) FROM event_ledger WHERE request_key = 'kept'"
        async with asyncio.timeout(10):
            while failing.standby.psql(replicated, DATABASE).strip() != "1":
                await asyncio.sleep(0.02)
        failing.standby.stop()
        for key in SOME_KEYS:
            await worker.sell(event_id, key)

        failing.primary.end(signal.SIGQUIT)
        failing.standby.start()
        failing.standby.psql("SELECT pg_promote()")
        # The servers' ends and starts held the loop up.
        await worker.until_forgotten(event_id, "a")
        replays = [await worker.sell(event_id, key) for key in ("kept", *SOME_KEYS)]

        assert replays == [True, False, False, False]
        assert worker.counts.went_backs == 1
    assert "the database has another history" in caplog.text
    keys = failing.standby.psql(
        f"SELECT request_key FROM event_ledger WHERE event_id = '{event_id}' ORDER BY version",
        DATABASE,
    )
    assert keys.split()[2:] == ["kept", *SOME_KEYS]
