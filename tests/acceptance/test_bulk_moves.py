"""Many seat moves in one request: each is committed, refused and repeated on its own."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

from tests.acceptance.expectations import expect, fields_of, problems
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer

MOVES = "/internal/moves"


def move(event_id: str, quantity: int = -1, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "quantity": quantity, "version": "*", **more}


async def send(service: Service, *moves: Any, **headers: str) -> Answer:
    return await service.api.call(
        "POST", MOVES, headers=service.api.internal | headers, body={"moves": moves}
    )


def statuses(answer: Answer) -> list[int]:
    assert answer.status == 200, answer
    return [result["status"] for result in answer.json["results"]]


async def test_each_move_stands_on_its_own(service: Service) -> None:
    small = (await service.clients.published_event(total_capacity=2))["event_id"]
    large = (await service.clients.published_event())["event_id"]
    nowhere = str(uuid4())
    moves = [
        move(small, -2, idempotency_key="a"),
        move(small, -1, idempotency_key="b"),
        move(large, -3, idempotency_key="a"),
        move(nowhere),
        move(large, -1, version=1),
        move(large, 1, version=3, idempotency_key="e"),
        move(small, -2, idempotency_key="a"),
        move(small, -1, idempotency_key="a"),
    ]
    answer = await send(service, *moves)
    assert fields_of(answer) == ["results"]
    assert statuses(answer) == [200, 409, 200, 404, 409, 200, 200, 422]
    results = answer.json["results"]
    assert results[0] == {
        "status": 200,
        "answer": {
            "event_id": small,
            "available_seats": 0,
            "status": "sold_out",
            "version": 3,
            "unit_price": 25.5,
        },
    }
    assert results[2]["answer"]["version"] == 3
    assert results[5]["answer"] == {
        "event_id": large,
        "available_seats": 98,
        "status": "published",
        "version": 4,
        "unit_price": 25.5,
    }
    assert results[6] == {**results[0], "replayed": True}
    codes = [result["error"]["code"] for result in results if "error" in result]
    assert codes == [
        *("INSUFFICIENT_SEATS", "EVENT_NOT_FOUND", "CONCURRENT_UPDATE", "IDEMPOTENCY_KEY_REUSED")
    ]
    assert results[1]["error"]["details"] == {
        "event_id": small,
        "requested": 1,
        "available": 0,
        "held": 0,
        "next_hold_expires_at": None,
    }
    assert len(await service.database.ledger(small)) == 3
    assert len(await service.database.ledger(large)) == 4

    again = await send(service, *moves)
    assert statuses(again) == statuses(answer)
    replayed = [result.get("replayed", False) for result in again.json["results"]]
    assert replayed == [True, False, True, False, False, True, True, False]
    assert len(await service.database.ledger(large)) == 4


async def test_a_key_is_the_same_alone_and_among_many(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    alone = await service.clients.reserve(event_id, 2, key="booking 7")
    answer = await send(service, move(event_id, -2, idempotency_key="booking 7"))
    assert answer.json["results"] == [{"status": 200, "answer": alone.json, "replayed": True}]
    await send(service, move(event_id, 1, idempotency_key="refund 7"))
    back = await service.clients.move(event_id, 1, endpoint="return-seats", key="refund 7")
    assert back.headers["Idempotent-Replayed"] == "true"
    assert len(await service.database.ledger(event_id)) == 4


async def test_an_invalid_body_is_refused_whole(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    good = move(event_id, idempotency_key="a")
    answer = await send(service, good, good, good, {**good, "quantity": 1.5})
    assert problems(answer) == {"body.moves[3].quantity": "quantity must be a JSON integer"}
    answer = await send(service, *[good] * 101)
    assert problems(answer) == {"body.moves": "moves must hold at most 100"}
    raw = b'{"moves":[{"event_id":"%b","quantity":-1,"quantity":-1,"version":"*"}]}'
    answer = await service.api.call(
        "POST",
        MOVES,
        headers=service.api.internal | {"Content-Type": "application/json"},
        raw=raw % event_id.encode(),
    )
    assert problems(answer) == {"body": "Invalid JSON"}
    answer = await send(service, good, **{"Idempotency-Key": "a"})
    assert list(problems(answer)) == ["header.Idempotency-Key"]
    assert len(await service.database.ledger(event_id)) == 2


async def test_only_an_internal_key_admits(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    for headers, status in (
        ({}, 401),
        (await service.clients.admin(), 401),
        ({"X-API-Key": "wrong-key-0123456789"}, 403),
    ):
        answer = await service.api.call(
            "POST", MOVES, headers=headers, body={"moves": [move(event_id)]}
        )
        expect(answer, status, "UNAUTHORIZED")
    assert len(await service.database.ledger(event_id)) == 2


async def test_crowds_of_requests_over_one_event_sell_each_seat_once(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=1500))["event_id"]
    answers = await asyncio.gather(
        *(
            send(
                service,
                *(move(event_id, idempotency_key=f"{client}-{number}") for number in range(100)),
                **{"X-Request-Timeout-Ms": "30000"},
            )
            for client in range(20)
        )
    )
    counted = Counter(status for answer in answers for status in statuses(answer))
    assert counted == {200: 1500, 409: 500}
    versions = [
        result["answer"]["version"]
        for answer in answers
        for result in answer.json["results"]
        if result["status"] == 200
    ]
    assert sorted(versions) == list(range(3, 1503))
    ledger = await service.database.ledger(event_id)
    assert len(ledger) == 1502
