"""How far the consumers of the database's changes are behind.

Rule: it only reads. A slot without a reader holds back WAL until the server's
`max_slot_wal_keep_size`, and is then given up: its consumer has to start over.
"""

from db.database import Session
from db.statements import Statement
from evently.domain.value import value


@value
class SlotLag:
    """WAL in bytes that the slowest logical slot holds back, and how many slots are lost."""

    lag_bytes: int
    lost: int


async def read_slot_lag(session: Session) -> SlotLag:
    """The lag of this database's logical slots; 0 where there are none."""
    row = await session.fetchrow(Statement.READ_SLOT_LAG)
    assert row is not None, "the statement returns one row, always"
    return SlotLag(row["lag_bytes"], row["lost"])
