"""Connects a command to the database that the settings name.

Rules

1. A command says on stderr which database it uses, and makes a new one only if that is its purpose:
   what it reports of a database made by mistake would be true and worth nothing.
2. It never stops a server that it did not start. With the embedded database it uses the server of
   the running service. If none runs, it starts one, and stops it at the end; until then the data
   directory is in use, and a service cannot start on it.
"""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import click

from db.database import Database
from db.migrate import MigrationError, check_database, migrate_database
from db.url import hosts_and_name
from evently.domain.errors import Fault
from evently.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    has_cluster,
    running_dsn,
)
from evently.settings import Settings, SettingsError

# A service that has just started may have to create its cluster, which takes some seconds.
STARTING_S = 15.0
POLL_S = 0.05


@contextmanager
def command_dsn(
    settings: Settings, *, may_make: bool = False, starting_s: float = STARTING_S
) -> Iterator[str]:
    """The URL of the database, which is available inside the context.

    Enter it from the main thread. Raises EmbeddedPostgresError, also if there is no embedded
    database and the command may not make one.
    """
    with _server(settings, may_make=may_make, starting_s=starting_s) as (dsn, _):
        yield dsn


@contextmanager
def embedded_dsn(settings: Settings) -> Iterator[str]:
    """As `command_dsn`, for commands that work on the embedded database alone."""
    check_embedded(settings)
    with command_dsn(settings) as dsn:
        yield dsn


def check_embedded(settings: Settings) -> None:
    """Raise EmbeddedPostgresError if the settings name another database."""
    if not settings.embedded:
        raise EmbeddedPostgresError(
            "this command is for the embedded database, and EVENTLY_DATABASE_URL names another: "
            "use that server's own tools (psql, pg_basebackup, pgBackRest, ...)"
        )


@asynccontextmanager
async def migrated_dsn(settings: Settings, *, may_make: bool = False) -> AsyncIterator[str]:
    """The URL of the database, which is at this code's schema.

    An embedded one that is not running is migrated first, as `evently serve` would do. Enter it
    from the main thread. Raises EmbeddedPostgresError, MigrationError or DatabaseUnavailable.
    """
    with _server(settings, may_make=may_make) as (dsn, ours):
        await (migrate_database(dsn, settings.currency) if ours else check_database(dsn))
        yield dsn


@asynccontextmanager
async def command_database(
    settings: Settings, *, may_make: bool = False
) -> AsyncIterator[Database]:
    """The database, open and at this code's schema; see `migrated_dsn`."""
    async with migrated_dsn(settings, may_make=may_make) as dsn, Database(dsn) as database:
        yield database


@contextmanager
def telling_why() -> Iterator[None]:
    """End the command with one plain line and exit code 1 if it cannot use the database."""
    try:
        yield
    except SettingsError as error:
        raise click.ClickException(f"invalid settings:\n{error}") from error
    except (EmbeddedPostgresError, MigrationError) as error:
        raise click.ClickException(str(error)) from error
    except Fault as error:
        reason = str(error) or type(error).__name__
        raise click.ClickException(f"the database does not answer: {reason}") from error


@contextmanager
def _server(
    settings: Settings, *, may_make: bool, starting_s: float = STARTING_S
) -> Iterator[tuple[str, bool]]:
    """The database's URL, and whether this command started its server."""
    if settings.database_url is not None:
        dsn = settings.database_url.get_secret_value()
        click.echo(f"database: {hosts_and_name(dsn)}", err=True)
        yield dsn, False
        return
    folder = settings.data_dir.resolve()
    if not may_make and not has_cluster(folder):
        raise EmbeddedPostgresError(
            f"there is no database in {folder}: set EVENTLY_DATA_DIR to a service's directory, or "
            "EVENTLY_DATABASE_URL; `evently serve`, `seed` and `migrate` make a new database"
        )
    click.echo(f"database: embedded, in {folder}", err=True)
    server = _start_unless_running(settings.data_dir, starting_s)
    if isinstance(server, str):
        yield server, False
        return
    try:
        yield server.dsn(), True
    finally:
        server.stop()


def _start_unless_running(data_dir: Path, starting_s: float) -> EmbeddedPostgres | str:
    """A server that has just been started, or the URL of one that is already running."""
    deadline_s = time.monotonic() + starting_s
    while True:
        dsn = running_dsn(data_dir)
        if dsn is not None:
            return dsn
        server = EmbeddedPostgres(data_dir)
        try:
            server.start()
        except EmbeddedPostgresError as error:
            # A service that is starting owns the directory before its server answers.
            if "is in use" not in str(error) or time.monotonic() > deadline_s:
                raise
            time.sleep(POLL_S)
        else:
            return server
