"""Brings a database to the schema of this code: numbered files, forward only.

Rule: a file that was applied never changes; concurrent migrations take turns. (The libraries
for this over asyncpg carry downgrades and file formats of their own; this is all we need.)
"""

import hashlib
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from db.connect import SERVER_SETTINGS, connect
from db.database import Session
from db.failures import translated
from db.folded_text import fold_texts
from db.sql import load
from db.statements import Statement
from evently.domain.currencies import CURRENCY_DEFAULT
from evently.domain.value import value

log = logging.getLogger(__name__)

SERVER_VERSION_MIN = 15
# Any other lacks letters: a name that one admin may write would be a 500 in the lists of all.
ENCODING = "UTF8"
# Any constant will do, as long as every version of this code uses the same.
LOCK_ID = 0x45564E5459
# Another service's migration of a large table may take a while; longer is a stuck one.
LOCK_WAIT_MS = 60_000
# A change of a table that waits for its lock holds up all that comes after it: rather fail, and
# be called again, than hold up sales.
TABLE_LOCK_WAIT_MS = 5_000
# After the server's own limit for its turn: when this strikes, the network is the problem.
SAID_S = 60.0
# Over what rewriting the largest table takes; whatever the connection's own bound is.
MIGRATION_S = 3600.0
# Any other statement: no caller waits for a command, but one that hangs longer is stuck.
COMMAND_S = 600.0

_SETTINGS = {**SERVER_SETTINGS, "statement_timeout": f"{COMMAND_S * 1000:.0f}"}

_NAME = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")


class MigrationError(Exception):
    """The database and this code do not go together; the message says what to do."""


class MigrationsMissing(MigrationError):
    """The database is older than this code."""


@value
class Migration:
    """One file; `sha256` is of its text."""

    number: int
    name: str
    sql: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.number:04}_{self.name}"


def migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The files of `folder` in order. Raises MigrationError for a gap, a double or a bad name."""
    folder = folder or files("db").joinpath("migrations")
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    read = [_read(file) for file in found]
    if [migration.number for migration in read] != list(range(1, len(read) + 1)):
        numbers = ", ".join(f"{migration.number:04}" for migration in read)
        raise MigrationError(f"migrations must be numbered 0001, 0002, ...; found {numbers}")
    return tuple(read)


def _read(file: Traversable) -> Migration:
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise MigrationError(f"{file.name} is not named like 0001_what_it_does.sql")
    sql = file.read_text(encoding="utf-8")
    return Migration(int(match[1]), match[2], sql, hashlib.sha256(sql.encode()).hexdigest())


async def pending(
    connection: "asyncpg.Connection[asyncpg.Record]",
    known: Sequence[Migration] | None = None,
    *,
    server_version_min: int = SERVER_VERSION_MIN,
) -> tuple[Migration, ...]:
    """What is still to be applied. Raises MigrationError when the database does not fit."""
    known = migrations() if known is None else known
    _check_server(connection, server_version_min)
    if not await connection.fetchval(load(Statement.HAS_MIGRATIONS_TABLE)):
        return tuple(known)
    rows = await connection.fetch(load(Statement.APPLIED_MIGRATIONS))
    _check_history({row["number"]: row["sha256"] for row in rows}, known)
    return tuple(known[len(rows) :])


def _check_server(connection: "asyncpg.Connection[asyncpg.Record]", version_min: int) -> None:
    major = connection.get_server_version().major
    if major < version_min:
        raise MigrationError(f"PostgreSQL {version_min} or newer is needed; this one is {major}")
    encoding = connection.get_settings().server_encoding
    if encoding != ENCODING:
        raise MigrationError(
            f"the database keeps text as {encoding}, which lacks letters that names have; create "
            f"one with `CREATE DATABASE evently TEMPLATE template0 ENCODING '{ENCODING}'` and "
            "name that in EVENTLY_DATABASE_URL"
        )


def _check_history(applied: Mapping[int, str], known: Sequence[Migration]) -> None:
    newest = max(applied, default=0)
    if newest > len(known):
        # During an upgrade nodes of the release before are restarted too, and it may be undone.
        log.warning(
            "the database is newer than this release: it has migration %04d, and the last one here "
            "is %04d; a release works on the schema of the next one, and of none after that",
            newest,
            len(known),
        )
    for migration in known[: len(applied)]:
        if migration.number not in applied:
            raise MigrationError(
                f"the database has migration {max(applied):04} and lacks {migration}; "
                "it was not made by this code: restore it, or use another one"
            )
        if applied[migration.number] != migration.sha256:
            raise MigrationError(
                f"migration {migration} was applied with another text; "
                "restore that file, and put the change into a new migration"
            )


async def migrate(
    connection: "asyncpg.Connection[asyncpg.Record]",
    known: Sequence[Migration] | None = None,
    *,
    server_version_min: int = SERVER_VERSION_MIN,
    lock_wait_ms: int = LOCK_WAIT_MS,
    table_lock_wait_ms: int = TABLE_LOCK_WAIT_MS,
) -> tuple[Migration, ...]:
    """Apply what is missing, each file in a transaction of its own; what was applied."""
    known = migrations() if known is None else known
    _check_server(connection, server_version_min)
    await _take_turn(connection, lock_wait_ms)
    try:
        await _make_table(connection)
        missing = await pending(connection, known, server_version_min=server_version_min)
        for migration in missing:
            await _apply(connection, migration, table_lock_wait_ms)
        return missing
    finally:
        # A connection that is gone has given the lock back.
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_ID)


async def _make_table(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await connection.execute(load(Statement.CREATE_MIGRATIONS_TABLE))
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"this role may not make tables ({error}): migrate as the owner of the schema; "
            "`evently migrate --print-grants` prints the SQL for one"
        ) from error


async def _take_turn(connection: "asyncpg.Connection[asyncpg.Record]", lock_wait_ms: int) -> None:
    try:
        async with connection.transaction():
            await connection.execute(
                f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {lock_wait_ms}"
            )
            # Held by the session, so it outlives this transaction.
            await connection.execute(
                "SELECT pg_advisory_lock($1)", LOCK_ID, timeout=lock_wait_ms / 1000 + SAID_S
            )
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"another migration has run for {lock_wait_ms // 1000} s: wait for it, or end it"
        ) from error


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration, lock_wait_ms: int
) -> None:
    try:
        async with connection.transaction():
            await connection.execute(
                f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {lock_wait_ms}"
            )
            await connection.execute(migration.sql, timeout=MIGRATION_S)
            await connection.execute(
                load(Statement.NOTE_MIGRATION), migration.number, migration.name, migration.sha256
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration} was not applied: {error}") from error


async def check_migrated(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Raise MigrationsMissing, which names the command to run, unless all is applied."""
    missing = await pending(connection)
    if missing:
        names = ", ".join(str(migration) for migration in missing)
        raise MigrationsMissing(f"the database lacks {names}: run `evently migrate` first")


async def migrate_database(dsn: str, currency: str = CURRENCY_DEFAULT) -> tuple[Migration, ...]:
    """Apply what the database at `dsn` lacks, and fold its texts; what was applied.

    Events from before there were currencies are sold in `currency`. Raises MigrationError, or
    DatabaseUnavailable when no server answers.
    """
    async with connected(dsn) as connection:
        await connection.execute("SELECT set_config('evently.currency', $1, false)", currency)
        applied = await migrate(connection)
        await fold_texts(Session(connection))
        return applied


async def check_database(dsn: str) -> None:
    """Raise MigrationsMissing unless the database at `dsn` has every migration.

    Raises MigrationError, or DatabaseUnavailable when no server answers.
    """
    async with connected(dsn) as connection:
        await check_migrated(connection)


async def fold_database(dsn: str) -> int:
    """Fold the texts that were written without this release; how many rows that were.

    The database has every migration. Raises DatabaseUnavailable when no server answers.
    """
    async with connected(dsn) as connection:
        return await fold_texts(Session(connection))


@asynccontextmanager
async def connected(
    dsn: str, settings: Mapping[str, str] = _SETTINGS
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection with a command's bounds. Raises DatabaseUnavailable when no server answers."""
    with translated():
        connection = await connect(dsn, command_timeout=COMMAND_S, server_settings=settings)
        try:
            yield connection
        finally:
            await connection.close()
