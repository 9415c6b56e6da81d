"""Folding what was written without the service: before the columns were there, or by hand."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from db.admin_store import AdminStore
from db.database import Database
from db.migrate import fold_database, migrate, migrations
from db.sql import load
from db.statements import Statement
from evently.domain.text import fold

VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall ' || $2, '1 Street', $2, 'USA', 20000, $1)
"""
EVENT = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by)
SELECT gen_random_uuid(), 'Night', '', $1, $2, now() + interval '1 day', now() + interval '2 days',
       9, 9, 1, 9, 'published', 1, 1, $1
  FROM generate_series(1, $3)
"""
ADMIN = """
INSERT INTO admins (admin_id, email, password_hash, name, role, created_at)
VALUES ($1, $2, 'x', 'Ada', 'admin', now() + $3 * interval '1 second')
"""
NOT_FOLDED = """
SELECT (SELECT count(*) FROM venues WHERE num_nulls(name_folded, address_folded, city_folded) > 0)
     + (SELECT count(*) FROM events WHERE event_type_folded IS NULL)
     + (SELECT count(*) FROM admins WHERE email_folded IS NULL)
"""


async def write(connection: "asyncpg.Connection[asyncpg.Record]", *, events: int = 1) -> UUID:
    venue_id = uuid4()
    await connection.execute(VENUE, venue_id, "Besan\u00e7on")
    await connection.execute(EVENT, venue_id, "Stra\u00dfenfest", events)
    await connection.execute(ADMIN, uuid4(), "\u00c9mile@x.io", 0)
    return venue_id


async def test_what_is_there_before_the_columns_is_folded(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await migrate(connection, migrations()[:4])
    venue_id = await write(connection)
    await migrate(connection)
    assert await fold_database(empty_database_url) == 4
    venue = await connection.fetchrow("SELECT * FROM venues WHERE venue_id = $1", venue_id)
    assert venue is not None
    assert venue["city_folded"] == fold("Besan\u00e7on")
    assert venue["name_folded"] == fold("Hall Besan\u00e7on")
    assert await connection.fetchval("SELECT event_type_folded FROM events") == "strassenfest"
    assert await connection.fetchval("SELECT email_folded FROM admins") == "\u00e9mile@x.io"
    await connection.close()


async def test_folding_again_changes_nothing_and_a_change_by_hand_is_noticed(
    database_url: str,
) -> None:
    connection = await asyncpg.connect(database_url)
    await write(connection)
    await fold_database(database_url)
    assert await fold_database(database_url) == 0
    await connection.execute("UPDATE venues SET city = 'OSLO'")
    await connection.execute("UPDATE events SET event_type = 'Opera'")
    assert await fold_database(database_url) == 2
    assert await connection.fetchval("SELECT city_folded FROM venues") == "oslo"
    assert await connection.fetchval("SELECT event_type_folded FROM events") == "opera"
    await connection.close()


async def test_many_rows_are_folded_a_page_at_a_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.folded_text.PAGE_ROWS", 2)
    monkeypatch.setattr("db.folded_text.NAMES_ROWS", 2)
    connection = await asyncpg.connect(database_url)
    for number in range(5):
        await connection.execute(VENUE, uuid4(), f"City {number}")
        await connection.execute(ADMIN, uuid4(), f"a{number}@x.io", 0)
    await write(connection, events=5)
    assert await fold_database(database_url) == 6 + 5 + 5 + 6
    assert await connection.fetchval(NOT_FOLDED) == 0
    await connection.close()


async def test_events_are_locked_once_for_all_names_whatever_the_plan(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await write(connection, events=3000)
    await connection.execute("VACUUM (ANALYZE) events")
    ids = await connection.fetchval(
        "SELECT array_agg(event_id) FROM (SELECT event_id FROM events LIMIT 200) AS e"
    )
    names = ", ".join("'Night'" for _ in ids)
    given = ", ".join(f"'{event_id}'" for event_id in ids)
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE folding AS {load(Statement.FOLD_EVENT_NAMES)}")
    plan = await connection.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE folding"
        f" (ARRAY[{given}]::uuid[], ARRAY[{names}], ARRAY[{names}])"
    )
    (locking,) = (node for node in nodes(json.loads(plan)[0]["Plan"]) if _locks(node))
    assert (locking["Actual Loops"], locking["Actual Rows"]) == (1, len(ids))
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def _locks(node: dict[str, Any]) -> bool:
    return bool(node["Node Type"] == "LockRows")


async def test_an_event_that_is_being_written_is_passed_over_and_folded_after(
    database_url: str,
) -> None:
    connection, other = [await asyncpg.connect(database_url) for _ in range(2)]
    await write(connection, events=3)
    writing = other.transaction()
    await writing.start()
    await other.execute(
        "SELECT FROM events ORDER BY event_id LIMIT 1 FOR UPDATE",
    )
    folding = asyncio.create_task(fold_database(database_url))
    async with asyncio.timeout(5):
        while await connection.fetchval("SELECT count(event_type_folded) FROM events") < 2:
            await asyncio.sleep(0.01)
    await writing.rollback()
    assert await folding == 3 + 3 + 2
    await other.close()
    await connection.close()


async def test_events_that_stay_locked_are_left_and_named(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("db.folded_text.PAUSE_S", 0.0)
    connection = await asyncpg.connect(database_url)
    await write(connection)
    async with connection.transaction():
        await connection.execute("SELECT FROM events FOR UPDATE")
        with caplog.at_level(logging.WARNING):
            assert await fold_database(database_url) == 2
    assert "1 events of type 'Stra\u00dfenfest' are locked" in caplog.text
    await connection.close()


async def test_of_two_admins_with_one_email_the_older_keeps_it_and_both_are_found(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await asyncpg.connect(database_url)
    younger, older = uuid4(), uuid4()
    await connection.execute(ADMIN, younger, "\u00e9mile@x.io", 1)
    await connection.execute(ADMIN, older, "\u00c9MILE@x.io", 0)
    with caplog.at_level(logging.WARNING):
        assert await fold_database(database_url) == 1
    assert str(younger) in caplog.text
    async with Database(database_url) as database:
        admins = AdminStore(database)
        found = {
            email: (await admins.find_admin_by_email(email))
            for email in ("\u00c9MILE@x.io", "\u00c9mile@x.io", "\u00e9mile@x.io")
        }
    ids = {email: one.admin_id for email, one in found.items() if one is not None}
    assert ids == {
        "\u00c9MILE@x.io": str(older),
        "\u00c9mile@x.io": str(older),
        "\u00e9mile@x.io": str(younger),
    }
    await connection.close()
