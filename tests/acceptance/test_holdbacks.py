"""Blocks as a promoter, the box office and the public see them."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.booking import Booking, booking
from tests.acceptance.expectations import MOVE, expect, problems
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer
from tests.until import until

PAST = "2026-01-01T00:00:00Z"
LATER = "2035-05-01T10:00:00Z"
BLOCKS = [{"name": "Press", "quantity": 20}, {"name": "Sponsors", "quantity": 10}]


def block(name: str = "Press", quantity: Any = 1, **more: Any) -> dict[str, Any]:
    return {"name": name, "quantity": quantity, **more}


async def detail(of: Booking) -> dict[str, Any]:
    answer = await of.service.api.call(
        "GET", f"/api/v1/admin/events/{of.event_id}", headers=await of.service.clients.admin()
    )
    found: dict[str, Any] = answer.json
    return found


async def put(of: Booking, **body: Any) -> Answer:
    """An admin's change of the event as it is now, unless a version is given."""
    given = {"version": (await detail(of))["version"], **body}
    path, admin = f"/api/v1/admin/events/{of.event_id}", await of.service.clients.admin()
    return await of.service.api.call("PUT", path, headers=admin, body=given)


async def keep(of: Booking, *blocks: Mapping[str, Any]) -> dict[str, Any]:
    answer = await put(of, holdbacks=blocks)
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json
    return found


async def take(of: Booking, quantity: int, holdback: str, key: str = "", **more: Any) -> Answer:
    headers = {**of.service.api.internal, **({"Idempotency-Key": key} if key else {})}
    body = {"quantity": -quantity, "version": "*", "holdback": holdback, **more}
    path = MOVE.format(event_id=of.event_id)
    return await of.service.api.call("POST", path, headers=headers, body=body)


async def inventory(of: Booking) -> dict[str, Any]:
    path, admin = f"/api/v1/admin/events/{of.event_id}/inventory", await of.service.clients.admin()
    found: dict[str, Any] = (await of.service.api.call("GET", path, headers=admin)).json
    total = sum(found[name] for name in ("sold", "held", "held_back", "available_seats"))
    assert total == found["total_capacity"]
    return found


async def test_what_is_not_kept_back_sells_out_and_comps_are_given_from_the_block(
    service: Service,
) -> None:
    of = await booking(service, total_capacity=300, base_price=20)
    shown = await keep(of, *BLOCKS)
    assert (shown["available_seats"], shown["held_back_seats"]) == (270, 30)
    assert shown["holdbacks"] == [{**one, "release_at": None} for one in BLOCKS]

    sold = await asyncio.gather(*(of.reserve(9) for _ in range(30)))
    assert {one.status for one in sold} == {200}
    assert (await detail(of))["status"] == "sold_out"
    details = expect(await of.reserve(1), 409, "INSUFFICIENT_SEATS")
    assert (details["available"], details["held"]) == (0, 0)

    comps = await asyncio.gather(*(take(of, 5, "press", amount=0) for _ in range(4)))
    assert {one.status for one in comps} == {200}
    details = expect(await take(of, 1, "PRESS", amount=0), 409, "INSUFFICIENT_SEATS")
    assert (details["requested"], details["available"], details["holdback"]) == (1, 0, "Press")
    found = await inventory(of)
    assert (found["sold"], found["held_back"], found["status"]) == (290, 10, "sold_out")
    assert [one["quantity"] for one in found["holdbacks"]] == [0, 10]
    assert (await detail(of))["revenue"] == 270 * 20


async def test_a_time_of_release_that_has_passed_lets_the_next_reserve_succeed(
    service: Service,
) -> None:
    of = await booking(service, total_capacity=30)
    await keep(of, *BLOCKS)
    expect(await of.reserve(1), 409, "INSUFFICIENT_SEATS")
    await keep(of, BLOCKS[0], {**BLOCKS[1], "release_at": PAST})

    assert (await of.reserve(10)).status == 200
    assert (await of.kinds())[-2:] == ["expired", "reserved"]
    found = await inventory(of)
    assert found["holdbacks"] == [
        {**BLOCKS[0], "release_at": None},
        {"name": "Sponsors", "quantity": 0, "release_at": PAST},
    ]
    assert (found["sold"], found["held_back"]) == (10, 20)


