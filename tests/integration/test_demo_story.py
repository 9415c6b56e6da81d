"""The demo's organiser and their events, in a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from db.database import Database
from db.event_check import EventCheck
from db.event_lists import EventListReader, Wanted
from db.sql import load
from db.statements import Statement
from evently.commands.demo_story import ACTIVE_S, EMAIL, STORIES, demo_password, tell_story
from evently.commands.seed import seed
from evently.commands.verify import verify_events
from routes.auth.passwords import Passwords

SECRET = "0123456789abcdef0123456789abcdef"
PASSWORD = demo_password(SECRET)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        await seed(database)
        yield database


@pytest.fixture
async def other(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def events(other: "asyncpg.Connection[asyncpg.Record]") -> dict[str, asyncpg.Record]:
    rows = await other.fetch(
        "SELECT e.* FROM events AS e JOIN admins AS a ON a.admin_id = e.created_by"
    )
    return {row["name"]: row for row in rows}


async def test_there_is_an_event_in_every_state_and_each_is_what_its_ledger_says(
    database: Database, database_url: str, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    assert await tell_story(database, SECRET) == PASSWORD
    found = await events(other)
    now = datetime.now(UTC)
    assert len(found) == len(STORIES)
    assert {row["status"] for row in found.values()} == {
        *("draft", "published", "sold_out", "cancelled")
    }
    assert any(row["end_datetime"] < now for row in found.values())
    assert any(now < row["start_datetime"] < now + timedelta(days=2) for row in found.values())
    lines: list[str] = []
    async with EventCheck(database_url) as check:
        verified = await verify_events(check, lambda found: lines.append(str(found)))
    assert (lines, verified.differing) == ([], 0)
    # What was sold was sold for something.
    assert all((row["revenue"] > 0) == (row["version"] > 2) for row in found.values())


async def test_sales_lie_in_the_weeks_before_and_in_the_last_hour(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await tell_story(database, SECRET)
    ledger = await other.fetch(
        "SELECT event_id, version, recorded_at FROM event_ledger WHERE kind = 'reserved'"
        " AND event_id = (SELECT event_id FROM events WHERE name LIKE 'Paper Lanterns%'"
        " AND created_by = (SELECT admin_id FROM admins)) ORDER BY version"
    )
    times = [row["recorded_at"] for row in ledger]
    assert times == sorted(times)
    now = datetime.now(UTC)
    assert times[0] < now - timedelta(days=30)
    assert times[-1] > now - timedelta(hours=1)
    assert times[-1] <= now
    assert len({time.date() for time in times}) > 25


async def test_some_seats_are_being_paid_for_and_others_were_or_were_not(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await tell_story(database, SECRET)
    held = {name for name, row in (await events(other)).items() if row["held_seats"]}
    assert held == {story.name for story in STORIES if story.held}
    for event_id in {row["event_id"] for row in (await events(other)).values()}:
        (inventory,) = await other.fetch(load(Statement.FIND_INVENTORY), event_id)
        ended = (inventory["confirmed"], inventory["released"], inventory["expired"])
        if inventory["held_seats"]:
            assert inventory["active"] == len(ACTIVE_S)
            assert all(ended)
            # The next one ends within a quarter of an hour, the last one in two hours.
            left = inventory["next_expires_at"] - datetime.now(UTC)
            assert timedelta(minutes=10) < left < timedelta(minutes=15)
        else:
            assert not any(ended)


async def test_the_sales_of_one_open_tomorrow_and_it_wants_attention(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await tell_story(database, SECRET)
    found = await events(other)
    now = datetime.now(UTC)
    opening = [row for row in found.values() if row["sales_start"] is not None]
    assert len(opening) == 1
    assert timedelta(hours=20) < opening[0]["sales_start"] - now < timedelta(hours=21)
    assert opening[0]["status"] == "published"
    wanted = Wanted(str(opening[0]["created_by"]), attention=True)
    attention = await EventListReader(database).search(wanted, 12, 0)
    assert opening[0]["name"] in {event["name"] for event in attention.events}


async def test_a_second_start_adds_nothing_and_leaves_what_was_changed(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await tell_story(database, SECRET)
    await other.execute("UPDATE events SET description = 'Ours'")
    before = await events(other)
    assert await tell_story(database, SECRET, datetime.now(UTC) + timedelta(days=40)) == PASSWORD
    assert await events(other) == before
    assert await other.fetchval("SELECT count(*) FROM admins") == 1


async def test_a_password_that_was_changed_is_not_told(
    database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await tell_story(database, SECRET)
    passwords = Passwords(cost=4)
    await other.execute(
        "UPDATE admins SET password_hash = $1 WHERE email = $2",
        await passwords.hash("another one"),
        EMAIL,
    )
    passwords.close()
    assert await tell_story(database, SECRET) is None


def test_each_service_has_a_password_of_its_own() -> None:
    assert demo_password(SECRET) == PASSWORD
    assert demo_password(SECRET[::-1]) != PASSWORD
    assert len(PASSWORD) == 16
