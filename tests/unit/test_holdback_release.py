"""When the seats of a block come back, and who is not refused meanwhile."""

import asyncio
from datetime import datetime, timedelta

import pytest

from actors.expiry import TICK_S
from evently.domain.commands import Command, Reserve
from evently.domain.holdbacks import Holdback
from evently.domain.outcomes import (
    Done,
    HoldbackNotFound,
    InsufficientSeats,
    KeyReused,
    LedgerKind,
)
from evently.domain.state import EventState, Status
from tests.examples import EVENT, NOW, hold, reserve, update
from tests.memory_store import Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import OneWorker, one_worker

RELEASE_S = 60


def release(seats: int = 3, at_s: float = RELEASE_S) -> Holdback:
    return Holdback("Press", seats, NOW + timedelta(seconds=at_s))


def keeping(worker: OneWorker, *blocks: Holdback, capacity: int = 10) -> None:
    """An event on sale with these blocks, which another writer has set."""
    worker.open(capacity=capacity)
    worker.write(EVENT, ("keep", update(2, holdbacks=blocks)))


def stored(worker: OneWorker) -> EventState:
    return worker.database.states[EVENT]


def numbers(worker: OneWorker) -> tuple[int, int, int, int]:
    """Free, held, kept back, sold."""
    state = stored(worker)
    held_back = state.details.held_back_seats
    return state.available_seats, state.held_seats, held_back, state.sold


def kinds(worker: OneWorker) -> list[LedgerKind]:
    """What has happened since the blocks were set."""
    return [row.record.entry.kind for row in worker.database.ledger[EVENT][3:]]


def comps(seats: int, name: str = "press") -> Command:
    return Reserve(seats, None, holdback=name)


@in_virtual_time
async def test_an_event_that_is_in_memory_frees_a_block_within_a_tick() -> None:
    async with one_worker() as worker:
        keeping(worker, release())
        await worker.registry.read(EVENT)
        await asyncio.sleep(RELEASE_S - 0.1)
        assert numbers(worker) == (7, 0, 3, 0)
        await asyncio.sleep(0.2 + TICK_S)

        assert numbers(worker) == (10, 0, 0, 0)
        assert kinds(worker) == [LedgerKind.EXPIRED]
        await asyncio.sleep(10)
        assert kinds(worker) == [LedgerKind.EXPIRED], "it is freed once"
        assert worker.counts.freed == 3


@in_virtual_time
async def test_a_block_that_was_set_here_is_freed_as_well() -> None:
    async with one_worker() as worker:
        worker.open()
        done = await worker.send(command=update(2, holdbacks=(release(),)), key="k", keyed=False)
        assert isinstance(done, Done)
        await asyncio.sleep(RELEASE_S + TICK_S + 0.1)

        assert numbers(worker) == (10, 0, 0, 0)


@in_virtual_time
async def test_an_event_whose_blocks_are_not_due_asks_nothing() -> None:
    async with one_worker() as worker:
        keeping(worker, release(), Holdback("Crew", 1))
        await worker.registry.read(EVENT)
        await asyncio.sleep(5 * TICK_S)

        assert worker.calls("due_holds") == []
        assert kinds(worker) == []


@in_virtual_time
async def test_nobody_is_refused_while_a_block_that_is_due_has_the_seats() -> None:
    async with one_worker() as worker:
        keeping(worker, release(), capacity=3)
        assert stored(worker).status is Status.SOLD_OUT
        assert await worker.send(key="early") == InsufficientSeats(1, 0)
        # Nobody has the event in memory any more when its time is up.
        worker.registry.sweep(-1.0)
        await asyncio.sleep(RELEASE_S)

        answer = await worker.send(command=reserve(2), key="r")

        assert isinstance(answer, Done)
        assert kinds(worker) == [LedgerKind.EXPIRED, LedgerKind.RESERVED]
        assert numbers(worker) == (1, 0, 0, 2)


@in_virtual_time
async def test_a_time_that_had_passed_when_it_was_set_helps_the_next_reserve() -> None:
    async with one_worker() as worker:
        keeping(worker, release(at_s=-3600), capacity=3)

        assert isinstance(await worker.send(command=reserve(3), key="r"), Done)


@in_virtual_time
async def test_a_block_helps_a_hold_that_lacks_seats_and_those_held_do_not_help_a_block() -> None:
    async with one_worker() as worker:
        keeping(worker, release(2), Holdback("Crew", 1), capacity=4)
        assert isinstance(await worker.send(command=hold(1), key="h"), Done)
        asked = len(worker.calls("due_holds"))
        refused = await worker.send(command=comps(2, "crew"), key="c")
        assert refused == InsufficientSeats(2, 1, holdback="Crew")
        assert len(worker.calls("due_holds")) == asked, "nobody looks for expired holds for it"
        await asyncio.sleep(RELEASE_S + TICK_S)

        assert isinstance(await worker.send(command=hold(2, "i"), key="i"), Done)


@in_virtual_time
async def test_a_release_that_failed_is_made_again() -> None:
    async with one_worker() as worker:
        keeping(worker, release())
        await worker.registry.read(EVENT)
        worker.will("due_holds", Step(Fate.UNAVAILABLE))
        worker.will("commit", Step(Fate.NOT_DONE))
        await asyncio.sleep(RELEASE_S + 4 * TICK_S)

        assert numbers(worker) == (10, 0, 0, 0)
        assert kinds(worker) == [LedgerKind.EXPIRED]


@in_virtual_time
async def test_a_block_whose_time_another_writer_moved_stays() -> None:
    async with one_worker() as worker:
        keeping(worker, release())
        await worker.registry.read(EVENT)
        later = release(at_s=10 * RELEASE_S)
        await asyncio.sleep(RELEASE_S - 1)
        worker.write(EVENT, ("later", update(3, holdbacks=(later,))))
        await asyncio.sleep(2 * TICK_S + 1)

        assert numbers(worker) == (7, 0, 3, 0)
        assert kinds(worker) == [LedgerKind.UPDATED]


@in_virtual_time
async def test_seats_of_a_block_are_sold_once_and_a_repetition_hears_the_same() -> None:
    async with one_worker() as worker:
        keeping(worker, Holdback("Press", 3))
        answers = await asyncio.gather(
            *(worker.send(command=comps(1), key=key) for key in "abcdef")
        )
        assert [isinstance(one, Done) for one in answers] == [True] * 3 + [False] * 3
        assert answers[3:] == [InsufficientSeats(1, 0, holdback="Press")] * 3
        assert numbers(worker) == (7, 0, 0, 3)

        first = answers[0]
        assert isinstance(first, Done)
        assert first.state is None, "a seat move, not an admin's change"
        again = await worker.send(command=comps(1), key="a")
        assert isinstance(again, Done)
        assert (again.version, again.replayed) == (first.version, True)
        assert await worker.send(command=reserve(1), key="a") == KeyReused("a")


@pytest.mark.parametrize("later", [None, NOW + timedelta(days=1)])
@in_virtual_time
async def test_a_block_that_is_not_there_is_not_the_last_word(later: datetime | None) -> None:
    async with one_worker() as worker:
        keeping(worker)
        assert await worker.send(command=comps(1), key="c") == HoldbackNotFound("press")
        worker.write(EVENT, ("keep 2", update(3, holdbacks=(Holdback("Press", 1, later),))))

        assert isinstance(await worker.send(command=comps(1), key="c"), Done)
