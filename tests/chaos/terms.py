"""What organisers say of an event, at each version, as its ledger replays: price, hours, blocks.

Rule: reckoned from the ledger's changes alone, without the help of the code that is looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Block:
    """Seats that are kept back, and when they are freed, by the wall clock, if ever."""

    name: str
    quantity: int
    release_s: float | None = None

    def due(self, at_s: float) -> bool:
        """Whether it has seats that are to be freed by then."""
        return self.quantity > 0 and self.release_s is not None and self.release_s <= at_s


@dataclass(frozen=True, slots=True)
class Window:
    """When seats are sold, by the wall clock; None: from the first, or to the last."""

    start_s: float | None = None
    end_s: float | None = None
    paused: bool = False

    def open(self, at_s: float) -> bool:
        """Whether seats are sold then."""
        begun = self.start_s is None or self.start_s <= at_s
        return begun and not self.paused and (self.end_s is None or at_s < self.end_s)


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it, at one version."""

    price: Decimal = Decimal(0)
    window: Window = Window()
    blocks: Sequence[Block] = ()

    def after(self, changes: Mapping[str, Any]) -> "Terms":
        """What they are after a version with these changes, as the ledger or a request has them."""
        if changes.keys().isdisjoint(_FIELDS):
            return self
        window = Window(
            _seconds(changes["sales_start"]) if "sales_start" in changes else self.window.start_s,
            _seconds(changes["sales_end"]) if "sales_end" in changes else self.window.end_s,
            changes.get("paused", self.window.paused),
        )
        blocks = self.blocks
        if "holdbacks" in changes:
            blocks = tuple(_block(one) for one in changes["holdbacks"])
        price = Decimal(str(changes.get("base_price", self.price)))
        return replace(self, price=price, window=window, blocks=blocks)

    def named(self, name: str) -> Block | None:
        """The block of this name, in any case."""
        wanted = name.casefold()
        return next((one for one in self.blocks if one.name.casefold() == wanted), None)

    @property
    def held_back(self) -> int:
        """Seats in blocks."""
        return sum(block.quantity for block in self.blocks)


_FIELDS = frozenset({"base_price", "sales_start", "sales_end", "paused", "holdbacks"})


def _block(told: Mapping[str, Any]) -> Block:
    return Block(told["name"], told["quantity"], _seconds(told["release_at"]))


def _seconds(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()
