"""How large the tables are.

Rule: nothing is counted: sizes come from the file system, and rows from what autovacuum found last.
"""

from db.database import Session
from db.statements import Statement
from evently.domain.value import value


@value
class TableSize:
    """A table's bytes with its indexes, and about how many rows it has."""

    table: str
    size_bytes: int
    row_estimate: float


async def read_table_sizes(session: Session) -> tuple[TableSize, ...]:
    """The sizes of all tables, by name."""
    rows = await session.fetch(Statement.READ_TABLE_SIZES)
    return tuple(
        TableSize(row["table_name"], row["bytes"], max(row["row_estimate"], 0.0)) for row in rows
    )
