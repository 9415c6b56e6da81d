"""Draws what booking services ask for: how many seats, of which block, and for how much.

Rule: what is asked for is drawn once; every try of a move sends the same.
"""

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

from tests.chaos.history import Move
from tests.chaos.programme import NAMES, Programme

# Of the moves: those with a key.
KEYED = 0.9
# Of the moves: at any version, at the one that was last seen; the rest lets the service retry.
ANY_VERSION, STRICT = 0.5, 0.25
# Of the moves: those that say their amount; of these, for nothing.
WITH_AMOUNT, FREE = 0.35, 0.15
# Of the returns with an amount: those of far too much, and those of what small events may have.
TOO_MUCH, MUCH = 0.05, 0.15
TOO_MUCH_PAID, MUCH_PAID = Decimal(99_999_999), 3_000
# Of the reserves of an event that has blocks: from one; of these, from none that there is, and for
# more seats than any has.
FROM_BLOCK, FROM_NOBODY, TOO_MANY = 0.35, 0.06, 0.04
NOBODY, TOO_MANY_SEATS = "Nobody", 5_000
# A seat costs that much at most, in cents.
PRICE_MAX = 12_000
# Now and then more is returned than anybody holds.
MISTAKEN_SEATS = 1_000_000


class Wishes:
    """`seen` has the version of each event that a client has heard of last."""

    def __init__(self, programme: Programme, seen: Mapping[str, int]) -> None:
        self._programme = programme
        self._seen = seen

    def reserve(self, dice: random.Random, event_id: str) -> Move:
        """To buy seats, free ones or those of a block."""
        move = self._wish(dice, event_id, -dice.randint(1, 4))
        if event_id in self._programme.blocks and dice.random() < FROM_BLOCK:
            nobody = dice.random() < FROM_NOBODY
            # A name is the same in any case.
            move.holdback = NOBODY if nobody else dice.choice((*NAMES, NAMES[0].upper()))
            if dice.random() < TOO_MANY:
                move.quantity = -TOO_MANY_SEATS
        if dice.random() < WITH_AMOUNT:
            move.amount = paid(dice, -move.quantity)
        return move

    def give_back(self, dice: random.Random, event_id: str, seats: int) -> Move:
        """To return seats."""
        move = self._wish(dice, event_id, seats)
        if dice.random() < WITH_AMOUNT:
            drawn = dice.random()
            if drawn < TOO_MUCH:
                move.amount = TOO_MUCH_PAID
            elif drawn < TOO_MUCH + MUCH:
                move.amount = _cents(dice, MUCH_PAID * 100)
            else:
                move.amount = paid(dice, min(seats, 4))
        return move

    def _wish(self, dice: random.Random, event_id: str, quantity: int) -> Move:
        drawn = dice.random()
        seen = self._seen.get(event_id)
        version: int | Literal["*"] = "*" if drawn < ANY_VERSION or seen is None else seen
        retry = version != "*" and drawn >= ANY_VERSION + STRICT
        key = str(uuid4()) if dice.random() < KEYED else None
        return Move(event_id, key, quantity, version, retry)


def paid(dice: random.Random, seats: int) -> Decimal:
    """What somebody may have paid for so many seats, to the cent."""
    return Decimal(0) if dice.random() < FREE else _cents(dice, seats * PRICE_MAX)


def body_of(move: Move) -> dict[str, Any]:
    """The body that asks for it."""
    body: dict[str, Any] = {"quantity": move.quantity, "version": move.version}
    if move.retry:
        body["on_conflict"] = "retry"
    if move.amount is not None:
        body["amount"] = float(move.amount)
    if move.holdback is not None:
        body["holdback"] = move.holdback
    return body


def _cents(dice: random.Random, most: int) -> Decimal:
    return Decimal(dice.randint(0, most)) / 100
