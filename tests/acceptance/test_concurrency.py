"""A thousand clients at once: not a seat too many, not one too few, each answer kept.

The clients are real connections, opened at once; every answer is held against the ledger.
"""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer
from tests.until import until

CLIENTS, SEATS = 1000, 700


def by_outcome(answers: list[Answer]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status, answer.code) for answer in answers)


SOLD_OUT = {(200, None): SEATS, (409, "INSUFFICIENT_SEATS"): CLIENTS - SEATS}


async def reserve_at_once(service: Service, event_id: str, **body: Any) -> list[Answer]:
    """The answers to one seat each for all clients, each on a connection of its own."""
    path = f"/internal/events/{event_id}/update-availability"
    body = {"quantity": -1, "version": "*"} | body
    return await asyncio.gather(
        *(
            service.api.send("POST", path, headers=service.api.internal, body=body, fresh=True)
            for _ in range(CLIENTS)
        )
    )


async def metric(service: Service, line: str) -> float:
    """The value of a line of /metrics; 0 where there is none yet."""
    text = (await service.api.call("GET", "/metrics")).body.decode()
    for found in text.splitlines():
        if found.startswith(f"{line} "):
            return float(found.rpartition(" ")[2])
    return 0.0


async def test_a_thousand_at_once_take_exactly_the_700_seats_there_are(service: Service) -> None:
    event = await service.clients.published_event(total_capacity=SEATS)
    answers = await reserve_at_once(service, event["event_id"])
    assert by_outcome(answers) == SOLD_OUT
    sold = [answer.json for answer in answers if answer.status == 200]
    assert sorted(answer["version"] for answer in sold) == list(range(3, SEATS + 3))
    assert sorted(answer["available_seats"] for answer in sold) == list(range(SEATS))
    assert all(answer["version"] + answer["available_seats"] == SEATS + 2 for answer in sold), (
        "seats and version go in step"
    )
    ledger = await service.database.ledger(event["event_id"])
    assert [row["version"] for row in ledger] == list(range(1, SEATS + 3))
    assert len({row["request_key"] for row in ledger}) == SEATS + 2
    path = f"/internal/events/{event['event_id']}"
    after = (await service.api.call("GET", path, headers=service.api.internal)).json
    assert (after["available_seats"], after["status"]) == (0, "sold_out")
    assert after["version"] == SEATS + 2
    service.process.verify()


async def test_a_thousand_with_one_old_version_take_all_seats_when_they_let_the_service_retry(
    service: Service,
) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=SEATS)
    event_id = event["event_id"]
    path = f"/api/v1/admin/events/{event_id}"
    retried = 'evently_version_conflicts_total{resolution="retried"}'
    before = await metric(service, retried)

    async def describe() -> int:
        """Change the description 50 times, whatever version that takes; the tries."""
        tries = changed = 0
        version = event["version"]
        while changed < 50:
            tries += 1
            answer = await service.api.call(
                "PUT",
                path,
                headers=headers,
                body={"version": version, "description": f"Change {changed}"},
            )
            if answer.status == 200:
                changed += 1
                version = answer.json["version"]
            else:
                assert answer.code == "CONCURRENT_UPDATE", answer
                version = answer.details["current_version"]
        return tries

    async with asyncio.TaskGroup() as tasks:
        admin = tasks.create_task(describe())
        clients = tasks.create_task(
            reserve_at_once(service, event_id, version=2, on_conflict="retry")
        )
    answers = clients.result()
    assert by_outcome(answers) == SOLD_OUT
    assert admin.result() >= 50
    versions = [answer.json["version"] for answer in answers if answer.status == 200]
    assert len(set(versions)) == SEATS
    ledger = await service.database.ledger(event_id)
    assert [row["version"] for row in ledger] == list(range(1, SEATS + 50 + 3))
    kinds = Counter(row["kind"] for row in ledger)
    assert kinds == {"created": 1, "published": 1, "reserved": SEATS, "updated": 50}

    async def all_counted() -> bool:
        """At most one of them came at its version. (Workers hand over once a second.)"""
        return await metric(service, retried) - before in {SEATS - 1, SEATS}

    await until(all_counted, 10, "the count of retried conflicts")
    answer = await service.api.call("GET", path, headers=headers)
    assert (answer.json["description"], answer.json["available_seats"]) == ("Change 49", 0)
    service.process.verify()


async def test_of_a_hundred_with_one_strict_version_one_wins(service: Service) -> None:
    event = await service.clients.published_event()
    event_id = event["event_id"]
    answers = await asyncio.gather(
        *(service.clients.reserve(event_id, 1, version=2, fresh=True) for _ in range(100))
    )
    assert by_outcome(answers) == {(200, None): 1, (409, "CONCURRENT_UPDATE"): 99}
    assert len(await service.database.ledger(event_id)) == 3


async def test_reserves_and_returns_at_once_leave_what_they_add_up_to(service: Service) -> None:
    event = await service.clients.published_event(total_capacity=50)
    event_id = event["event_id"]

    async def book(client: int) -> int:
        """Take and give back; what this client holds in the end."""
        held = 0
        for step in range(6):
            quantity = -1 - client % 3 if held == 0 else held
            answer = await service.clients.move(event_id, quantity, fresh=step % 2 == 0)
            if answer.status == 200:
                held -= quantity
            else:
                assert answer.code == "INSUFFICIENT_SEATS", answer
        return held

    held = sum(await asyncio.gather(*(book(client) for client in range(60))))
    ledger = await service.database.ledger(event_id)
    assert ledger[-1]["available_seats"] == 50 - held
    assert all(0 <= row["available_seats"] <= 50 for row in ledger)
    answer = await service.clients.move(event_id, held + 1)
    assert (answer.code, answer.details["returnable"]) == ("SEATS_EXCEED_CAPACITY", held)


