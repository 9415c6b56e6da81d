"""Draws what goes wrong, and in which order, from a seed.

Rule: every kind comes once before any comes again, so a run of as many faults has all of them.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.faults import FAULTS, Fault

# Of the steps: those in which a second fault strikes while the first one lasts.
TOGETHER = 0.3


@dataclass(frozen=True)
class Strike:
    """One fault, how long it lasts, and the seed of what else it draws."""

    fault: Fault
    lasts_s: float
    seed: int


Step = Sequence[Strike]


def steps(seed: int, kinds: Sequence[str] | None = None) -> Iterator[Step]:
    """One or two faults at a time, for ever; of `kinds` only, if they are given."""
    dice = random.Random(seed)  # noqa: S311 - choices that can be repeated
    faults = _bag(dice, [fault for fault in FAULTS if kinds is None or fault.name in kinds])
    kept: Fault | None = None
    while True:
        first, kept = kept or next(faults), None
        step = [_strike(dice, first)]
        if not first.alone and dice.random() < TOGETHER:
            second = next(faults)
            if second.alone or second is first:
                kept = second
            else:
                step.append(_strike(dice, second))
        yield step


def _strike(dice: random.Random, fault: Fault) -> Strike:
    return Strike(fault, dice.uniform(*fault.lasts_s), dice.randrange(1 << 30))


def _bag(dice: random.Random, faults: Sequence[Fault]) -> Iterator[Fault]:
    while True:
        yield from dice.sample(faults, len(faults))
