"""How the fate of a statement is found that did not return."""

import asyncio

import pytest

from actors.resolver import ANSWER_S, BACKGROUND_S, RELIEF_S
from evently.domain.errors import (
    CommandFailed,
    DatabaseUnavailable,
    Fault,
    OutcomeUnknown,
    Overloaded,
)
from evently.domain.outcomes import Answer, Done, KeyReused
from evently.domain.state import Status
from tests.examples import EVENT, NOW, ORIGIN, reserve
from tests.memory_store import LOCK_S, Fate, MemoryStore, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import OneWorker, faults_of, one_worker

EVENTS = [f"00000000-0000-0000-0000-{n:012d}" for n in range(30)]
GONE = Step(Fate.NOT_DONE)
LOST = Step(Fate.LOSE_STATEMENT)


async def answer_of(task: "asyncio.Task[Answer]") -> tuple[int, int]:
    """The version and the seats left that the caller is told."""
    answer = await task
    assert isinstance(answer, Done)
    return answer.version, answer.available_seats


@pytest.mark.parametrize("fate", [Fate.LOSE_REPLY, Fate.LOSE_STATEMENT, Fate.RUN_LATER])
@in_virtual_time
async def test_whatever_became_of_the_statement_its_move_is_done_once(fate: Fate) -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(fate, later_s=0.02))

        assert await answer_of(worker.send()) == (3, 9)
        await asyncio.sleep(1.0)

        assert worker.ledger() == ["k"]
        assert worker.counts.failures == ["unknown"]


@in_virtual_time
async def test_a_row_that_a_failover_may_lose_is_looked_up_again_until_it_is_safe() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_REPLY))
        # The actor's own question finds no key; the search's two find the row.
        worker.will("recall", Step(), Step(Fate.UNPROVEN), Step(Fate.UNPROVEN))

        assert await answer_of(worker.send()) == (3, 9)

        # And the actor's own, once it is safe.
        assert len(worker.calls("recall")) == 5
        assert worker.ledger() == ["k"]


@in_virtual_time
async def test_the_identical_statement_is_run_again() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, LOST)

        await worker.send()

        statements = [call.batches for call in worker.calls("commit")]
        assert len(statements) == 3
        assert statements[0] == statements[1] == statements[2]


@in_virtual_time
async def test_no_read_alone_decides() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.RUN_LATER, later_s=0.5))
        worker.will("commit", GONE, GONE, GONE)

        assert await answer_of(worker.send()) == (3, 9)

        assert worker.ledger() == ["k"]


@in_virtual_time
async def test_the_first_run_at_work_is_waited_for() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.STALL, later_s=3.5))

        answer = worker.send()

        assert await answer_of(answer) == (3, 9)
        assert 3.5 <= worker.loop.time() < 3.5 + LOCK_S


@in_virtual_time
async def test_a_fence_that_another_writer_set_means_to_decide_again() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, GONE)
        answer = worker.send()
        await asyncio.sleep(0.02)
        worker.write(EVENT, ("elsewhere", reserve(4)))

        assert await answer_of(answer) == (4, 5)


@in_virtual_time
async def test_others_go_on_while_a_fate_is_looked_for() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open(EVENTS[0])
        worker.will("commit", Step(Fate.STALL, later_s=4.0))
        held = worker.send()
        await asyncio.sleep(0.1)

        assert await answer_of(worker.send(other)) == (3, 9)
        assert worker.loop.time() < 0.2
        assert not held.done()


@in_virtual_time
async def test_readers_keep_the_last_committed_state_meanwhile() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.STALL, later_s=4.0))
        worker.send()
        await asyncio.sleep(0.1)

        state = await worker.registry.read(EVENT)

        assert state is not None
        assert (state.version, state.available_seats) == (2, 10)


