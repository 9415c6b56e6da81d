"""What an error of a statement means: not sent, not done, or unknown.

Rule: an outcome that is not certain is called unknown, never guessed. Of inserts whose
caller was cancelled, all had committed; a connection that breaks before the statement ran and
one that breaks after it raise the same error.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import asyncpg

from evently.domain.errors import AnswerLost, DatabaseUnavailable, RowLocked

KEY_ONCE = "event_ledger_key_once"
# All that the driver raises for a database that refuses, or cannot be reached.
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


# The first class that matches decides, so the special ones come before what they derive from.
_MEANINGS: tuple[tuple[type[BaseException], Meaning], ...] = (
    (asyncpg.LockNotAvailableError, Meaning.LOCKED),
    (asyncpg.QueryCanceledError, Meaning.NOT_DONE),
    (asyncpg.SerializationError, Meaning.NOT_DONE),
    (asyncpg.DeadlockDetectedError, Meaning.NOT_DONE),
    (asyncpg.TooManyConnectionsError, Meaning.NOT_SENT),
    (asyncpg.InsufficientResourcesError, Meaning.NOT_DONE),
    (asyncpg.ReadOnlySQLTransactionError, Meaning.NOT_PRIMARY),
    (asyncpg.CannotConnectNowError, Meaning.NOT_SENT),
    (asyncpg.InvalidAuthorizationSpecificationError, Meaning.NOT_SENT),
    (asyncpg.InvalidCatalogNameError, Meaning.NOT_SENT),
    # Shutting down (57P01, 57P02) and a lost connection say nothing of the statement's commit.
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
    """What `error`, raised while a statement ran, says about that statement."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Meaning.KEY_TAKEN if error.constraint_name == KEY_ONCE else Meaning.BROKEN
    if isinstance(error, asyncpg.PostgresError) and error.severity_en == "PANIC":
        # The server crashed, perhaps while it wrote the commit (its log's disk is full, say).
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
    """Raise domain faults for a database that does not answer; constraint errors pass through."""
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
