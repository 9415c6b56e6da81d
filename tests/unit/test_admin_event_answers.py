"""What an admin hears when a change is committed and its answer cannot be put together."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from evently.domain.admins import Admin
from evently.domain.errors import (
    AnswerLost,
    DatabaseUnavailable,
    Fault,
    NothingDone,
    OutcomeUnknown,
    Overloaded,
)
from evently.domain.outcomes import Done
from evently.domain.state import EventState, Status
from routes.call import Call
from routes.contract.bodies import EventChanges, NewEvent
from routes.contract.errors import Code, failed
from routes.handlers.admin_events import create_event, update_event
from tests.examples import ADMIN, EVENT, NOW, VENUE, VENUE_CAPACITY, published


class Committed:
    """Services whose database takes a change, and then answers nothing more."""

    def __init__(self, fault: Fault, state: EventState | None) -> None:
        self._fault = fault
        self._state = state
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.bumps = 0

    async def ask(self, event_id: str, request: object) -> Done:
        return Done(3, 10, Status.PUBLISHED, NOW, state=self._state)

    async def read(self, event_id: str) -> EventState:
        raise self._fault

    async def create(self, *given: object) -> bool:
        return True

    async def find(self, creation: object) -> None:
        return None

    async def create_once(self, *given: object) -> bool:
        return True

    async def get(self, venue_id: str) -> Any:
        if self.bumps:
            raise self._fault
        return SimpleNamespace(capacity=VENUE_CAPACITY)

    def bump(self) -> None:
        self.bumps += 1

    def call(self, body: object, **sent: str) -> Call:
        parts = ("events", "event_store", "venues", "venue_cache", "revision", "creations")
        services = SimpleNamespace(**dict.fromkeys(parts, self), currency="USD")
        headers = {name.replace("_", "-"): text for name, text in sent.items()}
        call = Call("PUT", CIMultiDict(headers), cast(Any, services))
        call.params = {"event_id": EVENT}
        call.admin = Admin(ADMIN, "event_manager")
        call.body = body
        return call


FAULTS = [DatabaseUnavailable("refused"), Overloaded("no connection is free"), AnswerLost("reset")]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("state", [published(), None], ids=["with its state", "from the ledger"])
async def test_a_committed_change_is_never_said_to_be_undone(
    fault: NothingDone, state: EventState | None
) -> None:
    committed = Committed(fault, state)
    body = EventChanges.model_validate({"version": 2, "description": "another"})

    with pytest.raises(AnswerLost) as raised:
        await update_event(committed.call(body))

    assert committed.bumps == 1
    assert failed(raised.value, reads=False).code is Code.OUTCOME_UNKNOWN


NIGHT = NewEvent.model_validate(
    {
        "name": "Night",
        "venue_id": VENUE,
        "event_type": "concert",
        "start_datetime": "2035-06-01T20:00:00Z",
        "end_datetime": "2035-06-01T23:00:00Z",
        "total_capacity": 10,
        "base_price": Decimal("25.5"),
    }
)


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_created_event_is_never_said_to_be_undone(fault: NothingDone) -> None:
    with pytest.raises(AnswerLost) as raised:
        await create_event(Committed(fault, None).call(NIGHT))

    error = failed(raised.value, reads=False)
    assert (error.code, error.details) == (Code.OUTCOME_UNKNOWN, {})


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_creation_with_a_key_is_told_by_it(fault: NothingDone) -> None:
    with pytest.raises(OutcomeUnknown) as raised:
        await create_event(Committed(fault, None).call(NIGHT, Idempotency_Key="night-7"))

    error = failed(raised.value, reads=False)
    assert (error.code, error.details) == (Code.OUTCOME_UNKNOWN, {"request_key": "night-7"})


def test_a_lost_answer_leaves_open_what_a_change_did_and_nothing_of_a_read() -> None:
    lost = AnswerLost("reset by peer")

    assert failed(lost, reads=True).code is Code.DATABASE_UNAVAILABLE
    unknown = failed(lost, reads=False)
    assert (unknown.code, unknown.status) == (Code.OUTCOME_UNKNOWN, 503)
    assert "check whether it was done" in str(unknown)
    assert unknown.headers["Retry-After"] == "1"


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_what_failed_before_the_commit_is_told_as_it_is(fault: NothingDone) -> None:
    committed = Committed(fault, None)
    committed.bumps = 1
    body = EventChanges.model_validate({"version": 2, "total_capacity": 20, "venue_id": VENUE})

    with pytest.raises(type(fault)) as raised:
        await update_event(committed.call(body))

    assert raised.value is fault
