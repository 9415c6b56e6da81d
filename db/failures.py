"""What an error of a statement means: not sent, not done, or unknown.

Rule: an uncertain outcome is unknown, and never guessed. As measured, every insert whose caller
was cancelled had committed; and a connection raises the same error whether it breaks before or
after the statement ran.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import asyncpg

from evently.domain.errors import AnswerLost, DatabaseUnavailable, RowLocked

KEY_ONCE = "event_ledger_key_once"
# The errors that the driver raises if the database refuses or cannot be reached.
DRIVER_ERRORS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Meaning(Enum):
    """What is certain after an error."""

    NOT_SENT = "the statement never reached the server"
    KEY_TAKEN = "not done: one of the request keys is in the ledger already"
    LOCKED = "not done: another transaction holds a row"
    NOT_DONE = "not done: the server refused or was told to stop"
    NOT_PRIMARY = "not done: this server does not take writes"
    BROKEN = "not done: the statement itself is wrong, a bug"
    UNKNOWN = "it may have been done"


# The first matching class decides, so subclasses come before their base classes.
_MEANINGS: tuple[tuple[type[BaseException], Meaning], ...] = (
    (asyncpg.LockNotAvailableError, Meaning.LOCKED),
    (asyncpg.QueryCanceledError, Meaning.NOT_DONE),
    (asyncpg.SerializationError, Meaning.NOT_DONE),
    (asyncpg.DeadlockDetectedError, Meaning.NOT_DONE),
    (asyncpg.TooManyConnectionsError, Meaning.NOT_SENT),
    (asyncpg.InsufficientResourcesError, Meaning.NOT_DONE),
    # The database lacks migrations or grants: the statement is right, and will be once it has them.
    (asyncpg.UndefinedTableError, Meaning.NOT_DONE),
    (asyncpg.UndefinedColumnError, Meaning.NOT_DONE),
    (asyncpg.InsufficientPrivilegeError, Meaning.NOT_DONE),
    (asyncpg.ReadOnlySQLTransactionError, Meaning.NOT_PRIMARY),
    (asyncpg.CannotConnectNowError, Meaning.NOT_SENT),
    (asyncpg.InvalidAuthorizationSpecificationError, Meaning.NOT_SENT),
    (asyncpg.InvalidCatalogNameError, Meaning.NOT_SENT),
    # A shutdown (57P01, 57P02) or a lost connection does not tell whether the statement committed.
    (asyncpg.OperatorInterventionError, Meaning.UNKNOWN),
    (asyncpg.PostgresConnectionError, Meaning.UNKNOWN),
    (asyncpg.PostgresError, Meaning.BROKEN),
    (asyncpg.exceptions.DataError, Meaning.BROKEN),
    (asyncpg.InternalClientError, Meaning.UNKNOWN),
    (asyncpg.InterfaceError, Meaning.UNKNOWN),
    (TimeoutError, Meaning.UNKNOWN),
    (asyncio.CancelledError, Meaning.UNKNOWN),
    (OSError, Meaning.UNKNOWN),
)


def meaning(error: BaseException) -> Meaning:
    """What `error`, raised while a statement ran, proves about that statement."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Meaning.KEY_TAKEN if error.constraint_name == KEY_ONCE else Meaning.BROKEN
    if isinstance(error, asyncpg.PostgresError) and error.severity_en == "PANIC":
        # The server crashed, possibly while it wrote the commit (the disk of its WAL is full, say).
        return Meaning.UNKNOWN
    if isinstance(error, asyncpg.InterfaceError) and "connection is closed" in str(error):
        return Meaning.NOT_SENT
    for kind, found in _MEANINGS:
        if isinstance(error, kind):
            return found
    return Meaning.UNKNOWN


_UNAVAILABLE = frozenset({Meaning.NOT_SENT, Meaning.NOT_DONE, Meaning.NOT_PRIMARY})


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of an unavailable database into domain faults; let constraint errors pass."""
    try:
        yield
    except DRIVER_ERRORS as error:
        found = meaning(error)
        if found is Meaning.UNKNOWN:
            raise AnswerLost(f"{type(error).__name__}: {error}") from error
        if found is Meaning.LOCKED:
            raise RowLocked from error
        if found in _UNAVAILABLE:
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
        raise
