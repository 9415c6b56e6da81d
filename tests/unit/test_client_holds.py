"""Holds and the feed by the client: what callers give, and what cutting a call short leaves."""

import asyncio
import inspect
import signal
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from evently_client import (
    ClientLimits,
    EventServiceClient,
    HoldExpired,
    InsufficientSeats,
    OutcomeUnknown,
    SyncEventServiceClient,
    key_of,
)
from evently_client.errors import Failure, leaves_open
from evently_client.testing import Break, FakeEventService

EVENT, HOLD = str(uuid4()), str(uuid4())


class CardDeclined(Exception):
    pass


Call = Callable[[EventServiceClient, dict[str, Any]], Awaitable[object]]


def hold(events: EventServiceClient, given: dict[str, Any]) -> Awaitable[object]:
    return events.hold(**{"event_id": EVENT, "seats": 1, **given})


def change(events: EventServiceClient, given: dict[str, Any]) -> Awaitable[object]:
    return events.change_hold(EVENT, HOLD, **given)


def confirm(events: EventServiceClient, given: dict[str, Any]) -> Awaitable[object]:
    return events.confirm(**{"event_id": EVENT, "hold_id": HOLD, **given})


def cart(events: EventServiceClient, given: dict[str, Any]) -> Awaitable[object]:
    return events.hold_all(**given)


def read(events: EventServiceClient, given: dict[str, Any]) -> Awaitable[object]:
    return events.read_changes(**given)


@pytest.mark.parametrize(
    ("call", "given", "error", "said"),
    [
        (hold, {"seats": 1.5}, TypeError, "seats must be an int"),
        (hold, {"seats": 0}, ValueError, "seats must be 1 or more"),
        (hold, {"duration_s": 29}, ValueError, "duration_s must be 30 or more and at most 7200"),
        (hold, {"duration_s": 7201}, ValueError, "at most 7200, not 7201"),
        (hold, {"duration_s": 60.0}, TypeError, "duration_s must be an int"),
        (hold, {"reference": 7}, TypeError, "reference must be a string"),
        (hold, {"version": True}, TypeError, "version must be an int"),
        (hold, {"on_conflict": "ignore"}, ValueError, "on_conflict must be"),
        (hold, {"key": ""}, ValueError, "1 to 255 printable"),
        (change, {}, ValueError, "seats, duration_s or both"),
        (change, {"seats": True}, TypeError, "seats must be an int"),
        (change, {"duration_s": 29}, ValueError, "duration_s must be 30 or more"),
        (confirm, {"amount": 1.5}, TypeError, "a price must be a Decimal or an int"),
        (confirm, {"late": "maybe"}, ValueError, "late must be"),
        (confirm, {"hold_id": 7}, TypeError, "hold_id must be a string or a UUID"),
        (cart, {"seats": {EVENT: 0}}, ValueError, "seats must be 1 or more"),
        (cart, {"seats": {7: 1}}, TypeError, "event_id must be a string or a UUID"),
        (cart, {"seats": {EVENT: 1, UUID(EVENT): 1}}, ValueError, "every event once"),
        (read, {"wait_s": 11}, ValueError, "wait_s must be 0 or more and at most 10"),
        (read, {"limit": 0}, ValueError, "limit must be 1 or more"),
        (read, {"limit": 501}, ValueError, "at most 500, not 501"),
        (read, {"after": 7}, TypeError, "after must be a string"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_sent(
    call: Call, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    fake = FakeEventService()
    async with fake.client() as events:
        with pytest.raises(error, match=said):
            await call(events, given)
    assert fake.requests == []


async def test_the_bounds_themselves_are_sent() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=5)
    async with fake.client() as events:
        for duration_s in (30, 7200):
            placed = await events.hold(UUID(event_id), 1, duration_s=duration_s)
            assert (placed.hold.expires_at - placed.hold.held_at).total_seconds() == duration_s
        assert (await events.read_changes(limit=500)).changes
        assert len((await events.find_events([event_id] * 100)).events) == 1


async def test_a_short_call_lets_the_service_wait_for_a_part_of_it() -> None:
    fake = FakeEventService()
    async with fake.client() as events:
        await events.with_options(timeout_s=0.5).read_changes("latest", wait_s=10)
    assert "wait_s=0" in fake.requests[0].target


async def test_a_body_that_is_cancelled_gives_its_seats_back() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=5)
    placed, never = asyncio.Event(), asyncio.Event()

    async def pay(events: EventServiceClient) -> None:
        async with events.holding(event_id, 2):
            placed.set()
            await never.wait()

    async with fake.client() as events:
        task = asyncio.create_task(pay(events))
        await placed.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert fake.event(event_id).available_seats == 5


async def test_a_confirm_that_is_cancelled_leaves_the_hold_to_its_key() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=5)
    async with fake.client() as events:

        async def pay() -> None:
            async with events.holding(event_id, 2) as placed:
                fake.break_next(Break.SILENCE)
                await events.confirm(event_id, placed.hold.hold_id)

        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(pay(), 0.1)
        (hold_id,) = fake.event(event_id).holds
        assert (await events.confirm(event_id, hold_id, key=key_of(caught.value))).replayed
    assert [request.method for request in fake.requests] == ["POST"] * 3, "nothing was released"


async def test_a_release_that_hangs_keeps_the_caller_for_a_bounded_time() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=5)
    async with fake.client(limits=ClientLimits(tries_max=1)) as events:

        async def fails() -> None:
            async with events.with_options(timeout_s=0.1).holding(event_id, 2):
                fake.break_next(Break.SILENCE)
                raise CardDeclined

        with pytest.raises(CardDeclined):
            await fails()


def test_an_interrupted_body_gives_its_seats_back() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=5)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def pays() -> None:
        with fake.sync_client() as events, events.holding(event_id, 2):
            signal.raise_signal(signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            pays()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert fake.event(event_id).available_seats == 5


def test_what_an_error_leaves_open() -> None:
    failure = Failure("TIMEOUT", "No answer in time", unknown=True)
    cancelled = asyncio.CancelledError()
    cancelled.evently_key = "mine"  # type: ignore[attr-defined]
    wrapped = CardDeclined()
    wrapped.__cause__ = OutcomeUnknown(failure, "mine", 1, 0)
    assert leaves_open(wrapped)
    assert leaves_open(cancelled)
    assert not leaves_open(InsufficientSeats(failure, "mine", 1, 0))
    assert not leaves_open(CardDeclined())


def test_an_error_of_a_hold_tells_what_the_service_told() -> None:
    details = {"available": 1, "expired_at": "2035-05-02T09:30:00.25Z"}
    error = HoldExpired(Failure("HOLD_EXPIRED", "-", details), "mine", 1, 0)
    assert error.expired_at is not None
    assert error.expired_at.isoformat() == "2035-05-02T09:30:00.250000+00:00"
    few = InsufficientSeats(Failure("INSUFFICIENT_SEATS", "-", {"held": None}), "mine", 1, 0)
    assert (few.held, few.next_hold_expires_at) == (0, None)


@pytest.mark.parametrize("name", ["holding", "snapshot", "changes"])
def test_every_context_and_iterator_has_its_synchronous_form(name: str) -> None:
    given = [
        list(inspect.signature(getattr(form, name)).parameters)
        for form in (SyncEventServiceClient, EventServiceClient)
    ]
    assert given[0] == given[1]
