"""Every row of the table of errors, with the driver's own exceptions."""

import asyncio

import asyncpg
import pytest

from db.event_store import _named
from db.failures import Meaning, meaning, translated
from evently.domain.commits import (
    Broken,
    FateUnknown,
    KeyTaken,
    Locked,
    NotDone,
    StoreError,
)
from evently.domain.errors import AnswerLost, DatabaseUnavailable, Fault, RowLocked

EVENT = "00000000-0000-0000-0000-000000000001"


def said_by_server(sqlstate: str, severity: str = "ERROR", **fields: str) -> BaseException:
    """The exception that asyncpg makes of a server's message."""
    message = {"C": sqlstate, "S": severity, "V": severity, "M": "said by the server", **fields}
    error = asyncpg.PostgresError.new(message)
    assert isinstance(error, BaseException)
    return error


def unique_violation(constraint: str) -> BaseException:
    detail = f"Key (event_id, request_key)=({EVENT}, a, (b)) already exists."
    return said_by_server("23505", n=constraint, D=detail)


def over_a_closed_connection() -> BaseException:
    return asyncpg.InterfaceError("connection is closed")


TABLE: list[tuple[str, BaseException, Meaning]] = [
    # Not sent
    ("starting up", said_by_server("57P03", "FATAL"), Meaning.NOT_SENT),
    ("too many connections", said_by_server("53300", "FATAL"), Meaning.NOT_SENT),
    ("wrong password", said_by_server("28P01", "FATAL"), Meaning.NOT_SENT),
    ("no such role", said_by_server("28000", "FATAL"), Meaning.NOT_SENT),
    ("no such database", said_by_server("3D000", "FATAL"), Meaning.NOT_SENT),
    ("closed before sending", over_a_closed_connection(), Meaning.NOT_SENT),
    (
        "closed under a statement",
        asyncpg.InterfaceError(
            "cannot call PreparedStatement.fetchrow(): the underlying connection is closed"
        ),
        Meaning.NOT_SENT,
    ),
    # Certainly not done
    ("key taken", unique_violation("event_ledger_key_once"), Meaning.KEY_TAKEN),
    ("version taken", unique_violation("event_ledger_version_once"), Meaning.BROKEN),
    ("check", said_by_server("23514"), Meaning.BROKEN),
    ("syntax", said_by_server("42601"), Meaning.BROKEN),
    ("value out of range", said_by_server("22003"), Meaning.BROKEN),
    ("client-side value", asyncpg.DataError("value out of int32 range"), Meaning.BROKEN),
    ("lock not available", said_by_server("55P03"), Meaning.LOCKED),
    ("statement timeout", said_by_server("57014"), Meaning.NOT_DONE),
    ("serialization", said_by_server("40001"), Meaning.NOT_DONE),
    ("deadlock", said_by_server("40P01"), Meaning.NOT_DONE),
    ("disk full", said_by_server("53100"), Meaning.NOT_DONE),
    ("out of memory", said_by_server("53200"), Meaning.NOT_DONE),
    ("no such table", said_by_server("42P01"), Meaning.NOT_DONE),
    ("no such column", said_by_server("42703"), Meaning.NOT_DONE),
    ("not permitted", said_by_server("42501"), Meaning.NOT_DONE),
    ("read-only", said_by_server("25006"), Meaning.NOT_PRIMARY),
    # Unknown
    ("timeout", TimeoutError(), Meaning.UNKNOWN),
    ("cancelled", asyncio.CancelledError(), Meaning.UNKNOWN),
    ("connection lost", asyncpg.ConnectionDoesNotExistError("in the middle"), Meaning.UNKNOWN),
    ("connection failure", said_by_server("08006"), Meaning.UNKNOWN),
    ("reset", ConnectionResetError(), Meaning.UNKNOWN),
    ("broken pipe", BrokenPipeError(), Meaning.UNKNOWN),
    ("unreachable", OSError(113, "No route to host"), Meaning.UNKNOWN),
    ("terminated", said_by_server("57P01", "FATAL"), Meaning.UNKNOWN),
    ("crashed", said_by_server("57P02", "FATAL"), Meaning.UNKNOWN),
    ("protocol", asyncpg.exceptions.ProtocolError("no"), Meaning.UNKNOWN),
    ("driver", asyncpg.InternalClientError("no"), Meaning.UNKNOWN),
    ("interface", asyncpg.InterfaceError("another operation is in progress"), Meaning.UNKNOWN),
    ("disk of the log full", said_by_server("53100", "PANIC"), Meaning.UNKNOWN),
    ("log not written", said_by_server("58030", "PANIC"), Meaning.UNKNOWN),
    ("anything else", ZeroDivisionError(), Meaning.UNKNOWN),
]
ROWS = [pytest.param(error, found, id=name) for name, error, found in TABLE]

