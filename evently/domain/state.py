"""The committed state of one event, as its actor holds it and as its row stores it.

Rule: what changes with every seat move stands in `EventState`, what an admin changes, and hardly
anybody else, in `EventDetails`, so that a seat move makes one small value and shares the rest. Each
field says in its annotation how it is stored and what a change of it means; this is the only such
list.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from evently.domain.columns import Column, columns_of
from evently.domain.currencies import CURRENCY_DEFAULT
from evently.domain.holdbacks import NO_HOLDBACKS, Holdbacks
from evently.domain.term_versions import NOTHING_NOTED, TermVersions
from evently.domain.value import value


class Status(StrEnum):
    """An event's status as answered; all but COMPLETED are also what is stored."""

    DRAFT = "draft"
    PUBLISHED = "published"
    SOLD_OUT = "sold_out"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


ON_SALE = frozenset({Status.PUBLISHED, Status.SOLD_OUT})
# A plain name: to look it up in its class costs 0.15 us, at every read.
_DRAFT = Status.DRAFT


@value
class EventDetails:
    """What an admin says of an event. `venue_id`, `event_id`, `created_by` are canonical UUIDs."""

    event_id: Annotated[str, Column("uuid")]
    name: Annotated[str, Column("text", editable=True, folded=True)]
    description: Annotated[str, Column("text", editable=True, listed=False)]
    venue_id: Annotated[str, Column("uuid", editable=True, term=True, shared=True)]
    event_type: Annotated[str, Column("text", editable=True, shared=True, folded=True)]
    start_datetime: Annotated[datetime, Column("timestamptz", editable=True, term=True)]
    end_datetime: Annotated[datetime, Column("timestamptz", editable=True, term=True)]
    base_price: Annotated[Decimal, Column("numeric", editable=True, term=True)]
    max_tickets_per_booking: Annotated[int, Column("integer", editable=True, term=True)]
    created_by: Annotated[str, Column("uuid", shared=True)]
    created_at: Annotated[datetime, Column("timestamptz")]
    # Seats are sold from `sales_start` on, or at once, until `sales_end`, or until the start.
    sales_start: Annotated[datetime | None, Column("timestamptz", editable=True, nullable=True)] = (
        None
    )
    sales_end: Annotated[datetime | None, Column("timestamptz", editable=True, nullable=True)] = (
        None
    )
    paused: Annotated[bool, Column("boolean", editable=True, listed=False)] = False
    currency: Annotated[str, Column("text", editable=True, shared=True)] = CURRENCY_DEFAULT
    # What is kept back from sale, and what follows from it: `kept_back` makes all three.
    holdbacks: Annotated[Holdbacks, Column("jsonb", editable=True, listed=False, private=True)] = (
        NO_HOLDBACKS
    )
    held_back_seats: Annotated[int, Column("integer", derived=True, private=True)] = 0
    next_release_at: Annotated[
        datetime | None,
        Column("timestamptz", listed=False, derived=True, nullable=True, private=True),
    ] = None
    # It stands here because only an admin's change writes it; `terms_version` tells whether it is
    # complete.
    term_versions: Annotated[
        TermVersions, Column("jsonb", listed=False, derived=True, private=True)
    ] = NOTHING_NOTED

    @property
    def sales_close(self) -> datetime:
        """When the last seat is sold."""
        return self.start_datetime if self.sales_end is None else self.sales_end

    @property
    def last_moment(self) -> datetime:
        """Until when it can be changed: its start, or later where seats are sold at the door."""
        return max(self.start_datetime, self.sales_close)


@value
class EventState:
    """One version of one event. `status` is the stored one, `updated_at` the database's time."""

    details: EventDetails
    total_capacity: Annotated[int, Column("integer", editable=True, term=True)]
    available_seats: Annotated[int, Column("integer", moved="added")]
    status: Annotated[Status, Column("text", editable=True, term=True, moved="set")]
    version: Annotated[int, Column("bigint", moved="set")]
    terms_version: Annotated[int, Column("bigint", listed=False, moved="set")]
    revenue: Annotated[Decimal, Column("numeric", moved="added")]
    updated_at: Annotated[datetime, Column("timestamptz")]
    # False for all but a cancelled event that was never published, so that an older release, which
    # does not write it, hides nothing that ticket holders look for.
    cancelled_as_draft: Annotated[bool, Column("boolean", listed=False, derived=True)]
    # Counts the batches that refused a request with its caller's key. A refusal is no change, so
    # the version stays; nobody is shown this.
    fence: Annotated[int, Column("bigint", listed=False, moved="set")] = 0
    # Seats in holds whose stored status is `held`; an older release, which does not know of them,
    # would take them for sold.
    held_seats: Annotated[int, Column("integer", moved="added")] = 0
    # The last version that an admin made. 0 where an older release wrote the row, which does not
    # say: then it may be any, up to the current one.
    edited_version: Annotated[int, Column("bigint", listed=False, moved="set")] = 0
    # The version at which its ledger was sealed to be archived; 0: it is not archived. Nothing
    # changes it any more, for the keys under which it was changed are no longer at hand.
    archived_version: Annotated[int, Column("bigint", listed=False)] = 0

    @property
    def known(self) -> bool:
        """Whether it was ever published: to all but admins, no other event exists."""
        return self.status is not _DRAFT and not self.cancelled_as_draft

    @property
    def unit_price(self) -> Decimal:
        """What a seat costs that is sold or held at this version."""
        return self.details.base_price

    @property
    def sold(self) -> int:
        """Seats that have been sold and not returned."""
        kept = self.held_seats + self.details.held_back_seats
        return self.total_capacity - self.available_seats - kept

    @property
    def expires(self) -> bool:
        """Whether the clock may free seats of it: of holds, or of blocks."""
        return self.held_seats > 0 or self.details.next_release_at is not None

    def releases(self, now: datetime) -> bool:
        """Whether it has a block that is to be freed by now."""
        details = self.details
        if details.next_release_at is None or details.next_release_at > now:
            return False
        return any(block.due(now) for block in details.holdbacks)

    @property
    def archived(self) -> bool:
        """Whether its ledger is archived, or about to be."""
        return self.archived_version > 0

    @property
    def place(self) -> tuple[int, int]:
        """Tells which of two committed states of an event is the later one."""
        return self.version, self.fence

    @property
    def last_edit(self) -> int:
        """The last version that an admin may have made, so far as is known."""
        return self.edited_version or self.version

    def started(self, now: datetime) -> bool:
        """Whether its last moment is over: it can be neither sold nor changed any more."""
        return self.details.last_moment <= now

    def status_at(self, now: datetime) -> Status:
        """The status to answer: on-sale events are completed once their end has passed."""
        if self.status in ON_SALE and self.details.end_datetime <= now:
            return Status.COMPLETED
        return self.status


_IN_DETAILS = columns_of(EventDetails)
_COLUMNS = columns_of(EventState)
# What follows from an admin's change and is written with it.
DERIVED = tuple(name for name, one in {**_IN_DETAILS, **_COLUMNS}.items() if one.derived)
# What every batch sets, and what it adds to.
SET = tuple(name for name, column in _COLUMNS.items() if column.moved == "set")
ADDED = tuple(name for name, column in _COLUMNS.items() if column.moved == "added")


def field_of(state: EventState, name: str) -> Any:
    """The value of any field, in its details or beside them."""
    return getattr(state.details if name in _IN_DETAILS else state, name)
