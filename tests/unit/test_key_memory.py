"""What is remembered under a key, for how long, and how much of it."""

import gc

import pytest

from actors.envelope import canonical
from actors.key_memory import KeyMemory
from evently.domain.outcomes import (
    Answer,
    Done,
    InsufficientSeats,
    KeyReused,
    NotFound,
    NotModifiable,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import Status
from tests.examples import NOW, reserve

REQUEST = canonical(reserve())
KEY = ("booking", "k")
DONE = Done(3, 9, Status.PUBLISHED, NOW)


@pytest.mark.parametrize(
    "answer",
    [
        DONE,
        InsufficientSeats(2, 1),
        NotModifiable(Status.CANCELLED, False),
        SeatsExceedCapacity(2, 1),
    ],
)
def test_a_final_answer_is_remembered_with_its_command(answer: Answer) -> None:
    memory = KeyMemory()

    memory.remember("event", KEY, REQUEST, answer, 0.0)

    found = memory.recall("event", KEY, 1.0)
    assert found is not None
    assert (found.request, found.answer) == (REQUEST, answer)
    assert memory.recall("another", KEY, 1.0) is None
    assert memory.recall("event", ("resale", "k"), 1.0) is None


@pytest.mark.parametrize(
    "answer", [NotFound(), StaleVersion(1, 2, 3, Status.PUBLISHED), KeyReused("k")]
)
def test_what_may_change_is_not_remembered(answer: Answer) -> None:
    memory = KeyMemory()

    memory.remember("event", KEY, REQUEST, answer, 0.0)

    assert len(memory) == 0


def test_an_answer_is_forgotten_when_its_time_is_over_and_not_before() -> None:
    memory = KeyMemory(remember_s=10.0)
    memory.remember("event", KEY, REQUEST, DONE, 0.0)

    assert memory.recall("event", KEY, 9.9) is not None
    assert memory.recall("event", KEY, 10.0) is None
    assert len(memory) == 0


def test_the_oldest_answer_goes_when_there_is_one_too_many() -> None:
    memory = KeyMemory(answers_max=2)
    for key in ("a", "b"):
        memory.remember("event", ("booking", key), REQUEST, DONE, 0.0)
    assert len(memory) == 2

    memory.remember("event", ("booking", "c"), REQUEST, DONE, 0.0)

    assert len(memory) == 2
    assert memory.recall("event", ("booking", "a"), 0.0) is None
    assert memory.recall("event", ("booking", "b"), 0.0) is not None


def test_what_is_remembered_costs_the_garbage_collector_nothing() -> None:
    memory = KeyMemory()
    for number in range(100):
        memory.remember("event", ("booking", f"{number}"), REQUEST, DONE, 0.0)

    (answers,) = [held for held in gc.get_referents(memory) if isinstance(held, dict)]
    held = gc.get_referents(answers)
    assert len(held) >= 100
    # The type of the answer is followed in any case, once for all of them.
    assert not [one for one in held if gc.is_tracked(one)]


def test_everything_can_be_forgotten() -> None:
    memory = KeyMemory()
    memory.remember("event", ("", "done"), REQUEST, DONE, 0.0)
    memory.remember("event", ("", "refused"), REQUEST, InsufficientSeats(2, 1), 0.0)

    memory.clear()

    assert memory.recall("event", ("", "done"), 1.0) is None
    assert memory.recall("event", ("", "refused"), 1.0) is None
