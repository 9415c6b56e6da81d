"""When the seats of expired holds come back, and who is not refused meanwhile."""

import asyncio
from dataclasses import replace

import pytest

from actors.expiry import TICK_S
from actors.hold_rows import HOPE_S
from evently.domain.commands import ChangeHold, Confirm, Release
from evently.domain.errors import DatabaseUnavailable
from evently.domain.holds import EXPIRED_MAX, HoldStatus
from evently.domain.outcomes import (
    Done,
    HoldNotActive,
    HoldNotFound,
    InsufficientSeats,
    KeyReused,
    LedgerKind,
)
from tests.examples import EVENT, cancel, hold, hold_id, reserve
from tests.memory_store import Fate, Step
from tests.simulation.virtual_loop import in_virtual_time
from tests.unit.one_worker import OneWorker, one_worker
from tests.until import until

H = hold_id("h")


async def placed(worker: OneWorker, seats: int = 1, name: str = "h", duration_s: int = 60) -> Done:
    answer = await worker.send(command=hold(seats, name, duration_s=duration_s), key=name)
    assert isinstance(answer, Done)
    return answer


def kinds(worker: OneWorker) -> list[LedgerKind]:
    """What has happened since the event was published."""
    return [row.record.entry.kind for row in worker.database.ledger[EVENT][2:]]


def seats(worker: OneWorker) -> tuple[int, int]:
    state = worker.database.states[EVENT]
    return state.available_seats, state.held_seats


@in_virtual_time
async def test_an_event_that_is_in_memory_expires_its_holds_within_a_tick() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)
        await asyncio.sleep(59.9)
        assert seats(worker) == (7, 3)
        await asyncio.sleep(0.2 + TICK_S)

        assert seats(worker) == (10, 0)
        assert kinds(worker) == [LedgerKind.HELD, LedgerKind.EXPIRED]
        ((end, late_s),) = worker.counts.ends
        assert end == "expired"
        assert 0 <= late_s <= TICK_S + 0.1


@in_virtual_time
async def test_an_event_without_holds_asks_nothing_about_any() -> None:
    async with one_worker() as worker:
        worker.open()
        await asyncio.gather(*worker.send_all("abcdefghij"))
        assert isinstance(await worker.send(key="none left"), InsufficientSeats)
        await asyncio.sleep(5)

        assert worker.calls("find_holds") == worker.calls("due_holds") == []


@in_virtual_time
async def test_nobody_is_refused_while_an_expired_hold_has_the_seats() -> None:
    async with one_worker() as worker:
        worker.open(capacity=3)
        await placed(worker, 3)
        # Nobody has the event in memory any more when the time of the hold is up.
        worker.registry.sweep(-1.0)
        await asyncio.sleep(60)

        answer = await worker.send(command=reserve(3), key="r")

        assert isinstance(answer, Done)
        assert kinds(worker) == [LedgerKind.HELD, LedgerKind.EXPIRED, LedgerKind.RESERVED]


@in_virtual_time
async def test_nobody_is_refused_because_holds_were_looked_for_that_could_not_be_expired() -> None:
    async with one_worker() as worker:
        worker.open(capacity=3)
        await placed(worker, 3)
        worker.registry.sweep(-1.0)
        await asyncio.sleep(60)
        worker.will("commit", Step(Fate.NOT_DONE))
        with pytest.raises(DatabaseUnavailable):
            await worker.send(command=reserve(3), key="first")
        await until(lambda: worker.registry.reachable, what="the database is back")

        answer = await worker.send(command=reserve(3), key="r")

        assert isinstance(answer, Done)
        assert kinds(worker) == [LedgerKind.HELD, LedgerKind.EXPIRED, LedgerKind.RESERVED]


@in_virtual_time
async def test_a_stampede_on_held_seats_asks_once_a_second_and_tells_when_they_come_back() -> None:
    async with one_worker() as worker:
        worker.open(capacity=3)
        first = await placed(worker, 3)
        assert first.hold is not None
        for _ in range(5):
            refused = await asyncio.gather(*worker.send_all(f"{_}-{n}" for n in range(50)))
            for answer in refused:
                assert answer == InsufficientSeats(1, 0, 3, first.hold.expires_at)

        assert len(worker.calls("due_holds")) == 1
        await asyncio.sleep(HOPE_S)
        await worker.send(key="later")
        assert len(worker.calls("due_holds")) == 2


