"""Mutants of what is done with blocks; `canaries` has the rule."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from evently.domain import hold_rules, seat_moves
from evently.domain.holdbacks import Holdback, Holdbacks
from evently.domain.state import EventState


def _as_they_were(blocks: Holdbacks, changed: Iterable[Holdback], seats: int) -> Holdbacks:
    return blocks


@contextmanager
def sell_the_seats_of_a_block_twice() -> Iterator[None]:
    with patch.object(seat_moves, "with_seats", _as_they_were):
        yield


@contextmanager
def free_a_block_twice() -> Iterator[None]:
    with patch.object(hold_rules, "with_seats", _as_they_were):
        yield


@contextmanager
def refuse_before_blocks_were_freed() -> Iterator[None]:
    with patch.object(EventState, "releases", lambda self, now: False):
        yield
