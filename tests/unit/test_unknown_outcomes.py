"""Which keys are of unknown outcome, and what their callers hear."""

from dataclasses import replace

from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import DatabaseUnavailable, OutcomeUnknown, Overloaded
from evently.domain.origin import Origin
from tests.examples import request

DOWN = DatabaseUnavailable("down")
UNKNOWN = OutcomeUnknown("k")


def test_a_fault_is_told_as_it_is_while_nothing_is_unknown() -> None:
    keys = UnknownOutcomes()

    assert keys.told("event", request(), DOWN) is DOWN
    assert len(keys) == 0


def test_unknown_stays_unknown_until_there_is_an_answer() -> None:
    keys = UnknownOutcomes()
    assert keys.told("event", request(), UNKNOWN) is UNKNOWN

    for fault in (DOWN, Overloaded("full"), UNKNOWN):
        told = keys.told("event", request(), fault)
        assert isinstance(told, OutcomeUnknown)
        assert told.key == "k"

    keys.answered("event", request())
    assert keys.told("event", request(), DOWN) is DOWN


def test_a_key_is_unknown_for_its_event_and_its_caller_alone() -> None:
    keys = UnknownOutcomes()
    keys.told("event", request(), UNKNOWN)
    another = replace(request(), origin=Origin("key:resale", "request-1"))

    assert keys.told("another", request(), DOWN) is DOWN
    assert keys.told("event", request(key="l"), DOWN) is DOWN
    assert keys.told("event", another, DOWN) is DOWN
    assert keys.holds("event", request())


def test_a_doubtful_request_is_unknown_whatever_the_fault() -> None:
    keys = UnknownOutcomes()

    assert isinstance(keys.told("event", request(doubtful=True), DOWN), OutcomeUnknown)
    assert keys.holds("event", request())


def test_a_key_that_nobody_can_send_again_is_not_kept() -> None:
    keys = UnknownOutcomes()

    assert keys.told("event", request(keyed=False), UNKNOWN) is UNKNOWN
    assert len(keys) == 0


def test_the_oldest_key_goes_when_there_is_one_too_many() -> None:
    keys = UnknownOutcomes(keys_max=2)
    for key in ("a", "b", "a"):
        keys.told("event", request(key=key), OutcomeUnknown(key))
    assert len(keys) == 2

    keys.told("event", request(key="c"), OutcomeUnknown("c"))

    held = [key for key in "abc" if keys.holds("event", request(key=key))]
    assert held == ["a", "c"]
