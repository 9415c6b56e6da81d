"""The rows that the feed of changes is made of.

Rule: every statement that writes the ledger takes these rows from here, one for each version that
has a notice.
"""

from collections.abc import Iterable
from typing import TypeAlias

from db.ledger_rows import to_json
from db.row_types import RowType
from evently.domain.commits import Record

CHANGE_ROW = RowType(
    "change_row_1",
    {
        "event_id": "uuid",
        "version": "bigint",
        "kinds": "text",
        "data": "jsonb",
        "available_seats": "integer",
        "status": "text",
    },
)
# Between the kinds of one row.
SEPARATOR = ","

ChangeRow: TypeAlias = tuple[str, int, str, str, int, str]


def change_rows(event_id: str, records: Iterable[Record]) -> list[ChangeRow]:
    """The values of a row for each of `records` that has a notice."""
    return [
        (
            event_id,
            entry.version,
            SEPARATOR.join(notice.kinds),
            to_json(notice.data),
            entry.available_seats,
            entry.status,
        )
        for entry in (record.entry for record in records)
        if (notice := entry.notice) is not None
    ]
