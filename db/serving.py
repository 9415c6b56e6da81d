"""Checks that the service can work with a database, and with what stands between them.

Rule: what would make it answer falsely or not at all is refused, with what to do about it; what
only makes a bound looser, settings that a pooler does not pass on, is a warning.
"""

import logging

import asyncpg

from db.connect import SERVER_SETTINGS, Connection
from db.database import Session
from db.migrate import MigrationError, check_migrated, connected
from db.privileges import identifier, lacking
from db.sql import load
from db.statements import Statement

log = logging.getLogger(__name__)

# The settings that bound a wait, and the one that a short statement is slower without.
_ASKED_FOR = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "jit")


class PrivilegesLacking(MigrationError):
    """The service's role may not do all that it has to; the message has the statements."""


class TwoDatabases(MigrationError):
    """The URL for commits leads to another database than the one for everything else."""


async def check_serving(dsn: str, commit_dsn: str | None = None) -> None:
    """Raise unless the service can work with the database at `dsn`, and commit at `commit_dsn`.

    Raises PrivilegesLacking, TwoDatabases, MigrationError, or DatabaseUnavailable when no server
    answers.
    """
    async with connected(dsn, SERVER_SETTINGS) as connection:
        await _check(connection)
        if commit_dsn is None or commit_dsn == dsn:
            return
        async with connected(commit_dsn, SERVER_SETTINGS) as committing:
            await _check(committing)
            if await _identity(connection) != await _identity(committing):
                raise TwoDatabases(
                    "EVENTLY_COMMIT_DATABASE_URL leads to another database than "
                    "EVENTLY_DATABASE_URL: both must name the same one"
                )


async def _check(connection: Connection) -> None:
    found = await lacking(Session(connection))
    if found:
        raise PrivilegesLacking("\n".join(map(str, found)))
    await check_migrated(connection)
    rows = await connection.fetch(load(Statement.READ_SETTINGS), list(_ASKED_FOR))
    for row in rows:
        name, wanted = row["name"], SERVER_SETTINGS[row["name"]]
        if row["setting"] != wanted:
            log.warning(
                "%s is %s and not %s, which a pooler did not pass on; run: "
                "ALTER ROLE %s SET %s = '%s';",
                *(name, row["setting"], wanted, identifier(row["role"]), name, wanted),
            )


async def _identity(connection: Connection) -> tuple[int, int] | None:
    """The cluster and the database of a connection; None where the role may not know."""
    try:
        row = await connection.fetchrow(load(Statement.READ_LINEAGE))
    except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError):
        return None
    assert row is not None, "the statement returns one row, always"
    return row["cluster"], row["database"]