RAISED: dict[Meaning, type[StoreError]] = {
    Meaning.NOT_SENT: NotDone,
    Meaning.KEY_TAKEN: KeyTaken,
    Meaning.LOCKED: Locked,
    Meaning.NOT_DONE: NotDone,
    Meaning.NOT_PRIMARY: NotDone,
    Meaning.BROKEN: Broken,
    Meaning.UNKNOWN: FateUnknown,
}


@pytest.mark.parametrize(("error", "found"), ROWS)
def test_what_an_error_means(error: BaseException, found: Meaning) -> None:
    assert meaning(error) is found


@pytest.mark.parametrize(("error", "found"), ROWS)
def test_what_a_lane_raises_for_it(error: BaseException, found: Meaning) -> None:
    raised = _named(error, found)

    assert type(raised) is RAISED[found]
    assert type(error).__name__ in str(raised)


def test_no_meaning_is_without_a_row() -> None:
    assert {found for _, _, found in TABLE} == set(Meaning)


def test_whose_key_was_taken_is_read_from_the_servers_message() -> None:
    raised = _named(unique_violation("event_ledger_key_once"), Meaning.KEY_TAKEN)

    assert isinstance(raised, KeyTaken)
    assert raised.event_id == EVENT


@pytest.mark.parametrize("detail", [{}, {"D": "Der Schlüssel ist schon da."}])
def test_a_server_that_does_not_say_whose_key_it_was_leaves_it_open(detail: dict[str, str]) -> None:
    error = said_by_server("23505", n="event_ledger_key_once", **detail)

    raised = _named(error, Meaning.KEY_TAKEN)

    assert isinstance(raised, KeyTaken)
    assert raised.event_id is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (said_by_server("57P03", "FATAL"), DatabaseUnavailable),
        (said_by_server("55P03"), RowLocked),
        (said_by_server("57014"), DatabaseUnavailable),
        (said_by_server("25006"), DatabaseUnavailable),
        (said_by_server("53100"), DatabaseUnavailable),
        (ConnectionResetError(), AnswerLost),
        (over_a_closed_connection(), DatabaseUnavailable),
        (said_by_server("57P01", "FATAL"), AnswerLost),
        (asyncpg.ConnectionDoesNotExistError("in the middle"), AnswerLost),
        (asyncpg.InternalClientError("no"), AnswerLost),
        (TimeoutError(), AnswerLost),
    ],
)
def test_a_database_that_does_not_answer_is_a_fault_of_the_domain(
    error: BaseException, fault: type[Fault]
) -> None:
    with pytest.raises(fault) as caught, translated():
        raise error

    assert type(caught.value) is fault


@pytest.mark.parametrize(
    "error", [unique_violation("admins_email_once"), said_by_server("23514"), ZeroDivisionError()]
)
def test_what_is_somebodys_business_passes_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated():
        raise error

    assert caught.value is error


def test_a_cancellation_is_not_translated() -> None:
    with pytest.raises(asyncio.CancelledError), translated():
        raise asyncio.CancelledError


def test_a_row_that_another_holds_is_told_as_that_and_not_as_a_database_that_is_away() -> None:
    with pytest.raises(RowLocked), translated():
        raise said_by_server("55P03")