async def test_a_block_is_freed_without_anybody_asking_and_once(service: Service) -> None:
    of = await booking(service, total_capacity=10)
    await keep(of, block(quantity=4, release_at=PAST))

    async def freed() -> bool:
        return (await of.numbers())[0] == 10

    await until(freed, what="the block is freed")
    assert (await of.kinds())[2:] == ["updated", "expired"]


async def test_an_event_is_created_with_blocks_that_it_has_room_for(service: Service) -> None:
    made = await service.clients.published_event(total_capacity=30, holdbacks=BLOCKS)
    of = Booking(service, made["event_id"])
    assert (await inventory(of))["held_back"] == 30
    assert (await detail(of))["status"] == "sold_out"

    admin = await service.clients.admin()
    body = {
        name: made[name]
        for name in ("name", "event_type", "venue_id", "start_datetime", "end_datetime")
    }
    more = body | {"total_capacity": 29, "base_price": 1, "holdbacks": BLOCKS}
    answer = await service.api.call("POST", "/api/v1/admin/events", headers=admin, body=more)
    assert list(problems(answer)) == ["body.holdbacks"]


async def test_more_than_is_free_cannot_be_kept_back_nor_the_capacity_cut_below_it(
    service: Service,
) -> None:
    of = await booking(service, total_capacity=10)
    await of.reserve(2)
    await of.placed(3)
    details = expect(await put(of, holdbacks=[block(quantity=6)]), 409, "INSUFFICIENT_SEATS")
    assert (details["requested"], details["available"], details["held"]) == (6, 5, 3)
    await keep(of, block(quantity=5))
    before = await detail(of)

    details = expect(await put(of, total_capacity=9), 409, "CAPACITY_BELOW_SOLD")
    assert details == {
        "event_id": of.event_id,
        "total_capacity": 9,
        "sold": 2,
        "held": 3,
        "held_back": 5,
    }
    assert await detail(of) == before


async def test_the_list_is_changed_at_the_version_that_was_read_and_no_other(
    service: Service,
) -> None:
    of = await booking(service)
    version = (await detail(of))["version"]
    await of.reserve(1)
    expect(await put(of, version=version, holdbacks=[block()]), 409, "CONCURRENT_UPDATE")
    answer = await put(of, holdbacks=[block()], on_conflict="retry")
    assert list(problems(answer)) == ["body.on_conflict"]
    # An organiser who changes something else is disturbed by no sale from a block.
    version = (await keep(of, block(quantity=3)))["version"]
    assert (await take(of, 1, "press")).status == 200
    assert (await put(of, version=version, base_price=9, on_conflict="retry")).status == 200


@pytest.mark.parametrize(
    ("blocks", "field"),
    [
        ([block(f"b{n}", 0) for n in range(21)], "body.holdbacks"),
        ([block("Press"), block("PRESS")], "body.holdbacks"),
        ([block("Straße"), block("STRASSE")], "body.holdbacks"),
        ([block(quantity=-1)], "body.holdbacks[0].quantity"),
        ([block(quantity=1.5)], "body.holdbacks[0].quantity"),
        ([block(quantity=None)], "body.holdbacks[0].quantity"),
        ([block(), block("x" * 51)], "body.holdbacks[1].name"),
        ([block(" ")], "body.holdbacks[0].name"),
        ([block(release_at="tomorrow")], "body.holdbacks[0].release_at"),
        ([block(release_at="2035-05-01")], "body.holdbacks[0].release_at"),
        ([block(realease_at=LATER)], "body.holdbacks[0].realease_at"),
        ([{"quantity": 1}], "body.holdbacks[0].name"),
        (["press"], "body.holdbacks[0]"),
        ({"name": "Press"}, "body.holdbacks"),
        (None, "body.holdbacks"),
    ],
    ids=str,
)
async def test_a_bad_list_is_refused_by_the_name_of_its_field(
    service: Service, blocks: Any, field: str
) -> None:
    of = await booking(service)
    before = await detail(of)
    assert field in problems(await put(of, holdbacks=blocks))
    assert await detail(of) == before


async def test_twenty_blocks_with_names_of_fifty_characters_are_kept(service: Service) -> None:
    of = await booking(service)
    blocks = [block(f"{n:02}".ljust(50, "x"), 5, release_at=LATER) for n in range(20)]
    assert (await keep(of, *blocks))["holdbacks"] == blocks
    assert (await take(of, 5, blocks[19]["name"])).status == 200
    history = await service.api.call(
        "GET",
        f"/api/v1/admin/events/{of.event_id}/history",
        headers=await service.clients.admin(),
    )
    last, kept = history.json["history"][:2]
    assert (last["kind"], last["quantity"], last["held_back"]) == ("reserved", 0, -5)
    assert (kept["kind"], kept["quantity"], kept["held_back"]) == ("updated", -100, 100)
    assert (kept["previous"]["holdbacks"], kept["changes"]["holdbacks"][0]["quantity"]) == ([], 5)
    was, now = (last[name]["holdbacks"][19]["quantity"] for name in ("previous", "changes"))
    assert (was, now) == (5, 0)


