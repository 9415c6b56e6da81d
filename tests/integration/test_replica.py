"""Lists and a real standby that lags, hangs, and comes back."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from db.database import POOL_CLOSE_S, Database
from db.event_lists import EventListReader
from db.migrate import migrate
from evently.embedded.cluster import FOLDER
from routes.caches.event_lists import EventLists
from routes.caches.replica import Replica
from routes.caches.revision import LocalRevision
from routes.contract.bodies import EventListQuery
from routes.contract.validation import read_query
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.server import Server, socket_of

DATABASE = "listed"
WITHIN_S = 20.0
# Over what a list takes while the replica is asked in vain, and far under its timeouts.
AT_ONCE_S = 1.5
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
ADD_EVENT = """
WITH place AS (
    INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
    VALUES (gen_random_uuid(), 'Hall', '1 Street', 'Oslo', 'Norway', 20000, gen_random_uuid())
    RETURNING venue_id
)
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by)
SELECT gen_random_uuid(), $1, '', venue_id, 'opera', now() + interval '1 day',
       now() + interval '2 days', 100, 100, 25.5, 10, 'published', 1, 1, venue_id
  FROM place
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """A primary, and a standby that follows it asynchronously."""
    with tempfile.TemporaryDirectory(prefix="evently-replica-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        # A standby is ready when it can be read.
        config = {"hot_standby": "on"}
        primary, standby = Server(folder / "primary"), Server(folder / "standby", config)
        try:
            primary.start()
            primary.create_database(DATABASE)
            asyncio.run(_migrate(primary.dsn(DATABASE)))
            cluster, copy = folder / "primary" / FOLDER, folder / "primary" / "copy"
            copy.mkdir(mode=0o700)
            os.chown(copy, cluster.stat().st_uid, cluster.stat().st_gid)
            primary.run(
                "pg_basebackup", "-d", primary.dsn("postgres"), "-D", str(copy), "-R", "-c", "fast"
            )
            (folder / "standby").mkdir()
            copy.rename(folder / "standby" / FOLDER)
            standby.start()
            yield primary, standby
        finally:
            standby.stop()
            primary.stop()


async def _migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.close()


class Setting:
    """The lists of one node."""

    def __init__(
        self, primary: Database, replica: Database, proxy: Proxy, admin: Server, standby: Server
    ) -> None:
        self.proxy = proxy
        self.admin, self.standby = admin, standby
        self._nights = 0
        self.revision = LocalRevision()
        lists = EventListReader(primary)
        self.replica = Replica(EventListReader(replica), lists, self.revision)
        self.lists = EventLists(lists, self.revision, replica=self.replica)

    async def publish(self, *, here: bool = True) -> str:
        """A change by an admin of this node, or of another."""
        name = f"Night {uuid4()}"
        connection = await asyncpg.connect(self.admin.dsn(DATABASE))
        await connection.execute(ADD_EVENT, name)
        await connection.close()
        if here:
            self.revision.bump()
        return name

    async def listed(self) -> bytes:
        """A list that no cache has."""
        self._nights += 1
        # Another one each time, and the same events.
        before = (NEVER + timedelta(days=self._nights)).date().isoformat()
        query = read_query(EventListQuery, {"date_to": before, "limit": "100"})
        found = self.lists.on_sale(query)
        listing = await found if isinstance(found, asyncio.Future) else found
        return listing.raw.body

    async def pause(self) -> None:
        """Let the standby replay nothing from now on."""
        self.standby.psql("SELECT pg_wal_replay_pause()")
        async with asyncio.timeout(WITHIN_S):
            while self.standby.psql("SELECT pg_get_wal_replay_pause_state()").strip() != "paused":
                await asyncio.sleep(0.02)

    async def until_read(self, *, read: bool = True) -> None:
        """Ask until lists come from the replica, or no longer do."""
        async with asyncio.timeout(WITHIN_S):
            while self.replica.usable is not read:
                await self.listed()
                await asyncio.sleep(0.02)


@pytest.fixture
async def setting(servers: tuple[Server, Server]) -> AsyncIterator[Setting]:
    primary, standby = servers
    async with (
        Proxy(socket_of(standby)) as proxy,
        Database(primary.dsn(DATABASE)) as database,
        Database(proxy.dsn(DATABASE), writable=False) as replica,
    ):
        setting = Setting(database, replica, proxy, primary, standby)
        yield setting
        await proxy.heal()
        await setting.lists.stop()


async def test_a_replica_that_lags_never_brings_back_what_was_before_a_change(
    setting: Setting,
) -> None:
    first = await setting.publish()
    await setting.until_read()
    assert first.encode() in await setting.listed()
    await setting.pause()
    try:
        second = await setting.publish()
        deadline_s = time.monotonic() + 4.0
        while time.monotonic() < deadline_s:
            assert second.encode() in await setting.listed()
            await asyncio.sleep(0.05)
        assert not setting.replica.usable
    finally:
        setting.standby.psql("SELECT pg_wal_replay_resume()")
    await setting.until_read()
    assert second.encode() in await setting.listed()


async def test_another_nodes_change_is_late_by_the_bound_of_the_lag_at_most(
    setting: Setting,
) -> None:
    await setting.publish()
    await setting.until_read()
    await setting.pause()
    try:
        name = await setting.publish(here=False)
        async with asyncio.timeout(WITHIN_S):
            while name.encode() not in await setting.listed():
                await asyncio.sleep(0.02)
        await setting.until_read(read=False)
        assert name.encode() in await setting.listed()
    finally:
        setting.standby.psql("SELECT pg_wal_replay_resume()")
    await setting.until_read()


async def test_lists_go_on_while_the_replica_hangs_and_use_it_again_when_it_answers(
    setting: Setting,
) -> None:
    name = await setting.publish()
    await setting.until_read()
    setting.proxy.set(Mode.HOLD, new=True)
    deadline_s = time.monotonic() + 3.0
    while time.monotonic() < deadline_s:
        async with asyncio.timeout(AT_ONCE_S):
            assert name.encode() in await setting.listed()
    assert not setting.replica.usable
    await setting.proxy.heal()
    await setting.until_read()
    assert name.encode() in await setting.listed()


async def test_lists_go_on_without_the_replica_and_use_it_again_when_it_is_back(
    setting: Setting,
) -> None:
    name = await setting.publish()
    await setting.until_read()
    setting.proxy.refuse()
    setting.proxy.cut()
    await setting.until_read(read=False)
    async with asyncio.timeout(AT_ONCE_S):
        assert name.encode() in await setting.listed()
    await setting.proxy.heal()
    await setting.until_read()


async def test_a_primary_is_not_taken_for_a_replica(servers: tuple[Server, Server]) -> None:
    async with Database(servers[0].dsn(DATABASE)) as database:
        lists = EventListReader(database)
        found = await lists.position()
        assert not found.standby
        assert found.position > 0


async def test_a_database_that_hangs_is_closed_in_time(servers: tuple[Server, Server]) -> None:
    async with Proxy(socket_of(servers[1])) as proxy:
        database = Database(proxy.dsn(DATABASE), writable=False)
        await database.open()
        lists = EventListReader(database)
        await lists.position()
        proxy.set(Mode.HOLD, new=True)
        asked = asyncio.create_task(lists.position())
        async with asyncio.timeout(POOL_CLOSE_S + AT_ONCE_S):
            await asyncio.sleep(0)
            await database.close()
        await asyncio.gather(asked, return_exceptions=True)
