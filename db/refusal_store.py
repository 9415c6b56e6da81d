"""The committed refusals as a whole: how old they are, and their end.

Rule: one session deletes at a time, whichever node it belongs to; the others are told so.
"""

from db.database import Database
from db.statements import Statement

# A chunk is deleted in milliseconds; when this strikes, the database or the network is the problem.
STATEMENT_S = 2.0
# Any constant will do, as long as every version of this code uses the same.
PRUNE_LOCK_ID = 0x45564E5250


class RefusalStore:
    """The refusals of callers' keys, of all events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, older_than_s: float, at_most: int) -> int | None:
        """Delete up to so many old refusals; how many, or None while another node does it.

        Raises DatabaseUnavailable or RowLocked.
        """
        rows = await self._database.fetch(
            Statement.PRUNE_REFUSALS, older_than_s, at_most, PRUNE_LOCK_ID, timeout_s=STATEMENT_S
        )
        deleted: int | None = rows[0][0]
        return deleted

    async def oldest_s(self) -> float | None:
        """How long the oldest refusal has been kept; None if there is none.

        Raises DatabaseUnavailable.
        """
        rows = await self._database.fetch(Statement.READ_OLDEST_REFUSAL, timeout_s=STATEMENT_S)
        age_s: float | None = rows[0]["age_s"]
        return age_s
