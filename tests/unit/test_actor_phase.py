"""The phases of an actor: every step in every phase, the legal ones and all the others."""

import pytest

from actors.actor_phase import TRANSITIONS, IllegalStep, Phase, Step, after

LEGAL = [(phase, step) for phase, steps in TRANSITIONS.items() for step in steps]
ILLEGAL = [(phase, step) for phase in Phase for step in Step if step not in TRANSITIONS[phase]]


def test_every_phase_has_its_row() -> None:
    assert TRANSITIONS.keys() == set(Phase)


@pytest.mark.parametrize(("phase", "step"), LEGAL)
def test_a_step_of_the_table_leads_where_it_says(phase: Phase, step: Step) -> None:
    assert after(phase, step) is TRANSITIONS[phase][step]


@pytest.mark.parametrize(("phase", "step"), ILLEGAL)
def test_any_other_step_raises(phase: Phase, step: Step) -> None:
    with pytest.raises(IllegalStep, match=f"{step.name} cannot happen"):
        after(phase, step)


def test_every_phase_can_be_reached_and_left_but_for_the_last() -> None:
    reached = {Phase.UNREAD}
    while more := {to for phase in reached for to in TRANSITIONS[phase].values()} - reached:
        reached |= more
    assert reached == set(Phase)
    assert {phase for phase in Phase if not TRANSITIONS[phase]} == {Phase.EVICTED}


def test_no_batch_is_sent_but_on_a_state_that_was_read() -> None:
    assert {phase for phase, step in LEGAL if step is Step.BATCH_SENT} == {Phase.READY}
