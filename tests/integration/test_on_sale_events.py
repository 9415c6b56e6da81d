"""The index of events on sale follows whatever commits, in whatever order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from db.database import Database, Session
from db.on_sale_events import OnSaleEvents
from db.on_sale_index import OnSaleFilter
from db.statements import Statement
from evently.domain.errors import DatabaseUnavailable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NOW = datetime.now(UTC)
ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', $2, 'Norway', 20000, $1)
"""
ADD_EVENTS = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by)
SELECT gen_random_uuid(), 'Night', '', $1, 'opera', now() + n * interval '1 hour',
       now() + (n + 2) * interval '1 hour', 100, 100, 25.5, 10, $2, 1, 1, $1
  FROM generate_series(1, $3::integer) AS n
RETURNING event_id::text
"""
UNNOTED_DELETE = """
ALTER TABLE events DISABLE TRIGGER USER;
DELETE FROM events;
ALTER TABLE events ENABLE TRIGGER USER;
"""


class Asked(Session):
    """Runs statements on a database, and remembers which."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.names: list[Statement] = []
        self.go = asyncio.Event()
        self.go.set()

    async def fetch(
        self, name: Statement, *args: object, timeout_s: float | None = None
    ) -> list[asyncpg.Record]:
        self.names.append(name)
        await self.go.wait()
        return await self._database.fetch(name, *args, timeout_s=timeout_s)


class Setting:
    """Events on sale under an index, and connections that change them."""

    def __init__(self, asked: Asked, other: Connection, third: Connection) -> None:
        self.asked, self.other, self.third = asked, other, third
        self.events = OnSaleEvents(asked, load_page=3, changes_max=5)
        self.venue_id = str(uuid4())

    async def add(self, number: int = 1, status: str = "published") -> list[str]:
        rows = await self.other.fetch(ADD_EVENTS, self.venue_id, status, number)
        return [row["event_id"] for row in rows]

    async def ids(self, **wanted: Any) -> set[str]:
        index = await self.events.current()
        found, total = index.page(OnSaleFilter(**wanted), 1000, 0)
        assert total == len(found) == len(set(found))
        return set(found)

    def loads(self) -> int:
        return self.asked.names.count(Statement.LOAD_ON_SALE)


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other, third = [await asyncpg.connect(database_url) for _ in range(2)]
    async with Database(database_url) as database:
        setting = Setting(Asked(database), other, third)
        await other.execute(ADD_VENUE, setting.venue_id, "Oslo")
        yield setting
    await other.close()
    await third.close()


async def test_it_is_loaded_page_by_page_and_from_then_on_only_followed(setting: Setting) -> None:
    ids = await setting.add(7)
    assert await setting.ids() == set(ids)
    loads = setting.loads()
    assert loads == 4
    ids += await setting.add()
    assert await setting.ids() == set(ids)
    assert setting.loads() == loads


async def test_every_way_on_and_off_sale_is_followed(setting: Setting) -> None:
    (draft,) = await setting.add(status="draft")
    (first, second) = await setting.add(2)
    assert await setting.ids() == {first, second}
    change = "UPDATE events SET status = $2 WHERE event_id = $1"
    await setting.other.execute(change, draft, "published")
    await setting.other.execute(change, first, "cancelled")
    assert await setting.ids() == {draft, second}
    await setting.other.execute("DELETE FROM events WHERE event_id = $1", second)
    assert await setting.ids() == {draft}


async def test_a_change_of_what_lists_filter_by_is_followed(setting: Setting) -> None:
    (event,) = await setting.add()
    assert await setting.ids(city="oslo", event_type="opera") == {event}
    await setting.other.execute("UPDATE events SET event_type = 'Sport'")
    assert await setting.ids(event_type="opera") == set()
    assert await setting.ids(event_type="sport") == {event}
    later = NOW + timedelta(days=9)
    move = "UPDATE events SET start_datetime = $1, end_datetime = $1::timestamptz + interval '1 h'"
    await setting.other.execute(move, later)
    assert await setting.ids(on_from=later) == {event}
    await setting.other.execute(
        "UPDATE events SET start_datetime = now() - interval '2 h', end_datetime = now()"
    )
    assert await setting.ids() == set()