@pytest.mark.parametrize("extra", [0, 1])
@in_virtual_time
async def test_a_backlog_is_expired_version_by_version_without_a_pause(extra: int) -> None:
    async with one_worker() as worker:
        worker.open(capacity=1000)
        count = EXPIRED_MAX + extra
        for n in range(count):
            await placed(worker, 1, f"h{n}")
        worker.registry.sweep(-1.0)
        await asyncio.sleep(120)
        assert seats(worker) == (1000 - count, count)

        await worker.registry.read(EVENT)
        await asyncio.sleep(TICK_S + 0.1)

        assert seats(worker) == (1000, 0)
        assert kinds(worker).count(LedgerKind.EXPIRED) == 1 + extra


@in_virtual_time
async def test_an_expiry_that_failed_is_made_again() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)
        worker.will("due_holds", Step(Fate.UNAVAILABLE))
        await asyncio.sleep(61 + 2 * TICK_S)

        assert seats(worker) == (10, 0)


@in_virtual_time
async def test_who_waits_for_seats_hears_when_nobody_can_look_for_them() -> None:
    async with one_worker() as worker:
        worker.open(capacity=3)
        await placed(worker, 3)
        worker.will("due_holds", Step(Fate.UNAVAILABLE))

        with pytest.raises(DatabaseUnavailable):
            await worker.send(key="r")
        assert isinstance(await worker.send(key="r"), InsufficientSeats)


@in_virtual_time
async def test_of_two_owners_one_expires_a_hold() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)
        await asyncio.sleep(59)
        await worker.registry.read(EVENT)
        database = worker.database
        row = database.holds[EVENT][H]
        # Another owner releases it at the last moment.
        worker.write(EVENT, ("other", Release(H)), holds={H: row})
        await asyncio.sleep(10)

        assert kinds(worker) == [LedgerKind.HELD, LedgerKind.RELEASED]
        assert seats(worker) == (10, 0)


@in_virtual_time
async def test_a_hold_that_another_owner_ended_is_decided_on_its_new_row() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)
        row = worker.database.holds[EVENT][H]
        worker.write(EVENT, ("other", Release(H)), holds={H: row})

        answer = await worker.send(command=Confirm(H), key="c")

        assert answer == HoldNotActive(H, HoldStatus.RELEASED)
        assert kinds(worker) == [LedgerKind.HELD, LedgerKind.RELEASED]


@in_virtual_time
async def test_commands_about_one_hold_that_come_together_are_decided_in_order() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)

        changed, confirmed, released, again = await asyncio.gather(
            worker.send(command=ChangeHold(H, 2, None), key="1"),
            worker.send(command=Confirm(H), key="2"),
            worker.send(command=Release(H), key="3"),
            worker.send(command=Confirm(H), key="4"),
        )

        assert isinstance(changed, Done)
        assert isinstance(confirmed, Done)
        assert released == HoldNotActive(H, HoldStatus.CONFIRMED)
        assert isinstance(again, Done)
        assert again.hold == confirmed.hold
        assert seats(worker) == (8, 0)


@in_virtual_time
async def test_an_answer_that_changed_nothing_is_not_remembered_under_its_key() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)
        await worker.send(command=Release(H), key="1")

        for _ in range(2):
            again = await worker.send(command=Release(H), key="2")
            assert isinstance(again, Done)
            assert not again.replayed
        assert isinstance(await worker.send(command=Confirm(H), key="1"), KeyReused)


@in_virtual_time
async def test_an_unknown_hold_is_looked_for_and_not_found() -> None:
    async with one_worker() as worker:
        worker.open()

        assert await worker.send(command=Confirm(H), key="c") == HoldNotFound(H)
        assert len(worker.calls("find_holds")) >= 1


@in_virtual_time
async def test_a_lost_answer_to_a_hold_is_the_same_hold_when_it_is_asked_again() -> None:
    async with one_worker() as worker:
        worker.open()
        worker.will("commit", Step(Fate.LOSE_STATEMENT))
        first = await placed(worker, 2)
        again = await placed(worker, 2)

        assert replace(again, replayed=first.replayed) == first
        assert kinds(worker) == [LedgerKind.HELD]


@in_virtual_time
async def test_a_cancelled_event_expires_its_holds_too() -> None:
    async with one_worker() as worker:
        worker.open()
        await placed(worker, 3)
        await worker.send(command=cancel(3), key="cancel", keyed=False)
        await asyncio.sleep(60 + 2 * TICK_S)

        assert seats(worker) == (10, 0)