# Idempotency


async def test_one_key_fifty_times_at_once_is_one_move(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    answers = await asyncio.gather(
        *(service.clients.reserve(event_id, 2, key="one", fresh=True) for _ in range(50))
    )
    assert by_outcome(answers) == {(200, None): 50}
    assert len({answer.body for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
    assert Counter(replayed) == {None: 1, "true": 49}
    ledger = await service.database.ledger(event_id)
    assert [row["request_key"] for row in ledger[2:]] == ["one"]
    assert ledger[-1]["available_seats"] == 98


async def test_one_key_with_two_bodies_at_once_is_one_move(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    answers = await asyncio.gather(
        *(service.clients.reserve(event_id, 1 + n % 2, key="two", fresh=True) for n in range(50))
    )
    outcomes = by_outcome(answers)
    assert outcomes == {(200, None): 25, (422, "IDEMPOTENCY_KEY_REUSED"): 25}
    assert len(await service.database.ledger(event_id)) == 3


async def test_a_key_is_answered_the_same_after_a_restart(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=3))["event_id"]
    first = await service.clients.reserve(event_id, 2, key="kept")
    refusal = await service.clients.reserve(event_id, 9, key="refused")
    assert refusal.code == "INSUFFICIENT_SEATS"
    await service.clients.reserve(event_id, 1)
    await service.clients.cancel(
        await service.clients.admin(), {"event_id": event_id, "version": 4}
    )
    service.process.stop()
    service.process.start()
    answers = await asyncio.gather(
        *(service.clients.reserve(event_id, 2, key="kept", fresh=True) for _ in range(50))
    )
    assert {answer.body for answer in answers} == {first.body}
    assert {answer.headers.get("Idempotent-Replayed") for answer in answers} == {"true"}
    answer = await service.clients.reserve(event_id, 1, key="kept", fresh=True)
    assert answer.code == "IDEMPOTENCY_KEY_REUSED"
    # The cancelled event would refuse for another reason: what was committed is repeated.
    again = await service.clients.reserve(event_id, 9, key="refused", fresh=True)
    assert (again.code, again.details) == (refusal.code, refusal.details)
    assert len(await service.database.ledger(event_id)) == 5


async def test_too_few_seats_is_final_under_its_key(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=3))["event_id"]
    await service.clients.reserve(event_id, 2)
    refused = await service.clients.reserve(event_id, 2, key="late")
    assert refused.code == "INSUFFICIENT_SEATS"
    await service.clients.move(event_id, 2)
    for fresh in (False, True, True, True):
        again = await service.clients.reserve(event_id, 2, key="late", fresh=fresh)
        assert (again.status, again.code, again.details) == (409, refused.code, refused.details)
    assert (await service.clients.reserve(event_id, 2, key="new")).status == 200
    assert [row["seat_delta"] for row in (await service.database.ledger(event_id))[2:]] == [
        -2,
        2,
        -2,
    ]


async def test_too_many_returned_is_final_under_its_key(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    refused = await service.clients.move(event_id, 5, key="refund", endpoint="return-seats")
    assert refused.code == "SEATS_EXCEED_CAPACITY"
    await service.clients.reserve(event_id, 10)
    again = await service.clients.move(
        event_id, 5, key="refund", endpoint="return-seats", fresh=True
    )
    assert (again.code, again.details) == (refused.code, refused.details)


async def test_a_cancelled_event_refuses_finally_under_its_key(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event()
    await service.clients.cancel(headers, event)
    for _ in range(2):
        answer = await service.clients.reserve(event["event_id"], 1, key="too late", fresh=True)
        assert answer.code == "EVENT_NOT_MODIFIABLE"


async def test_a_conflict_is_not_final_under_its_key(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    stale = await service.clients.reserve(event_id, 1, key="again", version=1)
    assert stale.code == "CONCURRENT_UPDATE"
    version = stale.details["current_version"]
    answer = await service.clients.reserve(event_id, 1, key="again", version=version, fresh=True)
    assert (answer.status, answer.json["version"]) == (200, 3)
    assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("events", [40])
async def test_many_events_sell_out_at_once_and_none_oversells(
    service: Service, events: int
) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    drafts = await asyncio.gather(
        *(
            service.clients.create_event(headers, venue["venue_id"], total_capacity=10)
            for _ in range(events)
        )
    )
    published = await asyncio.gather(*(service.clients.publish(headers, draft) for draft in drafts))
    event_ids = [event["event_id"] for event in published]
    answers = await asyncio.gather(
        *(
            service.clients.reserve(event_id, 1, key=uuid4().hex)
            for _ in range(15)
            for event_id in event_ids
        )
    )
    assert by_outcome(answers) == {
        (200, None): 10 * events,
        (409, "INSUFFICIENT_SEATS"): 5 * events,
    }
    sold = Counter(answer.json["event_id"] for answer in answers if answer.status == 200)
    assert sold == dict.fromkeys(event_ids, 10)
