"""The feed of changes on a real PostgreSQL: complete, in order, and over failovers and restores."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from db.archive_store import ArchiveStore
from db.change_feed import BEGINNING, Change, ChangePage, ChangeReader, Mark
from db.database import Database
from db.lineage import Lineage
from evently.domain.commands import Cancel, Command, Reserve, Return, Update
from evently.domain.errors import Overloaded
from evently.domain.notices import ChangeKind
from evently.domain.outcomes import Done
from evently.embedded import EmbeddedPostgres
from routes.caches.change_feed import ChangeFeed, NoPlace
from tests.integration.two_owners import ADMIN, Pair
from tests.until import until

NO_KINDS: frozenset[ChangeKind] = frozenset()
KINDS = {"published", "updated", "cancelled", "sold_out", "reopened"}


@dataclass
class Followed:
    """Two owners that write, and a feed that reads."""

    pair: Pair
    reader: ChangeReader
    feed: ChangeFeed
    dsn: str

    async def event(self, seats: int = 2) -> str:
        """A published event."""
        return await self.pair.event(seats=seats)

    async def all(self, after: Mark = BEGINNING, limit: int = 3) -> list[Change]:
        """Everything after a place, in small pages."""
        found: list[Change] = []
        while True:
            page = await self.reader.changes(after, limit)
            found += page.changes
            after = page.next
            if not page.has_more:
                return found


@pytest.fixture
async def followed(database_url: str) -> AsyncIterator[Followed]:
    async with AsyncExitStack() as stack:
        pair = Pair(database_url)
        await pair.start(stack)
        database = await stack.enter_async_context(Database(database_url))
        reader = ChangeReader(database)
        feed = ChangeFeed(reader)
        stack.push_async_callback(feed.stop)
        yield Followed(pair, reader, feed, database_url)


def kinds_of(changes: list[Change], event_id: str) -> list[str]:
    return [c.kinds[0].value for c in changes if c.mark.event_id == event_id]


async def latest(followed: Followed) -> Mark:
    page = await followed.feed.read(None, 1, NO_KINDS, 0)
    assert isinstance(page, ChangePage)
    assert not page.changes
    return page.next


async def test_selling_out_returning_and_selling_out_are_told_and_nothing_else(
    followed: Followed,
) -> None:
    event_id = await followed.event(seats=3)
    commands: tuple[Command, ...] = (Reserve(1, None), Reserve(2, None), Return(1, None))
    for n, command in enumerate(commands):
        await followed.pair.persist(0, event_id, command, f"k{n}")
    await followed.pair.persist(1, event_id, Reserve(1, None), "last")
    found = [c for c in await followed.all() if c.mark.event_id == event_id]
    assert kinds_of(found, event_id) == ["published", "sold_out", "reopened", "sold_out"]
    ledger = {row["version"]: row for row in await followed.pair.ledger(event_id)}
    for change in found:
        row = ledger[change.mark.version]
        assert (change.status, change.available_seats) == (row["status"], row["available_seats"])
        assert change.at == row["recorded_at"]


async def test_pages_are_disjoint_and_complete_whatever_their_size(followed: Followed) -> None:
    for _ in range(4):
        event_id = await followed.event(seats=1)
        await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    whole = await followed.all(limit=500)
    assert len(whole) == 8
    for limit in (1, 2, 3, 7, 8):
        assert await followed.all(limit=limit) == whole


async def test_an_open_transaction_holds_the_feed_back_and_loses_nothing(
    followed: Followed,
) -> None:
    start = await latest(followed)
    other = await asyncpg.connect(followed.dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT pg_current_xact_id()")
    event_id = await followed.event(seats=1)
    await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    page = await followed.reader.changes(start, 10)
    assert not page.changes
    assert page.waits_s > 0
    assert not page.has_more
    await transaction.rollback()
    await other.close()
    page = await followed.reader.changes(page.next, 10)
    assert kinds_of([*page.changes], event_id) == ["published", "sold_out"]
    assert page.waits_s == 0


async def test_a_change_that_is_committed_later_is_found_after_those_before_it(
    followed: Followed,
) -> None:
    """Two writers, of which the one that began first commits last: a sequence would lose it."""
    slow, other = await followed.event(seats=1), await followed.event(seats=1)
    start = await latest(followed)
    connection = await asyncpg.connect(followed.dsn)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "INSERT INTO event_changes (position, event_id, version, kinds, data, available_seats,"
        " status) SELECT (era::bigint << 44) + pg_current_xact_id()::text::bigint, $1, 99,"
        " '{updated}', '{}', 1, 'published' FROM change_feed",
        slow,
    )
    await followed.pair.persist(0, other, Reserve(1, None), "k")
    first = await followed.reader.changes(start, 10)
    await transaction.commit()
    await connection.close()
    then = await followed.reader.changes(first.next, 10)
    found = [c.mark.event_id for c in (*first.changes, *then.changes)]
    assert found == [slow, other]


async def test_eight_writers_on_two_owners_and_a_reader_that_follows_them(
    followed: Followed,
) -> None:
    events = [await followed.event(seats=2) for _ in range(8)]
    done = asyncio.Event()

    async def write(n: int) -> None:
        for turn in range(12):
            event_id = events[(n + turn) % 8]
            await followed.pair.persist(n % 2, event_id, Reserve(2, None), f"{n} {turn} out")
            await followed.pair.persist(n % 2, event_id, Return(2, None), f"{n} {turn} back")

    async def follow() -> list[Change]:
        found: list[Change] = []
        after = BEGINNING
        while True:
            ended = done.is_set()
            page = await followed.reader.changes(after, 5)
            found += page.changes
            after = page.next
            if ended and not page.has_more:
                return found
            await asyncio.sleep(0)

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(n) for n in range(8)))
    done.set()
    found = await following
    by_event: dict[str, list[int]] = defaultdict(list)
    for change in found:
        by_event[change.mark.event_id].append(change.mark.version)
    for event_id in events:
        ledger = await followed.pair.ledger(event_id)
        notable = [
            row["version"] for before, row in pairwise(ledger) if before["status"] != row["status"]
        ]
        assert by_event[event_id] == notable


async def test_what_a_database_has_told_does_not_come_again_with_lower_transaction_ids(
    followed: Followed,
) -> None:
    """As after a restore into a new server, or a failover that lost transactions."""
    event_id = await followed.event(seats=1)
    start = await latest(followed)
    other = await asyncpg.connect(followed.dsn)
    # Another server: what was told stands where this one will not come for years.
    await other.execute("UPDATE event_changes SET position = position + (1::bigint << 40)")
    await other.execute("UPDATE change_feed SET cluster = 1, timeline = 9")
    start = start._replace(position=start.position + (1 << 40))
    await Lineage().check(other)
    await Lineage().check(other)
    eras = await other.fetch("SELECT era FROM change_feed")
    await other.close()
    await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    found = await followed.reader.changes(start, 10)
    assert kinds_of([*found.changes], event_id) == ["sold_out"]
    assert len(eras) == 1


async def test_a_backup_that_is_restored_twice_goes_on_behind_what_was_told_of_the_first(
    followed: Followed,
) -> None:
    """Both begin the same timeline, for neither knows of the other."""
    event_id = await followed.event(seats=1)
    other = await asyncpg.connect(followed.dsn)
    # The backup has the first era; the first restore began the second an hour ago.
    an_hour_ago = await other.fetchval(
        "SELECT (extract(epoch FROM now() - timestamptz '2026-01-01 00:00Z') / 3600)::integer - 1"
    )
    start = await latest(followed)
    start = start._replace(position=(an_hour_ago << 44) + (1 << 40))
    await other.execute("UPDATE change_feed SET era = 0, cluster = 1, timeline = 1")
    await Lineage().check(other)
    await other.close()
    await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    found = await followed.reader.changes(start, 10)
    assert kinds_of([*found.changes], event_id)[-1:] == ["sold_out"]


async def test_a_waiting_reader_hears_of_the_next_change_at_once(followed: Followed) -> None:
    event_id = await followed.event(seats=1)
    start = await latest(followed)
    for store in followed.pair.stores:
        store.when_changed(followed.feed.nudge)
    waiting = asyncio.create_task(followed.feed.read(start, 10, NO_KINDS, 10))
    await until(lambda: followed.feed.waiting == 1)
    await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    page = await asyncio.wait_for(waiting, 5)
    assert isinstance(page, ChangePage)
    assert kinds_of([*page.changes], event_id) == ["sold_out"]
    assert followed.feed.waiting == 0


async def test_a_reader_of_one_kind_waits_through_the_others(followed: Followed) -> None:
    event_id = await followed.event(seats=1)
    start = await latest(followed)
    kinds = frozenset({ChangeKind.REOPENED})
    waiting = asyncio.create_task(followed.feed.read(start, 10, kinds, 10))
    await until(lambda: followed.feed.waiting == 1)
    await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    await followed.pair.persist(0, event_id, Return(1, None), "back")
    page = await asyncio.wait_for(waiting, 5)
    assert isinstance(page, ChangePage)
    assert kinds_of([*page.changes], event_id) == ["reopened"]


async def test_nothing_new_is_an_empty_page_with_a_place_to_go_on(followed: Followed) -> None:
    start = await latest(followed)
    page = await followed.feed.read(start, 10, NO_KINDS, 0.05)
    assert isinstance(page, ChangePage)
    assert (list(page.changes), page.has_more) == ([], False)
    assert page.next >= start


async def test_one_more_than_may_wait_is_refused_and_one_who_leaves_makes_room(
    followed: Followed,
) -> None:
    feed = ChangeFeed(followed.reader, waiting_max=2)
    start = await latest(followed)
    waiting = [asyncio.create_task(feed.read(start, 10, NO_KINDS, 10)) for _ in range(2)]
    await until(lambda: feed.waiting == 2)
    with pytest.raises(Overloaded):
        await feed.read(start, 10, NO_KINDS, 10)
    waiting[0].cancel()
    await until(lambda: feed.waiting == 1)
    waiting.append(asyncio.create_task(feed.read(start, 10, NO_KINDS, 10)))
    await until(lambda: feed.waiting == 2)
    feed.drain()
    pages = await asyncio.gather(*waiting[1:])
    assert all(isinstance(page, ChangePage) and not page.changes for page in pages)
    await feed.stop()


async def test_a_client_that_comes_back_late_reads_what_is_kept_no_more(
    followed: Followed,
) -> None:
    feed = ChangeFeed(followed.reader, kept_max=2)
    start = await latest(followed)
    event_id = await followed.event(seats=1)
    for n in range(3):
        await followed.pair.persist(0, event_id, Reserve(1, None), f"r{n}")
        await followed.pair.persist(0, event_id, Return(1, None), f"b{n}")
    waiting = asyncio.create_task(feed.read(await latest(followed), 10, NO_KINDS, 10))
    await until(lambda: feed.waiting == 1)
    for n in range(3, 6):
        await followed.pair.persist(0, event_id, Reserve(1, None), f"r{n}")
        await followed.pair.persist(0, event_id, Return(1, None), f"b{n}")
    await waiting
    page = await feed.read(start, 100, NO_KINDS, 1)
    assert isinstance(page, ChangePage)
    assert kinds_of([*page.changes], event_id)[1:] == ["sold_out", "reopened"] * 6
    await feed.stop()


async def test_a_place_of_another_feed_is_none_of_this(followed: Followed) -> None:
    start = await latest(followed)
    found = await followed.feed.read(start, 1, NO_KINDS, 0, "another")
    assert found is NoPlace.OF_ANOTHER_FEED


async def test_a_cursor_from_before_what_is_archived_has_expired(followed: Followed) -> None:
    feed_id = (await followed.reader.latest()).feed_id
    before = await latest(followed)
    event_id = await followed.event(seats=1)
    await followed.pair.persist(0, event_id, Reserve(1, None), "k")
    behind = await latest(followed)
    async with ArchiveStore(followed.dsn) as store:
        begins_at, count = await store.expired_changes(datetime.now(UTC) + timedelta(days=1))
        assert count == 2
        assert begins_at >= behind.position
        assert await followed.feed.read(before, 9, NO_KINDS, 0, feed_id) is not NoPlace.ARCHIVED
        await store.expire_changes(begins_at)
        # Before they are deleted, and after.
        for _ in range(2):
            found = await followed.feed.read(before, 9, NO_KINDS, 0, feed_id)
            assert found is NoPlace.ARCHIVED
            assert await followed.all() == []
            await store.delete_changes(0, begins_at - 1)
        last = Mark(begins_at - 1, event_id, 9)
        assert await followed.feed.read(last, 9, NO_KINDS, 0, feed_id) is NoPlace.ARCHIVED
        first = Mark(begins_at, BEGINNING.event_id, 0)
        assert isinstance(await followed.feed.read(first, 9, NO_KINDS, 0, feed_id), ChangePage)
    await followed.pair.persist(0, event_id, Return(1, None), "b")
    assert kinds_of(await followed.all(), event_id) == ["reopened"]
    # One who waits with the changes in memory has missed none.
    page = await followed.feed.read(await latest(followed), 9, NO_KINDS, 0.01, feed_id)
    assert isinstance(page, ChangePage)


async def test_a_page_is_found_by_its_place_and_reads_no_more_than_it_gives(
    followed: Followed, postgres: EmbeddedPostgres
) -> None:
    other = await asyncpg.connect(followed.dsn)
    await other.execute(
        "INSERT INTO event_changes (position, event_id, version, kinds, data, available_seats,"
        " status) SELECT n, gen_random_uuid(), 3, '{updated}', '{}', 1, 'published'"
        " FROM generate_series(1, 20000) AS n"
    )
    await other.execute("ANALYZE event_changes")
    plan: Any = await other.fetchval(
        "EXPLAIN (FORMAT JSON) SELECT * FROM event_changes WHERE (position, event_id, version) >"
        " (10000, '00000000-0000-0000-0000-000000000000', 0) AND position < 15000"
        " ORDER BY position, event_id, version LIMIT 100"
    )
    await other.close()
    assert '"event_changes_in_order"' in plan
    assert "Seq Scan" not in plan
    page = await followed.reader.changes(Mark(10000, BEGINNING.event_id, 0), 100)
    assert [c.mark.position for c in page.changes] == list(range(10000, 10100))
    assert page.has_more


async def test_large_changes_come_in_pages_that_stay_small(followed: Followed) -> None:
    event_id = await followed.event(seats=5)
    other = await asyncpg.connect(followed.dsn)
    await other.execute(
        "INSERT INTO event_changes (position, event_id, version, kinds, data, available_seats,"
        " status) SELECT n, $1, n, '{updated}', jsonb_build_object('description',"
        " jsonb_build_object('from', repeat('<', 10000), 'to', repeat('y', 10000))), 1,"
        " 'published' FROM generate_series(1, 60) AS n",
        event_id,
    )
    await other.close()
    first = await followed.reader.changes(BEGINNING, 500)
    assert first.has_more
    assert sum(len(c.data.replace("<", "\\u003c")) for c in first.changes) <= 768 * 1024
    assert len(await followed.all(limit=500)) == 61


async def test_an_update_and_a_cancellation_are_told_with_their_details(
    followed: Followed,
) -> None:
    event_id = await followed.event(seats=5)
    read = await followed.pair.registries[0].read(event_id)
    assert read is not None
    update = Update(ADMIN, False, read.version, {"name": "Day"}, 10_000)
    answer = await followed.pair.persist(0, event_id, update, "u")
    assert isinstance(answer, Done)
    await followed.pair.persist(1, event_id, Cancel(ADMIN, False, answer.version), "c")
    found = [c for c in await followed.all() if c.mark.event_id == event_id]
    assert [c.kinds[0].value for c in found] == ["published", "updated", "cancelled"]
    assert '"to": "Day"' in found[1].data
