"""What an event's status allows, and what stays true when admins and sales race."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.service import Service, from_now
from tests.acceptance.service_api import Answer
from tests.acceptance.service_clients import new_event
from tests.until import until

MODIFIABLE = "EVENT_NOT_MODIFIABLE"


async def seen(service: Service, event: dict[str, Any]) -> dict[str, Any]:
    """The event as its admin sees it now."""
    path = f"/api/v1/admin/events/{event['event_id']}"
    answer = await service.api.call("GET", path, headers=await service.clients.admin())
    found: dict[str, Any] = answer.json
    return found


@pytest.fixture
async def event(service: Service) -> dict[str, Any]:
    """An event on sale."""
    return await service.clients.published_event()


async def test_a_draft_is_sold_to_nobody(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    draft = await service.clients.create_event(headers, venue["venue_id"])
    for version in (1, "*"):
        answer = await service.clients.reserve(draft["event_id"], 1, version=version)
        assert (answer.status, answer.code) == (404, "EVENT_NOT_FOUND")
    assert await seen(service, draft) == draft


async def test_a_cancelled_event_sells_nothing_and_is_final(
    service: Service, event: dict[str, Any]
) -> None:
    headers, event_id = await service.clients.admin(), event["event_id"]
    sold = (await service.clients.reserve(event_id, 3)).json
    answer = await service.clients.cancel(headers, event | sold)
    assert answer.json["version"] == 4
    cancelled = await seen(service, event)
    assert (cancelled["status"], cancelled["available_seats"]) == ("cancelled", 97)
    for answer in (
        await service.clients.reserve(event_id, 1),
        await service.clients.reserve(event_id, 1, version=4),
        await service.clients.cancel(headers, cancelled),
        await service.clients.change(headers, cancelled, name="Again"),
        await service.clients.change(headers, cancelled, status="published"),
        await service.clients.change(headers, cancelled, total_capacity=500),
    ):
        assert (answer.status, answer.code) == (409, MODIFIABLE)
        assert answer.details == {"event_id": event_id, "status": "cancelled"}
    assert await seen(service, event) == cancelled
    # Refunds come late: seats come back, and the event stays cancelled.
    answer = await service.clients.move(event_id, 2, endpoint="return-seats")
    assert answer.json == {
        "event_id": event_id,
        "available_seats": 99,
        "status": "cancelled",
        "version": 5,
        "unit_price": 25.5,
    }
    answer = await service.clients.move(event_id, 2)
    assert (answer.code, answer.details["returnable"]) == ("SEATS_EXCEED_CAPACITY", 1)
    public = await service.api.call("GET", f"/api/v1/events/{event_id}")
    assert (public.status, public.json["status"]) == (200, "cancelled")


async def test_a_put_may_cancel_too(service: Service, event: dict[str, Any]) -> None:
    headers = await service.clients.admin()
    answer = await service.clients.change(headers, event, status="cancelled")
    assert (answer.status, answer.json["status"], answer.json["version"]) == (200, "cancelled", 3)
    kinds = [row["kind"] for row in await service.database.ledger(event["event_id"])]
    assert kinds == ["created", "published", "cancelled"]


async def test_a_stale_cancel_changes_nothing(service: Service, event: dict[str, Any]) -> None:
    headers = await service.clients.admin()
    await service.clients.reserve(event["event_id"], 1)
    answer = await service.clients.cancel(headers, event)
    assert (answer.status, answer.code) == (409, "CONCURRENT_UPDATE")
    assert (answer.details["expected_version"], answer.details["current_version"]) == (2, 3)
    assert (await seen(service, event))["status"] == "published"


async def test_a_started_event_sells_nothing_and_takes_seats_back(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    draft = await service.clients.create_event(
        headers, venue["venue_id"], start_datetime=from_now(1), end_datetime=from_now(3600)
    )
    event = await service.clients.publish(headers, draft)
    event_id = event["event_id"]
    assert (await service.clients.reserve(event_id, 5)).status == 200

    async def refused() -> Answer | None:
        answer = await service.clients.reserve(event_id, 1)
        return answer if answer.status == 409 else None

    answer = await until(refused, 5, "the start")
    assert answer is not None
    assert (answer.code, answer.details["status"]) == (MODIFIABLE, "published")
    assert "has started" in answer.json["error"]["message"]
    started = await seen(service, event)
    for answer in (
        await service.clients.reserve(event_id, 1, version=started["version"]),
        await service.clients.cancel(headers, started),
        await service.clients.change(headers, started, name="Late"),
        await service.clients.change(headers, started, start_datetime="2035-01-01T00:00:00Z"),
    ):
        assert (answer.status, answer.code) == (409, MODIFIABLE)
    assert await seen(service, event) == started
    answer = await service.clients.move(event_id, 1, endpoint="return-seats")
    assert (answer.status, answer.json["version"]) == (200, started["version"] + 1)
    # A move that was decided just before the start is committed just after it.
    end_of_sale = datetime.fromisoformat(started["start_datetime"]) + timedelta(seconds=0.5)
    sold = (await service.database.ledger(event_id))[2:-1]
    assert {row["kind"] for row in sold} == {"reserved"}
    assert max(row["recorded_at"] for row in sold) < end_of_sale


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("draft", "draft"),
        ("draft", "sold_out"),
        ("draft", "completed"),
        ("published", "draft"),
        ("published", "published"),
        ("published", "sold_out"),
        ("published", "completed"),
        ("sold_out", "published"),
        ("sold_out", "draft"),
    ],
)
async def test_a_step_that_is_not_in_the_table_changes_nothing(
    service: Service, status: str, step: str
) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    found = await service.clients.create_event(headers, venue["venue_id"], total_capacity=1)
    if status != "draft":
        found = await service.clients.publish(headers, found)
    if status == "sold_out":
        found |= (await service.clients.reserve(found["event_id"], 1)).json
    assert found["status"] == status
    answer = await service.clients.change(headers, found, status=step)
    assert (answer.status, answer.code) == (409, "INVALID_STATUS_TRANSITION")
    assert answer.details == {"event_id": found["event_id"], "from": status, "to": step}
    after = await seen(service, found)
    assert (after["status"], after["version"]) == (status, found["version"])


async def test_more_returned_than_sold_changes_nothing(
    service: Service, event: dict[str, Any]
) -> None:
    event_id = event["event_id"]
    await service.clients.reserve(event_id, 2)
    for endpoint in ("update-availability", "return-seats"):
        answer = await service.clients.move(event_id, 3, endpoint=endpoint)
        assert (answer.status, answer.code) == (409, "SEATS_EXCEED_CAPACITY")
        assert answer.details == {"event_id": event_id, "requested": 3, "returnable": 2}
    assert (await seen(service, event))["available_seats"] == 98


async def test_the_last_seat_sells_out_and_its_return_sells_again(
    service: Service, event: dict[str, Any]
) -> None:
    headers, event_id = await service.clients.admin(), event["event_id"]
    sold_out = (await service.clients.reserve(event_id, 100)).json
    assert (sold_out["available_seats"], sold_out["status"]) == (0, "sold_out")
    answer = await service.clients.reserve(event_id, 1)
    assert (answer.code, answer.details["available"]) == ("INSUFFICIENT_SEATS", 0)
    larger = await service.clients.change(headers, event | sold_out, total_capacity=101)
    assert (larger.json["available_seats"], larger.json["status"]) == (1, "published")
    smaller = await service.clients.change(headers, larger.json, total_capacity=100)
    assert (smaller.json["available_seats"], smaller.json["status"]) == (0, "sold_out")
    answer = await service.clients.move(event_id, 4)
    assert (answer.json["available_seats"], answer.json["status"]) == (4, "published")


async def test_capacity_and_cancel_race_with_500_reserves(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=6000)
    event_id = event["event_id"]
    path = f"/api/v1/admin/events/{event_id}"
    told: list[Answer] = []

    async def book() -> None:
        while len(told) < 500 or told[-1].status == 200:
            told.append(await service.clients.reserve(event_id, 1, fresh=True))

    async def at_one_of_the_next_versions(method: str, **changes: Any) -> Answer:
        """What an admin gets who bets on many versions at once, until one of them is right."""
        while True:
            now = (await service.api.call("GET", path, headers=headers)).json["version"]
            bets = await asyncio.gather(
                *(
                    service.api.call(method, path, headers=headers, body={"version": bet} | changes)
                    for bet in range(now, now + 24)
                )
            )
            assert {bet.code for bet in bets} <= {None, "CONCURRENT_UPDATE", MODIFIABLE}
            won = [bet for bet in bets if bet.status == 200]
            if won:
                return max(won, key=lambda answer: answer.json["version"])

    async with asyncio.TaskGroup() as clients:
        for _ in range(16):
            clients.create_task(book())
        for capacity in (5900, 6200, 5700):
            changed = await at_one_of_the_next_versions("PUT", total_capacity=capacity)
            assert changed.json["total_capacity"] == capacity
        await until(lambda: len(told) > 300, 20, "300 answers")
        cancelled = (await at_one_of_the_next_versions("DELETE")).json["version"]
    assert {(answer.status, answer.code) for answer in told} == {(200, None), (409, MODIFIABLE)}
    versions = [answer.json["version"] for answer in told if answer.status == 200]
    assert len(set(versions)) == len(versions)
    assert max(versions) < cancelled
    ledger = await service.database.ledger(event_id)
    assert [row["version"] for row in ledger] == list(range(1, len(ledger) + 1))
    assert min(row["available_seats"] for row in ledger) >= 0
    assert ledger[-1]["kind"] == "cancelled"
    assert (await seen(service, event))["available_seats"] == 5700 - len(versions)


async def test_a_capacity_cut_to_the_last_seat_races_with_reserves(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=200)
    event_id = event["event_id"]
    async with asyncio.TaskGroup() as clients:
        moves = [clients.create_task(service.clients.reserve(event_id, 1)) for _ in range(120)]
        cuts = [
            clients.create_task(
                service.clients.change(
                    headers, event | {"version": version}, total_capacity=version
                )
            )
            for version in range(2, 120, 2)
        ]
    assert {cut.result().code for cut in cuts} <= {None, "CONCURRENT_UPDATE", "CAPACITY_BELOW_SOLD"}
    assert {move.result().code for move in moves} <= {None, "INSUFFICIENT_SEATS"}
    after = await seen(service, event)
    sold = sum(move.result().status == 200 for move in moves)
    assert after["available_seats"] == after["total_capacity"] - sold >= 0
    assert all(row["available_seats"] >= 0 for row in await service.database.ledger(event_id))


async def test_a_venue_is_not_deleted_under_an_event_that_is_being_created(
    service: Service,
) -> None:
    headers = await service.clients.admin()
    ended = Counter[tuple[int, int]]()
    for _ in range(25):
        venue = await service.clients.create_venue(headers)
        created, deleted = await asyncio.gather(
            service.api.call(
                *("POST", "/api/v1/admin/events"),
                headers=headers,
                body=new_event(venue["venue_id"]),
            ),
            service.api.call(
                "DELETE", f"/api/v1/admin/venues/{venue['venue_id']}", headers=headers
            ),
        )
        ended[created.status, deleted.status] += 1
        if created.status == 201:
            assert deleted.code == "VENUE_IN_USE"
            again = await seen(service, created.json)
            assert again["venue"]["venue_id"] == venue["venue_id"]
        else:
            assert (created.code, deleted.status) == ("VALIDATION_ERROR", 200)
    assert ended.keys() <= {(201, 409), (400, 200)}


async def answer_to(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of who asks again after 503: on a busy machine each may wait for the other's
    lock for longer than it is let.
    """
    found: list[Answer] = []

    async def answered() -> bool:
        found.append(await ask())
        return found[-1].status != 503

    await until(answered, what="an answer")
    return found[-1]


