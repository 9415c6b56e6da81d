"""A script of 30 moves of which every call to the store fails once, in every way there is."""

import logging
from collections.abc import Iterator

import pytest

from tests.memory_store import Fate
from tests.simulation.nth_call import COMMIT_FATES, READ_FATES, SCRIPT, calls, failures, play

FAILURES = list(failures())


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Each failure would be told in the log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_the_script_is_30_moves_and_every_fate_befalls_every_call_that_it_can() -> None:
    kinds = calls()

    assert len(SCRIPT) == 30
    assert set(kinds) == {"load", "recall", "held", "commit"}
    for number, kind in enumerate(kinds):
        fates = {fate for fail_at, fate, _ in FAILURES if fail_at == number}
        assert fates == set(COMMIT_FATES if kind == "commit" else READ_FATES)
    assert {fate for _, fate, _ in FAILURES} == set(Fate) - {Fate.ANSWER}


def test_the_script_is_played_without_a_failure() -> None:
    assert play() == []


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.ANSWER])
def test_whichever_call_fails_the_promise_is_kept(fate: Fate) -> None:
    for failure in FAILURES:
        if failure[1] is fate:
            assert play(*failure) == [], f"call {failure[0]}, {fate.name}, late {failure[2]} s"
