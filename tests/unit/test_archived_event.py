"""What may still be asked of an event whose ledger is archived: nothing that would change it."""

from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from db.refusal_rows import refusal_in
from evently.domain.commands import (
    ChangeHold,
    Command,
    Confirm,
    Expire,
    Release,
    Reserve,
    Return,
)
from evently.domain.event import decide
from evently.domain.outcomes import NotFound, NotModifiable, Unchanged
from evently.domain.state import EventState, Status
from routes.contract.errors import Code, refused
from tests.examples import (
    EVENT,
    NOW,
    after,
    cancel,
    draft,
    give_back,
    hold,
    hold_id,
    published,
    reserve,
    update,
)

ENDED = NOW + timedelta(days=10)
H = hold_id()
CHANGES: tuple[Command, ...] = (
    reserve(),
    give_back(),
    hold(),
    ChangeHold(H, 2, None),
    Confirm(H),
    Release(H),
)


def archived(state: EventState) -> EventState:
    return replace(state, archived_version=state.version)


@pytest.mark.parametrize("command", CHANGES, ids=lambda one: type(one).__name__)
def test_no_seat_of_it_moves(command: Command) -> None:
    state = archived(after(published(), reserve(3)))
    before = asdict(state)
    outcome = decide(state, command, ENDED)
    assert isinstance(outcome, NotModifiable)
    assert outcome.status is Status.COMPLETED
    assert asdict(state) == before


def test_a_return_is_accepted_until_it_is_archived() -> None:
    state = after(published(), reserve(3))
    assert not isinstance(decide(state, Return(1, None), ENDED), NotModifiable)
    refusal = decide(archived(state), Return(1, None), ENDED)
    assert refusal == NotModifiable(Status.COMPLETED, started=True, archived=True)


def test_a_cancelled_one_stays_cancelled() -> None:
    state = archived(after(published(), reserve(3), cancel(3)))
    refusal = decide(state, Return(1, None), ENDED)
    assert refusal == NotModifiable(Status.CANCELLED, started=True, archived=True)


def test_an_admin_changes_nothing_of_it() -> None:
    state = archived(published())
    for command in (update(name="Other"), cancel()):
        assert isinstance(
            decide(state, replace(command, version=state.version), ENDED), NotModifiable
        )


def test_one_that_was_never_published_stays_unknown() -> None:
    state = archived(after(draft(), cancel(1)))
    assert decide(state, Reserve(1, None), ENDED) == NotFound()
    assert decide(state, Return(1, None), ENDED) == NotFound()


def test_nothing_expires_in_it() -> None:
    assert isinstance(decide(archived(published()), Expire(), ENDED), Unchanged)


def test_the_refusal_says_that_it_is_archived() -> None:
    error = refused(EVENT, NotModifiable(Status.COMPLETED, started=True, archived=True))
    assert error.code is Code.EVENT_NOT_MODIFIABLE
    assert error.message == "Event is archived and can no longer change"
    assert error.details == {"event_id": EVENT, "status": "completed"}


def test_a_refusal_that_was_kept_before_there_were_archives_is_read() -> None:
    text = '{"kind": "NotModifiable", "status": "cancelled", "started": false}'
    assert refusal_in(text) == NotModifiable(Status.CANCELLED, started=False)
