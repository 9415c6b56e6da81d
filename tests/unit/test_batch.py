"""How the envelopes that wait become one batch."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from actors import batch as batches
from actors.batch import Plan, plan
from actors.envelope import Envelope, canonical, repeated
from actors.hold_rows import HoldsRead
from evently.domain.commands import Command, Expire, Reserve, Return
from evently.domain.commits import Refused
from evently.domain.event import decide
from evently.domain.holds import Hold, Holds, HoldStatus
from evently.domain.outcomes import (
    Accepted,
    Done,
    InsufficientSeats,
    Outcome,
    Refusal,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import EventState, Status
from evently.domain.term_versions import TermVersions
from tests.examples import (
    NOW,
    ORIGIN,
    after,
    cancel,
    give_back,
    hold,
    hold_id,
    published,
    request,
    reserve,
    update,
)

EXPIRED = NOW + timedelta(seconds=900)

LOOP = asyncio.new_event_loop()
LOOP.close()


def envelope(command: Command, key: str = "k", **given: Any) -> Envelope:
    return Envelope(request(command, key, **given), asyncio.Future(loop=LOOP))


def planned(*commands: Command, keyed: bool = False) -> Plan:
    waiting = [envelope(command, f"k{n}", keyed=keyed) for n, command in enumerate(commands)]
    return plan(published(), waiting, NOW)


def test_commands_are_decided_in_order_each_on_what_the_one_before_left() -> None:
    made = planned(reserve(8), reserve(5), give_back(4), reserve(6))

    assert [type(outcome) for _, outcome in made.replies] == [
        Accepted,
        InsufficientSeats,
        Accepted,
        Accepted,
    ]
    assert made.batch is not None
    assert made.batch.after.available_seats == 0
    assert made.batch.after.status is Status.SOLD_OUT


def test_nobody_is_refused_whose_seats_an_expiry_behind_them_gives_back() -> None:
    taken = after(published(2), hold(2))
    row = Hold(hold_id(), 2, taken.details.base_price, HoldStatus.HELD, None, NOW, EXPIRED)
    waiting = [envelope(reserve(1), "first"), envelope(Expire(), "expiry")]
    for one in waiting:
        one.checked = True
    read = HoldsRead({row.hold_id: row}, looked=True, hopes=False, next_expires_at=None)

    made = plan(taken, waiting, EXPIRED, read)

    assert made.hopeful == waiting[:1]
    assert [one for one, _ in made.replies] == waiting[1:]
    assert made.batch is not None
    assert not made.batch.refused


def test_a_batch_has_one_record_for_every_version_and_the_sum_of_their_deltas() -> None:
    made = planned(reserve(8), give_back(2), update(4, name="Day", total_capacity=20))

    assert made.batch is not None
    base, after = made.batch.base, made.batch.after
    entries = [record.entry for record in made.batch.records]
    assert [entry.version for entry in entries] == [3, 4, 5]
    assert (base.version, after.version) == (2, 5)
    seats = sum(entry.seat_delta + entry.capacity_delta for entry in entries)
    assert after.available_seats - base.available_seats == seats == -8 + 2 + 10
    assert after.revenue - base.revenue == sum(entry.money_delta for entry in entries)
    assert made.batch.changes == {
        "name": "Day",
        "total_capacity": 20,
        "term_versions": TermVersions(1, (("status", 2), ("total_capacity", 5))),
    }


def test_a_batch_of_seat_moves_edits_nothing_and_the_last_edit_of_a_field_counts() -> None:
    moves = planned(reserve(1), give_back(1)).batch
    edits = planned(update(2, name="Day"), update(3, name="Noon")).batch

    assert moves is not None
    assert moves.changes is None
    assert edits is not None
    assert edits.changes == {"name": "Noon"}


def test_a_refusal_waits_for_the_batch_that_proves_its_state() -> None:
    made = planned(reserve(8), reserve(5))

    assert made.batch is not None
    assert len(made.replies) == 2
    assert made.unproven == []


def test_a_refusal_alone_is_unproven_until_the_state_was_read_after_its_request() -> None:
    waiting = envelope(reserve(11), keyed=False)

    made = plan(published(), [waiting], NOW)
    assert (made.batch, made.replies, made.unproven) == (None, [], [waiting])

    waiting.checked = True
    made = plan(published(), [waiting], NOW)
    assert (made.batch, made.unproven) == (None, [])
    assert made.replies == [(waiting, InsufficientSeats(11, 10))]


@pytest.mark.parametrize(
    ("command", "refusal", "final"),
    [
        (reserve(11), InsufficientSeats(11, 10), True),
        (give_back(1), SeatsExceedCapacity(1, 0), True),
        (reserve(1, 1), StaleVersion(1, 2, 10, Status.PUBLISHED, ("status",)), False),
    ],
)
def test_a_refusal_of_a_callers_key_is_committed_and_moves_the_fence_alone(
    command: Command, refusal: Refusal, final: bool
) -> None:
    made = planned(command, keyed=True)

    assert made.batch is not None
    assert made.batch.after == replace(published(), fence=1)
    assert made.batch.records == ()
    assert made.batch.refused == (Refused(refusal, "k0", canonical(command), ORIGIN),)
    assert made.batch.refused[0].final == final
    assert [outcome for _, outcome in made.replies] == [refusal]


def test_refusals_and_moves_share_a_batch_and_move_the_fence_once() -> None:
    made = planned(reserve(8), reserve(5), reserve(6), give_back(1), keyed=True)

    assert made.batch is not None
    assert [record.key for record in made.batch.records] == ["k0", "k3"]
    assert [refused.key for refused in made.batch.refused] == ["k1", "k2"]
    assert (made.batch.after.version, made.batch.after.fence) == (4, 1)


@pytest.mark.parametrize("keyed", [False, True])
def test_a_caller_that_has_seen_more_than_we_have_makes_the_actor_read_first(keyed: bool) -> None:
    made = planned(reserve(1, 3), keyed=keyed)

    assert made.replies == []
    assert made.batch is None
    assert len(made.unproven) == 1


def test_a_command_that_raises_fails_alone() -> None:
    poison = reserve(3)

    def fragile(state: EventState, command: Command, now: Any, holds: Holds) -> Outcome:
        if command is poison:
            raise ZeroDivisionError
        return decide(state, command, now, holds)

    with patch.object(batches, "decide", fragile):
        made = planned(reserve(1), poison, reserve(1))

    assert [str(error) for _, error in made.failures] == [""]
    assert len(made.replies) == 2
    assert made.batch is not None
    assert made.batch.after.available_seats == 8


def test_nothing_waits_and_nothing_is_planned() -> None:
    assert planned() == Plan(None, [], [], [], hopeful=[])


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (reserve(2), "-2 at *"),
        (reserve(2, 7), "-2 at 7"),
        (reserve(2, 7, retry=True), "-2 at 7 or retry"),
        (give_back(2), "+2 at *"),
        (Reserve(2, 7, True, Decimal("35.50")), "-2 for 35.50 at 7 or retry"),
        (Return(2, None, False, Decimal("0.00")), "+2 for 0.00 at *"),
        (update(7, name="Day"), "update at 7"),
        (cancel(7), "cancel at 7"),
    ],
)
def test_a_request_is_noted_in_one_form(command: Command, text: str) -> None:
    assert canonical(command) == text


def test_an_envelope_says_what_it_holds() -> None:
    assert repr(envelope(reserve(2), "abc")) == "<Envelope '-2 at *' key='abc'>"


def test_only_an_answer_that_was_done_is_repeated_as_such() -> None:
    done = Done(3, 9, Status.PUBLISHED, NOW, retried=True)
    stale = StaleVersion(1, 2, 3, Status.PUBLISHED)

    assert repeated(done) == replace(done, replayed=True, retried=False)
    assert repeated(stale) is stale


def test_the_base_of_a_batch_is_never_changed() -> None:
    state = after(published(), reserve(1))

    plan(state, [envelope(reserve(2))], NOW)

    assert state == after(published(), reserve(1))
