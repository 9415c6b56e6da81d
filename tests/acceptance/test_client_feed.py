"""The feed of changes by the client: one suite for the real service and the fake one.

Rule: no test knows which of the two it runs on. Earlier tests have left changes in the feed, so
each begins at its latest place. The service is of this module alone: holds of other tests would
expire meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from uuid import uuid4

import pytest

from evently.embedded import EmbeddedPostgres
from evently_client import (
    LATEST,
    Change,
    ClientLimits,
    CursorExpired,
    EventServiceClient,
    InvalidRequest,
    Retry,
    Unauthorized,
)
from evently_client.testing import Break
from tests.acceptance.client_stage import PRICE, Stage
from tests.acceptance.place import Place, opened_place

ONE_TRY = ClientLimits(tries_max=1)


@pytest.fixture(scope="module")
def place(postgres: EmbeddedPostgres, template: str) -> Iterator[Place]:
    name = f"feed_{uuid4().hex}"
    postgres.create_database(name, template)
    with opened_place(postgres.dsn(name)) as place:
        yield place
    postgres.drop_database(name)


async def some(changes: AsyncIterator[Change], count: int) -> list[Change]:
    """So many of the changes, as soon as there are."""
    found: list[Change] = []
    async with asyncio.timeout(20):
        async for change in changes:
            found.append(change)
            if len(found) == count:
                break
    return found


def kinds(changes: Iterable[Change]) -> list[tuple[str, int]]:
    return [(change.kind, change.version) for change in changes]


async def sell_out_and_return(events: EventServiceClient, event_id: str) -> None:
    """Versions 3 and 4 of an event of two seats."""
    await events.reserve(event_id, 2)
    await events.return_seats(event_id, 1)


async def test_an_event_is_followed_through_its_life(stage: Stage) -> None:
    async with stage.client() as events:
        begin = await events.latest_cursor()
        event_id = await stage.add_event(2)
        await sell_out_and_return(events, event_id)
        await stage.change_price(event_id, Decimal(30))
        await stage.cancel(event_id)
        found = await some(aiter(events.changes(begin)), 5)
        only = await some(aiter(events.changes(begin, kinds=["reopened", "cancelled"])), 2)
    assert {change.event_id for change in found} == {event_id}
    assert kinds(found) == [
        *(("published", 2), ("sold_out", 3), ("reopened", 4), ("updated", 5), ("cancelled", 6)),
    ]
    assert [(change.status, change.available_seats) for change in found[:3]] == [
        *(("published", 2), ("sold_out", 0), ("published", 1)),
    ]
    assert found[3].data == {"base_price": {"from": PRICE, "to": Decimal(30)}}
    assert found[0].at.tzinfo is not None
    assert kinds(only) == [("reopened", 4), ("cancelled", 6)]


async def test_who_placed_a_hold_hears_that_it_has_expired(stage: Stage) -> None:
    event_id = await stage.add_event(5)
    async with stage.client() as events:
        begin = await events.latest_cursor()
        placed = await events.hold(event_id, 2, reference="b-1")
        await stage.pass_an_hour(event_id)
        (change,) = await some(aiter(events.changes(begin)), 1)
    told = {"hold_id": placed.hold.hold_id, "reference": "b-1", "quantity": 2}
    assert (change.kind, change.event_id, change.version) == ("holds_expired", event_id, 4)
    assert (change.data, change.available_seats) == ({"holds": [told]}, 5)


async def test_a_follower_waits_for_what_happens(stage: Stage) -> None:
    async with stage.client() as events:
        event_id = await stage.add_event(2)
        changes = events.changes(await events.latest_cursor())
        waits = asyncio.create_task(some(aiter(changes), 2))
        await asyncio.sleep(0)
        await sell_out_and_return(events, event_id)
        found = await waits
    assert kinds(found) == [("sold_out", 3), ("reopened", 4)]


async def test_the_service_s_wait_is_no_part_of_the_time_for_its_answer(stage: Stage) -> None:
    retries: list[Retry] = []
    limits = ClientLimits(try_s=0.6)
    async with stage.client(limits=limits, on_retry=retries.append) as events:
        page = await events.read_changes(await events.latest_cursor(), wait_s=1)
    assert (page.changes, retries) == ((), [])


async def test_a_cursor_is_passed_only_when_the_next_change_is_asked_for(stage: Stage) -> None:
    async with stage.client() as events:
        event_id = await stage.add_event(2)
        begin = await events.latest_cursor()
        await sell_out_and_return(events, event_id)
        changes = events.changes(begin, limit=1)
        first = await some(aiter(changes), 1)
        assert changes.cursor == begin, "it may not have been handled"
        both = await some(aiter(changes), 2)
        assert kinds(first) == [("sold_out", 3)]
        assert kinds(both) == [("sold_out", 3), ("reopened", 4)]
        # A consumer that died goes on from the cursor that it had kept.
        assert changes.cursor not in {begin, None}
        assert kinds(await some(aiter(events.changes(changes.cursor)), 1)) == [("reopened", 4)]


async def test_pages_come_with_the_cursor_behind_them(stage: Stage) -> None:
    async with stage.client() as events:
        event_id = await stage.add_event(2)
        begin = await events.latest_cursor()
        await sell_out_and_return(events, event_id)
        async for page in events.changes(begin).pages():
            assert kinds(page.changes) == [("sold_out", 3), ("reopened", 4)]
            break
        after = await events.read_changes(page.next)
    assert (page.has_more, after.changes, after.has_more) == (False, (), False)


@pytest.mark.parametrize("broken", [Break.LOST_ANSWER, Break.LOST_REQUEST])
async def test_a_follower_outlasts_what_breaks(stage: Stage, broken: Break) -> None:
    async with stage.client(limits=ONE_TRY) as events:
        event_id = await stage.add_event(2)
        begin = await events.latest_cursor()
        await sell_out_and_return(events, event_id)
        # Each call has one try, so these are two outages.
        stage.break_next(broken, broken)
        found = await some(aiter(events.changes(begin, limit=1)), 2)
    assert kinds(found) == [("sold_out", 3), ("reopened", 4)]


async def test_a_refusal_ends_the_feed(stage: Stage) -> None:
    async with stage.client() as events:
        with pytest.raises(InvalidRequest) as caught:
            await some(aiter(events.changes("of-no-feed")), 1)
    assert caught.value.fields[0]["field"] == "query.after"
    async with stage.client(api_key="of-somebody-else-0123456789") as events:
        with pytest.raises(Unauthorized):
            await some(aiter(events.changes(LATEST)), 1)


async def test_a_cursor_from_before_what_is_archived_ends_the_feed(stage: Stage) -> None:
    async with stage.client() as events:
        begin = await events.latest_cursor()
        event_id = await stage.add_event(2)
        await stage.archive_changes()
        with pytest.raises(CursorExpired) as caught:
            await some(aiter(events.changes(begin)), 1)
        assert (caught.value.status, caught.value.code) == (410, "CURSOR_EXPIRED")
        anew = await events.latest_cursor()
        await events.reserve(event_id, 2)
        assert kinds(await some(aiter(events.changes(anew)), 1)) == [("sold_out", 3)]
        assert kinds(await some(aiter(events.changes()), 1)) == [("sold_out", 3)]


async def test_the_snapshot_has_every_event_that_was_published(stage: Stage) -> None:
    on_sale, draft = await stage.add_event(5), await stage.add_event(5, published=False)
    gone = await stage.add_event(5)
    await stage.cancel(gone)
    async with stage.client() as events:
        await events.reserve(on_sale, 2)
        found = {event.event_id: event async for event in events.snapshot()}
        rest = [event.event_id async for event in events.snapshot(after=min(on_sale, gone))]
    assert list(found) == sorted(found)
    assert (found[on_sale].available_seats, found[on_sale].version) == (3, 3)
    assert (found[gone].status, draft in found) == ("cancelled", False)
    assert min(on_sale, gone) not in rest
    assert max(on_sale, gone) in rest


async def test_events_are_read_many_at_once(stage: Stage) -> None:
    ids = [await stage.add_event(n) for n in (3, 4)]
    draft, nobody = await stage.add_event(5, published=False), str(uuid4())
    async with stage.client() as events:
        found = await events.find_events([*ids, draft, nobody, ids[0]])
        for wrong in ([], [nobody] * 101):
            with pytest.raises(ValueError, match="event_ids"):
                await events.find_events(wrong)
    assert {event.event_id: event.total_capacity for event in found.events} == {
        ids[0]: 3,
        ids[1]: 4,
    }
    assert found.not_found == (draft, nobody)


async def test_a_synchronous_client_follows_too(stage: Stage) -> None:
    event_id = await stage.add_event(2)

    def follow() -> list[tuple[str, int]]:
        with stage.sync_client() as events:
            begin = events.latest_cursor()
            events.reserve(event_id, 2)
            events.return_seats(event_id, 1)
            changes = events.changes(begin)
            found = list(islice(changes, 2))
            assert changes.cursor == begin
            page = next(changes.pages())
            assert page.changes == tuple(found)
            assert event_id in {event.event_id for event in events.snapshot()}
            assert events.find_events([event_id]).not_found == ()
            return kinds(found)

    assert await asyncio.to_thread(follow) == [("sold_out", 3), ("reopened", 4)]
