"""One suite for the real service and the fake one: what a booking service may rely on.

Rule: no test knows which of the two it runs on.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from evently_client import (
    AmountExceedsRevenue,
    ClientLimits,
    ConcurrentUpdate,
    EventForBooking,
    EventNotFound,
    EventNotModifiable,
    EventNotOnSale,
    HoldbackNotFound,
    InsufficientSeats,
    InvalidRequest,
    KeyReused,
    OutcomeUnknown,
    Refused,
    SeatMove,
    SeatsExceedCapacity,
    SeatsMoved,
    Unauthorized,
    key_of,
)
from evently_client.testing import Break
from tests.acceptance.client_stage import PRICE, Stage
from tests.until import until

ONE_TRY = ClientLimits(tries_max=1)


async def test_an_event_is_shown_as_a_booking_needs_it(stage: Stage) -> None:
    event_id = await stage.add_event(7)
    async with stage.client() as events:
        event = await events.get_event(event_id)
    assert event == EventForBooking(
        event_id, 7, 10, PRICE, 2, "published", 0, None, None, False, "USD", True
    )


async def test_an_event_whose_last_seat_is_held_is_on_sale_and_a_paused_one_is_not(
    stage: Stage,
) -> None:
    event_id = await stage.add_event(2)
    async with stage.client() as events:
        await events.reserve(event_id, 1)
        await events.hold(event_id, 1)
        held = await events.get_event(event_id)
        await stage.pause(event_id, paused=True)
        paused = await events.get_event(event_id)
    assert (held.available_seats, held.held_seats, held.status) == (0, 1, "published")
    assert (held.on_sale, paused.on_sale, paused.paused) == (True, False, True)


async def test_money_is_what_the_caller_says_or_what_seats_cost(stage: Stage) -> None:
    event_id = await stage.add_event(9)
    async with stage.client() as events:
        guests = await events.reserve(event_id, 2, amount=0)
        await stage.change_price(event_id, Decimal(30))
        friends = await events.reserve(event_id, 1, amount=Decimal("12.50"), key="friends")
        assert (guests.unit_price, friends.unit_price) == (PRICE, Decimal(30))
        with pytest.raises(AmountExceedsRevenue) as caught:
            await events.return_seats(event_id, 1, amount=Decimal("12.51"))
        assert (caught.value.amount, caught.value.revenue) == (Decimal("12.51"), Decimal("12.50"))
        with pytest.raises(KeyReused):
            await events.reserve(event_id, 1, amount=Decimal(13), key="friends")
        await events.return_seats(event_id, 1, amount=Decimal("2.50"))
        # Half of the seats that are left take back half of the money.
        await events.return_seats(event_id, 1)
        (paid,) = await events.move_many([SeatMove(event_id, 1, amount=5)])
        assert isinstance(paid, SeatsMoved)
        with pytest.raises(SeatsExceedCapacity):
            await events.return_seats(event_id, 1)


@pytest.mark.parametrize("amount", [-1, Decimal("0.001"), Decimal("NaN")])
async def test_no_such_amount_is_sent(stage: Stage, amount: Decimal) -> None:
    event_id = await stage.add_event(1)
    async with stage.client() as events:
        with pytest.raises(ValueError, match="price"):
            await events.reserve(event_id, 1, amount=amount)
        assert (await events.get_event(event_id)).version == 2


async def test_a_block_is_sold_to_whoever_names_it_and_is_free_after_its_time(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    await stage.keep_back(event_id, 'The "press"', 2)
    await stage.keep_back(event_id, "Crew", 1, timedelta(days=1))
    async with stage.client() as events:
        first = await events.reserve(event_id, 1, holdback='THE "PRESS"', amount=0, key="comp")
        assert (first.available_seats, first.status) == (2, "published")
        again = await events.reserve(event_id, 1, holdback='THE "PRESS"', amount=0, key="comp")
        assert (again.version, again.replayed) == (first.version, True)
        with pytest.raises(KeyReused):
            await events.reserve(event_id, 1, amount=0, key="comp")
        with pytest.raises(HoldbackNotFound):
            await events.reserve(event_id, 1, holdback="nobody")
        sold, few, back = await events.move_many(
            [
                SeatMove(event_id, -1, holdback='the "press"'),
                SeatMove(event_id, -2, holdback="crew"),
                SeatMove(event_id, 1),
            ]
        )
        assert isinstance(sold, SeatsMoved)
        assert isinstance(few, InsufficientSeats)
        assert (few.requested, few.available, few.holdback) == (2, 1, "Crew")
        assert isinstance(back, SeatsMoved)
        assert (await events.reserve(event_id, 3)).status == "sold_out"
        with pytest.raises(InsufficientSeats) as caught:
            await events.reserve(event_id, 1)
        assert (caught.value.available, caught.value.holdback) == (0, None)
        with pytest.raises(ValueError, match="holdback"):
            SeatMove(event_id, 1, holdback="crew")


async def test_a_block_that_is_due_helps_whoever_needs_its_seats(stage: Stage) -> None:
    event_id = await stage.add_event(2)
    await stage.keep_back(event_id, "Press", 2, timedelta(seconds=-1))
    async with stage.client() as events:
        assert (await events.reserve(event_id, 2)).status == "sold_out"


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
        assert (error.changed_fields, "changed_fields" in error.details) == ((), False)
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
    assert (caught.value.current_version, caught.value.changed_fields) == (5, ("base_price",))
    assert (current.version, current.conflicts, current.tries) == (6, 1, 2)


async def test_a_conflict_names_all_terms_that_changed_since(stage: Stage) -> None:
    event_id = await stage.add_event(5)

    async def told(version: int) -> tuple[str, ...] | None:
        errors = [
            await _refusal(events.reserve(event_id, 1, version=version, on_conflict="fail")),
            await _refusal(events.hold(event_id, 1, version=version, on_conflict="fail")),
            *await events.move_many([SeatMove(event_id, -1, version=version, on_conflict="fail")]),
        ]
        assert all(isinstance(error, ConcurrentUpdate) for error in errors)
        (fields,) = {
            error.changed_fields for error in errors if isinstance(error, ConcurrentUpdate)
        }
        return fields

    async with stage.client() as events:
        await events.reserve(event_id, 1)  # 3
        await stage.change_price(event_id, PRICE)  # 4
        assert (await told(1), await told(2), await told(9)) == (("status",), (), ())
        await stage.change_price(event_id, Decimal(30))  # 5
        await stage.change_price(event_id, PRICE)  # 6
        await stage.pause(event_id, paused=False)  # 7
        assert (await told(1), await told(4)) == (("base_price", "status"), ("base_price",))
        assert (await told(5), await told(6)) == (("base_price",), ())
        await stage.cancel(event_id)  # 8
        returned = await _refusal(events.return_seats(event_id, 1, version=6, on_conflict="fail"))
    assert isinstance(returned, ConcurrentUpdate)
    assert (returned.current_version, returned.changed_fields) == (8, ("status",))


async def _refusal(call: Awaitable[object]) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


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


async def test_a_key_that_came_while_sales_were_paused_gets_its_seats_afterwards(
    stage: Stage,
) -> None:
    event_id = await stage.add_event(5)
    await stage.pause(event_id, paused=True)
    async with stage.client() as events:
        with pytest.raises(EventNotOnSale) as caught:
            await events.reserve(event_id, 2, key="cart-1")
        assert (await events.get_event(event_id)).available_seats == 5
        await stage.pause(event_id, paused=False)
        moved = await events.reserve(event_id, 2, key="cart-1")
    error = caught.value
    assert (error.paused, error.sales_start, error.sales_end) == (True, None, None)
    assert error.now is not None
    assert (moved.available_seats, moved.replayed) == (3, False)


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
