"""Blocks: seats that a promoter keeps back, each under a name, for the press or the sponsors.

Rules:

1. `held_back_seats` of an event is the sum of its blocks; they can be sold to nobody who does not
   name the block, because they are not in `available_seats`.
2. A block with a time of release is freed by the clock. That is written later, and only the writing
   gives its seats to the free ones; the block stays in the list, with none.
3. The list is the event's admin's: the public is never told of it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

from evently.domain.text import fold
from evently.domain.value import value

# All of them are written with every change of one: 20 are 2 KB, and more than promoters name.
HOLDBACKS_MAX = 20
# A name is typed by people and sent by machines: as long as a line on a form.
HOLDBACK_NAME_MAX = 50


@value
class Holdback:
    """A block, and when its seats are freed, if ever."""

    name: str
    quantity: int
    release_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether it has seats to free."""
        return self.quantity > 0 and self.release_at is not None and self.release_at <= now


# In the order in which the admin gave them.
Holdbacks: TypeAlias = tuple[Holdback, ...]
NO_HOLDBACKS: Holdbacks = ()


def seats_in(blocks: Iterable[Holdback]) -> int:
    """How many seats they keep back."""
    return sum(block.quantity for block in blocks)


def kept_back(blocks: Holdbacks) -> dict[str, Any]:
    """The fields of an event that say what it keeps back."""
    times = [one.release_at for one in blocks if one.quantity and one.release_at is not None]
    return {
        "holdbacks": blocks,
        "held_back_seats": seats_in(blocks),
        "next_release_at": min(times, default=None),
    }


def named(blocks: Holdbacks, name: str) -> Holdback | None:
    """The block of this name, in any case."""
    wanted = fold(name)
    return next((block for block in blocks if fold(block.name) == wanted), None)


def with_seats(blocks: Holdbacks, changed: Iterable[Holdback], seats: int) -> Holdbacks:
    """The same blocks, of which those that `changed` have so many `seats`."""
    names = {block.name for block in changed}
    return tuple(
        Holdback(one.name, seats, one.release_at) if one.name in names else one for one in blocks
    )
