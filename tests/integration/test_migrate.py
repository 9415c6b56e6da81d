"""Migrations on a real server: in order, once, whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from db.migrate import (
    LOCK_ID,
    MigrationError,
    MigrationsMissing,
    check_database,
    check_migrated,
    migrate,
    migrate_database,
    migrations,
    pending,
)
from evently.embedded import EmbeddedPostgres

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FIRST = "CREATE TABLE one (n integer); INSERT INTO one VALUES (1);"
SECOND = "ALTER TABLE one ADD COLUMN m integer;"
# Of this database: services of other tests may use the same server.
ADVISORY_LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
 WHERE locktype = 'advisory' AND datname = current_database()
"""


@pytest.fixture
async def connection(empty_database_url: str) -> AsyncIterator[Connection]:
    # Bounds as a service's connection has them: a migration must not be cut by them.
    opened = await asyncpg.connect(empty_database_url, server_settings={"lock_timeout": "2000"})
    yield opened
    await opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_first.sql", FIRST)
    write(tmp_path, "0002_second.sql", SECOND)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


async def history(connection: Connection) -> list[tuple[int, str]]:
    rows = await connection.fetch("SELECT number, name FROM schema_migrations ORDER BY number")
    return [(row["number"], row["name"]) for row in rows]


async def exists(connection: Connection, table: str) -> bool:
    return await connection.fetchval("SELECT to_regclass($1)", table) is not None


async def test_the_files_of_this_release_make_a_database_that_fits(connection: Connection) -> None:
    applied = await migrate(connection)
    assert applied == migrations()
    await check_migrated(connection)


async def test_they_are_applied_in_order_and_once(connection: Connection, folder: Path) -> None:
    known = migrations(folder)
    assert [str(migration) for migration in known] == ["0001_first", "0002_second"]
    assert await migrate(connection, known) == known
    assert await migrate(connection, known) == ()
    assert await history(connection) == [(1, "first"), (2, "second")]
    assert await connection.fetchval("SELECT count(*) FROM one") == 1


async def test_only_what_is_missing_is_applied(connection: Connection, folder: Path) -> None:
    known = migrations(folder)
    await migrate(connection, known[:1])
    assert await pending(connection, known) == known[1:]
    assert await migrate(connection, known) == known[1:]


async def test_asking_what_is_pending_writes_nothing(connection: Connection, folder: Path) -> None:
    assert await pending(connection, migrations(folder)) == migrations(folder)
    assert not await exists(connection, "schema_migrations")


async def test_an_older_database_is_refused_with_the_command_to_run(
    connection: Connection,
) -> None:
    with pytest.raises(MigrationsMissing, match=r"lacks 0001_events.*run `evently migrate` first"):
        await check_migrated(connection)


