"""Following the feed of changes over HTTP, as other services do."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.acceptance.booking import booking
from tests.acceptance.expectations import expect
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer


async def changes(service: Service, query: str = "") -> Answer:
    return await service.api.call("GET", f"/internal/changes?{query}", headers=service.api.internal)


async def latest(service: Service) -> str:
    answer = await changes(service, "after=latest")
    assert answer.status == 200
    assert answer.json["changes"] == []
    cursor: str = answer.json["next"]
    return cursor


async def follow(service: Service, cursor: str, event_id: str, count: int) -> list[dict[str, Any]]:
    """The changes of one event, among those of other tests, as soon as there are so many."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        answer = await changes(service, f"after={cursor}&wait_s=10")
        assert answer.status == 200
        found += [one for one in answer.json["changes"] if one["event_id"] == event_id]
        cursor = answer.json["next"]
    return found


async def test_a_follower_hears_what_happens_to_an_event(service: Service) -> None:
    start = await latest(service)
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=2)
    event_id = event["event_id"]
    await service.clients.reserve(event_id, 2)
    await service.clients.move(event_id, 1, endpoint="return-seats")
    changed = await service.clients.change(
        headers, {"event_id": event_id, "version": 4}, base_price=30, name="Day"
    )
    await service.clients.cancel(headers, changed.json)
    found = await follow(service, start, event_id, 5)
    assert [one["kind"] for one in found] == [
        *("published", "sold_out", "reopened", "updated", "cancelled")
    ]
    assert [one["version"] for one in found] == [2, 3, 4, 5, 6]
    assert [one["available_seats"] for one in found] == [2, 0, 1, 1, 1]
    assert found[3]["data"] == {
        "base_price": {"from": 25.5, "to": 30},
        "name": {"from": "Night", "to": "Day"},
    }


async def test_a_follower_hears_which_holds_have_expired(service: Service) -> None:
    of = await booking(service)
    hold_id = (await of.place(2, reference="b-1")).json["hold"]["hold_id"]
    start = await latest(service)
    await of.age()
    (told,) = await follow(service, start, of.event_id, 1)
    assert (told["kind"], told["version"], told["available_seats"]) == ("holds_expired", 4, 100)
    assert told["data"] == {"holds": [{"hold_id": hold_id, "reference": "b-1", "quantity": 2}]}


async def test_who_waits_is_answered_by_the_next_change(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=1))["event_id"]
    start = await latest(service)
    waiting = [asyncio.create_task(follow(service, start, event_id, 1)) for _ in range(20)]
    await service.clients.reserve(event_id, 1)
    for found in await asyncio.gather(*waiting):
        assert [one["kind"] for one in found] == ["sold_out"]


async def test_the_snapshot_and_what_follows_it_are_all_there_is(service: Service) -> None:
    start = await latest(service)
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    draft = await service.clients.create_event(headers, venue["venue_id"])
    event = await service.clients.published_event()
    ids: list[str] = []
    after = ""
    while True:
        path = f"/internal/events?limit=2&after={after}"
        answer = await service.api.call("GET", path, headers=service.api.internal)
        assert answer.status == 200
        ids += [one["event_id"] for one in answer.json["events"]]
        after = answer.json["next"]
        if after is None:
            break
    assert ids == sorted(set(ids))
    assert event["event_id"] in ids
    assert draft["event_id"] not in ids
    assert (await follow(service, start, event["event_id"], 1))[0]["kind"] == "published"


async def test_named_events_are_answered_and_the_unknown_ones_named(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    draft = (await service.clients.create_event(headers, venue["venue_id"]))["event_id"]
    known = (await service.clients.published_event())["event_id"]
    unknown = str(uuid4())
    path = f"/internal/events?ids={unknown},{known.upper()},{draft},{known}"
    answer = await service.api.call("GET", path, headers=service.api.internal)
    assert answer.status == 200
    assert [one["event_id"] for one in answer.json["events"]] == [known]
    assert answer.json["not_found"] == [unknown, draft]
    assert answer.json["next"] is None


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("changes?after=nonsense", "query.after"),
        ("changes?after=" + "A" * 71, "query.after"),
        ("changes?limit=0", "query.limit"),
        ("changes?limit=501", "query.limit"),
        ("changes?limit=1.5", "query.limit"),
        ("changes?wait_s=11", "query.wait_s"),
        ("changes?wait_s=-1", "query.wait_s"),
        ("changes?wait_s=nan", "query.wait_s"),
        ("changes?kinds=sold_out,sold", "query.kinds"),
        ("changes?kind=sold_out", "query.kind"),
        ("events?limit=501", "query.limit"),
        ("events?after=1", "query.after"),
        ("events?ids=1", "query.ids"),
        ("events?ids=" + ",".join(str(UUID(int=number)) for number in range(101)), "query.ids"),
        (f"events?ids={UUID(int=1)}&after={UUID(int=2)}", "query.ids"),
    ],
)
async def test_a_bad_parameter_is_named(service: Service, path: str, field: str) -> None:
    answer = await service.api.call("GET", f"/internal/{path}", headers=service.api.internal)
    expect(answer, 400, "VALIDATION_ERROR")
    assert [one["field"] for one in answer.details["fields"]] == [field]


async def test_a_cursor_of_another_database_is_refused(service: Service) -> None:
    cursor = await latest(service)
    await service.database.rows("UPDATE change_feed SET feed_id = gen_random_uuid()")
    try:
        answer = await changes(service, f"after={cursor}")
        expect(answer, 400, "VALIDATION_ERROR")
        assert "snapshot" in answer.details["fields"][0]["message"]
    finally:
        assert (await changes(service, f"after={await latest(service)}")).status == 200


async def test_a_cursor_from_before_what_is_archived_is_gone(service: Service) -> None:
    cursor = await latest(service)
    await service.clients.published_event()
    await service.database.rows(
        "UPDATE change_feed SET begins_at = (SELECT max(position) FROM event_changes) + 1"
    )
    try:
        answer = await changes(service, f"after={cursor}")
        expect(answer, 410, "CURSOR_EXPIRED")
        assert "after=latest" in answer.json["error"]["message"]
        assert (await changes(service, f"after={await latest(service)}")).status == 200
        assert (await changes(service, "")).json["changes"] == []
    finally:
        await service.database.rows("UPDATE change_feed SET begins_at = 0")


async def test_only_internal_callers_may_follow(service: Service) -> None:
    for path in ("/internal/changes", "/internal/events"):
        expect(await service.api.call("GET", path), 401, "UNAUTHORIZED")
        admin = await service.clients.admin()
        expect(await service.api.call("GET", path, headers=admin), 401, "UNAUTHORIZED")
