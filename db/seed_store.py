"""Writes venues and events that come with ids of their own, many to a statement.

Rule: what is there already stays as it is, whatever has become of it since; an event is added
with its whole ledger or not at all.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from db.database import Session
from evently.domain.commits import Record
from evently.domain.state import EventState
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


@value
class SeedEvent:
    """An event to be added, and the records of every version up to that state."""

    state: EventState
    records: tuple[Record, ...]


class SeedStore:
    """Adds venues and events on behalf of `created_by`, a canonical UUID."""

    def __init__(self, database: Session, created_by: str) -> None:
        self._database = database
        self._created_by = created_by

    async def add_seed_venues(self, venues: Sequence[SeedVenue]) -> int:
        """Add those of `venues` that are not there yet; how many that were."""
        rows = [
            (v.venue_id, v.name, v.address, v.city, v.state, v.country, v.postal_code, v.capacity)
            for v in venues
        ]
        added = await self._database.fetch("add_seed_venues", *_columns(rows), self._created_by)
        return len(added)

    async def add_seed_events(self, events: Sequence[SeedEvent]) -> int:
        """Add those of `events` that are not there yet, at venues that are; how many that were."""
        rows = [_event_row(event.state) for event in events]
        ledger = [
            _ledger_row(event.state.details.event_id, record)
            for event in events
            for record in event.records
        ]
        added = await self._database.fetch(
            "add_seed_events", *_columns(rows), self._created_by, *_columns(ledger)
        )
        return len(added)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _event_row(state: EventState) -> tuple[Any, ...]:
    details = state.details
    return (
        details.event_id,
        details.name,
        details.description,
        details.venue_id,
        details.event_type,
        details.start_datetime,
        details.end_datetime,
        state.total_capacity,
        state.available_seats,
        details.base_price,
        details.max_tickets_per_booking,
        state.status,
        state.version,
        state.terms_version,
    )


def _ledger_row(event_id: str, record: Record) -> tuple[Any, ...]:
    entry = record.entry
    return (
        event_id,
        entry.version,
        entry.kind,
        entry.seat_delta,
        entry.capacity_delta,
        entry.money_delta,
        entry.available_seats,
        entry.status,
        record.key,
        record.request,
        record.caller,
        record.request_id,
        json.dumps(entry.changes, ensure_ascii=False, default=_plain),
    )


def _plain(given: object) -> Any:
    if isinstance(given, datetime):
        return given.isoformat()
    if isinstance(given, Decimal):
        return float(given)
    raise TypeError(f"{type(given).__name__} has no place in the ledger")
