"""The demo's venues and events, in a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from click.testing import CliRunner, Result

from db.database import Database
from db.event_check import EventCheck, Replayed
from evently.commands.demo_data import EVENT_NAMES, VENUES
from evently.commands.seed import (
    EVENTS_MAX,
    EVENTS_PER_VENUE,
    Seeded,
    demo_events,
    seed,
    seed_command,
)
from evently.commands.verify import Verified, verify_events
from evently.domain.level import Level, level_of
from evently.domain.offer import misfits
from routes.contract.bodies import NewEvent, NewVenue
from routes.contract.validation import read_body

ALL = Seeded(len(VENUES), EVENTS_MAX)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
async def other(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def test_there_are_enough_venues_each_known_by_one_slug() -> None:
    assert len(VENUES) >= 24
    assert len({venue.slug for venue in VENUES}) == len(VENUES)
    assert len({(venue.name, venue.city) for venue in VENUES}) == len(VENUES)
    assert {kind for venue in VENUES for kind in venue.types} <= EVENT_NAMES.keys()


def test_venues_and_events_are_what_an_admin_may_enter() -> None:
    for venue in VENUES:
        fields = ["name", "address", "city", "state", "country", "postal_code", "capacity"]
        read_body(NewVenue, {name: getattr(venue, name) for name in [*fields, "timezone"]})
    for event in demo_events(NOON):
        details = event[0].details
        fields = ["name", "description", "venue_id", "event_type", "max_tickets_per_booking"]
        given = {name: getattr(details, name) for name in fields}
        given["start_datetime"] = details.start_datetime.isoformat()
        given["end_datetime"] = details.end_datetime.isoformat()
        given["total_capacity"] = event[0].total_capacity
        given["base_price"] = details.base_price
        given["currency"] = details.currency
        read_body(NewEvent, given)
        assert not list(misfits(details, ()))


def test_some_events_are_still_to_open_and_some_sell_at_the_door() -> None:
    levels = [level_of(event[0], NOON) for event in demo_events(NOON)]
    assert {*levels} == {Level.AVAILABLE, Level.NOT_YET_ON_SALE}
    assert len(VENUES) // 2 < levels.count(Level.NOT_YET_ON_SALE) < len(VENUES)
    details = [event[0].details for event in demo_events(NOON)]
    assert any(one.sales_close > one.start_datetime for one in details)


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_events_lie_in_the_six_months_to_come(hour: int) -> None:
    now = NOON.replace(hour=hour)
    starts = [event[0].details.start_datetime for event in demo_events(now)]
    assert now + timedelta(days=1) < min(starts) < now + timedelta(days=7)
    assert now + timedelta(days=150) < max(starts) < now + timedelta(days=181)
    assert len({start.date() for start in starts}) > 100


async def test_all_is_added_and_agrees_with_its_ledger(
    database: Database, database_url: str
) -> None:
    done: list[int] = []
    assert await seed(database, advance=done.append) == ALL
    assert sum(done) == EVENTS_MAX
    differing: list[Replayed] = []
    async with EventCheck(database_url) as check:
        verified = await verify_events(check, differing.append)
    assert (verified, differing) == (Verified(EVENTS_MAX, 2 * EVENTS_MAX, 0), [])


async def test_every_event_is_on_sale_at_a_venue_that_holds_it(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await seed(database)
    row = await other.fetchrow("""
        SELECT count(*) AS events,
               bool_and(e.status = 'published' AND e.version = 2 AND e.terms_version = 2)
                   AS on_sale,
               bool_and(e.total_capacity <= v.capacity AND e.available_seats = e.total_capacity)
                   AS fits,
               bool_and(e.start_datetime > now() AND e.base_price > 0) AS coming,
               count(DISTINCT e.event_type) AS types
          FROM events AS e JOIN venues AS v USING (venue_id)
    """)
    assert row is not None
    assert dict(row) == {
        "events": EVENTS_MAX,
        "on_sale": True,
        "fits": True,
        "coming": True,
        "types": len(EVENT_NAMES),
    }


async def test_the_ledger_tells_what_was_created_and_published(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await seed(database)
    event = next(demo_events(NOON))[0].details
    rows = await other.fetch(
        "SELECT kind, changes::text FROM event_ledger WHERE event_id = $1 ORDER BY version",
        event.event_id,
    )
    assert [row["kind"] for row in rows] == ["created", "published"]
    assert event.name in rows[0]["changes"]
    assert rows[1]["changes"] == '{"status": "published"}'


async def test_a_second_run_adds_nothing_even_a_year_later(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await seed(database)
    everything = "SELECT e::text FROM events AS e ORDER BY event_id"
    before = await other.fetch(everything)
    assert await seed(database, now=datetime.now(UTC) + timedelta(days=365)) == Seeded(0, 0)
    assert await other.fetch(everything) == before
    assert await other.fetchval("SELECT count(*) FROM event_ledger") == 2 * EVENTS_MAX


async def test_two_at_once_add_everything_once(database: Database) -> None:
    both = await asyncio.gather(seed(database), seed(database))
    assert sum(seeded.venues for seeded in both) == len(VENUES)
    assert sum(seeded.events for seeded in both) == EVENTS_MAX


async def test_a_run_that_was_broken_off_is_finished_by_the_next(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    def stop(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await seed(database, advance=stop)
    done = await other.fetchval("SELECT count(*) FROM events")
    assert 0 < done < EVENTS_MAX
    assert await seed(database) == Seeded(0, EVENTS_MAX - done)


async def test_no_event_is_added_at_a_venue_that_has_become_too_small(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await seed(database)
    await other.execute("DELETE FROM events")
    await other.execute("DELETE FROM event_ledger")
    await other.execute("UPDATE venues SET capacity = 10 WHERE city = 'Nashville'")
    assert await seed(database) == Seeded(0, EVENTS_MAX - EVENTS_PER_VENUE)


async def test_the_command_tells_what_it_added(database_url: str) -> None:
    assert (await command(database_url)).stdout == (
        f"added {len(VENUES)} venues and {EVENTS_MAX} events\n"
    )
    assert (await command(database_url)).stdout == (
        "nothing to add: the demo's venues and events are there\n"
    )


async def command(url: str) -> Result:
    """Run the command against the database at `url`."""
    environ = {
        "EVENTLY_DATABASE_URL": url,
        "EVENTLY_JWT_SECRET": "dqvWbn2Ys0qkRZfNFtE7yXlP4uJc9oAh",
        "EVENTLY_INTERNAL_API_KEYS": "test:1234567890abcdefgh",
    }
    result = await asyncio.to_thread(CliRunner(env=environ).invoke, seed_command)
    assert result.exit_code == 0, result.output
    return result
