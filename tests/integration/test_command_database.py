"""Which database a command works on, with the embedded one and with another."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Iterator

import asyncpg
import click
import pytest

from db.migrate import MigrationsMissing, migrations
from db.statements import Statement
from evently.commands.database import command_database, command_dsn, telling_why
from evently.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    running_dsn,
)
from evently.settings import Settings, load_settings


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Settings with a data directory of their own; not under pytest's folder, see conftest."""
    with tempfile.TemporaryDirectory(prefix="evently-command-") as folder:
        yield load_settings({"EVENTLY_DATA_DIR": folder})


async def applied(settings: Settings) -> int:
    """How many migrations a command finds."""
    async with command_database(settings, may_make=True) as database:
        return len(await database.fetch(Statement.APPLIED_MIGRATIONS))


def test_a_server_that_nobody_runs_is_started_migrated_and_stopped(settings: Settings) -> None:
    assert asyncio.run(applied(settings)) == len(migrations())
    assert running_dsn(settings.data_dir) is None
    assert asyncio.run(applied(settings)) == len(migrations())


def test_a_server_that_runs_is_used_and_left_alone(settings: Settings) -> None:
    with EmbeddedPostgres(settings.data_dir, durable=False) as server:
        with command_dsn(settings) as dsn:
            assert dsn == server.dsn()
        assert server.running
        with pytest.raises(MigrationsMissing):
            asyncio.run(applied(settings))
        assert server.running


def test_a_directory_that_stays_in_use_is_reported(settings: Settings) -> None:
    with (settings.data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The lock of a process that is alive is not waited for.
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        in_use = pytest.raises(EmbeddedPostgresError, match=f"is in use .* {os.getpid()}")
        with in_use, command_dsn(settings, may_make=True, starting_s=0.0):
            pass


def test_a_database_of_ones_own_is_used_as_it_is(empty_database_url: str) -> None:
    settings = load_settings(
        {
            "EVENTLY_DATABASE_URL": empty_database_url,
            "EVENTLY_JWT_SECRET": "dqvWbn2Ys0qkRZfNFtE7yXlP4uJc9oAh",
            "EVENTLY_INTERNAL_API_KEYS": "test:1234567890abcdefgh",
        }
    )
    with command_dsn(settings) as dsn:
        assert dsn == empty_database_url
    with pytest.raises(MigrationsMissing, match="evently migrate"):
        asyncio.run(applied(settings))

    async def tables() -> int:
        connection = await asyncpg.connect(empty_database_url)
        try:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            )
            return count
        finally:
            await connection.close()

    assert asyncio.run(tables()) == 0


def test_what_is_wrong_is_one_line_and_no_traceback() -> None:
    said = "EVENTLY_PRT is not a setting"
    with pytest.raises(click.ClickException, match=said) as caught, telling_why():
        load_settings({"EVENTLY_PRT": "1", "EVENTLY_DATABASE_URL": "postgresql://x"})
    assert caught.value.exit_code == 1
