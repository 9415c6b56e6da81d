"""What can be asked of an event, named in the imperative.

Rule: a command says what is wanted and on whose word; it holds no answer and decides nothing.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from evently.domain.value import value

# A change of one of these needs room at the venue.
NEEDING_ROOM = frozenset({"venue_id", "total_capacity"})


@value
class Reserve:
    """Take `seats` (1 or more).

    `version` is the version the caller decided on, None for any (`"*"`); with `retry`, a seat
    move that came in between is no conflict.
    """

    seats: int
    version: int | None
    retry: bool = False


@value
class Return:
    """Give back `seats` (1 or more); `version` and `retry` as for Reserve."""

    seats: int
    version: int | None
    retry: bool = False


@value
class Update:
    """Change the named fields of an event.

    `changes` maps the names of EventDetails' editable fields, `total_capacity` and `status` to
    new values. `venue_capacity` is that of the venue the event will be at. `any_owner` is true
    for an admin who may change every event. `seats_read` are the available seats that the admin
    sent back, if they did: those are not written.
    """

    admin_id: str
    any_owner: bool
    version: int
    changes: Mapping[str, Any]
    venue_capacity: int
    seats_read: int | None = None

    def __hash__(self) -> int:
        """Hash what identifies the command; `changes` is a mapping and has no hash."""
        return hash((self.admin_id, self.version))


@value
class Cancel:
    """Cancel an event, for good."""

    admin_id: str
    any_owner: bool
    version: int


SeatMove: TypeAlias = Reserve | Return
Command: TypeAlias = Reserve | Return | Update | Cancel
