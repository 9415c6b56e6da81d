"""What can be asked of an event, named in the imperative.

Rule: a command says what is wanted and on whose word; it holds no answer and decides nothing.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from evently.domain.value import value

# A change of one of these needs room at the venue.
NEEDING_ROOM = frozenset({"venue_id", "total_capacity"})


@value
class Reserve:
    """Take `seats` (1 or more).

    `version` is the version the caller decided on, None for any (`"*"`); with `retry`, a seat
    move that came in between is no conflict. `amount` is what is paid for all of them, None for
    the event's price. They come from the block of the name `holdback`, or from the free ones.
    """

    seats: int
    version: int | None
    retry: bool = False
    amount: Decimal | None = None
    holdback: str | None = None


@value
class Return:
    """Give back `seats` (1 or more); `version` and `retry` as for Reserve.

    `amount` is what is paid back for all of them, None for their share of the event's revenue.
    """

    seats: int
    version: int | None
    retry: bool = False
    amount: Decimal | None = None


@value
class Update:
    """Change the named fields of an event.

    `changes` maps the names of EventDetails' editable fields, `total_capacity` and `status` to
    new values. `venue_capacity` is that of the venue the event will be at. `any_owner` is true
    for an admin who may change every event. `seats_read` are the available seats that the admin
    sent back, if they did: those are not written. With `retry`, what no admin did is no conflict:
    seat moves and holds that came after `version`.
    """

    admin_id: str
    any_owner: bool
    version: int
    changes: Mapping[str, Any]
    venue_capacity: int
    seats_read: int | None = None
    retry: bool = False

    def __hash__(self) -> int:
        """Hash what identifies the command; `changes` is a mapping and has no hash."""
        return hash((self.admin_id, self.version))


@value
class Cancel:
    """Cancel an event, for good; `retry` as for Update."""

    admin_id: str
    any_owner: bool
    version: int
    retry: bool = False


@value
class PlaceHold:
    """Keep `seats` (1 or more) for a buyer for `duration_s`, under the id that its key gives.

    `reference` is the booking's own id. `version` and `retry` as for Reserve.
    """

    hold_id: str
    seats: int
    duration_s: int
    reference: str | None
    version: int | None
    retry: bool = False


@value
class ChangeHold:
    """Give a hold another number of seats, a new duration from now on, or both."""

    hold_id: str
    seats: int | None
    duration_s: int | None


@value
class Confirm:
    """Sell the seats of a hold for `amount` in total; None for their price when it was placed.

    With `retake`, seats whose hold has expired are sold if they are still there.
    """

    hold_id: str
    amount: Decimal | None = None
    retake: bool = True


@value
class Release:
    """Give back the seats of a hold that is not wanted any more."""

    hold_id: str


@value
class Expire:
    """Free the seats of holds and blocks whose time has passed, as many as one version takes."""


SeatMove: TypeAlias = Reserve | Return
# These are about a hold that is there already, and need its row.
HoldStep: TypeAlias = ChangeHold | Confirm | Release
HOLD_STEPS = (ChangeHold, Confirm, Release)
Command: TypeAlias = Reserve | Return | Update | Cancel | PlaceHold | HoldStep | Expire


def seat_move(
    quantity: int,
    version: int | None,
    *,
    retry: bool,
    amount: Decimal | None = None,
    holdback: str | None = None,
) -> SeatMove:
    """The move of a `quantity` as clients send it: negative reserves, positive returns seats."""
    if quantity < 0:
        return Reserve(-quantity, version, retry, amount, holdback)
    return Return(quantity, version, retry, amount)
