"""The row that moves an event: what its batch was decided on, and what becomes of it.

Rule: the columns that a batch writes are those that the domain declares as moved.
"""

from decimal import Decimal
from typing import Any, TypeAlias

from db.event_rows import with_folded
from db.ledger_rows import to_json
from db.row_types import RowType
from evently.domain.columns import columns_of
from evently.domain.commands import NEEDING_ROOM
from evently.domain.commits import Batch
from evently.domain.state import ADDED, SET, EventState

_COLUMNS = columns_of(EventState)


def delta_name(name: str) -> str:
    """The column with what a batch adds to the column `name`."""
    return f"{name}_delta"


BATCH_ROW = RowType(
    "batch_row_3",
    {
        "event_id": "uuid",
        "base_version": "bigint",
        "base_fence": "bigint",
        "sells": "boolean",
        "amends": "boolean",
        "schedules": "boolean",
        "changes": "jsonb",
        **{name: _COLUMNS[name].sql for name in SET},
        **{delta_name(name): _COLUMNS[name].sql for name in ADDED},
    },
)

BatchRow: TypeAlias = tuple[Any, ...]


def batch_row(batch: Batch) -> BatchRow:
    """The values of one row."""
    base, after = batch.base, batch.after
    return (
        batch.event_id,
        base.version,
        base.fence,
        batch.sells,
        batch.amends,
        batch.schedules,
        _edit(batch),
        *[getattr(after, name) for name in SET],
        *[_sent(getattr(after, name) - getattr(base, name)) for name in ADDED],
    )


def _sent(delta: int | Decimal) -> int | str:
    return str(delta) if isinstance(delta, Decimal) else delta


def _edit(batch: Batch) -> str | None:
    """The fields an admin changed; where the venue must fit, both it and the capacity."""
    changes = batch.changes
    if changes is None:
        return None
    if not changes.keys().isdisjoint(NEEDING_ROOM):
        changes["venue_id"] = batch.after.details.venue_id
        changes["total_capacity"] = batch.after.total_capacity
    return to_json(with_folded(changes))
