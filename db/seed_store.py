"""Writes venues that come with ids of their own, many to a statement.

Rule: a venue that exists already stays as it is, whatever has become of it since.
"""

from collections.abc import Sequence

from db.database import Session
from db.ledger_rows import columns
from db.statements import Statement
from db.venue_store import folded_texts
from evently.domain.value import value


@value
class SeedVenue:
    """A venue to be added; `venue_id` is a canonical UUID."""

    venue_id: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    timezone: str


class SeedStore:
    """Adds venues on behalf of `created_by`, a canonical UUID."""

    def __init__(self, database: Session, created_by: str) -> None:
        self._database = database
        self._created_by = created_by

    async def add_seed_venues(self, venues: Sequence[SeedVenue]) -> int:
        """Add those of `venues` that are not there yet; how many that were."""
        rows = [
            (
                *(
                    v.venue_id,
                    v.name,
                    v.address,
                    v.city,
                    v.state,
                    v.country,
                    v.postal_code,
                    v.capacity,
                ),
                *folded_texts(v.name, v.address, v.city),
                v.timezone,
            )
            for v in venues
        ]
        added = await self._database.fetch(
            Statement.ADD_SEED_VENUES, *columns(rows), self._created_by
        )
        return len(added)
