"""One suite for the real service and the fake one: what a booking service may rely on.

Rule: no test knows which of the two it runs on.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

import pytest

from evently_client import (
    AdminClient,
    ClientLimits,
    ConcurrentUpdate,
    EventForBooking,
    EventNotFound,
    EventNotModifiable,
    EventServiceClient,
    Failure,
    InsufficientSeats,
    InvalidRequest,
    KeyReused,
    OutcomeUnknown,
    Refused,
    SeatMove,
    SeatsExceedCapacity,
    SeatsMoved,
    SyncEventServiceClient,
    Unauthorized,
    key_of,
)
from evently_client.testing import Break, FakeEventService
from evently_client.transport import Answer, HttpTransport, Request
from tests.acceptance.place import Place
from tests.acceptance.service_process import INTERNAL_KEY
from tests.until import until

ONE_TRY = ClientLimits(tries_max=1)
PRICE = Decimal("25.50")


class Stage(Protocol):
    """What tests need beside a client."""

    def client(self, **how: Any) -> EventServiceClient: ...
    def sync_client(self) -> SyncEventServiceClient: ...
    def break_next(self, *breaks: Break) -> None: ...
    async def add_event(
        self, seats: int, *, published: bool = True, starts_in: timedelta = timedelta(days=30)
    ) -> str: ...
    async def change_price(self, event_id: str, price: Decimal) -> None: ...
    async def cancel(self, event_id: str) -> None: ...


class FakeStage:
    """The fake service."""

    def __init__(self) -> None:
        self._fake = FakeEventService()
        self.sync_client = self._fake.sync_client
        self.break_next = self._fake.break_next

    def client(self, **how: Any) -> EventServiceClient:
        return self._fake.client(**how)

    async def add_event(
        self, seats: int, *, published: bool = True, starts_in: timedelta = timedelta(days=30)
    ) -> str:
        return self._fake.add_event(
            seats, base_price=PRICE, published=published, starts_in=starts_in
        )

    async def change_price(self, event_id: str, price: Decimal) -> None:
        self._fake.change_price(event_id, price)

    async def cancel(self, event_id: str) -> None:
        self._fake.cancel(event_id)


class Breaking(HttpTransport):
    """HTTP whose answers, or requests, are lost as a test says."""

    def __init__(self, url: str, limits: ClientLimits, breaks: deque[Break]) -> None:
        super().__init__(url, limits)
        self._breaks = breaks

    async def send(self, request: Request, timeout_s: float) -> Answer | Failure:
        broken = self._breaks.popleft() if self._breaks else None
        lost = Failure("CONNECTION_LOST", "lost by the test", again=True, unknown=True)
        if broken is Break.LOST_REQUEST:
            return lost
        answer = await super().send(request, timeout_s)
        if broken is Break.SILENCE:
            await asyncio.sleep(timeout_s)
        return answer if broken is None else lost


class ServiceStage:
    """The real service, with an admin who is logged in."""

    def __init__(self, url: str, admin: AdminClient, venue_id: str) -> None:
        self._url = url
        self._admin = admin
        self._venue_id = venue_id
        self._breaks: deque[Break] = deque()

    def client(self, *, api_key: str = INTERNAL_KEY, **how: Any) -> EventServiceClient:
        limits = how.pop("limits", None) or ClientLimits()
        transport = Breaking(self._url, limits, self._breaks)
        return EventServiceClient(self._url, api_key, limits=limits, transport=transport, **how)

    def sync_client(self) -> SyncEventServiceClient:
        return SyncEventServiceClient(self._url, INTERNAL_KEY)

    def break_next(self, *breaks: Break) -> None:
        self._breaks.extend(breaks)

    async def add_event(
        self, seats: int, *, published: bool = True, starts_in: timedelta = timedelta(days=30)
    ) -> str:
        start = datetime.now(UTC) + starts_in
        event = await self._admin.create_event(
            name="Night",
            venue_id=self._venue_id,
            event_type="concert",
            start_datetime=start,
            end_datetime=start + timedelta(hours=3),
            total_capacity=seats,
            base_price=PRICE,
        )
        if published:
            event = await self._admin.publish_event(event.event_id, event.version)
        return event.event_id

    async def change_price(self, event_id: str, price: Decimal) -> None:
        version = (await self._admin.get_event(event_id)).version
        await self._admin.update_event(event_id, version, base_price=price)

    async def cancel(self, event_id: str) -> None:
        version = (await self._admin.get_event(event_id)).version
        await self._admin.cancel_event(event_id, version)


@pytest.fixture(params=["fake", "service"])
def real(request: pytest.FixtureRequest) -> Place | None:
    """The real service, where it is its turn; the fake one needs no PostgreSQL."""
    if request.param == "fake":
        return None
    place: Place = request.getfixturevalue("place")
    return place


@pytest.fixture
async def stage(real: Place | None) -> AsyncIterator[Stage]:
    if real is None:
        yield FakeStage()
    else:
        async with AdminClient(real.url, real.tokens) as admin:
            yield ServiceStage(real.url, admin, real.venue_id)


async def test_an_event_is_shown_as_a_booking_needs_it(stage: Stage) -> None:
    event_id = await stage.add_event(7)
    async with stage.client() as events:
        event = await events.get_event(event_id)
    assert event == EventForBooking(event_id, 7, 10, PRICE, 2, "published")


async def test_seats_go_and_come_back_and_every_move_is_a_version(stage: Stage) -> None:
    event_id = await stage.add_event(3)
    async with stage.client() as events:
        moves = [
            await events.reserve(event_id, 1),
            await events.reserve(event_id, 2),
            await events.return_seats(event_id, 1),
        ]
    told = [(moved.available_seats, moved.status, moved.version) for moved in moves]
    assert told == [(2, "published", 3), (0, "sold_out", 4), (1, "published", 5)]
    assert len({moved.key for moved in moves}) == 3


async def test_a_key_acts_once(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        first = await events.reserve(event_id, 1, key="booking 1")
        await events.reserve(event_id, 1)
        again = await events.reserve(event_id, 1, key="booking 1")
        with pytest.raises(KeyReused) as caught:
            await events.reserve(event_id, 2, key="booking 1")
        left = (await events.get_event(event_id)).available_seats
    assert (first.replayed, again.replayed) == (False, True)
    assert (first.version, first.available_seats) == (again.version, again.available_seats)
    assert (caught.value.status, left) == (422, 3)


async def test_too_few_seats_are_refused_and_that_is_the_last_word_on_the_key(
    stage: Stage,
) -> None:
    event_id = await stage.add_event(2)
    async with stage.client() as events:
        await events.reserve(event_id, 1)
        with pytest.raises(InsufficientSeats) as first:
            await events.reserve(event_id, 2, key="mine")
        await events.return_seats(event_id, 1)
        with pytest.raises(InsufficientSeats) as again:
            await events.reserve(event_id, 2, key="mine")
        assert (first.value.requested, first.value.available) == (2, 1)
        assert first.value.details == again.value.details
        assert first.value.details["event_id"] == event_id
        assert (await events.reserve(event_id, 2)).available_seats == 0


async def test_no_more_seats_come_back_than_were_sold(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        await events.reserve(event_id, 2)
        with pytest.raises(SeatsExceedCapacity) as caught:
            await events.return_seats(event_id, 3)
        assert (await events.get_event(event_id)).version == 3
    assert (caught.value.requested, caught.value.returnable) == (3, 2)


async def test_a_strict_version_is_refused_once_it_is_stale(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        await events.reserve(event_id, 1, version=2, on_conflict="fail")
        with pytest.raises(ConcurrentUpdate) as caught:
            await events.reserve(event_id, 1, version=2, on_conflict="fail", key="mine")
        error = caught.value
        assert (error.current_version, error.available_seats) == (3, 4)
        assert (error.event_status, error.details["expected_version"]) == ("published", 2)
        # A conflict is not the last word.
        moved = await events.reserve(event_id, 1, version=3, on_conflict="fail", key="mine")
    assert (moved.version, moved.replayed) == (4, False)


async def test_retry_accepts_other_seat_counts_but_no_other_offer(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        await events.reserve(event_id, 1)
        moved = await events.reserve(event_id, 1, version=2)
        await stage.change_price(event_id, Decimal(30))
        with pytest.raises(ConcurrentUpdate) as caught:
            await events.reserve(event_id, 1, version=2)
        with pytest.raises(ConcurrentUpdate):
            await events.reserve(event_id, 1, version=99)
        current = await events.reserve(event_id, 1, version=2, on_conflict="current")
        assert (await events.get_event(event_id)).base_price == 30
    assert (moved.version, moved.conflicts) == (4, 0)
    assert caught.value.current_version == 5
    assert (current.version, current.conflicts, current.tries) == (6, 1, 2)


async def test_what_is_not_on_sale_is_not_there(stage: Stage) -> None:
    draft = await stage.add_event(5, published=False)
    async with stage.client() as events:
        for event_id in (draft, str(uuid4())):
            with pytest.raises(EventNotFound):
                await events.get_event(event_id)
            with pytest.raises(EventNotFound) as caught:
                await events.reserve(event_id, 1)
            assert caught.value.details == {"event_id": event_id}
        with pytest.raises(InvalidRequest) as invalid:
            await events.get_event("no-id")
    assert invalid.value.message == "Invalid event ID"
    assert len(invalid.value.fields) == 1


async def test_a_wrong_key_is_forbidden(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client(api_key="of-somebody-else-0123456789") as events:
        with pytest.raises(Unauthorized) as caught:
            await events.reserve(event_id, 1)
    assert caught.value.status == 403


async def test_a_cancelled_event_sells_nothing_and_takes_seats_back(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        await events.reserve(event_id, 2)
        await stage.cancel(event_id)
        with pytest.raises(EventNotModifiable) as caught:
            await events.reserve(event_id, 1)
        returned = await events.return_seats(event_id, 2)
        assert (await events.get_event(event_id)).status == "cancelled"
    assert caught.value.event_status == "cancelled"
    assert (returned.available_seats, returned.status, returned.version) == (5, "cancelled", 5)


async def test_an_event_that_has_started_sells_nothing_and_takes_seats_back(stage: Stage) -> None:
    event_id = await stage.add_event(50, starts_in=timedelta(seconds=1))
    refused: list[Refused] = []

    async def started() -> bool:
        try:
            await events.reserve(event_id, 1)
        except EventNotModifiable as error:
            refused.append(error)
        return bool(refused)

    async with stage.client() as events:
        await until(started)
        left = (await events.get_event(event_id)).available_seats
        assert (await events.return_seats(event_id, 1)).available_seats == left + 1
    assert refused[0].details == {"event_id": event_id, "status": "published"}


@pytest.mark.parametrize("broken", [Break.LOST_ANSWER, Break.LOST_REQUEST])
async def test_seats_move_once_whatever_is_lost_on_the_way(stage: Stage, broken: Break) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        stage.break_next(broken)
        moved = await events.reserve(event_id, 2)
    assert (moved.available_seats, moved.version, moved.tries) == (3, 3, 2)
    assert moved.replayed is (broken is Break.LOST_ANSWER)


async def test_an_unknown_outcome_is_learnt_with_its_key(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client(limits=ONE_TRY) as events:
        stage.break_next(Break.LOST_ANSWER)
        with pytest.raises(OutcomeUnknown) as caught:
            await events.reserve(event_id, 2)
        assert caught.value.key is not None
        moved = await events.reserve(event_id, 2, key=caught.value.key)
    assert (moved.replayed, moved.available_seats) == (True, 3)


async def test_a_call_that_is_cut_short_is_made_again_with_its_key(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        stage.break_next(Break.SILENCE)
        call = asyncio.create_task(events.reserve(event_id, 2))
        # It is sent before anything else.
        await asyncio.sleep(0)

        async def carried_out() -> bool:
            return (await events.get_event(event_id)).available_seats == 3

        await until(carried_out)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        again = await events.reserve(event_id, 2, key=key_of(caught.value))
    assert (again.replayed, again.available_seats) == (True, 3)


async def test_no_seat_is_sold_twice_at_once(stage: Stage) -> None:
    event_id = await stage.add_event(10)
    async with stage.client() as events:
        calls = [events.reserve(event_id, 1) for _ in range(25)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    sold = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert sorted(moved.version for moved in sold) == list(range(3, 13))
    assert sum(isinstance(answer, InsufficientSeats) for answer in answers) == 15


async def test_each_of_many_moves_has_its_own_end(stage: Stage) -> None:
    small, large = await stage.add_event(2), await stage.add_event(9)
    moves = [
        SeatMove(small, -2, key="a"),
        SeatMove(small, -1),
        SeatMove(large, -3, key="a"),
        SeatMove(str(uuid4()), -1),
        SeatMove(large, -1, version=2, on_conflict="fail"),
        SeatMove(large, -1, version=2, on_conflict="current"),
        SeatMove(large, 2),
        SeatMove(small, -2, key="a"),
        SeatMove(small, -1, key="a"),
    ]
    async with stage.client() as events:
        results = await events.move_many(moves)
        left = [(await events.get_event(event_id)).available_seats for event_id in (small, large)]
    assert [type(result) for result in results] == [
        *(SeatsMoved, InsufficientSeats, SeatsMoved, EventNotFound, ConcurrentUpdate),
        *(SeatsMoved, SeatsMoved, SeatsMoved, KeyReused),
    ]
    assert left == [0, 7]
    first, refused, *_, again, _ = results
    assert isinstance(first, SeatsMoved)
    assert isinstance(again, SeatsMoved)
    assert (first.event_id, first.available_seats, first.replayed) == (small, 0, False)
    assert (again.version, again.replayed, again.key) == (first.version, True, "a")
    assert isinstance(refused, InsufficientSeats)
    assert (refused.available, refused.key) == (0, moves[1].key)
    resolved = results[5]
    assert isinstance(resolved, SeatsMoved)
    # The one behind it changed the event once more.
    assert (resolved.conflicts, resolved.tries) == (2, 3)


@pytest.mark.parametrize("broken", [Break.LOST_ANSWER, Break.LOST_REQUEST])
async def test_many_moves_are_done_once_whatever_is_lost_on_the_way(
    stage: Stage, broken: Break
) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        stage.break_next(broken)
        results = await events.move_many([SeatMove(event_id, -2), SeatMove(event_id, -9)])
        left = (await events.get_event(event_id)).available_seats
    moved, refused = results
    assert isinstance(moved, SeatsMoved)
    assert isinstance(refused, InsufficientSeats)
    assert (moved.replayed, moved.tries, left) == (broken is Break.LOST_ANSWER, 2, 3)


async def test_the_synchronous_client_books_too(stage: Stage) -> None:
    event_id = await stage.add_event(3)

    def book() -> None:
        with stage.sync_client() as events:
            version = events.get_event(event_id).version
            assert events.reserve(event_id, 2, version=version).available_seats == 1
            with pytest.raises(InsufficientSeats):
                events.reserve(event_id, 2)
            assert events.return_seats(event_id, 2).available_seats == 3
            (moved,) = events.move_many([SeatMove(event_id, -1)])
            assert isinstance(moved, SeatsMoved)

    await asyncio.to_thread(book)
