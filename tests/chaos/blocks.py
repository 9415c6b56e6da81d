"""Holds what was kept back, taken from blocks and freed against the ledger. Pure: it only looks.

Rules:

1. Seats are free, held, kept back or sold, and nothing but a sale sells, and a return gives back:
   for each kind of version the sum of the seats says whether some were sold.
2. What is kept back is the sum of the blocks, at every version.
3. A reserve that names a block takes its seats from that one alone, and from no free ones; one that
   names none takes free ones, and leaves the blocks alone.
4. The clock frees a block at its time and not before, all of it, once; beside reserves and the
   clock only an admin's change moves seats of blocks.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

from tests.chaos.findings import DOUBLE_SOLD, OTHER
from tests.chaos.history import Move
from tests.chaos.ledger import EventLedger, Row
from tests.chaos.terms import Block, Terms
from tests.chaos.violated import Violated

# The service's clock is ahead of the database's by as much as the fastest answer takes.
AHEAD_S = 0.5
EDITS = frozenset({"created", "published", "updated"})


def _some(seats: int) -> bool:
    return seats > 0


def _fewer(seats: int) -> bool:
    return seats < 0


def _none(seats: int) -> bool:
    return seats == 0


# Whether so many more seats may be sold by a version of this kind; by others, none are.
SOLD: Mapping[str, Callable[[int], bool]] = {
    "reserved": _some,
    "confirmed": _some,
    "returned": _fewer,
}


class BlockCheck:
    """The seats of one event, and its blocks."""

    def __init__(self, ledger: EventLedger, violated: Violated) -> None:
        self._ledger = ledger
        self._violated = violated

    def run(self) -> None:
        """Check all that the ledger tells by itself."""
        held_back = 0
        for row in self._ledger.rows:
            sold = -(row.seat_delta + row.held_delta + row.held_back_delta)
            if not SOLD.get(row.kind, _none)(sold):
                self._violated(DOUBLE_SOLD, f"{sold} more seats are sold by {row}", row.key)
            held_back += row.held_back_delta
            blocks = self._ledger.terms_at(row.version).blocks
            if held_back != sum(block.quantity for block in blocks):
                self._violated(OTHER, f"{held_back} seats are kept back, in {blocks}", row.key)
        for _, row in pairwise(self._ledger.rows):
            self._check_changed(row)

    def taken(self, move: Move, row: Row) -> None:
        """Check from where a reserve that is in the ledger took its seats."""
        before, after = self._around(row)
        if move.holdback is None:
            if before.blocks != after.blocks or row.held_back_delta:
                self._violated(OTHER, f"blocks were changed by {move}: {row}", row.key)
            return
        block = before.named(move.holdback)
        if row.seat_delta or row.held_back_delta != move.quantity:
            self._violated(DOUBLE_SOLD, f"free seats were sold for {move}: {row}", row.key)
        if block is None or _changed(before, after) != [block.name]:
            self._violated(DOUBLE_SOLD, f"not taken from its block: {move}, {row}", row.key)

    def _check_changed(self, row: Row) -> None:
        before, after = self._around(row)
        if before.blocks == after.blocks or row.kind in EDITS:
            return
        kept = [(block.name, block.release_s) for block in before.blocks]
        if kept != [(block.name, block.release_s) for block in after.blocks]:
            self._violated(OTHER, f"{before.blocks} became {after.blocks} by {row}", row.key)
        if row.kind == "expired":
            for name in _changed(before, after):
                self._check_freed(row, before.named(name), after.named(name))
        elif row.kind != "reserved":
            self._violated(OTHER, f"{before.blocks} became {after.blocks} by {row}", row.key)

    def _check_freed(self, row: Row, before: Block | None, after: Block | None) -> None:
        if after is None or after.quantity:
            self._violated(OTHER, f"{before} became {after} by {row}", row.key)
        elif before is None or not before.due(row.recorded_s + AHEAD_S):
            self._violated(OTHER, f"{before} was freed before its time: {row}", row.key)

    def _around(self, row: Row) -> tuple[Terms, Terms]:
        return self._ledger.terms_before(row), self._ledger.terms_at(row.version)


def _changed(before: Terms, after: Terms) -> list[str]:
    """The blocks that have other seats."""
    was = {block.name: block.quantity for block in before.blocks}
    return [block.name for block in after.blocks if block.quantity != was.get(block.name)]
