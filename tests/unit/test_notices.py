"""What the feed of changes tells of a version, and what it keeps to itself."""

from decimal import Decimal

import pytest

from evently.domain.commands import Command
from evently.domain.event import decide
from evently.domain.notices import CANCELLED, PUBLISHED, REOPENED, SOLD_OUT, ChangeKind, Notice
from evently.domain.outcomes import Accepted
from evently.domain.state import EventState
from tests.examples import (
    NOW,
    after,
    cancel,
    draft,
    give_back,
    publish,
    published,
    reserve,
    update,
)


def told(state: EventState, command: Command) -> Notice | None:
    outcome = decide(state, command, NOW)
    assert isinstance(outcome, Accepted), outcome
    return outcome.entry.notice


def test_a_move_is_told_where_it_sells_out_or_reopens_and_nowhere_else() -> None:
    state = published(3)
    assert told(state, reserve(2)) is None
    full = after(state, reserve(3))
    assert told(after(state, reserve(2)), reserve(1)) == SOLD_OUT
    assert told(full, give_back(1)) == REOPENED
    assert told(after(full, give_back(1)), give_back(2)) is None


def test_a_draft_is_nobodys_business_until_it_is_published() -> None:
    state = draft()
    assert told(state, update(1, name="Day")) is None
    assert told(state, cancel(1)) is None
    assert told(state, publish()) == PUBLISHED


def test_what_was_never_published_stays_untold() -> None:
    cancelled = after(draft(), cancel(1))
    assert not cancelled.known


def test_an_update_tells_each_changed_field_as_it_was_and_is() -> None:
    state = published(10)
    notice = told(state, update(2, name="Day", base_price=Decimal("30.00"), total_capacity=10))
    assert notice is not None
    assert notice.kinds == (ChangeKind.UPDATED,)
    assert dict(notice.data) == {
        "name": {"from": state.details.name, "to": "Day"},
        "base_price": {"from": state.details.base_price, "to": Decimal("30.00")},
    }


def test_an_update_that_changes_nothing_is_not_told() -> None:
    state = published(10)
    assert told(state, update(2, name=state.details.name)) is None


def test_a_capacity_that_reopens_or_sells_out_is_of_two_kinds() -> None:
    full = after(published(10), reserve(10))
    raised = told(full, update(full.version, total_capacity=11))
    assert raised is not None
    assert raised.kinds == (ChangeKind.REOPENED, ChangeKind.UPDATED)
    assert dict(raised.data) == {"total_capacity": {"from": 10, "to": 11}}
    some = after(published(10), reserve(4))
    lowered = told(some, update(some.version, total_capacity=4))
    assert lowered is not None
    assert lowered.kinds == (ChangeKind.SOLD_OUT, ChangeKind.UPDATED)


@pytest.mark.parametrize("sold", [0, 10])
def test_cancelling_is_told_once_and_returns_after_it_are_not(sold: int) -> None:
    state = published(10)
    if sold:
        state = after(state, reserve(sold))
    assert told(state, cancel(state.version)) == CANCELLED
    if sold:
        assert told(after(state, cancel(state.version)), give_back(sold)) is None