@pytest.mark.parametrize("keyed", [True, False])
@in_virtual_time
async def test_a_look_that_fails_after_the_search_says_nothing_of_what_was_tried(
    keyed: bool,
) -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_REPLY, before_s=0.1))
        # The actor's first read, and the one after the search.
        worker.will("load", Step(), Step(Fate.UNAVAILABLE))
        tried = worker.send(keyed=keyed)
        await asyncio.sleep(0.05)
        behind = worker.send(key="behind", keyed=keyed)

        unknown, nothing_done = await faults_of(tried, behind)

        assert isinstance(unknown, OutcomeUnknown)
        assert unknown.key == "k"
        assert isinstance(nothing_done, DatabaseUnavailable)
        assert worker.ledger() == ["k"]


# Its deadlines


@in_virtual_time
async def test_the_outcome_is_called_unknown_at_the_deadline_and_not_before() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, *[GONE] * 100)

        (fault,) = await faults_of(worker.send())

        assert isinstance(fault, OutcomeUnknown)
        assert fault.key == "k"
        assert ANSWER_S <= worker.loop.time() < ANSWER_S + 0.1
        worker.steps["commit"].clear()


@in_virtual_time
async def test_the_deadline_holds_however_long_a_statement_of_the_search_takes() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, Step(Fate.NOT_DONE, before_s=9.0))

        await faults_of(worker.send())

        assert worker.loop.time() < ANSWER_S + 0.1


@in_virtual_time
async def test_the_deadline_holds_for_many_events_of_one_statement() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS:
            worker.open(event_id)
        # The network is a black hole: each connect takes until its timeout.
        worker.will("commit", LOST, *[Step(Fate.NOT_DONE, before_s=2.0)] * 5)

        faults = await faults_of(*(worker.send(event_id) for event_id in EVENTS))

        assert {type(fault) for fault in faults} == {OutcomeUnknown}
        assert worker.loop.time() < ANSWER_S + 0.1
        await asyncio.sleep(BACKGROUND_S)
        assert [worker.ledger(event_id) for event_id in EVENTS] == [["k"]] * len(EVENTS)


@in_virtual_time
async def test_those_who_wait_behind_a_search_wait_until_their_deadline_and_no_longer() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, Step(Fate.LOSE_STATEMENT, before_s=9.0))
        lost = worker.send()
        await asyncio.sleep(0.1)
        waits = worker.send(key="waits", wait_s=2.0)
        patient = worker.send(key="patient", wait_s=60.0)

        (fault,) = await faults_of(waits)

        assert isinstance(fault, Overloaded)
        assert 2.0 <= worker.loop.time() <= 2.1 + RELIEF_S
        await faults_of(lost)
        assert isinstance(await patient, Done)
        assert worker.ledger() == ["k", "patient"]


@in_virtual_time
async def test_the_search_goes_on_and_the_key_tells() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, Step(Fate.NOT_DONE, before_s=ANSWER_S))
        await faults_of(worker.send())

        answer = await worker.send()

        assert isinstance(answer, Done)
        assert answer.replayed
        assert worker.ledger() == ["k"]


@in_virtual_time
async def test_an_actor_whose_fate_stays_open_is_let_go_and_a_fresh_one_starts() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", *[LOST] * 100)
        lost = worker.send()
        await asyncio.sleep(ANSWER_S + 1.0)
        waits = worker.send(key="waits", wait_s=60.0)
        unknown, nothing_done = await faults_of(lost, waits)

        assert isinstance(unknown, OutcomeUnknown)
        assert isinstance(nothing_done, DatabaseUnavailable)
        assert worker.loop.time() <= ANSWER_S + BACKGROUND_S + 0.1
        assert worker.registry.alive == 0
        worker.steps["commit"].clear()
        assert isinstance(await worker.send(key="next"), Done)


# A database that cannot be asked


@in_virtual_time
async def test_nobody_waits_behind_a_batch_while_the_database_is_out_of_reach() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open(EVENTS[0])
        worker.will("commit", Step(Fate.LOSE_REPLY, after_s=0.1), GONE)
        tried = worker.send()
        await asyncio.sleep(0.05)
        waiting = worker.send_all(("waits", "waits too"))
        unkeyed = worker.send(key="unkeyed", keyed=False)

        faults = await faults_of(*waiting, unkeyed)

        assert {type(fault) for fault in faults} == {DatabaseUnavailable}
        known_s = worker.loop.time()
        assert known_s < 0.11
        # Those who come, too, also under a key that was refused; other events have their own say.
        for key in ("waits", "comes"):
            (fault,) = await faults_of(worker.send(key=key))
            assert isinstance(fault, DatabaseUnavailable)
        assert worker.loop.time() == known_s
        assert isinstance(await worker.send(other), Done)
        # What was tried is told what became of it, and from then on all is as before.
        assert await answer_of(tried) == (3, 9)
        assert await answer_of(worker.send(key="waits")) == (4, 8)
        await asyncio.sleep(BACKGROUND_S)
        assert worker.ledger() == ["k", "waits"]


