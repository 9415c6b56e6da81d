"""What is sold: events of every sort, and what their organisers keep back from sale.

Rule: faults wait for OKs of hot events only, for the others may rightly sell nothing for a while.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

# Of the moves: those for a hot event, and those for one whose sales open and close.
HOT, WINDOWED = 0.55, 0.12
# The blocks that there may be; each list has some of them.
NAMES = ("Press", "Crew", "Friends")
LISTED = 0.8
# In seconds from now, None for never.
RELEASES_S = (None, None, 0.0, 1.0, 3.0, 6.0)


@dataclass
class Programme:
    """The events. `hot` ones never sell out, `small` ones do again and again.

    Sales of `windowed` ones open, pause and close; `blocks` tells of events that keep seats back
    how many a block of theirs has at most.
    """

    hot: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    windowed: list[str] = field(default_factory=list)
    blocks: dict[str, int] = field(default_factory=dict)

    @property
    def events(self) -> list[str]:
        """All of them."""
        return [*self.hot, *self.small, *self.windowed]

    def pick(self, dice: random.Random) -> str:
        """One of them."""
        drawn = dice.random()
        if drawn < WINDOWED:
            return dice.choice(self.windowed)
        return self.pick_open(dice)

    def pick_open(self, dice: random.Random) -> str:
        """One whose sales are open from first to last."""
        hot = dice.random() < HOT / (1.0 - WINDOWED)
        return dice.choice(self.hot if hot else self.small)


def some_blocks(
    dice: random.Random, seats_max: int, releases_s: Sequence[float | None] = RELEASES_S
) -> list[Mapping[str, Any]]:
    """A list of blocks, as an admin sends it."""
    return [
        {
            "name": name,
            "quantity": dice.randint(0, seats_max),
            "release_at": _release(dice.choice(releases_s)),
        }
        for name in NAMES
        if dice.random() < LISTED
    ]


def from_now(seconds: float) -> str:
    """A time so far ahead, as RFC 3339."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def _release(after_s: float | None) -> str | None:
    return None if after_s is None else from_now(after_s)
