"""Holds by the client: one suite for the real service and the fake one, as `test_client_contract`.

Rule: no test knows which of the two it runs on.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from evently_client import (
    ClientLimits,
    ConcurrentUpdate,
    EventNotFound,
    EventNotModifiable,
    EventServiceClient,
    Hold,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    InvalidRequest,
    KeyReused,
    MaxTicketsExceeded,
    OutcomeUnknown,
    SeatsExceedCapacity,
    key_of,
)
from evently_client.testing import Break
from tests.acceptance.client_stage import PRICE, Stage
from tests.until import until

ONE_TRY = ClientLimits(tries_max=1)


class CardDeclined(Exception):
    pass


async def held(events: EventServiceClient, event_id: str) -> list[str]:
    """What has become of the event's holds, oldest first."""
    return [hold.status for hold in (await events.list_holds(event_id)).holds]


async def fails(
    events: EventServiceClient, event_id: str, first: Callable[[], object] = lambda: None
) -> None:
    """Hold seats, do something, and fail."""
    async with events.holding(event_id, 2):
        first()
        raise CardDeclined


async def sells_and_fails(
    events: EventServiceClient, event_id: str, first: Callable[[], object] = lambda: None
) -> None:
    """Hold seats, do something, sell them, and fail."""
    async with events.holding(event_id, 1) as placed:
        first()
        await events.confirm(event_id, placed.hold.hold_id)
        raise CardDeclined


