"""Reads where the seats of an event are, and what became of its holds.

Rule: one statement reads all of it, so that the numbers are as of one version.
"""

from datetime import datetime

from db.database import Session
from db.event_rows import holdbacks_of
from db.statements import Statement
from db.turns import Turns
from evently.domain.holdbacks import Holdbacks
from evently.domain.state import Status
from evently.domain.value import value

# An event with a million holds keeps a processor of the database busy for a tenth of a second.
AT_ONCE = 1


@value
class HoldsSoFar:
    """How many holds of an event are active, and how many ended in which way.

    `retaken` ones are among those confirmed. `next_expires_at` is None if none is active.
    """

    active: int
    next_expires_at: datetime | None
    confirmed: int
    released: int
    expired: int
    retaken: int

    @property
    def ended(self) -> int:
        """How many are not active any more."""
        return self.confirmed + self.released + self.expired


@value
class Inventory:
    """An event's owner and its seats as of `version`.

    Those `held` are in holds, those `held_back` in the blocks of `holdbacks`.
    """

    created_by: str
    version: int
    status: Status
    total_capacity: int
    available_seats: int
    held: int
    held_back: int
    holdbacks: Holdbacks
    holds: HoldsSoFar

    @property
    def sold(self) -> int:
        """Seats that have been sold and not returned."""
        return self.total_capacity - self.available_seats - self.held - self.held_back


class EventInventory:
    """The inventories of all events."""

    def __init__(self, database: Session) -> None:
        self._database = database
        self._turns = Turns("inventories", AT_ONCE)

    async def find(self, event_id: str) -> Inventory | None:
        """The event's inventory now; None where there is no such event. Raises Overloaded."""
        async with self._turns.turn():
            row = await self._database.fetchrow(Statement.FIND_INVENTORY, event_id)
        if row is None:
            return None
        holds = HoldsSoFar(
            row["active"],
            row["next_expires_at"],
            row["confirmed"],
            row["released"],
            row["expired"],
            row["retaken"],
        )
        return Inventory(
            str(row["created_by"]),
            row["version"],
            Status(row["status"]),
            row["total_capacity"],
            row["available_seats"],
            row["held_seats"],
            row["held_back_seats"],
            holdbacks_of(row["holdbacks"]),
            holds,
        )