async def test_an_event_never_outgrows_a_venue_that_is_being_made_smaller(
    service: Service,
) -> None:
    headers = await service.clients.admin()
    ended = Counter[tuple[int, int]]()
    for _ in range(25):
        venue = await service.clients.create_venue(headers, capacity=1000)
        path = f"/api/v1/admin/venues/{venue['venue_id']}"
        event = await service.clients.create_event(headers, venue["venue_id"], total_capacity=100)
        raised, cut = await asyncio.gather(
            answer_to(partial(service.clients.change, headers, event, total_capacity=900)),
            answer_to(
                partial(service.api.call, "PUT", path, headers=headers, body={"capacity": 200})
            ),
        )
        ended[raised.status, cut.status] += 1
        fits = (await seen(service, event))["total_capacity"]
        assert fits <= (await service.api.call("GET", path, headers=headers)).json["capacity"]
        assert fits == (900 if raised.status == 200 else 100)
    assert ended.keys() <= {(200, 409), (400, 200)}, ended


async def test_a_move_to_a_venue_races_with_its_deletion(service: Service) -> None:
    headers = await service.clients.admin()
    ended = Counter[tuple[int, int]]()
    for _ in range(15):
        here = (await service.clients.create_venue(headers))["venue_id"]
        there = (await service.clients.create_venue(headers))["venue_id"]
        event = await service.clients.create_event(headers, here)
        moved, deleted = await asyncio.gather(
            answer_to(partial(service.clients.change, headers, event, venue_id=there)),
            answer_to(
                partial(
                    service.api.call, "DELETE", f"/api/v1/admin/venues/{there}", headers=headers
                )
            ),
        )
        ended[moved.status, deleted.status] += 1
    assert ended.keys() <= {(200, 409), (400, 200)}, ended


async def test_of_two_admins_who_change_one_version_one_wins(
    service: Service, event: dict[str, Any]
) -> None:
    headers = await service.clients.admin()
    answers = await asyncio.gather(
        *(service.clients.change(headers, event, name=f"Name {uuid4()}") for _ in range(20))
    )
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 19}
    won = next(answer.json for answer in answers if answer.status == 200)
    assert await seen(service, event) == won
