"""One statement for all actors: what shares it, what its failures do to whom."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from actors import batch
from actors.committer import ISOLATE_S, PROBE_S, ROWS_MAX
from actors.event_actor import EventActor
from evently.domain.commands import Command
from evently.domain.errors import (
    CommandFailed,
    DatabaseUnavailable,
    OutcomeUnknown,
    Overloaded,
    RowLocked,
)
from evently.domain.event import decide
from evently.domain.holds import Holds
from evently.domain.outcomes import Done, InsufficientSeats, NotFound, NotModifiable, Outcome
from evently.domain.state import EventState, Status
from tests.examples import EVENT, after, published, reserve, update
from tests.memory_store import LOCK_S, Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import CALL_S, Earlier, faults_of, one_worker

EVENTS = [f"00000000-0000-0000-0000-{n:012d}" for n in range(40)]
SLOW = Step(before_s=1.0)


def done(task: "asyncio.Task[object]") -> Done:
    answer = task.result()
    assert isinstance(answer, Done)
    return answer


@in_virtual_time
async def test_nobody_is_answered_before_the_commit() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(before_s=1.0, after_s=1.0))
        answer = worker.send()

        await asyncio.sleep(1.5)
        assert worker.ledger() == ["k"]
        assert not answer.done()
        await asyncio.sleep(1.0)

        assert done(answer).version == 3


@in_virtual_time
async def test_all_events_that_wait_share_one_statement() -> None:
    async with one_worker() as worker:
        answers = [worker.send(worker.open(event_id)) for event_id in EVENTS]

        await asyncio.gather(*answers)

        assert worker.counts.commits == [(len(EVENTS), len(EVENTS))]
        assert len(worker.calls("load")) == 1


@in_virtual_time
async def test_what_comes_during_a_commit_shares_the_next() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send(key="first")
        worker.will("commit", SLOW)
        under_way = worker.send(key="under way")
        await asyncio.sleep(0.5)
        later = worker.send_all(("a", "b", "c"))

        await asyncio.gather(under_way, *later)

        assert [len(call.batches[0].records) for call in worker.calls("commit")] == [1, 1, 3]


@in_virtual_time
async def test_a_statement_takes_so_many_rows_and_the_rest_come_first_in_the_next() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS[:6]:
            worker.open(event_id, 1000)
            await worker.send(event_id, key="warm")
        worker.will("commit", SLOW)
        blocker = worker.send(EVENTS[0], key="blocker")
        await asyncio.sleep(0.1)
        keys = [f"k{n}" for n in range(64)]
        answers = [answer for event_id in EVENTS[:6] for answer in worker.send_all(keys, event_id)]

        await asyncio.gather(blocker, *answers)

        batches = [call.batches for call in worker.calls("commit")[-2:]]
        rows = [sum(len(batch.records) for batch in statement) for statement in batches]
        assert rows == [ROWS_MAX, 128]
        assert [batch.event_id for batch in batches[1]] == EVENTS[4:6]


@in_virtual_time
async def test_who_did_not_fit_goes_before_those_who_come_during_the_commit() -> None:
    async with one_worker() as worker:
        events = [worker.open(str(UUID(int=number))) for number in range(1, 2 * ROWS_MAX + 1)]
        for event_id in events:
            await worker.registry.read(event_id)
        worker.will("commit", SLOW)
        early = [worker.send(event_id, key="early") for event_id in events]
        await asyncio.sleep(0.5)
        # Once more, for those that are committed and a few of those that did not fit.
        late = [worker.send(event_id, key="late") for event_id in events[: ROWS_MAX + 8]]
        await asyncio.gather(*early, *late)

        taken = [
            [record.key for batch in call.batches for record in batch.records]
            for call in worker.calls("commit")
        ]
        assert taken[0] == ["early"] * ROWS_MAX
        assert taken[1].count("early") == ROWS_MAX - 8
        assert taken[2].count("early") == 8


# Failures


@in_virtual_time
async def test_an_event_that_was_overtaken_is_decided_again_and_holds_nobody_up() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open(EVENTS[0])
        await asyncio.gather(worker.send(key="a"), worker.send(other, key="b"))
        worker.write(EVENT, ("elsewhere", reserve(2)))

        overtaken, not_overtaken = worker.send(key="c"), worker.send(other, key="d")
        await asyncio.gather(overtaken, not_overtaken)

        assert done(overtaken).version == 5
        assert done(overtaken).available_seats == 6
        assert len(worker.database.ledger[other]) == 4
        assert worker.counts.overtakings == 1


@in_virtual_time
async def test_a_key_that_is_taken_holds_up_its_own_event_alone() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS[:5]:
            worker.open(event_id)
            await worker.send(event_id, key="warm")
        worker.write(EVENTS[0], ("taken", reserve(3)))
        # What the actor would find without a look at the ledger: its state is the newest.
        actor = worker.registry._actors[EVENTS[0]]
        actor.known.state = worker.database.states[EVENTS[0]]

        taken = worker.send(EVENTS[0], reserve(3), "taken")
        others = [worker.send(event_id, key="k") for event_id in EVENTS[1:5]]
        await asyncio.gather(taken, *others)

        assert done(taken).replayed
        assert worker.counts.failures == ["key_taken"]
        statements = [[b.event_id for b in call.batches] for call in worker.calls("commit")[-2:]]
        assert statements == [EVENTS[:5], EVENTS[1:5]]
        assert worker.counts.commits[-1] == (4, 4)


@in_virtual_time
async def test_many_keys_that_are_taken_refuse_nobody() -> None:
    async with one_worker() as worker:
        taken = []
        for event_id in EVENTS[:20]:
            worker.open(event_id)
            await worker.send(event_id, key="warm")
            worker.write(event_id, ("taken", reserve()))
            worker.registry._actors[event_id].known.state = worker.database.states[event_id]
            taken.append(worker.send(event_id, key="taken"))
            taken.append(worker.send(event_id, key="new"))

        answers = [done(task) for task in taken if await task is not None]

        assert [answer.replayed for answer in answers] == [True, False] * 20


@in_virtual_time
async def test_a_row_that_somebody_holds_refuses_its_event_and_no_other() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open(EVENTS[0])
        worker.database.held_until_s[EVENT] = 10.0

        locked, free = worker.send(), worker.send(other)
        (fault,) = await faults_of(locked)
        await free

        assert isinstance(fault, RowLocked)
        assert done(free).version == 3
        assert worker.loop.time() < 3 * LOCK_S
        # At once, while it is parked.
        (fault,) = await faults_of(worker.send(key="next"))
        assert isinstance(fault, RowLocked)
        assert worker.registry.reachable


@in_virtual_time
async def test_when_all_rows_are_held_nobody_waits_behind_all_of_them() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS:
            worker.open(event_id)
            worker.database.held_until_s[event_id] = 1000.0

        faults = await faults_of(*(worker.send(event_id) for event_id in EVENTS))

        assert {type(fault) for fault in faults} == {RowLocked}
        assert worker.loop.time() < 2 * LOCK_S


@in_virtual_time
async def test_when_every_statement_is_held_up_nobody_waits_behind_all_of_them() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS:
            worker.open(event_id)
        # By a lock on the ledger, say: nobody holds the rows of the events.
        worker.will("commit", *len(EVENTS) * [Step(Fate.LOCKED, before_s=LOCK_S)])

        faults = await faults_of(*(worker.send(event_id) for event_id in EVENTS))

        assert {type(fault) for fault in faults} == {RowLocked, Overloaded}
        assert worker.loop.time() < ISOLATE_S + 3 * LOCK_S


@in_virtual_time
async def test_a_batch_that_the_database_calls_wrong_fails_alone() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open(EVENTS[0])
        # The statement, then the event alone, then its one command alone.
        worker.will("commit", Step(Fate.BROKEN), Step(Fate.BROKEN))

        wrong, right = worker.send(), worker.send(other)
        (fault,) = await faults_of(wrong)
        await right

        assert isinstance(fault, CommandFailed)
        assert worker.ledger() == []
        assert done(right).version == 3


@in_virtual_time
async def test_a_database_out_of_reach_is_told_at_once_until_a_probe_finds_it() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.NOT_DONE))
        assert [type(f) for f in await faults_of(worker.send())] == [DatabaseUnavailable]
        started_s = worker.loop.time()

        assert not worker.registry.reachable
        assert [type(f) for f in await faults_of(worker.send())] == [DatabaseUnavailable]
        assert worker.loop.time() == started_s
        await asyncio.sleep(PROBE_S + 4 * CALL_S)

        assert worker.registry.reachable
        assert isinstance(await worker.send(), Done)


@pytest.mark.parametrize("fate", [Fate.UNAVAILABLE, Fate.OVERLOADED, Fate.BUG])
@in_virtual_time
async def test_the_probe_goes_on_whatever_it_meets(fate: Fate) -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.NOT_DONE))
        await faults_of(worker.send())
        worker.will("load", Step(fate), Step(fate))

        await asyncio.sleep(2.5 * PROBE_S)
        assert not worker.registry.reachable
        await asyncio.sleep(PROBE_S)

        assert worker.registry.reachable


@pytest.mark.parametrize("fate", [Fate.UNAVAILABLE, Fate.ANSWER_LOST])
@in_virtual_time
async def test_a_full_mailbox_is_answered_by_one_read_that_fails(fate: Fate) -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("load", Step(fate, before_s=1.0))

        faults = await faults_of(*worker.send_all(f"k{n}" for n in range(500)))

        assert {type(fault) for fault in faults} == {DatabaseUnavailable}
        assert worker.loop.time() < 1.5
        assert len(worker.calls("load")) == 1


@in_virtual_time
async def test_a_bug_in_a_turn_answers_everybody_and_the_next_turn_is_well() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("load", Step(Fate.BUG))
        (fault,) = await faults_of(worker.send())
        assert isinstance(fault, CommandFailed)

        worker.will("commit", Step(Fate.BUG))
        (fault,) = await faults_of(worker.send())
        assert isinstance(fault, OutcomeUnknown)

        assert isinstance(await worker.send(), Done)
        assert worker.counts.failures == ["bug", "bug"]


@in_virtual_time
async def test_a_bug_leaves_a_batch_of_unknown_outcome_to_the_resolver() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS[:2]:
            worker.open(event_id)
        # The statement of both, then each alone.
        worker.will("commit", Step(Fate.LOCKED), Step(Fate.LOSE_REPLY), Step(Fate.BUG))

        lost, buggy = worker.send(EVENTS[0]), worker.send(EVENTS[1])
        (fault,) = await faults_of(buggy)
        await lost

        assert isinstance(fault, OutcomeUnknown)
        assert done(lost).version == 3


@in_virtual_time
async def test_a_poisoned_command_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(state: EventState, command: Command, now: datetime, holds: Holds) -> Outcome:
        if command == reserve(7):
            raise ZeroDivisionError
        return decide(state, command, now, holds)

    monkeypatch.setattr(batch, "decide", fragile)
    async with one_worker() as worker:
        worker.open()
        before, poison = worker.send(key="a"), worker.send(command=reserve(7), key="b")
        behind = worker.send(key="c")

        (fault,) = await faults_of(poison)
        await asyncio.gather(before, behind)

        assert isinstance(fault, CommandFailed)
        assert worker.ledger() == ["a", "c"]


@in_virtual_time
async def test_refusals_share_the_statement_that_proves_them() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send(key="warm", keyed=False)

        taken = worker.send(command=reserve(9), key="a", keyed=False)
        refused = worker.send(command=reserve(2), key="b", keyed=False)
        await asyncio.gather(taken, refused)

        assert refused.result() == InsufficientSeats(2, 0)
        assert len(worker.calls("load")) == 1


@in_virtual_time
async def test_the_clock_is_the_databases() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.registry.clock.tell(published().details.end_datetime, worker.loop.time())

        assert isinstance(await worker.send(), Done)

        told = worker.registry.clock.now() - worker.database.now()
        assert abs(told.total_seconds()) < 0.1


@pytest.mark.parametrize(
    "command", [reserve(), update(2, total_capacity=5)], ids=["a seat", "a capacity"]
)
@in_virtual_time
async def test_what_reaches_the_database_after_the_start_is_refused(command: Command) -> None:
    async with one_worker() as worker:
        event_id = worker.open()
        state = worker.database.states[event_id]
        start = worker.database.now() + timedelta(seconds=0.5)
        details = replace(state.details, start_datetime=start)
        worker.database.states[event_id] = replace(state, details=details)
        # Half a second before the start when it is sent, a little after it when it arrives.
        worker.will("commit", Step(before_s=0.6))

        answer = await worker.send(command=command, keyed=False)

        assert answer == NotModifiable(Status.PUBLISHED, started=True)
        assert worker.ledger() == []
        assert len(worker.calls("commit")) == 1


# A database that went back in time


@in_virtual_time
async def test_moves_that_a_restore_lost_are_done_anew_under_their_keys() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send(key="kept")
        earlier = Earlier(worker)
        await asyncio.gather(*worker.send_all("abc"))
        earlier.restore()
        await asyncio.sleep(1.0)

        again = [await task for task in worker.send_all(["kept", "a", "b", "c"])]

        assert [isinstance(answer, Done) and answer.replayed for answer in again] == [
            True,
            False,
            False,
            False,
        ]
        assert worker.ledger() == ["kept", "a", "b", "c"]
        assert worker.counts.went_backs == 1


@in_virtual_time
async def test_a_refusal_that_a_restore_lost_is_decided_anew() -> None:
    """As any other worker would: one of them may have done it meanwhile."""
    async with one_worker() as worker:
        worker.open(capacity=1)
        earlier = Earlier(worker)
        await worker.send(key="sold")
        assert await worker.send(key="k") == InsufficientSeats(1, 0)
        earlier.restore()
        await asyncio.sleep(1.0)

        again = await worker.send(key="k")

        assert isinstance(again, Done)
        assert not again.replayed
        assert worker.counts.went_backs == 1


@in_virtual_time
async def test_a_restore_that_lost_refusals_alone_is_noticed_and_they_are_committed_anew() -> None:
    async with one_worker() as worker:
        event_id = worker.open(capacity=1)
        earlier = Earlier(worker)
        refused = await worker.send(command=reserve(2), key="k")
        earlier.restore()
        await asyncio.sleep(1.0)

        assert await worker.send(command=reserve(2), key="k") == refused

        assert worker.counts.went_backs == 1
        assert [key for its_event, _, key in worker.database.refusals] == ["k"]
        assert worker.database.states[event_id].fence == 1


@in_virtual_time
async def test_a_read_that_finds_an_earlier_state_tells_it_and_forgets_what_was_done() -> None:
    async with one_worker() as worker:
        event_id = worker.open()
        earlier = Earlier(worker)
        await worker.send()
        earlier.restore()
        await asyncio.sleep(1.0)

        state = await worker.registry.read(event_id)

        assert state is not None
        assert (state.version, state.available_seats) == (2, 10)
        assert worker.counts.went_backs == 1
        # It is told once: from then on this is the state.
        await asyncio.sleep(1.0)
        assert await worker.registry.read(event_id) == state
        assert worker.counts.went_backs == 1
        answer = await worker.send()
        assert isinstance(answer, Done)
        assert not answer.replayed


@in_virtual_time
async def test_an_event_that_a_restore_took_away_is_told_and_unknown() -> None:
    async with one_worker() as worker:
        earlier = Earlier(worker)
        event_id = worker.open()
        await worker.send()
        earlier.restore()
        await asyncio.sleep(1.0)

        assert await worker.registry.read(event_id) is None
        assert await worker.send() == NotFound()
        assert worker.counts.went_backs == 1


@in_virtual_time
async def test_a_lost_connection_leaves_nothing_in_memory_that_is_an_answer() -> None:
    async with one_worker() as worker:
        event_id = worker.open()
        await worker.send()
        refused = await worker.send(command=reserve(11), key="many")
        assert worker.registry.snapshot(event_id) is not None
        reads = len(worker.calls("load"))

        for forget in worker.store.forgets:
            forget()

        assert worker.registry.snapshot(event_id) is None
        again = await worker.send()
        assert isinstance(again, Done)
        assert again.replayed
        assert len(worker.calls("load")) > reads
        assert await worker.send(command=reserve(11), key="many") == refused
        assert worker.counts.went_backs == 0


@in_virtual_time
async def test_what_was_asked_before_a_lost_connection_is_asked_again() -> None:
    async with one_worker() as worker:
        event_id = worker.open()
        worker.will("load", Step(after_s=1.0))
        answer = worker.send()
        await asyncio.sleep(0.5)

        for forget in worker.store.forgets:
            forget()
        await asyncio.sleep(0.6)

        assert len(worker.calls("load")) == 2
        assert isinstance(await answer, Done)
        assert worker.registry.snapshot(event_id) is not None


@in_virtual_time
async def test_a_read_from_before_a_lost_connection_proves_nothing_after_it() -> None:
    async with one_worker() as worker:
        event_id = worker.open()
        await worker.send()
        worker.will("load", Step(after_s=0.1))
        reading = worker.registry.read_through(event_id)
        await asyncio.sleep(0.05)

        for forget in worker.store.forgets:
            forget()
        await reading

        assert worker.registry.snapshot(event_id) is None


@in_virtual_time
async def test_a_read_that_was_sent_before_a_commit_is_no_database_that_went_back() -> None:
    async with one_worker() as worker:
        event_id = worker.open()
        await worker.send(key="first")
        worker.will("load", Step(after_s=1.0))
        reading = worker.registry.read_through(event_id)
        await asyncio.sleep(0.01)
        await worker.send(key="second")

        state = await reading

        assert state is not None
        assert state.version == 4
        assert worker.counts.went_backs == 0


# The end


@in_virtual_time
async def test_stopping_answers_all_that_was_admitted_and_refuses_what_comes() -> None:
    async with one_worker() as worker:
        worker.open(capacity=200)
        worker.will("commit", SLOW)
        answers = worker.send_all(f"k{n}" for n in range(100))
        await asyncio.sleep(0.5)

        await worker.registry.stop()
        (fault,) = await faults_of(worker.send(key="late"))

        assert len([done(answer) for answer in answers]) == 100
        assert isinstance(fault, Overloaded)


@in_virtual_time
async def test_stopping_waits_for_every_search_also_for_one_that_begins_meanwhile() -> None:
    async with one_worker() as worker:
        worker.open()
        # The commit of the first, the search for it; the commit of the second.
        worker.will("commit", Step(Fate.LOSE_STATEMENT), SLOW, Step(Fate.LOSE_REPLY))
        first = worker.send(key="first")
        await asyncio.sleep(0.5)
        second = worker.send(key="second")
        await asyncio.sleep(0.1)

        await worker.registry.stop()
        await asyncio.gather(first, second)

        assert worker.ledger() == ["first", "second"]


@in_virtual_time
async def test_stopping_answers_what_is_resolved_while_another_search_goes_on() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open("00000000-0000-0000-0000-000000000002")
        worker.will("commit", Step(Fate.STALL, later_s=9.0))
        held = worker.send()
        await asyncio.sleep(0.1)
        # It never ran: its search finds that at once, and it is decided again.
        worker.will("commit", Step(Fate.LOSE_STATEMENT))
        lost = worker.send(other, wait_s=20.0)
        await asyncio.sleep(0)
        worker.write(other, ("elsewhere", reserve(1)))

        stopping = asyncio.create_task(worker.registry.stop())
        assert isinstance(await lost, Done)

        assert worker.loop.time() < 1.0
        assert not held.done()
        (fault,) = await faults_of(held)
        assert isinstance(fault, OutcomeUnknown)
        await stopping


@in_virtual_time
async def test_a_committer_that_never_had_to_do_anything_stops() -> None:
    async with one_worker() as worker:
        await asyncio.sleep(1.0)

    assert worker.store.calls == []


@in_virtual_time
async def test_changes_and_moves_of_one_event_share_a_statement_in_their_order() -> None:
    async with one_worker() as worker:
        worker.open()
        first = worker.send(command=reserve(1), key="a")
        change = worker.send(command=update(3, name="Day"), key="b", keyed=False)
        last = worker.send(command=reserve(1), key="c")
        await asyncio.gather(first, change, last)

        assert worker.ledger() == ["a", "b", "c"]
        state = done(change).state
        assert state is not None
        assert state.details.name == "Day"
        assert state.version == 4
        assert after(state, reserve(1)).version == done(last).version
        assert len(worker.calls("commit")) == 1
        assert EventActor is type(worker.registry._actors[EVENT])