async def test_a_venue_that_moves_takes_its_events_along(setting: Setting) -> None:
    ids = await setting.add(3)
    assert await setting.ids(city="oslo") == set(ids)
    await setting.other.execute("UPDATE venues SET city = 'Bergen'")
    assert await setting.ids(city="oslo") == set()
    assert await setting.ids(city="bergen") == set(ids)


async def test_a_seat_move_is_no_change_of_a_list(setting: Setting) -> None:
    await setting.add(3)
    await setting.other.execute("TRUNCATE list_changes")
    await setting.other.execute("UPDATE events SET available_seats = 0, status = 'sold_out'")
    await setting.other.execute("UPDATE events SET available_seats = 1, status = 'published'")
    assert await setting.other.fetchval("SELECT count(*) FROM list_changes") == 0


async def test_what_is_committed_late_is_not_missed(setting: Setting) -> None:
    early, _ = await setting.add(2)
    transaction = setting.third.transaction()
    await transaction.start()
    await setting.third.execute("UPDATE events SET status = 'cancelled' WHERE event_id = $1", early)
    # Others begin later, commit earlier, and are seen.
    (late,) = await setting.add()
    assert {early, late} <= await setting.ids()
    (later,) = await setting.add()
    assert {early, late, later} <= await setting.ids()
    await transaction.commit()
    found = await setting.ids()
    assert early not in found
    assert {late, later} <= found


async def test_while_a_transaction_lasts_what_was_seen_is_not_read_again(setting: Setting) -> None:
    await setting.ids()
    async with setting.third.transaction():
        await setting.third.execute("UPDATE venues SET name = 'Other'")
        for _ in range(3):
            await setting.add(4)
            await setting.ids()
        # Twelve changes, each of them new once: never more than five at a time.
        assert setting.loads() == 1


async def test_a_change_while_pages_are_read_is_not_missed(setting: Setting) -> None:
    ids = await setting.add(4)
    setting.asked.go.clear()
    found = asyncio.create_task(setting.ids())
    # The first page is asked for, then every event changes before any page is read.
    for wanted in (Statement.READ_LIST_CHANGES, Statement.LOAD_ON_SALE):
        await _until_asked(setting, wanted)
        if wanted is Statement.LOAD_ON_SALE:
            await setting.other.execute(
                "UPDATE events SET status = 'cancelled' WHERE event_id = $1", ids[0]
            )
            ids += await setting.add()
            setting.asked.go.set()
        else:
            setting.asked.go.set()
            await asyncio.sleep(0)
            setting.asked.go.clear()
    assert await found == set(ids[1:])


async def test_so_many_changes_at_once_are_loaded_anew(setting: Setting) -> None:
    ids = await setting.add(1)
    await setting.ids()
    loads = setting.loads()
    ids += await setting.add(5)
    assert await setting.ids() == set(ids)
    assert setting.loads() == loads
    ids += await setting.add(6)
    assert await setting.ids() == set(ids)
    assert setting.loads() > loads


async def test_a_database_that_went_back_is_loaded_anew(setting: Setting) -> None:
    (event,) = await setting.add()
    await setting.ids()
    loads = setting.loads()
    # As if the transactions up to here had been seen on a server that was further on.
    setting.events._snapshot = "99999999:99999999:"
    await setting.other.execute("DELETE FROM events")
    assert await setting.ids() == set()
    assert setting.loads() > loads
    assert event


