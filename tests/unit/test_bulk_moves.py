"""Moves of large requests: which are let in, which wait, and what becomes of each."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from actors.bulk_moves import NAMES_S, BulkMoves, Results
from actors.envelope import Request
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import AnswerLost, Fault, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer, Done, InsufficientSeats, KeyReused
from tests.examples import EVENT, request, reserve
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_connection import done, until
from tests.unit.one_worker import CALL_S, one_worker

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
        return BulkMoves(self.submit, self.unknown, **bounds)

    @property
    def keys(self) -> list[str]:
        return [request.key for _, request, _ in self.asked]

    def has_asked(self, place: int) -> bool:
        return len(self.asked) > place

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


async def test_a_move_for_which_there_is_no_room_is_asked_at_once_as_one_that_is_late(
    actors: Actors,
) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=3)
    full, refused = bulk.submit(moves("abc")), bulk.submit(moves("de"))
    assert bulk.waiting == 3
    assert actors.keys == ["a", "e"]
    (_, first, _), (_, late, answer) = actors.asked
    assert first.deadline_s == LATER_S
    assert late.deadline_s < asyncio.get_running_loop().time()
    assert late == replace(request(key="e"), deadline_s=late.deadline_s)

    # It takes no place of those that fit.
    answer.set_exception(Overloaded("late"))
    await asyncio.sleep(0)
    assert actors.keys == ["a", "e"]
    assert not refused.done()
    actors.answer(0)
    for place in (2, 3, 4):
        await until(partial(actors.has_asked, place))
        actors.answer(place)

    assert kinds(await full) == [Done] * 3
    assert kinds(await refused) == [Done, Overloaded]
    assert actors.keys == ["a", "e", "b", "c", "d"]
    assert bulk.waiting == 0


async def test_a_request_of_which_nothing_fits_is_answered_at_once(actors: Actors) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=1)
    bulk.submit(moves("a"))
    bulk.submit(moves("b"))
    actors.raises = {key: Overloaded("late") for key in "cd"}

    assert kinds(await bulk.submit(moves("cd"))) == [Overloaded, Overloaded]


@in_virtual_time
async def test_what_waits_here_is_unknown_to_a_repetition_for_which_there_is_no_room() -> None:
    actors = Actors()
    bulk = actors.bulk(in_progress_max=1, waiting_max=2)
    bulk.submit(moves("a"))
    first, gone = bulk.submit(moves("b")), bulk.submit(moves("c"))

    assert kinds(await bulk.submit(moves("b"))) == [OutcomeUnknown]
    assert actors.unknown.holds(*moves("b")[0])
    gone.cancel()
    await asyncio.sleep(0)
    # There is room for one again, and what its caller gave up waits no more.
    bulk.submit(moves("d"))
    actors.raises = {"c": Overloaded("late"), "e": Overloaded("late")}
    assert kinds(await bulk.submit(moves("de"))) == [OutcomeUnknown, Overloaded]
    await asyncio.sleep(NAMES_S)
    assert kinds(await bulk.submit(moves("c"))) == [Overloaded]
    actors.answer(0)
    await until(lambda: "b" in actors.keys)
    actors.answer(actors.keys.index("b"))
    assert kinds(await first) == [Done]


async def test_a_name_that_is_made_for_a_move_is_nobodys_repetition(actors: Actors) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=1)
    unkeyed = [(EVENT, request(key="u", keyed=False, deadline_s=LATER_S))]
    bulk.submit(moves("a"))
    bulk.submit(unkeyed)
    actors.raises = {"u": Overloaded("late")}

    assert kinds(await bulk.submit(unkeyed)) == [Overloaded]


@in_virtual_time
async def test_moves_for_which_there_is_no_room_do_not_make_a_request_slow() -> None:
    actors = Actors()
    bulk = actors.bulk(in_progress_max=1, waiting_max=2, slow_s=1.0)
    bulk.submit(moves("a"))
    bulk.submit(moves("bcx"))
    assert actors.keys == ["a", "x"]
    await asyncio.sleep(1.1)

    # The first is slow and leaves its place to one move of the second, which has just begun.
    assert actors.keys == ["a", "x", "b"]


async def test_whoever_hangs_up_leaves_nothing_in_the_queue(actors: Actors) -> None:
    bulk = actors.bulk(in_progress_max=1, waiting_max=4)
    bulk.submit(moves("a"))
    for _ in range(50):
        bulk.submit(moves("bcd")).cancel()
        await asyncio.sleep(0)

    assert bulk.waiting == 0
    assert len(bulk._queue) == 1, "the first of all"


@in_virtual_time
async def test_keys_are_not_gathered_for_longer_than_they_count() -> None:
    actors = Actors()
    bulk = actors.bulk(in_progress_max=1, waiting_max=2)
    bulk.submit(moves("a"))
    bulk.submit(moves("bc"))
    await bulk.submit(moves("b"))
    assert len(bulk._names) == 2
    await asyncio.sleep(NAMES_S)
    actors.answer(0)
    await until(lambda: bulk.waiting == 1)
    bulk.submit(moves("d"))

    assert len(bulk._names) == 0


async def test_no_moves_are_no_results(actors: Actors) -> None:
    assert await actors.bulk().submit([]) == []


@in_virtual_time
async def test_a_move_whose_deadline_passes_while_it_waits_is_not_done() -> None:
    async with one_worker() as worker:
        worker.open()
        bulk = BulkMoves(worker.registry.submit, UnknownOutcomes(), in_progress_max=1)
        wanted = [(EVENT, request(key=key, deadline_s=LATER_S)) for key in "ac"]
        late = (EVENT, request(key="b", deadline_s=CALL_S / 2))
        results = await bulk.submit([wanted[0], late, wanted[1]])

        assert kinds(results) == [Done, Overloaded, Done]
        assert worker.ledger() == ["a", "c"]


@in_virtual_time
async def test_a_repetition_for_which_there_is_no_room_waits_with_an_open_try() -> None:
    async with one_worker() as worker:
        worker.open()
        await worker.send(key="before")
        bulk = BulkMoves(
            worker.registry.submit, UnknownOutcomes(), in_progress_max=1, waiting_max=1
        )
        first = bulk.submit([(EVENT, request(key="k"))])
        bulk.submit([(EVENT, request(key="full"))])
        again = bulk.submit([(EVENT, request(key=key)) for key in ("k", "before", "other")])

        (done_once,), repeated = await first, await again
        assert isinstance(done_once, Done)
        assert kinds(repeated) == [Done, Done, Overloaded]
        assert [one.replayed for one in repeated if isinstance(one, Done)] == [True, True]
        assert "other" not in worker.ledger()


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
        bulk = BulkMoves(worker.registry.submit, UnknownOutcomes(), in_progress_max=64)
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
        bulk = BulkMoves(worker.registry.submit, UnknownOutcomes())
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
        bulk = BulkMoves(worker.registry.submit, UnknownOutcomes())
        results = await bulk.submit(
            [(EVENT, request(reserve(), f"k{number}")) for number in range(3)]
        )

        assert kinds(results) == [Done, Done, Overloaded]
        assert all(isinstance(result, Done | Fault) for result in results)
        assert worker.ledger() == ["k0", "k1"]
