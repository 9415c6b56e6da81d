"""The committed state of one event, as its actor holds it and as its row stores it.

Rule: what changes with every seat move stands in `EventState`, what only an admin changes in
`EventDetails`, so that a seat move makes one small value and shares the rest.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from evently.domain.value import value


class Status(StrEnum):
    """An event's status as answered; all but COMPLETED are also what is stored."""

    DRAFT = "draft"
    PUBLISHED = "published"
    SOLD_OUT = "sold_out"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


ON_SALE = frozenset({Status.PUBLISHED, Status.SOLD_OUT})


@value
class EventDetails:
    """What an admin says of an event. `venue_id`, `event_id`, `created_by` are canonical UUIDs."""

    event_id: str
    name: str
    description: str
    venue_id: str
    event_type: str
    start_datetime: datetime
    end_datetime: datetime
    base_price: Decimal
    max_tickets_per_booking: int
    created_by: str
    created_at: datetime


@value
class EventState:
    """One version of one event. `status` is the stored one, `updated_at` the database's time."""

    details: EventDetails
    total_capacity: int
    available_seats: int
    status: Status
    version: int
    terms_version: int
    revenue: Decimal
    updated_at: datetime

    @property
    def seats_out(self) -> int:
        """Seats that have been reserved and not returned."""
        return self.total_capacity - self.available_seats

    def started(self, now: datetime) -> bool:
        """Whether the event's start has come."""
        return self.details.start_datetime <= now

    def status_at(self, now: datetime) -> Status:
        """The status to answer: on-sale events are completed once their end has passed."""
        if self.status in ON_SALE and self.details.end_datetime <= now:
            return Status.COMPLETED
        return self.status
