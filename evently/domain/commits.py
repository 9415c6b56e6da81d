"""What is committed in one statement, and what can become of it.

Rule: a store either returns what is certain, or raises one of the errors below, each of which
says whether the batches may have been committed.
"""

from collections.abc import Collection, Mapping, Set
from datetime import datetime
from typing import Any

from evently.domain.holds import Hold
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    FINAL,
    OF_SALES,
    Done,
    FinalRefusal,
    LedgerEntry,
    Refusal,
)
from evently.domain.state import DERIVED, ON_SALE, EventState, field_of
from evently.domain.value import value


@value
class Record:
    """A ledger entry with the request that made it, as one row."""

    entry: LedgerEntry
    key: str
    request: str
    origin: Origin


@value
class Refused:
    """A refusal of a request with its caller's key; one that is `final` is kept, as one row."""

    refusal: Refusal
    key: str
    request: str
    origin: Origin

    @property
    def final(self) -> bool:
        """Whether it is the last word on its key."""
        return isinstance(self.refusal, FINAL)


@value
class Batch:
    """What one event becomes: from `base` to `after`, one record for each version between.

    With `refused`, `after` has another fence than `base`, whether the version moves or not: what
    is still on its way under their keys was decided on a fence that is gone. `holds` are those that
    change, each as it is after all of it.
    """

    base: EventState
    after: EventState
    records: tuple[Record, ...]
    refused: tuple[Refused, ...] = ()
    holds: tuple[Hold, ...] = ()

    @property
    def event_id(self) -> str:
        """The event."""
        return self.base.details.event_id

    @property
    def keys(self) -> "list[EventKey]":
        """The keys of all that it writes down or refuses."""
        asked: list[Record | Refused] = [*self.records, *self.refused]
        return [(self.event_id, one.origin.caller, one.key) for one in asked]

    @property
    def sells(self) -> bool:
        """Whether some of it may be done, or refused so, while the event is on sale only."""
        if self.base.status not in ON_SALE:
            return False
        return any(record.entry.sells for record in self.records) or any(
            isinstance(one.refusal, OF_SALES) for one in self.refused
        )

    @property
    def amends(self) -> bool:
        """Whether some of it may be done until the last moment of the event only."""
        # A draft has no buyers, so its start may pass.
        return self.base.status in ON_SALE and self.after.edited_version > self.base.version

    @property
    def schedules(self) -> bool:
        """Whether the start of the event must be still to come once it is done."""
        if self.after.edited_version <= self.base.version:
            return False
        return any(record.entry.schedules for record in self.records)

    @property
    def needs_room(self) -> bool:
        """Whether its venue must have room for what an admin changed, which is its last record."""
        return bool(self.records) and self.records[-1].entry.needs_room

    @property
    def edits(self) -> bool:
        """Whether it writes more than the fields that every batch does."""
        return (
            self.base.details is not self.after.details
            or self.base.total_capacity != self.after.total_capacity
            or self.base.cancelled_as_draft != self.after.cancelled_as_draft
        )

    @property
    def changes(self) -> dict[str, Any] | None:
        """The fields that were edited and what follows from these; None where it edits nothing."""
        if not self.edits:
            return None
        merged: dict[str, Any] = {}
        for record in self.records:
            merged |= record.entry.changes or {}
        for name in DERIVED:
            if field_of(self.after, name) != field_of(self.base, name):
                merged[name] = field_of(self.after, name)
        return merged


class StoreError(Exception):
    """A statement that did not return."""


class NotDone(StoreError):
    """Nothing was committed, because the database cannot or will not do it now."""


class Locked(NotDone):
    """Nothing was committed: another transaction holds the row of one of the events."""


class KeyTaken(StoreError):
    """Nothing was committed: a request key of `event_id` is in the ledger already.

    None if it is not known whose key it was.
    """

    def __init__(self, message: str, event_id: str | None = None) -> None:
        super().__init__(message)
        self.event_id = event_id


class Broken(StoreError):
    """Nothing was committed: the database says that one of the batches is wrong, a bug."""


class FateUnknown(StoreError):
    """The batches may have been committed, may yet be, or never."""


@value
class HeldRows:
    """The events whose rows other transactions hold, and those whose venue's row one holds."""

    events: Set[str] = frozenset()
    venues: Set[str] = frozenset()


@value
class Loaded:
    """Events as committed at `now`, the database's clock; an unknown event is absent."""

    now: datetime
    states: Mapping[str, EventState]


@value
class Committed:
    """The events whose batch was committed at `now`; of the others, nothing was.

    For a change of those in `no_room` the venue had no room; the rest had another version or
    fence, are not on sale or have started, or hold a key already.
    """

    now: datetime
    event_ids: Collection[str]
    no_room: Collection[str] = ()


@value
class Noted:
    """What the database holds under a key: the request in canonical form, and its answer.

    One that is not `proven` may be lost by a failover, and is no answer yet.
    """

    request: str
    answer: Done | FinalRefusal
    proven: bool = True


# An event's id, the name of a caller, and the key under which it asked.
EventKey = tuple[str, str, str]
# An event's id, and that of a hold of it.
EventHold = tuple[str, str]


@value
class FoundHolds:
    """Rows of holds, absent where there is no such hold, and the versions of their events then."""

    rows: Mapping[EventHold, Hold]
    versions: Mapping[str, int]


@value
class DueHolds:
    """The holds of an event whose time has passed, oldest first, as many as one version takes.

    `next_expires_at` is when the next one after these expires, None if no other is held.
    """

    holds: tuple[Hold, ...]
    next_expires_at: datetime | None
