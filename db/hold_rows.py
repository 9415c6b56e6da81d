"""The rows of holds, the values of one in the order of its type, and holds as JSON in the ledger.

Rule: a hold is written down whole, so that the ledger answers what was answered. What an open hold
does not have yet is left out there, and read as its default.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import asyncpg
import msgspec

from db.row_types import RowType
from evently.domain.holds import Hold, HoldStatus
from evently.domain.outcomes import LedgerKind

HOLD_ROW = RowType(
    "hold_row_1",
    {
        "event_id": "uuid",
        "hold_id": "uuid",
        "quantity": "integer",
        "unit_price": "numeric",
        "status": "text",
        "reference": "text",
        "held_at": "timestamptz",
        "expires_at": "timestamptz",
        "closed_at": "timestamptz",
        "retaken": "boolean",
        "amount": "numeric",
    },
)

HoldRow: TypeAlias = tuple[Any, ...]

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Hold)


def hold_row(event_id: str, hold: Hold) -> HoldRow:
    """The values of one row."""
    return (
        event_id,
        hold.hold_id,
        hold.quantity,
        str(hold.unit_price),
        hold.status,
        hold.reference,
        hold.held_at,
        hold.expires_at,
        hold.closed_at,
        hold.retaken,
        _sent(hold.amount),
    )


def hold_of(row: asyncpg.Record) -> Hold:
    """A row as a hold."""
    return Hold(
        str(row["hold_id"]),
        row["quantity"],
        Decimal(row["unit_price"]),
        HoldStatus(row["status"]),
        row["reference"],
        row["held_at"],
        row["expires_at"],
        row["closed_at"],
        row["retaken"],
        None if row["amount"] is None else Decimal(row["amount"]),
    )


def holds_to_json(kind: LedgerKind, holds: Sequence[Hold]) -> str:
    """The holds of a ledger entry: the one that was answered, or a list of those that expired."""
    if kind is LedgerKind.EXPIRED:
        # Nobody was answered, and 256 whole holds would be 70 KB.
        told = [{"hold_id": hold.hold_id, "quantity": hold.quantity} for hold in holds]
        return _ENCODER.encode(told).decode()
    hold = holds[0]
    if hold.status is not HoldStatus.HELD:
        return _ENCODER.encode(hold).decode()
    # Spelled out, because every hold is placed: less for the database to read, at no cost here.
    placed = {
        "hold_id": hold.hold_id,
        "quantity": hold.quantity,
        "unit_price": hold.unit_price,
        "status": hold.status,
        "reference": hold.reference,
        "held_at": hold.held_at,
        "expires_at": hold.expires_at,
    }
    return _ENCODER.encode(placed).decode()


def hold_in(text: str | None) -> Hold | None:
    """The hold that a ledger row answered with, if it did."""
    if text is None or text.startswith("["):
        return None
    return _DECODER.decode(text)


def _sent(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
