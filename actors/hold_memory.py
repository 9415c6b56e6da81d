"""Remembers the open holds that a worker's events have committed, so that most need not be read.

Most holds are confirmed minutes after they were placed, by the actor that placed them, and to read
their rows first takes as long as to commit.

Rules:

1. What is remembered of a hold is its row for as long as the commits of its event are a chain that
   one actor has made: whoever else changes a hold makes a version. `HoldRows` knows its chain.
2. Only open holds are remembered, and the oldest are the first to go.
3. As in `key_memory`, nothing here is followed by Python's garbage collector.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count

import msgspec

from evently.domain.holds import Hold, HoldStatus

# At 400 bytes each 26 MB. An event of 50 000 seats can be sold out to people who all are paying.
HOLDS_MAX = 65_536


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """An open hold, but for its id, and the chain of the commit that left it so."""

    chain: int
    quantity: int
    unit_price: Decimal
    reference: str | None
    held_at: datetime
    expires_at: datetime


class HoldMemory:
    """The latest open holds of one worker, by id."""

    def __init__(self, holds_max: int = HOLDS_MAX) -> None:
        self._holds: OrderedDict[str, _Kept] = OrderedDict()
        self._max = holds_max
        self._chains = count(1)

    def __len__(self) -> int:
        return len(self._holds)

    def new_chain(self) -> int:
        """The number of a chain of commits of which nothing is remembered yet."""
        return next(self._chains)

    def note(self, chain: int, holds: Sequence[Hold]) -> None:
        """Remember what these holds are since a commit of this chain; nothing of closed ones."""
        for hold in holds:
            self._holds.pop(hold.hold_id, None)
            if hold.status is HoldStatus.HELD:
                self._holds[hold.hold_id] = _Kept(
                    chain,
                    hold.quantity,
                    hold.unit_price,
                    hold.reference,
                    hold.held_at,
                    hold.expires_at,
                )
        while len(self._holds) > self._max:
            self._holds.popitem(last=False)

    def knows(self, chain: int, hold_id: str) -> bool:
        """Whether the hold is remembered, of this chain."""
        kept = self._holds.get(hold_id)
        return kept is not None and kept.chain == chain

    def recall(self, chain: int, hold_id: str) -> Hold | None:
        """The hold as the newest commit of this chain left it; None if that is not known."""
        kept = self._holds.get(hold_id)
        if kept is None or kept.chain != chain:
            return None
        return Hold(
            hold_id,
            kept.quantity,
            kept.unit_price,
            HoldStatus.HELD,
            kept.reference,
            kept.held_at,
            kept.expires_at,
        )
