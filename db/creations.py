"""What admins created under keys of their own.

Rule: the key is written by the transaction that creates, so it is there exactly if that was
committed. Of two that come at once, the second waits for the first and finds what it created.
"""

from db.database import Database, Session
from db.statements import Statement
from evently.domain.creations import CreatedBefore, Creation
from evently.domain.outcomes import KeyReused

# As long as any read of what may be answered (db.event_store).
PROOF_S = 2.0


class Creations:
    """Finds what was created."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, creation: Creation) -> CreatedBefore | KeyReused | None:
        """What was created under the key, or None if it is free."""
        return await find_creation(self._database, creation)


async def note_creation(session: Session, creation: Creation, subject_id: str) -> bool:
    """Write the key within the transaction that creates `subject_id`; False if it is taken."""
    row = await session.fetchrow(
        Statement.NOTE_CREATION, creation.admin_id, creation.key, creation.request, subject_id
    )
    return row is not None


async def find_creation(database: Database, creation: Creation) -> CreatedBefore | KeyReused | None:
    """What was created under the key, or None if it is free.

    Where a synchronous standby is named, it is told once a commit has come back.
    """
    row = await database.fetchrow(Statement.FIND_CREATION, creation.admin_id, creation.key)
    if row is None:
        return None
    if row["replicated"]:
        await database.witness.prove(PROOF_S)
    if row["request"] != creation.request:
        return KeyReused(creation.key)
    return CreatedBefore(str(row["subject_id"]))


async def taken(database: Database, creation: Creation) -> CreatedBefore | KeyReused:
    """What was created under a key that is not free."""
    found = await find_creation(database, creation)
    assert found is not None, "a key is never given back"
    return found
