"""What the booking service does: read, reserve, return, replay."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.acceptance.expectations import (
    expect,
    fields_of,
    problems,
)
from tests.acceptance.service import Service


async def test_the_booking_service_reads_what_it_needs(service: Service) -> None:
    event = await service.clients.published_event(base_price=12)
    path = f"/internal/events/{event['event_id']}"
    answer = await service.api.call("GET", path, headers=service.api.internal)
    assert answer.status == 200
    assert answer.json == {
        "event_id": event["event_id"],
        "available_seats": 100,
        "max_tickets_per_booking": 6,
        "base_price": 12,
        "version": 2,
        "status": "published",
        "held_seats": 0,
        "sales_start": None,
        "sales_end": None,
        "paused": False,
        "currency": "USD",
        "on_sale": True,
    }
    assert fields_of(answer) == [
        *("event_id", "available_seats", "max_tickets_per_booking"),
        *("base_price", "version", "status", "held_seats"),
        *("sales_start", "sales_end", "paused", "currency", "on_sale"),
    ]
    headers = {"Authorization": f"ApiKey {service.api.internal_key}"}
    assert (await service.api.call("GET", path, headers=headers)).json == answer.json


async def test_internal_endpoints_take_an_internal_key_only(service: Service) -> None:
    event = await service.clients.published_event()
    path = f"/internal/events/{event['event_id']}"
    calls = (
        ("GET", path),
        ("POST", f"{path}/update-availability"),
        ("POST", f"{path}/return-seats"),
    )
    admin = await service.clients.admin()
    for method, target in calls:
        for headers in ({}, admin, {"X-API-Key": ""}):
            answer = await service.api.call(method, target, headers=headers)
            expect(answer, 401, "UNAUTHORIZED")
            assert answer.headers["WWW-Authenticate"].startswith("ApiKey")
        answer = await service.api.call(f"{method}", f"{target}?api_key={service.api.internal_key}")
        expect(answer, 401, "UNAUTHORIZED")
        for wrong in (service.api.internal_key[:-1], f"{service.api.internal_key}x"):
            answer = await service.api.call(method, target, headers={"X-API-Key": wrong})
            expect(answer, 403, "UNAUTHORIZED")
    assert len(await service.database.ledger(event["event_id"])) == 2


async def test_seats_are_reserved_and_returned_at_a_version(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    answer = await service.clients.reserve(event_id, 2, version=2)
    assert answer.status == 200
    assert answer.json == {
        "event_id": event_id,
        "available_seats": 98,
        "status": "published",
        "version": 3,
        "unit_price": 25.5,
    }
    assert fields_of(answer) == ["event_id", "available_seats", "status", "version", "unit_price"]
    assert "Idempotent-Replayed" not in answer.headers
    answer = await service.clients.move(event_id, 1, version=3)
    assert (answer.json["available_seats"], answer.json["version"]) == (99, 4)
    answer = await service.clients.move(event_id, 1, endpoint="return-seats", version=4)
    assert fields_of(answer) == ["event_id", "available_seats", "status", "version", "unit_price"]
    assert (answer.json["available_seats"], answer.json["version"]) == (100, 5)


async def test_a_stale_version_is_told_what_it_takes_to_try_again(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    told = ["event_id", "expected_version", "current_version", "available_seats", "status"]
    for answer, more in (
        (await service.clients.reserve(event_id, 2, version=1), ["changed_fields"]),
        (await service.clients.reserve(event_id, 2, version=9, on_conflict="retry"), []),
    ):
        details = expect(answer, 409, "CONCURRENT_UPDATE")
        assert list(details) == told + more
        assert (details["current_version"], details["available_seats"]) == (2, 100)
    # The price has changed since version 2, so the service may not take that conflict on itself.
    await service.clients.change(
        await service.clients.admin(), {"event_id": event_id, "version": 2}, base_price=99
    )
    answer = await service.clients.reserve(event_id, 1, version=2, on_conflict="retry")
    expect(answer, 409, "CONCURRENT_UPDATE")
    await service.clients.reserve(event_id, 1)
    answer = await service.clients.reserve(event_id, 1, version=3, on_conflict="retry")
    assert (answer.status, answer.json["version"]) == (200, 5)


async def test_too_few_seats_come_before_a_stale_version(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=3))["event_id"]
    answer = await service.clients.reserve(event_id, 4, version=1)
    assert expect(answer, 409, "INSUFFICIENT_SEATS") == {
        "event_id": event_id,
        "requested": 4,
        "available": 3,
        "held": 0,
        "next_hold_expires_at": None,
    }
    assert answer.json["error"]["message"] == "Not enough seats available"
    for endpoint in ("update-availability", "return-seats"):
        answer = await service.clients.move(event_id, 1, endpoint=endpoint)
        assert expect(answer, 409, "SEATS_EXCEED_CAPACITY") == {
            "event_id": event_id,
            "requested": 1,
            "returnable": 0,
        }
    assert len(await service.database.ledger(event_id)) == 2


@pytest.mark.parametrize("endpoint", ["update-availability", "return-seats"])
async def test_a_seat_move_is_refused_with_every_field_that_is_wrong(
    service: Service, endpoint: str
) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    path = f"/internal/events/{event_id}/{endpoint}"

    async def refused(body: Any, **headers: str) -> Mapping[str, str]:
        answer = await service.api.call(
            "POST", path, headers=service.api.internal | headers, body=body
        )
        return problems(answer)

    assert await refused({}) == {
        "body.quantity": "quantity is required",
        "body.version": "version is required",
    }
    for body, field in (
        ({"quantity": 0, "version": 2}, "body.quantity"),
        ({"quantity": 1.0, "version": 2}, "body.quantity"),
        ({"quantity": 1, "version": "2"}, "body.version"),
        ({"quantity": 1, "version": 2, "on_conflict": "maybe"}, "body.on_conflict"),
    ):
        assert list(await refused(body)) == [field]
    if endpoint == "return-seats":
        assert list(await refused({"quantity": -1, "version": 2})) == ["body.quantity"]
    good = {"quantity": 1, "version": "*"}
    assert list(await refused(good, **{"Idempotency-Key": "x" * 256})) == ["header.Idempotency-Key"]
    assert len(await service.database.ledger(event_id)) == 2


async def test_a_key_acts_once_and_replays_its_first_answer(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    first = await service.clients.reserve(event_id, 2, key="booking 7")
    await service.clients.reserve(event_id, 5)
    again = await service.clients.reserve(event_id, 2, key='"booking 7"')
    assert (again.status, again.json) == (200, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await service.clients.reserve(event_id, 3, key="booking 7")
    assert expect(other, 422, "IDEMPOTENCY_KEY_REUSED") == {"event_id": event_id}
    returned = await service.clients.move(event_id, 2, key="booking 7", endpoint="return-seats")
    expect(returned, 422, "IDEMPOTENCY_KEY_REUSED")
    elsewhere = (await service.clients.published_event())["event_id"]
    assert (await service.clients.reserve(elsewhere, 3, key="booking 7")).status == 200
    versions = [row["version"] for row in await service.database.ledger(event_id)]
    assert versions == [1, 2, 3, 4]