@in_virtual_time
async def test_a_repetition_is_never_told_that_nothing_was_done_while_its_first_is_sought() -> None:
    async with one_worker() as worker:
        worker.open()
        other = worker.open(EVENTS[0])
        await worker.send(other, key="warm")
        worker.will("commit", Step(Fate.LOSE_REPLY, after_s=0.1), *[GONE] * 100)
        first = worker.send()
        await asyncio.sleep(0.2)
        again = worker.send()
        # By now the whole worker knows.
        await faults_of(worker.send(other))
        assert not worker.registry.reachable
        once_more = worker.send()
        assert await worker.send(command=reserve(2)) == KeyReused("k")

        faults = await faults_of(first, again, once_more)

        assert [type(fault) for fault in faults] == [OutcomeUnknown] * 3
        assert ANSWER_S <= worker.loop.time() < ANSWER_S + 0.2
        # At once, now that somebody was told.
        await faults_of(worker.send(other))
        assert not worker.registry.reachable
        told_s = worker.loop.time()
        (fault,) = await faults_of(worker.send())
        assert isinstance(fault, OutcomeUnknown)
        assert worker.loop.time() == told_s
        worker.steps["commit"].clear()
        await asyncio.sleep(1.0)
        answer = await worker.send()
        assert isinstance(answer, Done)
        assert answer.replayed
        assert worker.ledger() == ["k"]


@pytest.mark.parametrize("fate", [Fate.LOCKED, Fate.LOSE_STATEMENT])
@in_virtual_time
async def test_those_who_come_wait_again_once_the_database_can_be_asked(fate: Fate) -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, GONE, Step(fate), Step(fate))
        worker.send()
        await asyncio.sleep(0.01)
        (fault,) = await faults_of(worker.send(key="comes"))
        assert isinstance(fault, DatabaseUnavailable)
        await asyncio.sleep(0.1)

        assert await answer_of(worker.send(key="comes again")) == (4, 8)


@in_virtual_time
async def test_a_key_that_cannot_be_looked_up_is_a_database_out_of_reach() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_REPLY, after_s=0.1))
        worker.will("recall", Step(), Step(Fate.UNAVAILABLE))
        tried = worker.send()
        await asyncio.sleep(0.05)

        (fault,) = await faults_of(worker.send(key="waits"))

        assert isinstance(fault, DatabaseUnavailable)
        assert await answer_of(tried) == (3, 9)


@in_virtual_time
async def test_a_search_that_meets_a_bug_leaves_nobody_waiting() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, Step(Fate.BUG))

        (fault,) = await faults_of(worker.send())

        assert isinstance(fault, OutcomeUnknown)
        assert isinstance(await worker.send(), Done)


# Several events, several workers


@in_virtual_time
async def test_one_event_whose_row_is_held_does_not_hide_the_fate_of_the_others() -> None:
    async with one_worker() as worker:
        for event_id in EVENTS[:3]:
            worker.open(event_id)
        worker.will("commit", LOST)
        answers = [worker.send(event_id) for event_id in EVENTS[:3]]
        await asyncio.sleep(0.005)
        worker.database.held_until_s[EVENTS[1]] = 4.0

        await asyncio.gather(answers[0], answers[2])
        assert worker.loop.time() < 4.0
        assert await answer_of(answers[1]) == (3, 9)


