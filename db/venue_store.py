"""Venues as PostgreSQL keeps them.

Rule: a venue with events is not deleted, and not made smaller than one of them that is still to
end. A change locks the venue first and looks at its events in a later statement; whoever creates
or moves an event there locks the venue too, so each sees what the other committed.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from db.audit_store import Audited, AuditEntry
from db.database import Database, Session
from db.statements import Statement
from evently.domain.value import value

VENUE_EXISTS = "events_venue_exists"

# In the order in which the statements take them.
FIELDS = (
    "name",
    "address",
    "city",
    "state",
    "country",
    "postal_code",
    "capacity",
    "layout_config",
)


@value
class Author:
    """Who changes a venue, and in which request."""

    admin_id: str
    caller: str
    request_id: str


@value
class Venue:
    """A venue; ids are canonical UUIDs, times are UTC."""

    venue_id: str
    name: str
    address: str
    city: str
    state: str | None
    country: str
    postal_code: str | None
    capacity: int
    layout_config: dict[str, Any] | None
    created_by: str
    created_at: datetime
    updated_at: datetime


@value
class VenuePage:
    """Some venues in order, and how many there are in all."""

    venues: tuple[Venue, ...]
    total: int


@value
class VenueDeleted:
    """The venue is gone."""


@value
class VenueNotFound:
    """No such venue."""


@value
class VenueNamedByEvents:
    """So many events name the venue, which therefore stays."""

    events: int


@value
class VenueTooSmall:
    """An event that is still to end needs more seats than the venue would have."""

    capacity: int
    event_id: str
    total_capacity: int


UpdateOutcome: TypeAlias = Venue | VenueNotFound | VenueTooSmall
DeleteOutcome: TypeAlias = VenueDeleted | VenueNotFound | VenueNamedByEvents


class VenueStore:
    """Creates, finds, changes and deletes venues, and notes who did."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, fields: Mapping[str, Any], author: Author) -> Venue:
        """Add a venue with these FIELDS; those that are left out are null."""
        venue_id = str(uuid.uuid4())
        given = [fields.get(name) for name in FIELDS]
        async with self._database.transaction() as session:
            row = await session.fetchrow(Statement.ADD_VENUE, venue_id, *given, author.admin_id)
            await _note(session, Audited.VENUE_CREATED, venue_id, author, {"name": fields["name"]})
        assert row is not None, "add_venue returns what it added"
        return _venue(row)

    async def get(self, venue_id: str) -> Venue | None:
        """The venue, or None."""
        row = await self._database.fetchrow(Statement.FIND_VENUE, venue_id)
        return None if row is None else _venue(row)

    async def list(
        self, *, city: str | None, search: str | None, limit: int, offset: int
    ) -> VenuePage:
        """Venues by name: of `city`, whole and ignoring case, with `search` in any of its texts."""
        rows = await self._database.fetch(Statement.LIST_VENUES, city, search, limit, offset)
        counted = await self._database.fetchrow(Statement.COUNT_VENUES, city, search)
        assert counted is not None, "count_venues always has a row"
        return VenuePage(tuple(map(_venue, rows)), counted["total"])

    async def update(
        self, venue_id: str, changes: Mapping[str, Any], author: Author
    ) -> UpdateOutcome:
        """Set the FIELDS in `changes`; a refusal changes nothing."""
        async with self._database.transaction() as session:
            row = await session.fetchrow(Statement.LOCK_VENUE, venue_id)
            if row is None:
                return VenueNotFound()
            refusal = await _refuse_smaller(session, row, changes)
            if refusal is not None:
                return refusal
            return await _write(session, row, changes, author)

    async def delete(self, venue_id: str, author: Author) -> DeleteOutcome:
        """Delete the venue unless any event, past or cancelled ones too, names it."""
        try:
            async with self._database.transaction() as session:
                row = await session.fetchrow(Statement.DELETE_VENUE, venue_id)
                if row is None:
                    return VenueNotFound()
                details = {"name": row["name"]}
                await _note(session, Audited.VENUE_DELETED, venue_id, author, details)
        except asyncpg.ForeignKeyViolationError as error:
            if error.constraint_name != VENUE_EXISTS:
                raise
            counted = await self._database.fetchrow(Statement.COUNT_EVENTS_AT_VENUE, venue_id)
            assert counted is not None, "count_events_at_venue always has a row"
            return VenueNamedByEvents(counted["total"])
        return VenueDeleted()


async def _refuse_smaller(
    session: Session, row: asyncpg.Record, changes: Mapping[str, Any]
) -> VenueTooSmall | None:
    capacity = changes.get("capacity", row["capacity"])
    if capacity >= row["capacity"]:
        return None
    largest = await session.fetchrow(Statement.FIND_LARGEST_COMING_EVENT, row["venue_id"])
    if largest is None or largest["total_capacity"] <= capacity:
        return None
    return VenueTooSmall(capacity, str(largest["event_id"]), largest["total_capacity"])


async def _write(
    session: Session, row: asyncpg.Record, changes: Mapping[str, Any], author: Author
) -> Venue:
    changed = {name: to for name, to in changes.items() if to != row[name]}
    if not changed:
        return _venue(row)
    after = [changes.get(name, row[name]) for name in FIELDS]
    written = await session.fetchrow(Statement.UPDATE_VENUE, row["venue_id"], *after)
    assert written is not None, "the venue is locked, so it is there"
    details = {name: {"from": row[name], "to": to} for name, to in changed.items()}
    await _note(session, Audited.VENUE_UPDATED, str(row["venue_id"]), author, details)
    return _venue(written)


async def _note(
    session: Session, action: Audited, venue_id: str, author: Author, details: Mapping[str, Any]
) -> None:
    entry = AuditEntry(action, author.caller, author.request_id, venue_id, details)
    await session.execute(Statement.RECORD_AUDIT, *entry.columns)


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
    )