async def test_a_key_takes_from_a_block_once_and_stands_for_that_block(service: Service) -> None:
    of, key = await booking(service), uuid4().hex
    await keep(of, block(quantity=2), block("Crew", 2))
    details = expect(await take(of, 1, "nobody", key), 404, "HOLDBACK_NOT_FOUND")
    assert details == {"event_id": of.event_id, "holdback": "nobody"}
    await keep(of, block(quantity=2), block("Crew", 2), block("nobody", 1))

    first = await take(of, 1, "nobody", key)
    again = await take(of, 1, "nobody", key)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    expect(await take(of, 1, "Crew", key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert [one["quantity"] for one in (await inventory(of))["holdbacks"]] == [2, 2, 0]


async def test_moves_of_many_take_from_blocks_too(service: Service) -> None:
    of = await booking(service, total_capacity=5)
    await keep(of, block(quantity=2))
    move = {"event_id": of.event_id, "quantity": -2, "version": "*"}
    body = {"moves": [{**move, "holdback": "press"}, {**move, "holdback": "PRESS"}, move]}
    path = "/internal/moves"
    answer = await service.api.call("POST", path, headers=service.api.internal, body=body)
    assert sorted(one["status"] for one in answer.json["results"]) == [200, 200, 409]
    assert answer.json["results"][2]["status"] == 200


async def test_a_return_is_free_and_names_no_block(service: Service) -> None:
    of = await booking(service, total_capacity=10)
    await keep(of, block(quantity=2))
    await take(of, 2, "press")
    assert list(problems(await take(of, -1, "press"))) == ["body.holdback"]
    back = await service.clients.move(of.event_id, 2, endpoint="return-seats")
    assert back.json["available_seats"] == 10
    assert (await inventory(of))["holdbacks"][0]["quantity"] == 0


async def test_the_public_is_told_nothing_of_blocks(service: Service) -> None:
    of, internal = await booking(service, total_capacity=7), service.api.internal
    latest = await service.api.call("GET", "/internal/changes?after=latest", headers=internal)
    await keep(of, block("Secret", 3, release_at=LATER))
    await take(of, 1, "secret")
    assert (await put(of, holdbacks=[], name="Another")).status == 200
    await keep(of, block("Secret", 3))
    paths = ["", "/availability"]
    answers = [await service.api.call("GET", f"/api/v1/events/{of.event_id}{p}") for p in paths]
    answers.append(await service.api.call("GET", f"/api/v1/events?ids={of.event_id}"))
    feed = f"/internal/changes?after={latest.json['next']}"
    paths = [f"/internal/events/{of.event_id}", "/internal/events?limit=100", feed]
    answers += [await service.api.call("GET", path, headers=internal) for path in paths]
    for answer in answers:
        text = answer.body.lower()
        assert b"secret" not in text
        assert b"holdback" not in text
        assert b"held_back" not in text
        assert answer.status == 200
    assert answers[0].json["available_seats"] == 3
    told = [one for one in answers[-1].json["changes"] if one["event_id"] == of.event_id]
    assert [list(one["data"]) for one in told] == [["name"]]


async def test_reports_count_what_was_sold_from_a_block_and_nothing_else(service: Service) -> None:
    of = await booking(service, total_capacity=10, base_price=20)
    await keep(of, block(quantity=4), block("Crew", 2))
    await take(of, 3, "press", amount=15)
    await of.reserve(1)
    await keep(of, block(quantity=0))
    path, admin = f"/api/v1/admin/events/{of.event_id}/analytics", await service.clients.admin()
    for bucket in ("day", "minute"):
        answer = await service.api.call("GET", f"{path}?bucket={bucket}", headers=admin)
        assert (answer.json["tickets_sold"], answer.json["revenue"]) == (4, 35)
        trends = answer.json["booking_trends"]
        assert sum(one["tickets_sold"] for one in trends) == 4
        assert sum(one["tickets_returned"] for one in trends) == 0
