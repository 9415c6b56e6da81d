"""Venues in PostgreSQL.

Rule: what `evently.domain.venues` decides on cannot change before it is written. An update locks
the venue first and reads its events in a later statement; creating an event there, or moving one
there, locks the venue too, so each sees what the other committed.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import asyncpg

from db.audit_store import Audited, AuditEntry
from db.creations import note_creation, taken
from db.database import Database, Session
from db.statements import Statement
from db.turns import Turns
from evently.domain.creations import CreatedBefore, Creation
from evently.domain.outcomes import KeyReused
from evently.domain.text import fold
from evently.domain.venues import (
    FIELDS,
    CreateVenue,
    DeleteOutcome,
    DeleteVenue,
    NotVenueOwner,
    RoomNeeded,
    UpdateOutcome,
    UpdateVenue,
    Venue,
    VenueDeleted,
    VenueInUse,
    VenueNotFound,
    VenuePage,
    VenueTooSmall,
    VenueUpdated,
    decide_update,
    may_change,
    shrinks,
)

VENUE_EXISTS = "events_venue_exists"
# A search reads all venues.
LISTS_AT_ONCE = 1


class VenueStore:
    """Creates, finds, updates and deletes venues, and records in the audit who did."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = Turns("lists of venues", LISTS_AT_ONCE)

    async def create(
        self,
        command: CreateVenue,
        caller: str,
        request_id: str,
        creation: Creation | None = None,
    ) -> Venue | CreatedBefore | KeyReused:
        """Add a venue; with `creation`, or what its key has created before."""
        venue_id = str(uuid.uuid4())
        columns = _columns({name: command.fields.get(name) for name in FIELDS})
        details = {"name": command.fields["name"]}
        entry = AuditEntry(Audited.VENUE_CREATED, caller, request_id, venue_id, details)
        async with self._database.transaction() as session:
            if creation is None or await note_creation(session, creation, venue_id):
                row = await session.fetchrow(
                    Statement.ADD_VENUE, venue_id, *columns, command.admin_id
                )
                await session.execute(Statement.RECORD_AUDIT, *entry.columns)
                assert row is not None, "add_venue returns the row it added"
                return _venue(row)
        return await taken(self._database, creation)

    async def get(self, venue_id: str) -> Venue | None:
        """The venue, or None."""
        row = await self._database.fetchrow(Statement.FIND_VENUE, venue_id)
        return None if row is None else _venue(row)

    async def list(
        self, *, city: str | None, search: str | None, limit: int, offset: int
    ) -> VenuePage:
        """Venues by name: whose city is `city`, and with `search` in any text, both folded."""
        filters = [None if text is None else fold(text) for text in (city, search)]
        async with self._turns.turn():
            rows = await self._database.fetch(Statement.LIST_VENUES, *filters, limit, offset)
            counted = await self._database.fetchrow(Statement.COUNT_VENUES, *filters)
        assert counted is not None, "count_venues always returns a row"
        return VenuePage(tuple(map(_venue, rows)), counted["total"])

    async def update(self, command: UpdateVenue, caller: str, request_id: str) -> UpdateOutcome:
        """Carry out what the domain decides; a refusal changes nothing."""
        async with self._database.transaction() as session:
            row = await session.fetchrow(Statement.LOCK_VENUE, command.venue_id)
            if row is None:
                return VenueNotFound()
            venue = _venue(row)
            if not may_change(command.admin, venue):
                return NotVenueOwner()
            needed = await _room_needed(session, venue) if shrinks(venue, command) else None
            outcome = decide_update(venue, command, needed)
            if isinstance(outcome, VenueTooSmall) or not outcome.changed:
                return outcome
            return await _write(session, outcome, caller, request_id)

    async def delete(self, command: DeleteVenue, caller: str, request_id: str) -> DeleteOutcome:
        """Delete the venue unless any event, past and cancelled ones included, names it."""
        try:
            async with self._database.transaction() as session:
                row = await session.fetchrow(Statement.LOCK_VENUE, command.venue_id)
                if row is None:
                    return VenueNotFound()
                if not may_change(command.admin, _venue(row)):
                    return NotVenueOwner()
                await session.execute(Statement.DELETE_VENUE, command.venue_id)
                entry = AuditEntry(
                    Audited.VENUE_DELETED,
                    caller,
                    request_id,
                    command.venue_id,
                    {"name": row["name"]},
                )
                await session.execute(Statement.RECORD_AUDIT, *entry.columns)
        except asyncpg.ForeignKeyViolationError as error:
            if error.constraint_name != VENUE_EXISTS:
                raise
            counted = await self._database.fetchrow(
                Statement.COUNT_EVENTS_AT_VENUE, command.venue_id
            )
            assert counted is not None, "count_events_at_venue always returns a row"
            return VenueInUse(counted["total"])
        return VenueDeleted()


def folded_texts(name: str, address: str, city: str) -> tuple[str, str, str]:
    """What filters, search and sorting compare, in the order of the statements."""
    return fold(name), fold(address), fold(city)


def _columns(fields: Mapping[str, Any]) -> list[Any]:
    """The values of a venue's FIELDS as the statements take them."""
    texts = folded_texts(fields["name"], fields["address"], fields["city"])
    return [*fields.values(), *texts]


async def _room_needed(session: Session, venue: Venue) -> RoomNeeded | None:
    row = await session.fetchrow(Statement.FIND_LARGEST_COMING_EVENT, venue.venue_id)
    return None if row is None else RoomNeeded(str(row["event_id"]), row["total_capacity"])


async def _write(
    session: Session, update: VenueUpdated, caller: str, request_id: str
) -> VenueUpdated:
    venue = update.venue
    columns = _columns({name: getattr(venue, name) for name in FIELDS})
    row = await session.fetchrow(Statement.UPDATE_VENUE, venue.venue_id, *columns)
    assert row is not None, "the venue is locked, so it exists"
    details = {
        name: {"from": before, "to": getattr(venue, name)}
        for name, before in update.changed.items()
    }
    entry = AuditEntry(Audited.VENUE_UPDATED, caller, request_id, venue.venue_id, details)
    await session.execute(Statement.RECORD_AUDIT, *entry.columns)
    return VenueUpdated(_venue(row), update.changed)


def _venue(row: asyncpg.Record) -> Venue:
    return Venue(
        venue_id=str(row["venue_id"]),
        name=row["name"],
        address=row["address"],
        city=row["city"],
        state=row["state"],
        country=row["country"],
        postal_code=row["postal_code"],
        capacity=row["capacity"],
        layout_config=row["layout_config"],
        created_by=str(row["created_by"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        timezone=row["timezone"],
    )
