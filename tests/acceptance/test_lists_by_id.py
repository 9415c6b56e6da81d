"""The public list of events that are named."""

from uuid import UUID, uuid4

import pytest

from evently_client import PublicClient
from tests.acceptance.expectations import problems
from tests.acceptance.service import Service


async def test_the_public_list_names_events_beside_its_filters(service: Service) -> None:
    kind = f"type {uuid4().hex}"
    made = [
        await service.clients.published_event(
            event_type=event_type, start_datetime=f"2035-05-0{day}T20:00:00Z"
        )
        for day, event_type in ((3, kind), (1, "opera"), (2, kind))
    ]
    third, first, second = (event["event_id"] for event in made)
    unlisted = await service.clients.published_event(event_type=kind)
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    draft = (await service.clients.create_event(headers, venue["venue_id"]))["event_id"]
    named = [third, first.upper(), second, draft, str(uuid4()), third]

    async def listed(query: str = "") -> list[str]:
        answer = await service.api.call("GET", f"/api/v1/events?ids={','.join(named)}{query}")
        assert answer.status == 200, answer
        return [event["event_id"] for event in answer.json["events"]]

    assert await listed() == [first, second, third]
    assert await listed(f"&type={kind.replace(' ', '%20')}") == [second, third]
    assert await listed("&date_to=2035-05-01") == [first]
    assert await listed("&limit=2") == [first, second]
    assert await listed("&limit=2&page=2") == [third]
    async with PublicClient(service.process.url) as public:
        page = await public.list_events(event_ids=[UUID(third), first])
        rest = await public.list_events(event_type=kind)
    assert [event.event_id for event in page.events] == [first, third]
    assert (page.total, page.limit, page.has_more) == (2, 100, False)
    assert unlisted["event_id"] in [event.event_id for event in rest.events]
    assert rest.limit == 20


async def test_the_list_of_named_events_shows_an_admins_change_at_once(service: Service) -> None:
    event = await service.clients.published_event()
    path = f"/api/v1/events?ids={event['event_id']}"
    before = await service.api.call("GET", path)
    changed = await service.clients.change(await service.clients.admin(), event, base_price=30)
    assert changed.status == 200, changed
    after = await service.api.call("GET", path)
    prices = [answer.json["events"][0]["base_price"] for answer in (before, after)]
    assert prices == [25.5, 30]


async def test_100_events_may_be_named_and_101_not(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    others = [str(UUID(int=number)) for number in range(99)]
    answer = await service.api.call("GET", f"/api/v1/events?ids={','.join([*others, event_id])}")
    assert [event["event_id"] for event in answer.json["events"]] == [event_id]
    assert answer.json["limit"] == 100
    many = ",".join([*others, event_id, str(uuid4())])
    answer = await service.api.call("GET", f"/api/v1/events?ids={many}")
    assert problems(answer) == {"query.ids": "ids must be 100 UUIDs at most"}


@pytest.mark.parametrize("ids", ["1", "all", f"{UUID(int=1)},", f"{UUID(int=1)};{UUID(int=2)}"])
async def test_what_is_no_list_of_ids_is_refused(service: Service, ids: str) -> None:
    answer = await service.api.call("GET", f"/api/v1/events?ids={ids}")
    assert problems(answer) == {"query.ids": "ids must be UUIDs of 36 characters between commas"}


async def test_no_ids_are_all_events(service: Service) -> None:
    await service.clients.published_event()
    answer = await service.api.call("GET", "/api/v1/events?ids=")
    assert answer.json["total"] >= 1
    assert answer.json["limit"] == 20
