"""Moves of large requests: which are let in, which wait, and what becomes of each."""

import asyncio
from typing import Any

import pytest

from actors.bulk_moves import BulkMoves, Results
from actors.envelope import Request
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import AnswerLost, Fault, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer, Done, InsufficientSeats, KeyReused
from tests.examples import EVENT, request, reserve
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_connection import done, until
from tests.unit.one_worker import one_worker

LATER_S = 60.0


class Actors:
    """Answer what they are asked when the test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.unknown = UnknownOutcomes()
        self.asked: list[tuple[str, Request, asyncio.Future[Answer]]] = []
        self.raises: dict[str, Exception] = {}

    def submit(self, event_id: str, request: Request) -> "asyncio.Future[Answer]":
        if request.key in self.raises:
            raise self.raises[request.key]
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.append((event_id, request, future))
        return future

    def bulk(self, **bounds: Any) -> BulkMoves:
        return BulkMoves(self.submit, lambda: self.now_s, self.unknown, **bounds)

    @property
    def keys(self) -> list[str]:
        return [request.key for _, request, _ in self.asked]

    def answer(self, place: int, answer: Answer | None = None) -> None:
        self.asked[place][2].set_result(answer or done(place))

    async def answer_all(self, number: int) -> None:
        for place in range(number):
            while len(self.asked) <= place:
                await asyncio.sleep(0)
            self.answer(place)


@pytest.fixture
def actors() -> Actors:
    return Actors()


def moves(keys: str, deadline_s: float = LATER_S) -> list[tuple[str, Request]]:
    return [(EVENT, request(key=key, deadline_s=deadline_s)) for key in keys]


def kinds(results: Results) -> list[type]:
    return [type(result) for result in results]


async def test_results_are_in_the_order_of_the_moves_whatever_is_answered_first(
    actors: Actors,
) -> None:
    results = actors.bulk().submit(moves("abc"))
    assert actors.keys == ["a", "b", "c"]
    actors.answer(2, done(12))
    actors.answer(0, InsufficientSeats(2, 1))
    await asyncio.sleep(0)
    assert not results.done()
    actors.answer(1, KeyReused("b"))

    assert await results == [InsufficientSeats(2, 1), KeyReused("b"), done(12)]


async def test_as_many_as_the_bound_are_in_progress_and_the_next_follows_one_that_is_answered(
    actors: Actors,
) -> None:
    bulk = actors.bulk(in_progress_max=3)
    first, second = bulk.submit(moves("ab")), bulk.submit(moves("cde"))
    assert actors.keys == ["a", "b", "c"]
    assert bulk.waiting == 2

    actors.answer(1)
    await asyncio.sleep(0)
    assert actors.keys == ["a", "b", "c", "d"]
    for place in (0, 2, 3):
        actors.answer(place)
    await until(lambda: actors.keys == ["a", "b", "c", "d", "e"])
    actors.answer(4)

    assert kinds(await first) == [Done] * 2
    assert kinds(await second) == [Done] * 3
    assert bulk.waiting == 0


async def test_a_move_that_does_not_fit_is_not_done_and_those_before_it_are(
    actors: Actors,
) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=3)
    full, refused = bulk.submit(moves("abc")), bulk.submit(moves("de"))
    assert bulk.waiting == 3
    await asyncio.sleep(0)
    assert not refused.done()
    await actors.answer_all(4)

    assert kinds(await full) == [Done] * 3
    assert kinds(await refused) == [Done, Overloaded]
    assert actors.keys == ["a", "b", "c", "d"]


async def test_a_request_of_which_nothing_fits_is_answered_at_once(actors: Actors) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=1)
    bulk.submit(moves("a"))
    bulk.submit(moves("b"))

    assert kinds(await bulk.submit(moves("cd"))) == [Overloaded, Overloaded]


async def test_a_move_whose_deadline_passes_while_it_waits_is_never_asked(actors: Actors) -> None:
    bulk = actors.bulk(in_progress_max=1)
    results = bulk.submit([*moves("a"), *moves("b", deadline_s=1.0), *moves("c")])
    actors.now_s = 1.5
    actors.answer(0)
    await until(lambda: len(actors.asked) == 2)
    actors.answer(1)

    assert kinds(await results) == [Done, Overloaded, Done]
    assert actors.keys == ["a", "c"]


async def test_a_key_of_unknown_outcome_hears_of_nothing_else_here(actors: Actors) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=1)
    for event_id, unknown in moves("bc"):
        actors.unknown.told(event_id, unknown, OutcomeUnknown(unknown.key))
    bulk.submit(moves("a"))
    late = bulk.submit(moves("b", deadline_s=1.0))
    assert kinds(await bulk.submit(moves("cd"))) == [OutcomeUnknown, Overloaded]
    actors.now_s = 1.5
    actors.answer(0)

    assert kinds(await late) == [OutcomeUnknown]


@pytest.mark.parametrize("raised", [Overloaded("full"), ZeroDivisionError("a bug")])
async def test_what_is_raised_for_one_move_is_its_result_alone(
    actors: Actors, raised: Exception
) -> None:
    actors.raises["b"] = raised
    results = actors.bulk().submit(moves("abc"))
    actors.answer(0)
    actors.asked[1][2].set_exception(AnswerLost("late"))

    assert kinds(await results) == [Done, type(raised), AnswerLost]


async def test_when_the_caller_hangs_up_what_waits_is_dropped_and_its_places_are_free(
    actors: Actors,
) -> None:
    bulk = actors.bulk(in_progress_max=2)
    gone, other = bulk.submit(moves("abcd")), bulk.submit(moves("ef"))
    gone.cancel()
    await until(lambda: actors.keys == ["a", "b", "e", "f"])

    assert [future.cancelled() for _, _, future in actors.asked] == [True, True, False, False]
    assert bulk.waiting == 0
    actors.answer(2)
    actors.answer(3)
    assert kinds(await other) == [Done, Done]


async def test_an_answer_that_nobody_will_give_is_lost(actors: Actors) -> None:
    results = actors.bulk().submit(moves("ab"))
    actors.answer(0)
    actors.asked[1][2].cancel()

    assert kinds(await results) == [Done, AnswerLost]


@in_virtual_time
async def test_a_request_that_hangs_leaves_its_places_to_others() -> None:
    actors = Actors()
    bulk = actors.bulk(in_progress_max=2, slow_s=1.0)
    hanging, other = bulk.submit(moves("ab")), bulk.submit(moves("cdef"))
    await asyncio.sleep(0.9)
    assert actors.keys == ["a", "b"]
    await asyncio.sleep(0.2)
    assert actors.keys == ["a", "b", "c", "d"]

    # What was slow gives no place back a second time.
    actors.answer(0)
    actors.answer(1)
    assert kinds(await hanging) == [Done, Done]
    assert actors.keys == ["a", "b", "c", "d"]
    actors.answer(2)
    await until(lambda: len(actors.asked) == 5)
    actors.answer(3)
    actors.answer(4)
    await until(lambda: len(actors.asked) == 6)
    actors.answer(5)
    assert kinds(await other) == [Done] * 4


@in_virtual_time
async def test_a_single_move_does_not_wait_behind_somebodys_hundreds() -> None:
    async with one_worker() as worker:
        worker.open(capacity=2000)
        await worker.send(key="first")
        bulk = BulkMoves(
            worker.registry.submit, worker.loop.time, UnknownOutcomes(), in_progress_max=64
        )
        hundreds = [
            bulk.submit(
                [
                    (EVENT, request(reserve(), f"{client}-{number}", deadline_s=LATER_S))
                    for number in range(100)
                ]
            )
            for client in range(10)
        ]
        await worker.send(key="single")

        assert worker.ledger().index("single") <= 64 + 1
        for results in hundreds:
            assert kinds(await results) == [Done] * 100
        assert len(worker.ledger()) == 1002


@in_virtual_time
async def test_two_moves_of_a_request_with_one_key_are_one_move_and_its_replay() -> None:
    async with one_worker() as worker:
        worker.open()
        bulk = BulkMoves(worker.registry.submit, worker.loop.time, UnknownOutcomes())
        first, second, other = await bulk.submit(
            [
                (EVENT, request(reserve(), "k")),
                (EVENT, request(reserve(), "k")),
                (EVENT, request(reserve(2), "k")),
            ]
        )

        assert isinstance(first, Done)
        assert isinstance(second, Done)
        assert (first.replayed, second.replayed) == (False, True)
        assert second.version == first.version
        assert other == KeyReused("k")
        assert worker.ledger() == ["k"]


@in_virtual_time
async def test_what_does_not_fit_a_mailbox_is_refused_alone() -> None:
    async with one_worker(mailbox_max=2) as worker:
        worker.open()
        bulk = BulkMoves(worker.registry.submit, worker.loop.time, UnknownOutcomes())
        results = await bulk.submit(
            [(EVENT, request(reserve(), f"k{number}")) for number in range(3)]
        )

        assert kinds(results) == [Done, Done, Overloaded]
        assert all(isinstance(result, Done | Fault) for result in results)
        assert worker.ledger() == ["k0", "k1"]