async def test_what_a_restored_copy_says_of_another_servers_transactions_is_no_news(
    setting: Setting,
) -> None:
    await setting.add(5)
    await setting.other.execute("UPDATE list_changes SET changed_in = '99999999'")
    await setting.ids()
    setting.asked.names.clear()
    row = (await setting.events._changes(None))[0]
    assert row["event_id"] is None
    await setting.other.execute("UPDATE events SET status = 'cancelled'")
    assert await setting.ids() == set()


RESTORES = {
    # A copy into the tables as they are, and tables that are made again, as `pg_restore` does.
    "in place": """
        CREATE TEMPORARY TABLE kept AS TABLE events;
        TRUNCATE events CASCADE;
        ALTER TABLE events DISABLE TRIGGER USER;
        INSERT INTO events SELECT * FROM kept LIMIT 1;
        ALTER TABLE events ENABLE TRIGGER USER;
    """,
    "made again": """
        ALTER TABLE events DISABLE TRIGGER USER;
        DELETE FROM events WHERE event_id <> (SELECT min(event_id::text)::uuid FROM events);
        ALTER TABLE events ENABLE TRIGGER USER;
        CREATE TEMPORARY TABLE kept AS TABLE list_changes;
        TRUNCATE list_changes;
        INSERT INTO list_changes TABLE kept;
    """,
}


@pytest.mark.parametrize("how", RESTORES)
async def test_a_restore_under_open_connections_is_seen_though_no_trigger_notes_it(
    setting: Setting, how: str
) -> None:
    ids = await setting.add(3)
    assert await setting.ids() == set(ids)
    await setting.other.execute(RESTORES[how])
    found = await setting.ids()
    assert len(found) == 1
    assert found < set(ids)
    loads = setting.loads()
    assert await setting.ids() == found
    assert setting.loads() == loads


async def test_what_had_to_be_forgotten_is_loaded_anew(setting: Setting) -> None:
    (event,) = await setting.add()
    assert await setting.ids() == {event}
    await setting.other.execute(UNNOTED_DELETE)
    assert await setting.ids() == {event}
    setting.events.forget()
    assert await setting.ids() == set()


async def test_what_was_being_read_when_all_had_to_be_forgotten_is_not_kept(
    setting: Setting,
) -> None:
    (event,) = await setting.add()
    setting.asked.go.clear()
    found = asyncio.create_task(setting.ids())
    await _until_asked(setting, Statement.READ_LIST_CHANGES)
    setting.events.forget()
    waiting = asyncio.create_task(setting.ids())
    setting.asked.go.set()
    assert await found == await waiting == {event}
    await setting.other.execute(UNNOTED_DELETE)
    # The second call came after the loss, so what it read may be kept.
    assert await setting.ids() == {event}
    assert setting.loads() == 4


async def test_those_who_ask_at_once_share_a_statement_that_begins_after_them(
    setting: Setting,
) -> None:
    await setting.ids()
    setting.asked.names.clear()
    setting.asked.go.clear()
    first = asyncio.create_task(setting.ids())
    await _until_asked(setting, Statement.READ_LIST_CHANGES)
    others = [asyncio.create_task(setting.ids()) for _ in range(10)]
    await asyncio.sleep(0)
    (event,) = await setting.add()
    setting.asked.go.set()
    await first
    assert await asyncio.gather(*others) == [{event}] * 10
    assert setting.asked.names == [Statement.READ_LIST_CHANGES] * 2


async def test_an_error_leaves_the_next_call_to_try_again(setting: Setting) -> None:
    ids = await setting.add(2)
    await setting.ids()
    await setting.other.execute("ALTER TABLE list_changes RENAME TO gone")
    with pytest.raises(DatabaseUnavailable):
        await setting.ids()
    await setting.other.execute("ALTER TABLE gone RENAME TO list_changes")
    ids += await setting.add()
    assert await setting.ids() == set(ids)


async def _until_asked(setting: Setting, name: Statement) -> None:
    async with asyncio.timeout(5):
        while not setting.asked.names or setting.asked.names[-1] is not name:
            await asyncio.sleep(0.001)
