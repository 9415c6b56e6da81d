"""Blocks in a third of the worlds: what is done with them, and what must come of it.

Rules:

1. A chance of its own, so that the other worlds stay what they were.
2. What is checked is reckoned here, without the help of the code that is looked at.
"""

import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from evently.domain.commands import Reserve
from evently.domain.holdbacks import NO_HOLDBACKS, Holdback, Holdbacks
from evently.domain.outcomes import EDITS, LedgerKind
from tests.memory_store import LedgerRow

# Beside admins, these change the seats of blocks.
MOVING_BLOCKS = frozenset({LedgerKind.RESERVED, LedgerKind.EXPIRED})
NAMES = ("Press", "Crew")
# Over before it begins, soon, and never.
RELEASES_S = (-1.0, 0.5, 2.0, 6.0, None, None)


class Blocks:
    """The blocks of one world, whose time is what `now` says."""

    def __init__(self, seed: int, now: Callable[[], datetime]) -> None:
        self._chance = random.Random(f"blocks {seed}")  # noqa: S311 - nothing is secret
        self._now = now
        self.played = self._chance.random() < 0.33

    def kept(self, capacity: int) -> Holdbacks:
        """A list that an admin may give, as a rule with room for it; none in other worlds."""
        if not self.played:
            return NO_HOLDBACKS
        most = max(1, capacity // 3)
        return tuple(
            Holdback(name, self._chance.randint(0, most), self._release())
            for name in NAMES
            if self._chance.random() < 0.8
        )

    def edits(self) -> bool:
        """Whether an admin changes the list now, and nothing else."""
        return self.played and self._chance.random() < 0.4

    def taken(self) -> Reserve | None:
        """What a box office takes of a block, if it does."""
        if not self.played or self._chance.random() < 0.6:
            return None
        name = self._chance.choice((*NAMES, NAMES[0].lower(), "nobody"))
        amount = self._chance.choice((None, Decimal(0)))
        return Reserve(self._chance.choice((1, 1, 2, 4)), None, amount=amount, holdback=name)

    def _release(self) -> datetime | None:
        after_s = self._chance.choice(RELEASES_S)
        return None if after_s is None else self._now() + timedelta(seconds=after_s)


def fields_of(blocks: Holdbacks) -> dict[str, Any]:
    """What an event's details say beside its blocks."""
    times = [one.release_at for one in blocks if one.quantity and one.release_at is not None]
    seats = sum(block.quantity for block in blocks)
    return {"held_back_seats": seats, "next_release_at": min(times) if times else None}


def block_faults(row: LedgerRow, before: Holdbacks, latest: datetime) -> Iterator[str]:
    """What is wrong with what became of each block; one was freed at `latest` or before."""
    entry = row.record.entry
    after: Holdbacks = (entry.changes or {}).get("holdbacks", before)
    was = {block.name: block.quantity for block in before}
    delta = sum(block.quantity for block in after) - sum(was.values())
    if entry.held_back_delta != delta:
        yield f"{before} became {after}, by {entry.held_back_delta}: {row}"
    if entry.kind in EDITS:
        return
    changed = [block for block in after if block.quantity != was.get(block.name)]
    if len(after) != len(before) or (changed and entry.kind not in MOVING_BLOCKS):
        yield f"{before} became {after}: {row}"
    if entry.kind is LedgerKind.EXPIRED:
        early = [one for one in changed if one.release_at is None or one.release_at > latest]
        if early or any(block.quantity for block in changed):
            yield f"freed before its time, or in part, {changed}: {row}"
    elif [block.name for block in changed] != _named_in(row.record.request):
        yield f"another block than was asked for, {changed}: {row}"


def _named_in(request: str) -> list[str]:
    """The block that a request names, as its admin writes it."""
    found = re.search(r'from "(\w+)"', request)
    return [found[1].capitalize()] if found else []
