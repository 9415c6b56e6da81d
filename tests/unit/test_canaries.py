"""Every mutant of our own code is noticed."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.simulation.canaries import CANARIES, caught_by


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """What the mutants do would be told in the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("canary", CANARIES)
def test_a_mutant_is_caught(canary: Callable[[], Any]) -> None:
    assert caught_by(canary) is not None
