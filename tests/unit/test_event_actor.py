"""One event's actor: what it admits, decides, answers, and what it never forgets to answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from actors.clock import DatabaseClock
from actors.envelope import Request, canonical
from actors.event_actor import ATTEMPTS_MAX, BATCH_MAX, PARKED_S, SNAPSHOT_MAX_AGE_S, EventActor
from actors.hold_memory import HoldMemory
from actors.key_memory import KeyMemory
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.commits import Batch, Noted
from evently.domain.errors import (
    CommandFailed,
    DatabaseUnavailable,
    OutcomeUnknown,
    Overloaded,
    RowLocked,
)
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    NO_ROOM,
    Answer,
    Done,
    InsufficientSeats,
    KeyReused,
    NotFound,
    StaleVersion,
)
from evently.domain.state import EventState, Status
from tests.examples import (
    EVENT,
    NOW,
    ORIGIN,
    PRICE,
    after,
    give_back,
    hold,
    published,
    request,
    reserve,
    update,
)
from tests.simulation.virtual_loop import in_virtual_time

DOWN = DatabaseUnavailable("down")
HELD = RowLocked("Event")


class Desk:
    """An actor, the clock it goes by, and what the database would tell it."""

    def __init__(self, mailbox_max: int = 2048) -> None:
        self.now_s = 0.0
        self.keys = KeyMemory()
        clock = DatabaseClock(lambda: self.now_s)
        clock.tell(NOW, clock.monotonic())
        self.unknown = UnknownOutcomes()
        self.actor = EventActor(EVENT, clock, self.keys, self.unknown, HoldMemory(), mailbox_max)

    def ask(self, wanted: Request) -> "asyncio.Future[Answer]":
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.actor.ask(wanted, future)
        return future

    def ask_all(self, count: int) -> "list[asyncio.Future[Answer]]":
        return [self.ask(request(key=f"k{n}")) for n in range(count)]

    def inform(
        self, state: EventState | None, noted: Mapping[str, Noted] | None = None
    ) -> list[str]:
        """Answer what the actor asks of the database, if it asks; returns the keys."""
        suspect, keys = self.actor.questions()
        if suspect:
            known = {(ORIGIN.caller, key): one for key, one in (noted or {}).items()}
            self.actor.loaded(state, known)
        assert {caller for caller, _ in keys} <= {ORIGIN.caller}
        return [key for _, key in keys]

    def plan(self) -> Batch:
        batch = self.actor.plan()
        assert batch is not None
        return batch

    def ready(self, state: EventState | None = None) -> "Desk":
        """Let the actor know the state of its event."""
        self.inform(published() if state is None else state)
        return self


def noted(version: int, command: Any = None, available: int = 9) -> Noted:
    wanted = canonical(reserve() if command is None else command)
    return Noted(wanted, Done(version, available, Status.PUBLISHED, NOW, unit_price=PRICE))


def fault_of(future: "asyncio.Future[Answer]") -> BaseException | None:
    assert future.done()
    return future.exception()


@in_virtual_time
async def test_an_actor_reads_its_event_before_it_decides() -> None:
    desk = Desk()
    answer = desk.ask(request())
    assert desk.actor.plan() is None

    assert desk.inform(published()) == ["k"]
    batch = desk.plan()
    assert not answer.done()
    desk.actor.settle(NOW)

    assert batch.base == published()
    assert answer.result() == Done(3, 9, Status.PUBLISHED, NOW, unit_price=PRICE)
    assert desk.actor.state == batch.after


@in_virtual_time
async def test_an_event_that_does_not_exist_is_not_found() -> None:
    desk = Desk()
    answer = desk.ask(request())

    desk.inform(None)

    assert answer.result() == NotFound()
    assert desk.actor.idle


@in_virtual_time
async def test_the_state_is_the_committed_one_while_a_batch_is_under_way() -> None:
    desk = Desk().ready()
    desk.ask(request())

    desk.plan()

    assert desk.actor.state == published()
    assert desk.actor.snapshot(SNAPSHOT_MAX_AGE_S) == published()
    assert desk.actor.busy
    assert not desk.actor.idle


@in_virtual_time
async def test_the_actor_says_what_it_is_doing() -> None:
    desk = Desk()
    assert repr(desk.actor) == f"<EventActor {EVENT} vNone unread waiting=0>"

    desk.ready()
    desk.ask_all(2)
    assert repr(desk.actor) == f"<EventActor {EVENT} v2 ready waiting=2>"

    desk.plan()
    assert repr(desk.actor) == f"<EventActor {EVENT} v2 committing waiting=0>"


# Bounds


@in_virtual_time
async def test_a_full_mailbox_refuses_one_more_and_keeps_nothing_of_it() -> None:
    desk = Desk(mailbox_max=3).ready()
    desk.ask_all(3)

    with pytest.raises(Overloaded):
        desk.ask(request(key="one more"))

    assert desk.actor.waiting == 3
    desk.plan()
    desk.actor.settle(NOW)
    assert not desk.ask(request(key="one more")).done()


@pytest.mark.parametrize(("waiting", "left"), [(BATCH_MAX, 0), (BATCH_MAX + 1, 1)])
@in_virtual_time
async def test_a_batch_takes_so_many_and_leaves_the_rest(waiting: int, left: int) -> None:
    desk = Desk().ready(published(1000))
    desk.ask_all(waiting)

    assert len(desk.plan().records) == BATCH_MAX
    assert desk.actor.waiting == left


@in_virtual_time
async def test_a_command_is_overtaken_so_often_and_then_given_up() -> None:
    desk = Desk().ready()
    answer = desk.ask(request())
    for _ in range(ATTEMPTS_MAX - 1):
        desk.plan()
        desk.actor.overtaken()
        desk.inform(published())
    assert not answer.done()

    desk.plan()
    desk.actor.overtaken()

    assert isinstance(fault_of(answer), Overloaded)
    assert desk.actor.idle


# Who waits, and for how long


@in_virtual_time
async def test_a_command_whose_caller_has_gone_is_dropped() -> None:
    desk = Desk().ready()
    gone, waits = desk.ask(request(key="gone")), desk.ask(request(key="waits"))
    gone.cancel()

    batch = desk.plan()

    assert [record.key for record in batch.records] == ["waits"]
    desk.actor.settle(NOW)
    assert isinstance(waits.result(), Done)
    assert not desk.ask(request(key="gone")).done()  # its key is free again


@in_virtual_time
async def test_a_command_whose_batch_was_taken_is_done_though_its_caller_goes() -> None:
    desk = Desk().ready()
    gone = desk.ask(request())
    desk.plan()

    gone.cancel()
    desk.actor.settle(NOW)

    again = desk.ask(request())
    assert again.result() == Done(3, 9, Status.PUBLISHED, NOW, replayed=True, unit_price=PRICE)


@pytest.mark.parametrize(("at_s", "in_time"), [(2.0, True), (2.001, False)])
@in_virtual_time
async def test_a_command_waits_until_its_deadline_and_no_longer(at_s: float, in_time: bool) -> None:
    desk = Desk().ready()
    answer = desk.ask(request(deadline_s=2.0))
    desk.now_s = at_s

    batch = desk.actor.plan()

    assert (batch is not None) == in_time
    if not in_time:
        assert isinstance(fault_of(answer), Overloaded)


@in_virtual_time
async def test_a_doubtful_repetition_takes_no_time_from_the_open_try() -> None:
    desk = Desk().ready()
    first = desk.ask(request(deadline_s=2.0))
    desk.now_s = 1.0
    again = desk.ask(request(deadline_s=0.5, doubtful=True))
    desk.plan()
    desk.actor.settle(NOW)

    answers = [first.result(), again.result()]
    assert [isinstance(one, Done) and one.replayed for one in answers] == [False, True]


@in_virtual_time
async def test_those_whose_deadline_passed_take_no_place_in_a_batch() -> None:
    desk = Desk().ready()
    late = [desk.ask(request(key=f"late{n}", deadline_s=0.0)) for n in range(BATCH_MAX + 5)]
    desk.now_s = 1.0
    desk.ask(request(key="in time"))

    assert [record.key for record in desk.plan().records] == ["in time"]
    assert all(isinstance(fault_of(answer), Overloaded) for answer in late)


@in_virtual_time
async def test_a_repetition_in_flight_waits_for_the_same_answer() -> None:
    desk = Desk().ready()
    first, second = desk.ask(request()), desk.ask(request())
    assert desk.actor.waiting == 1
    desk.plan()
    third = desk.ask(request())

    desk.actor.settle(NOW)

    assert first.result() == Done(3, 9, Status.PUBLISHED, NOW, unit_price=PRICE)
    for repetition in (second, third):
        assert repetition.result() == Done(
            3, 9, Status.PUBLISHED, NOW, replayed=True, unit_price=PRICE
        )


@in_virtual_time
async def test_a_repetition_keeps_a_command_wanted_whose_first_caller_has_gone() -> None:
    desk = Desk().ready()
    first, second = desk.ask(request()), desk.ask(request())

    first.cancel()
    desk.plan()
    desk.actor.settle(NOW)

    assert isinstance(second.result(), Done)


@in_virtual_time
async def test_another_request_under_the_same_key_is_refused_whatever_the_first_comes_to() -> None:
    desk = Desk().ready()
    desk.ask(request())

    assert desk.ask(request(reserve(2))).result() == KeyReused("k")
    desk.plan()
    desk.actor.settle(NOW)
    assert desk.ask(request(reserve(2))).result() == KeyReused("k")


@in_virtual_time
async def test_requests_without_a_callers_key_are_all_their_own() -> None:
    desk = Desk().ready()

    desk.ask(request(key="a", keyed=False))
    desk.ask(request(key="b", keyed=False))

    assert len(desk.plan().records) == 2


# Keys


@in_virtual_time
async def test_a_key_that_the_ledger_knows_is_answered_from_it() -> None:
    desk = Desk()
    answer, other = desk.ask(request()), desk.ask(request(reserve(2), "other"))

    desk.inform(published(), {"k": noted(2), "other": noted(1)})

    assert answer.result() == Done(2, 9, Status.PUBLISHED, NOW, replayed=True, unit_price=PRICE)
    assert other.result() == KeyReused("other")


@in_virtual_time
async def test_a_key_whose_row_may_not_outlive_a_failover_is_of_unknown_outcome() -> None:
    desk = Desk()
    answer, other = desk.ask(request()), desk.ask(request(key="other"))

    desk.inform(published(), {"k": replace(noted(2), proven=False)})

    fault = fault_of(answer)
    assert isinstance(fault, OutcomeUnknown)
    assert fault.key == "k"
    assert not other.done()
    # Nothing of it is remembered: the next try is told by the ledger.
    again = desk.ask(request())
    desk.plan()
    desk.actor.overtaken()
    desk.inform(published(), {"k": noted(2), "other": noted(3)})
    assert again.result() == Done(2, 9, Status.PUBLISHED, NOW, replayed=True, unit_price=PRICE)


@in_virtual_time
async def test_a_refusal_of_a_callers_key_is_told_once_it_is_committed_and_stands() -> None:
    desk = Desk().ready()
    refusal = desk.ask(request(reserve(11)))

    batch = desk.plan()
    assert [refused.key for refused in batch.refused] == ["k"]
    assert not refusal.done()
    desk.actor.settle(NOW)

    assert refusal.result() == InsufficientSeats(11, 10)
    assert desk.actor.state == replace(published(), fence=1)
    assert desk.ask(request(reserve(11))).result() == InsufficientSeats(11, 10)
    assert desk.ask(request(reserve(1))).result() == KeyReused("k")


@in_virtual_time
async def test_a_refusal_that_the_database_holds_is_told_though_the_seats_came_back() -> None:
    desk = Desk()
    answer, other = desk.ask(request(reserve(5))), desk.ask(request(reserve(6), "other"))
    known = Noted(canonical(reserve(5)), InsufficientSeats(5, 4))

    desk.inform(published(), {"k": known, "other": known})

    assert answer.result() == InsufficientSeats(5, 4)
    assert other.result() == KeyReused("other")


@in_virtual_time
async def test_two_callers_may_use_one_key() -> None:
    desk = Desk().ready()
    ours = desk.ask(request(reserve(2)))
    theirs = desk.ask(replace(request(reserve(3)), origin=Origin("key:resale", "request-1")))

    assert [record.entry.seat_delta for record in desk.plan().records] == [-2, -3]
    desk.actor.settle(NOW)

    assert ours.result() == Done(3, 8, Status.PUBLISHED, NOW, unit_price=PRICE)
    assert theirs.result() == Done(4, 5, Status.PUBLISHED, NOW, unit_price=PRICE)


@in_virtual_time
async def test_a_refusal_without_a_key_waits_for_a_read_sent_after_it() -> None:
    desk = Desk().ready()
    answer = desk.ask(request(reserve(11), keyed=False))

    assert desk.actor.plan() is None
    assert not answer.done()
    assert desk.inform(published(30)) == []
    desk.plan()
    desk.actor.settle(NOW)

    assert isinstance(answer.result(), Done)


@in_virtual_time
async def test_a_refusal_that_is_not_final_is_decided_again() -> None:
    desk = Desk()
    stale = desk.ask(request(reserve(1, 3)))
    desk.inform(published())
    desk.plan()
    desk.actor.settle(NOW)
    assert stale.result() == StaleVersion(3, 2, 10, Status.PUBLISHED)

    desk.now_s = 1.0
    again = desk.ask(request(reserve(1, 3)))
    desk.actor.plan()
    desk.inform(after(published(), reserve(1)))
    desk.plan()
    desk.actor.settle(NOW)

    assert isinstance(again.result(), Done)


@in_virtual_time
async def test_the_fault_of_a_doubtful_request_leaves_its_outcome_unknown() -> None:
    desk = Desk().ready()
    first, again = desk.ask(request()), desk.ask(request(doubtful=True))
    desk.plan()

    desk.actor.refuse(DOWN)

    assert isinstance(fault_of(first), OutcomeUnknown)
    assert isinstance(fault_of(again), OutcomeUnknown)
    assert desk.unknown.holds(EVENT, request())


@in_virtual_time
async def test_who_was_tried_before_waits_for_no_other_batch_longer_than_they_asked_for() -> None:
    desk = Desk().ready()
    first, second = desk.ask(request(key="first")), desk.ask(request(key="second"))
    desk.plan()
    desk.actor.overtaken()
    # One seat is left: the second waits until somebody has looked for holds that have expired.
    desk.inform(after(published(3), hold(2)))
    assert len(desk.plan().records) == 1
    desk.actor.unresolved()

    desk.now_s = request().deadline_s + 0.1
    desk.actor.drop_overdue()

    assert isinstance(fault_of(second), OutcomeUnknown)
    assert not first.done()
    desk.actor.drop_overdue()
    assert desk.actor.waiting == 1, "the expiry, which nobody waits for"


@in_virtual_time
async def test_a_key_is_looked_up_again_whenever_another_writer_was_there() -> None:
    desk = Desk()
    answer = desk.ask(request(reserve(10)))
    desk.inform(published())
    desk.plan()

    # The same key came through another worker, which sold the seats to it.
    desk.actor.overtaken()
    sold_out = after(published(), reserve(10))
    assert desk.inform(sold_out, {"k": noted(3, reserve(10), 0)}) == ["k"]

    assert desk.actor.plan() is None
    assert isinstance(answer.result(), Done)


@in_virtual_time
async def test_a_key_of_our_own_is_looked_up_once_it_was_tried() -> None:
    desk = Desk().ready()
    answer = desk.ask(request(keyed=False))
    desk.plan()

    desk.actor.overtaken()

    assert desk.inform(published(), {"k": noted(2)}) == ["k"]
    assert isinstance(answer.result(), Done)


@in_virtual_time
async def test_what_failed_once_is_tried_again_without_newcomers() -> None:
    desk = Desk().ready()
    desk.ask(request(key="old"))
    desk.plan()
    desk.actor.overtaken()
    desk.actor.questions()
    desk.ask(request(key="new"))
    desk.actor.loaded(published(), {})

    assert [record.key for record in desk.plan().records] == ["old"]
    desk.actor.settle(NOW)
    assert [record.key for record in desk.plan().records] == ["new"]


@in_virtual_time
async def test_a_ledger_beyond_the_state_makes_the_state_old() -> None:
    desk = Desk()
    desk.ask(request())
    waits = desk.ask(request(reserve(11), key="other"))

    desk.inform(published(), {"k": noted(3)})

    assert desk.actor.snapshot(SNAPSHOT_MAX_AGE_S) is None
    assert desk.actor.plan() is None
    desk.inform(after(published(), reserve(1)))
    desk.plan()
    desk.actor.settle(NOW)
    assert waits.result() == InsufficientSeats(11, 9)


# How old the state is


@pytest.mark.parametrize(("age_s", "known"), [(SNAPSHOT_MAX_AGE_S, True), (0.251, False)])
@in_virtual_time
async def test_a_snapshot_is_as_old_as_the_question_that_brought_it(
    age_s: float, known: bool
) -> None:
    desk = Desk()
    desk.actor.questions()
    desk.now_s = age_s
    desk.actor.loaded(published(), {})

    assert (desk.actor.snapshot(SNAPSHOT_MAX_AGE_S) is not None) == known


@in_virtual_time
async def test_a_read_refreshes_an_idle_actor_and_never_takes_it_back() -> None:
    desk = Desk()
    newer = after(published(), reserve(1))

    desk.actor.refreshed(newer, 0.0)
    desk.actor.refreshed(published(), 0.0)
    assert desk.actor.state == newer

    desk.ask(request())
    desk.actor.refreshed(after(newer, give_back(1)), 0.0)
    assert desk.actor.state == newer


# What becomes of a batch


@in_virtual_time
async def test_a_refused_batch_leaves_the_state_and_is_answered() -> None:
    desk = Desk().ready()
    answers = desk.ask_all(2)
    desk.plan()

    desk.actor.refuse(DOWN)

    assert [fault_of(answer) for answer in answers] == [DOWN, DOWN]
    assert desk.actor.state == published()
    assert desk.actor.idle


@in_virtual_time
async def test_a_broken_batch_is_tried_one_by_one_and_the_wrong_one_fails_alone() -> None:
    desk = Desk().ready()
    answers = desk.ask_all(3)
    desk.plan()
    desk.actor.broken()
    state = published()
    for number in range(3):
        desk.inform(state)
        (record,) = desk.plan().records
        assert record.key == f"k{number}"
        if number == 1:
            desk.actor.broken()
        else:
            state = after(state, reserve(1))
            desk.actor.settle(NOW)

    assert isinstance(fault_of(answers[1]), CommandFailed)
    assert isinstance(answers[0].result(), Done)
    assert isinstance(answers[2].result(), Done)
    assert desk.actor.idle


@in_virtual_time
async def test_a_parked_actor_refuses_all_who_wait_and_all_who_come_for_a_while() -> None:
    desk = Desk().ready()
    answers = desk.ask_all(BATCH_MAX + 2)
    desk.plan()

    desk.actor.park(HELD)

    assert {fault_of(answer) for answer in answers} == {HELD}
    desk.now_s = PARKED_S - 0.001
    with pytest.raises(RowLocked):
        desk.ask(request())
    desk.now_s = PARKED_S
    assert not desk.ask(request()).done()


@in_virtual_time
async def test_a_doubtful_batch_tells_its_callers_their_key_and_goes_on() -> None:
    desk = Desk().ready()
    answer = desk.ask(request())
    desk.plan()

    desk.actor.report_unknown()

    fault = fault_of(answer)
    assert isinstance(fault, OutcomeUnknown)
    assert fault.key == "k"
    again = desk.ask(request())
    assert not again.done()
    desk.actor.overtaken(undone=False)
    assert desk.inform(after(published(), reserve(1)), {"k": noted(3)}) == ["k"]
    assert again.result() == Done(3, 9, Status.PUBLISHED, NOW, replayed=True, unit_price=PRICE)


@in_virtual_time
async def test_a_command_that_may_have_been_done_is_never_given_up() -> None:
    desk = Desk().ready()
    answer = desk.ask(request())
    for _ in range(ATTEMPTS_MAX - 1):
        desk.plan()
        desk.actor.overtaken()
        desk.inform(published())

    desk.plan()
    desk.actor.overtaken(undone=False)

    assert not answer.done()
    desk.inform(after(published(), reserve(1)), {"k": noted(3)})
    assert isinstance(answer.result(), Done)


@in_virtual_time
async def test_a_key_of_unknown_outcome_hears_of_no_other_fault_until_it_is_answered() -> None:
    desk = Desk().ready()
    first = desk.ask(request())
    desk.plan()
    desk.actor.evict(DOWN)
    assert isinstance(fault_of(first), OutcomeUnknown)

    # A fresh actor, as the registry makes it.
    desk.actor = EventActor(EVENT, desk.actor._clock, desk.keys, desk.unknown, HoldMemory())
    again, other = desk.ask(request()), desk.ask(request(key="other"))
    desk.actor.questions()
    desk.actor.not_loaded(DOWN)
    assert isinstance(fault_of(again), OutcomeUnknown)
    assert fault_of(other) is DOWN

    answered = desk.ask(request())
    desk.inform(published(), {"k": noted(2)})
    assert isinstance(answered.result(), Done)
    assert not desk.unknown


@in_virtual_time
async def test_an_actor_that_is_evicted_has_answered_everybody() -> None:
    desk = Desk().ready()
    under_way = desk.ask(request(key="under way"))
    desk.plan()
    asked = desk.ask(request(key="asked"))
    desk.actor.overtaken()
    desk.actor.questions()
    waits = desk.ask(request(key="waits"))

    desk.actor.evict(DOWN)

    assert {fault_of(answer) for answer in (under_way, asked, waits)} == {DOWN}
    assert desk.actor.idle


@in_virtual_time
async def test_an_actor_that_is_evicted_calls_what_is_under_way_unknown() -> None:
    desk = Desk().ready()
    answer = desk.ask(request())
    desk.plan()

    desk.actor.evict(DOWN)

    assert isinstance(fault_of(answer), OutcomeUnknown)
    assert desk.actor.idle


@in_virtual_time
async def test_a_database_that_does_not_answer_is_told_to_all_who_wait() -> None:
    desk = Desk()
    answers = desk.ask_all(BATCH_MAX + 3)
    desk.actor.questions()

    desk.actor.not_loaded(DOWN)

    assert {fault_of(answer) for answer in answers} == {DOWN}
    assert desk.actor.idle


@in_virtual_time
async def test_a_venue_without_room_refuses_the_change_and_its_neighbours_go_on() -> None:
    desk = Desk().ready()
    before = desk.ask(request(key="before", keyed=False))
    change = desk.ask(request(update(3, total_capacity=40), "change", keyed=False))
    behind = desk.ask(request(key="behind", keyed=False))
    assert [record.key for record in desk.plan().records] == ["before", "change"]

    desk.actor.no_room()
    assert change.result() == NO_ROOM
    assert not before.done()
    desk.inform(published())
    assert [record.key for record in desk.plan().records] == ["before", "behind"]
    desk.actor.settle(NOW)

    assert isinstance(before.result(), Done)
    assert isinstance(behind.result(), Done)