async def test_a_hold_is_placed_found_and_confirmed(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        placed = await events.hold(event_id, 2, duration_s=600, reference="b-1")
        found = await events.find_hold(event_id, placed.hold.hold_id)
        sold = await events.confirm(event_id, placed.hold.hold_id)
        again = await events.confirm(event_id, placed.hold.hold_id)
    hold = placed.hold
    assert found == hold
    assert (placed.event_id, placed.available_seats, placed.version) == (event_id, 3, 3)
    assert (placed.replayed, placed.tries, placed.conflicts) == (False, 1, 0)
    assert (hold.quantity, hold.unit_price, hold.status, hold.reference) == (
        2,
        PRICE,
        "held",
        "b-1",
    )
    assert hold.expires_at - hold.held_at == timedelta(seconds=600)
    assert hold.latest_expires_at - hold.held_at == timedelta(seconds=7200)
    assert (hold.closed_at, hold.retaken, hold.amount) == (None, False, None)
    assert (sold.hold.status, sold.hold.amount, sold.available_seats) == (
        "confirmed",
        Decimal(51),
        3,
    )
    assert (sold.version, again.version, again.hold) == (4, 4, sold.hold)
    assert placed.key != sold.key


async def test_a_hold_is_nobody_elses_and_comes_back_by_release(stage: Stage) -> None:
    event_id = await stage.add_event(3)
    async with stage.client() as events:
        placed = await events.hold(event_id, 3)
        assert placed.status == "published", "it may come back"
        with pytest.raises(InsufficientSeats) as caught:
            await events.reserve(event_id, 1)
        with pytest.raises(SeatsExceedCapacity):
            await events.return_seats(event_id, 1)
        assert (caught.value.available, caught.value.held) == (0, 3)
        assert caught.value.next_hold_expires_at == placed.hold.expires_at
        back = await events.release(event_id, placed.hold.hold_id)
        assert (back.available_seats, back.hold.status) == (3, "released")
        again = await events.release(event_id, placed.hold.hold_id)
        assert (again.version, again.hold) == (back.version, back.hold)
        with pytest.raises(HoldNotActive) as gone:
            await events.confirm(event_id, placed.hold.hold_id)
    assert gone.value.hold_status == "released"


async def test_the_last_seats_are_sold_out_once_they_are_confirmed(stage: Stage) -> None:
    event_id = await stage.add_event(2)
    async with stage.client() as events:
        placed = await events.hold(event_id, 2)
        sold = await events.confirm(event_id, placed.hold.hold_id, amount=Decimal("40.10"))
        with pytest.raises(HoldNotActive) as other:
            await events.confirm(event_id, placed.hold.hold_id, amount=41)
        with pytest.raises(HoldNotActive) as kept:
            await events.release(event_id, placed.hold.hold_id)
        assert (await events.return_seats(event_id, 2)).available_seats == 2
    assert (sold.status, sold.hold.amount) == ("sold_out", Decimal("40.10"))
    assert (other.value.hold_status, kept.value.hold_status) == ("confirmed", "confirmed")


async def test_a_hold_is_changed(stage: Stage) -> None:
    event_id = await stage.add_event(20)
    async with stage.client() as events:
        placed = await events.hold(event_id, 2, duration_s=60)
        hold_id = placed.hold.hold_id
        more = await events.change_hold(event_id, hold_id, seats=5)
        longer = await events.change_hold(event_id, hold_id, duration_s=7200)
        less = await events.change_hold(event_id, hold_id, seats=1, duration_s=60)
        with pytest.raises(MaxTicketsExceeded) as many:
            await events.change_hold(event_id, hold_id, seats=11)
        await stage.change_price(event_id, Decimal(30))
        with pytest.raises(HoldPriceChanged) as dearer:
            await events.change_hold(event_id, hold_id, seats=2)
        assert (await events.confirm(event_id, hold_id)).hold.amount == PRICE
        with pytest.raises(HoldNotActive):
            await events.change_hold(event_id, hold_id, seats=1)
    assert (more.available_seats, more.hold.quantity) == (15, 5)
    assert more.hold.expires_at == placed.hold.expires_at
    assert longer.hold.expires_at == longer.hold.latest_expires_at
    assert (less.available_seats, less.hold.quantity) == (19, 1)
    assert less.hold.expires_at < longer.hold.expires_at
    assert (many.value.requested, many.value.max_tickets_per_booking) == (11, 10)
    assert (dearer.value.unit_price, dearer.value.base_price) == (PRICE, Decimal(30))


async def test_a_hold_is_one_booking(stage: Stage) -> None:
    event_id = await stage.add_event(20)
    async with stage.client() as events:
        assert (await events.hold(event_id, 10)).available_seats == 10
        with pytest.raises(MaxTicketsExceeded) as caught:
            await events.hold(event_id, 11)
    assert caught.value.details["requested"] == 11


async def test_an_expired_hold_is_sold_if_its_seats_are_still_there(stage: Stage) -> None:
    event_id = await stage.add_event(3)
    async with stage.client() as events:
        first, second = await events.hold(event_id, 1), await events.hold(event_id, 2)
        await stage.pass_an_hour(event_id)
        assert await held(events, event_id) == ["expired", "expired"]
        with pytest.raises(HoldExpired):
            await events.confirm(event_id, second.hold.hold_id, late="refuse")
        sold = await events.confirm(event_id, first.hold.hold_id)
        await events.reserve(event_id, 1)
        with pytest.raises(HoldExpired) as caught:
            await events.confirm(event_id, second.hold.hold_id)
        released = await events.release(event_id, second.hold.hold_id)
    assert (sold.hold.status, sold.hold.retaken) == ("confirmed", True)
    assert (caught.value.available, caught.value.details["requested"]) == (1, 2)
    assert caught.value.expired_at is not None
    assert released.hold.status == "expired"


async def test_no_buyer_is_refused_while_an_expired_hold_has_the_seats(stage: Stage) -> None:
    event_id = await stage.add_event(2)
    async with stage.client() as events:
        await events.hold(event_id, 2)
        await stage.pass_an_hour(event_id)
        assert (await events.hold(event_id, 1)).available_seats == 1
        assert (await events.reserve(event_id, 1)).available_seats == 0


async def test_a_key_holds_once(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        first = await events.hold(event_id, 1, key="booking 1")
        await events.reserve(event_id, 1)
        again = await events.hold(event_id, 1, key="booking 1")
        with pytest.raises(KeyReused):
            await events.hold(event_id, 1, duration_s=60, key="booking 1")
        assert len((await events.list_holds(event_id)).holds) == 1
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.hold, again.version) == (first.hold, first.version)


async def test_versions_and_conflicts_are_those_of_a_reserve(stage: Stage) -> None:
    event_id = await stage.add_event(9)
    async with stage.client() as events:
        await events.reserve(event_id, 1)
        assert (await events.hold(event_id, 1, version=2)).version == 4
        with pytest.raises(ConcurrentUpdate):
            await events.hold(event_id, 1, version=2, on_conflict="fail")
        await stage.change_price(event_id, Decimal(30))
        with pytest.raises(ConcurrentUpdate):
            await events.hold(event_id, 1, version=2)
        current = await events.hold(event_id, 1, version=2, on_conflict="current")
    assert (current.conflicts, current.tries, current.hold.unit_price) == (1, 2, Decimal(30))


async def test_holds_are_listed_page_by_page(stage: Stage) -> None:
    event_id = await stage.add_event(9)
    async with stage.client() as events:
        placed = [await events.hold(event_id, 1, reference=f"b-{n % 2}") for n in range(5)]
        await events.release(event_id, placed[1].hold.hold_id)
        pages: list[list[Hold]] = []
        after = None
        while not pages or after is not None:
            page = await events.list_holds(event_id, limit=2, after=after)
            pages.append(list(page.holds))
            after = page.next
        odd = (await events.list_holds(event_id, reference="b-1")).holds
        open_ones = (await events.list_holds(event_id, status="held", reference="b-1")).holds
    ids = [one.hold.hold_id for one in placed]
    assert [[hold.hold_id for hold in page] for page in pages] == [ids[:2], ids[2:4], ids[4:]]
    assert [hold.hold_id for hold in odd] == [ids[1], ids[3]]
    assert [hold.hold_id for hold in open_ones] == [ids[3]]


async def test_what_is_not_there_is_said(stage: Stage) -> None:
    event_id, draft = await stage.add_event(5), await stage.add_event(5, published=False)
    async with stage.client() as events:
        with pytest.raises(EventNotFound):
            await events.hold(draft, 1)
        with pytest.raises(EventNotFound):
            await events.list_holds(str(uuid4()))
        nobody = str(uuid4())
        for call in (
            events.find_hold(event_id, nobody),
            events.confirm(event_id, nobody),
            events.release(event_id, nobody),
            events.change_hold(event_id, nobody, seats=1),
        ):
            with pytest.raises(HoldNotFound) as caught:
                await call
            assert caught.value.details == {"event_id": event_id, "hold_id": nobody}
        with pytest.raises(InvalidRequest):
            await events.find_hold(event_id, "no-id")


async def test_a_cancelled_event_sells_no_hold_and_lets_it_go(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        placed = await events.hold(event_id, 2)
        await stage.cancel(event_id)
        for call in (
            events.hold(event_id, 1),
            events.confirm(event_id, placed.hold.hold_id),
            events.change_hold(event_id, placed.hold.hold_id, duration_s=60),
        ):
            with pytest.raises(EventNotModifiable):
                await call
        assert (await events.release(event_id, placed.hold.hold_id)).available_seats == 5


@pytest.mark.parametrize("broken", [Break.LOST_ANSWER, Break.LOST_REQUEST])
async def test_a_hold_is_made_and_ended_once_whatever_is_lost_on_the_way(
    stage: Stage, broken: Break
) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        stage.break_next(broken)
        placed = await events.hold(event_id, 2)
        hold_id = placed.hold.hold_id
        stage.break_next(broken)
        changed = await events.change_hold(event_id, hold_id, seats=3)
        stage.break_next(broken)
        sold = await events.confirm(event_id, hold_id)
        other = (await events.hold(event_id, 1)).hold.hold_id
        stage.break_next(broken)
        gone = await events.release(event_id, other)
    steps = (placed, changed, sold, gone)
    assert [step.tries for step in steps] == [2] * 4
    assert [step.replayed for step in steps] == [broken is Break.LOST_ANSWER] * 4
    assert [step.version for step in steps] == [3, 4, 5, 7]


async def test_a_hold_that_is_cut_short_is_found_by_its_key(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        stage.break_next(Break.SILENCE)
        call = asyncio.create_task(events.hold(event_id, 2))
        # It is sent before anything else.
        await asyncio.sleep(0)

        async def carried_out() -> bool:
            return (await events.get_event(event_id)).available_seats == 3

        await until(carried_out)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        again = await events.hold(event_id, 2, key=key_of(caught.value))
    assert (again.replayed, again.available_seats, again.hold.status) == (True, 3, "held")


async def test_a_hold_is_released_if_the_work_under_it_fails(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        with pytest.raises(CardDeclined):
            await fails(events, event_id)
        assert await held(events, event_id) == ["released"]
        async with events.holding(event_id, 2) as placed:
            await events.confirm(event_id, placed.hold.hold_id)
        with pytest.raises(CardDeclined):
            await sells_and_fails(events, event_id)
        async with events.holding(event_id, 1):
            pass
        assert await held(events, event_id) == ["released", "confirmed", "confirmed", "held"]


async def test_a_hold_is_kept_if_it_may_be_sold(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client(limits=ONE_TRY) as events:
        with pytest.raises(OutcomeUnknown) as caught:
            await sells_and_fails(events, event_id, lambda: stage.break_next(Break.LOST_REQUEST))
        (hold,) = (await events.list_holds(event_id)).holds
        sold = await events.confirm(event_id, hold.hold_id, key=caught.value.key)
    assert (sold.hold.status, sold.replayed) == ("confirmed", False)


async def test_a_hold_is_released_if_a_call_under_it_is_refused(stage: Stage) -> None:
    event_id, other = await stage.add_event(5), await stage.add_event(1)
    async with stage.client() as events:
        with pytest.raises(InsufficientSeats):
            async with events.holding(event_id, 2):
                await events.reserve(other, 2)
        assert await held(events, event_id) == ["released"]


async def test_a_hold_that_cannot_be_released_does_not_hide_why(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client(limits=ONE_TRY) as events:
        with pytest.raises(CardDeclined):
            await fails(events, event_id, lambda: stage.break_next(Break.LOST_REQUEST))
        assert await held(events, event_id) == ["held"], "its time ends it"


async def test_seats_of_several_events_are_held_together(stage: Stage) -> None:
    events_of_a_cart = [await stage.add_event(5) for _ in range(3)]
    async with stage.client() as events:
        placed = await events.hold_all(
            {event_id: n for n, event_id in enumerate(events_of_a_cart, start=1)}, reference="c-1"
        )
        assert list(placed) == sorted(events_of_a_cart)
        assert len({one.key for one in placed.values()}) == 1
        left = [placed[event_id].available_seats for event_id in events_of_a_cart]
    assert left == [4, 3, 2]


async def test_of_several_events_all_are_held_or_none(stage: Stage) -> None:
    ids = sorted([await stage.add_event(5), await stage.add_event(5), await stage.add_event(5)])
    async with stage.client() as events:
        await events.reserve(ids[2], 5)
        with pytest.raises(InsufficientSeats) as caught:
            await events.hold_all(dict.fromkeys(ids, 2))
        assert caught.value.details["event_id"] == ids[2]
        assert [await held(events, event_id) for event_id in ids] == [["released"]] * 2 + [[]]


async def test_a_cart_of_unknown_outcome_is_learnt_with_its_key(stage: Stage) -> None:
    ids = sorted([await stage.add_event(5), await stage.add_event(5)])
    async with stage.client(limits=ONE_TRY) as events:
        stage.break_next(Break.LOST_ANSWER)
        with pytest.raises(OutcomeUnknown) as caught:
            await events.hold_all(dict.fromkeys(ids, 2))
        placed = await events.hold_all(dict.fromkeys(ids, 2), key=caught.value.key)
        assert [placed[event_id].replayed for event_id in ids] == [True, False]
        assert [await held(events, event_id) for event_id in ids] == [["held"]] * 2
        await events.confirm(ids[0], placed[ids[0]].hold.hold_id)
        again = await events.hold_all(dict.fromkeys(ids, 2), key=caught.value.key)
    assert [again[event_id].hold.status for event_id in ids] == ["confirmed", "held"]


async def test_a_cart_that_was_given_up_is_not_held_again_under_its_key(stage: Stage) -> None:
    ids = sorted([await stage.add_event(5), await stage.add_event(5)])
    async with stage.client(limits=ONE_TRY) as events:
        placed = await events.hold_all(dict.fromkeys(ids, 2), key="cart")
        await events.release(ids[1], placed[ids[1]].hold.hold_id)
        with pytest.raises(HoldNotActive) as caught:
            await events.hold_all(dict.fromkeys(ids, 2), key="cart")
        assert [await held(events, event_id) for event_id in ids] == [["released"]] * 2
    assert (caught.value.hold_status, caught.value.key) == ("released", "cart")


async def test_no_seat_is_held_twice_at_once(stage: Stage) -> None:
    event_id = await stage.add_event(10)
    async with stage.client() as events:
        calls = [events.hold(event_id, 1) for _ in range(25)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        left = (await events.get_event(event_id)).available_seats
    placed = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert sorted(one.version for one in placed) == list(range(3, 13))
    assert len({one.hold.hold_id for one in placed}) == 10
    assert sum(isinstance(answer, InsufficientSeats) for answer in answers) == 15
    assert left == 0


async def test_the_synchronous_client_holds_too(stage: Stage) -> None:
    event_id = await stage.add_event(5)

    def book() -> list[str]:
        with stage.sync_client() as events:
            with events.holding(event_id, 2) as placed:
                events.confirm(event_id, placed.hold.hold_id)
            with pytest.raises(CardDeclined), events.holding(event_id, 2):
                raise CardDeclined
            cart = events.hold_all({event_id: 1})
            events.change_hold(event_id, cart[event_id].hold.hold_id, duration_s=60)
            gone = events.hold(event_id, 1)
            events.release(event_id, gone.hold.hold_id)
            assert events.find_hold(event_id, gone.hold.hold_id).status == "released"
            return [hold.status for hold in events.list_holds(event_id).holds]

    assert await asyncio.to_thread(book) == ["confirmed", "released", "held", "released"]