@pytest.mark.parametrize("fate", [Fate.KEY_TAKEN, Fate.BROKEN])
@in_virtual_time
async def test_an_error_of_one_event_is_pinned_to_it(fate: Fate) -> None:
    async with one_worker() as worker:
        for event_id in EVENTS[:2]:
            worker.open(event_id)
        worker.will("commit", LOST, Step(fate), Step(fate))

        answers = [worker.send(event_id) for event_id in EVENTS[:2]]
        await asyncio.wait(answers)

        assert [await answer_of(answer) for answer in answers] == [(3, 9)] * 2
        assert [len(call.batches) for call in worker.calls("commit")] == [2, 2, 1, 1, 1]


@in_virtual_time
async def test_a_batch_that_is_called_wrong_when_it_is_repeated_may_be_committed() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_REPLY), Step(Fate.BROKEN))

        assert await answer_of(worker.send()) == (3, 9)
        assert worker.ledger() == ["k"]


@in_virtual_time
async def test_a_command_that_is_called_wrong_every_time_fails() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", LOST, Step(Fate.BROKEN), Step(Fate.BROKEN))

        assert [type(fault) for fault in await faults_of(worker.send())] == [CommandFailed]
        assert worker.ledger() == []


@pytest.mark.parametrize("bound", [{"pending_max": 1}, {}], ids=["full", "stopping"])
@in_virtual_time
async def test_a_repetition_for_which_there_is_no_room_is_not_told_that_nothing_was_done(
    bound: dict[str, int],
) -> None:
    async with one_worker(**bound) as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_REPLY), Step(Fate.NOT_DONE))
        first = worker.send()
        await asyncio.sleep(0.05)
        stopping = None if bound else asyncio.create_task(worker.registry.stop())
        await asyncio.sleep(0)

        assert [type(fault) for fault in await faults_of(worker.send())] == [OutcomeUnknown]
        assert await answer_of(first) == (3, 9)
        if stopping is not None:
            await stopping


async def both_workers(worker: OneWorker, *moves: tuple[str, int]) -> "asyncio.Task[Answer]":
    """Lose a batch of `a` and `b`, while another worker commits `moves` at the same versions."""
    worker.open()
    await worker.send(key="warm")
    worker.will("commit", LOST, GONE)
    first = worker.send(key="a")
    second = worker.send(key="b")
    await asyncio.sleep(0.01)
    worker.write(EVENT, *((key, reserve(seats)) for key, seats in moves))
    await asyncio.wait((first, second))
    return first


@in_virtual_time
async def test_a_part_of_a_batch_in_the_ledger_is_another_workers() -> None:
    async with one_worker() as worker:
        answer = await both_workers(worker, ("a", 1))

        assert await answer_of(answer) == (4, 8)
        assert worker.ledger() == ["warm", "a", "b"]


@in_virtual_time
async def test_another_request_under_the_same_key_and_version_is_not_ours() -> None:
    async with one_worker() as worker:
        answer = await both_workers(worker, ("a", 3), ("b", 1))

        assert await answer == KeyReused("a")


@in_virtual_time
async def test_the_same_batch_from_another_worker_is_as_good_as_ours() -> None:
    async with one_worker() as worker:
        answer = await both_workers(worker, ("a", 1), ("b", 1))

        assert await answer_of(answer) == (4, 8)
        assert worker.ledger() == ["warm", "a", "b"]


@in_virtual_time
async def test_a_late_original_after_its_actor_was_let_go_is_found_by_its_key() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.RUN_LATER, later_s=20.0), *[GONE] * 100)
        await faults_of(worker.send())
        await asyncio.sleep(25.0)
        worker.steps["commit"].clear()

        answer = await worker.send()

        assert isinstance(answer, Done)
        assert answer.replayed
        assert (answer.version, answer.status) == (3, Status.PUBLISHED)
        assert answer.committed_at > NOW


@in_virtual_time
async def test_a_worker_that_dies_leaves_its_keys_to_the_next() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_REPLY, after_s=3.0))
        gone = worker.send()
        await asyncio.sleep(0.1)
        gone.cancel()

        other = MemoryStore(worker.database)
        noted = await other.recall([(EVENT, ORIGIN.caller, "k")])

        done = noted[EVENT, ORIGIN.caller, "k"].answer
        assert isinstance(done, Done)
        assert done.version == 3
        with pytest.raises((Fault, asyncio.CancelledError)):
            await gone
