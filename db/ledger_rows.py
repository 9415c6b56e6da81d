"""The columns of a ledger row, and a row's values in that order.

Rule: every statement that writes the ledger takes its rows from here.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from db.hold_rows import holds_to_json
from db.row_types import RowType
from evently.domain.commits import Record
from evently.domain.holdbacks import Holdback
from evently.domain.term_versions import TermVersions

LEDGER_ROW = RowType(
    "ledger_row_3",
    {
        "event_id": "uuid",
        "version": "bigint",
        "kind": "text",
        "seat_delta": "integer",
        "capacity_delta": "integer",
        "money_delta": "numeric",
        "available_seats": "integer",
        "status": "text",
        "request_key": "text",
        "request": "text",
        "caller": "text",
        "request_id": "text",
        "changes": "jsonb",
        "held_delta": "integer",
        "hold": "jsonb",
        "held_back_delta": "integer",
    },
)

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
        entry.held_delta,
        holds_to_json(entry.kind, entry.holds) if entry.holds else None,
        entry.held_back_delta,
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
    if isinstance(given, Holdback):
        return {"name": given.name, "quantity": given.quantity, "release_at": given.release_at}
    if isinstance(given, TermVersions):
        return {"since": given.since, "changed": given.changed}
    raise TypeError(f"{type(given).__name__} has no place in the ledger")
