"""The columns of a ledger row, and a row's values in that order.

Rule: every statement that writes the ledger takes its rows from here.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from evently.domain.commits import Record
from evently.domain.value import value


@value
class LedgerColumn:
    """A column's PostgreSQL type, and the type as which its values are sent."""

    sql: str
    sent_as: str


def _as(sql: str, sent_as: str | None = None) -> LedgerColumn:
    return LedgerColumn(sql, sent_as or sql)


# Money goes as text: the driver takes 3 us to encode a numeric, and 0.4 us for a text.
LEDGER_COLUMNS: Mapping[str, LedgerColumn] = {
    "event_id": _as("uuid"),
    "version": _as("bigint"),
    "kind": _as("text"),
    "seat_delta": _as("integer"),
    "capacity_delta": _as("integer"),
    "money_delta": _as("numeric", "text"),
    "available_seats": _as("integer"),
    "status": _as("text"),
    "request_key": _as("text"),
    "request": _as("text"),
    "caller": _as("text"),
    "request_id": _as("text"),
    "changes": _as("jsonb", "text"),
}

LedgerRow: TypeAlias = tuple[Any, ...]


def ledger_row(event_id: str, record: Record) -> LedgerRow:
    """The values of one row."""
    entry, origin = record.entry, record.origin
    return (
        event_id,
        entry.version,
        entry.kind,
        entry.seat_delta,
        entry.capacity_delta,
        str(entry.money_delta),
        entry.available_seats,
        entry.status,
        record.key,
        record.request,
        origin.caller,
        origin.request_id,
        None if entry.changes is None else to_json(entry.changes),
    )


def columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """`rows`, of which there is at least one, as a list for each column."""
    return [list(column) for column in zip(*rows, strict=True)]


def to_json(values: object) -> str:
    """Values of an event's fields as JSON. Raises TypeError for what no field holds."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(given: object) -> Any:
    if isinstance(given, datetime):
        return given.isoformat()
    if isinstance(given, Decimal):
        # Every price has at most 15 digits, which a double holds exactly.
        return float(given)
    raise TypeError(f"{type(given).__name__} has no place in the ledger")