async def test_the_schema_of_the_next_release_will_do(
    connection: Connection, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = migrations(folder)
    await migrate(connection, known)
    for ask in (pending, migrate):
        caplog.clear()
        assert await ask(connection, known[:1]) == ()
        assert "has migration 0002, and the last one here is 0001" in caplog.text


async def test_a_file_that_was_applied_must_not_change(
    connection: Connection, folder: Path
) -> None:
    await migrate(connection, migrations(folder)[:1])
    write(folder, "0001_first.sql", f"{FIRST} -- better")
    with pytest.raises(MigrationError, match="0001_first was applied with another text"):
        await migrate(connection, migrations(folder))
    assert await history(connection) == [(1, "first")]


async def test_line_ends_of_another_system_are_no_change(
    connection: Connection, folder: Path
) -> None:
    write(folder, "0002_second.sql", "SELECT 1;\n\nSELECT 2;\n")
    await migrate(connection, migrations(folder))
    (folder / "0002_second.sql").write_bytes(b"SELECT 1;\r\n\r\nSELECT 2;\r\n")
    assert await migrate(connection, migrations(folder)) == ()


async def test_a_gap_in_the_history_is_refused(connection: Connection, folder: Path) -> None:
    known = migrations(folder)
    await migrate(connection, known)
    await connection.execute("DELETE FROM schema_migrations WHERE number = 1")
    with pytest.raises(MigrationError, match="has migration 0002 and lacks 0001_first"):
        await migrate(connection, known)


async def test_one_that_fails_leaves_nothing_and_those_before_it_stay(
    connection: Connection, folder: Path
) -> None:
    write(folder, "0002_second.sql", "CREATE TABLE two (n integer); SELECT 1 / 0;")
    with pytest.raises(MigrationError, match="0002_second was not applied: division by zero"):
        await migrate(connection, migrations(folder))
    assert await history(connection) == [(1, "first")]
    assert not await exists(connection, "two")
    write(folder, "0002_second.sql", SECOND)
    assert len(await migrate(connection, migrations(folder))) == 1


async def test_one_that_waits_for_a_busy_table_gives_up(
    connection: Connection, folder: Path, empty_database_url: str
) -> None:
    await migrate(connection, migrations(folder)[:1])
    other = await asyncpg.connect(empty_database_url)
    async with other.transaction():
        await other.execute("SELECT * FROM one")
        with pytest.raises(MigrationError, match=r"0002_second was not applied: .* lock timeout"):
            await migrate(connection, migrations(folder), table_lock_wait_ms=10)
    await other.close()
    assert len(await migrate(connection, migrations(folder))) == 1


async def test_two_at_once_take_turns(
    connection: Connection, folder: Path, empty_database_url: str
) -> None:
    other = await asyncpg.connect(empty_database_url)
    known = migrations(folder)
    results = await asyncio.gather(migrate(connection, known), migrate(other, known))
    await other.close()
    assert sorted(results, key=len) == [(), known]


async def test_waiting_for_ones_turn_is_bounded(
    connection: Connection, folder: Path, empty_database_url: str
) -> None:
    other = await asyncpg.connect(empty_database_url)
    await other.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
    with pytest.raises(MigrationError, match="another migration"):
        await migrate(connection, migrations(folder), lock_wait_ms=10)
    assert not await exists(connection, "schema_migrations")
    await other.close()


async def test_the_turn_is_given_back_and_the_session_is_as_it_was(
    connection: Connection, folder: Path
) -> None:
    write(folder, "0002_second.sql", "SELECT 1 / 0;")
    with pytest.raises(MigrationError):
        await migrate(connection, migrations(folder))
    assert await connection.fetchval(ADVISORY_LOCKS) == 0
    assert await connection.fetchval("SHOW lock_timeout") == "2s"


async def test_a_migration_is_not_cut_by_the_connections_own_bounds(
    empty_database_url: str, tmp_path: Path
) -> None:
    write(tmp_path, "0001_slow.sql", "SELECT pg_sleep(0.3);")
    opened = await asyncpg.connect(
        empty_database_url, command_timeout=0.1, server_settings={"statement_timeout": "100"}
    )
    assert len(await migrate(opened, migrations(tmp_path))) == 1
    await opened.close()


async def test_an_old_server_is_refused(connection: Connection, folder: Path) -> None:
    for ask in (pending, migrate):
        with pytest.raises(MigrationError, match="PostgreSQL 99 or newer is needed"):
            await ask(connection, migrations(folder), server_version_min=99)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_lacks_letters_is_refused_by_name(
    postgres: EmbeddedPostgres, encoding: str
) -> None:
    name = f"test_{encoding.lower()}"
    postgres.psql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    for act in (migrate_database, check_database):
        with pytest.raises(MigrationError, match=f"{encoding}.* ENCODING 'UTF8'"):
            await act(postgres.dsn(name))
    connection = await asyncpg.connect(postgres.dsn(name))
    tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    assert tables == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0002_again.sql", "found 0001, 0002, 0002"),
        ("0004_gap.sql", "found 0001, 0002, 0004"),
        ("third.sql", "third.sql is not named like"),
        ("3_short.sql", "3_short.sql is not named like"),
        ("0003_Big.sql", "0003_Big.sql is not named like"),
    ],
)
def test_a_folder_whose_numbers_do_not_count_is_refused(
    folder: Path, name: str, message: str
) -> None:
    write(folder, name, "SELECT 1;")
    with pytest.raises(MigrationError, match=message):
        migrations(folder)


def test_other_files_in_the_folder_are_no_migrations(folder: Path) -> None:
    write(folder, "README.md", "")
    assert len(migrations(folder)) == 2


CANCELLED = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by)
SELECT $1, 'Night', '', venue_id, 'opera', now(), now() + interval '1 hour', 9, 9, 1, 9,
       'cancelled', 2, 2, venue_id
  FROM venues
"""
NOTED = """
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
VALUES ($1, $2, $3, 0, 0, 0, 9, 'x', $2::bigint::text, '', '', '')
"""


async def test_of_cancelled_events_those_that_were_never_published_are_told_apart(
    connection: Connection,
) -> None:
    await migrate(connection, migrations()[:4])
    await connection.execute(
        "INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)"
        " VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', 9, $1)",
        UUID(int=9),
    )
    was, never = UUID(int=1), UUID(int=2)
    for event_id, kinds in ((was, ("created", "published", "cancelled")), (never, ("created",))):
        await connection.execute(CANCELLED, event_id)
        for version, kind in enumerate(kinds, 1):
            await connection.execute(NOTED, event_id, version, kind)

    await migrate(connection)

    rows = await connection.fetch("SELECT event_id, cancelled_as_draft FROM events")
    assert dict(map(tuple, rows)) == {was: False, never: True}
    assert await connection.fetchval("SELECT event_id FROM search_documents") == was
