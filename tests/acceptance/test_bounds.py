"""What is just within its bound is taken; `attacks` has what is just past it."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.service import Service
from tests.acceptance.service_clients import new_event

EVENTS, VENUES = "/api/v1/admin/events", "/api/v1/admin/venues"
REGISTER = "/api/v1/auth/admin/register"
INT32_MAX = 2**31 - 1
LAYOUT_BYTES_MAX, LAYOUT_LEVELS_MAX = 16 * 1024, 20


def layout_of(size: int) -> dict[str, str]:
    """A layout of so many bytes, in compact JSON."""
    layout = {"a": ""}
    layout["a"] = "x" * (size - len(json.dumps(layout, separators=(",", ":"))))
    return layout


def nested(levels: int) -> Any:
    return {} if levels == 1 else {"a": nested(levels - 1)}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "é" * 200),
        ("description", "🎭" * 10_000),
        ("description", ""),
        ("event_type", "x" * 50),
        ("base_price", 9999999999.99),
        ("base_price", 0),
        ("base_price", 0.01),
        ("total_capacity", INT32_MAX),
        ("total_capacity", 1),
        ("max_tickets_per_booking", INT32_MAX),
        ("start_datetime", "2035-06-01T22:59:59.999999Z"),
        ("end_datetime", "9000-01-01T00:00:00Z"),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_an_event_at_a_bound_is_created(service: Service, field: str, value: Any) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers, capacity=INT32_MAX)
    # As UTF-8: escaped, the longest description would be longer than the longest body.
    raw = json.dumps(new_event(venue["venue_id"]) | {field: value}, ensure_ascii=False).encode()
    typed = headers | {"Content-Type": "application/json"}
    answer = await service.api.call("POST", EVENTS, headers=typed, raw=raw)
    assert answer.status == 201, answer
    assert answer.json[field] == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 200),
        ("address", "x" * 500),
        ("city", "x" * 100),
        ("state", "x" * 100),
        ("country", "x" * 100),
        ("postal_code", "x" * 20),
        ("capacity", INT32_MAX),
        ("capacity", 1),
        ("layout_config", layout_of(LAYOUT_BYTES_MAX)),
        ("layout_config", nested(LAYOUT_LEVELS_MAX)),
        ("layout_config", {}),
        # Whatever JSON can say comes back as it was said.
        (
            "layout_config",
            {"": [1, 2.5, True, None, 2**70, -(2**70)], "__proto__": {"ß": "\u2028"}},
        ),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_venue_at_a_bound_is_created(service: Service, field: str, value: Any) -> None:
    headers = await service.clients.admin()
    body = {"name": "V", "address": "A", "city": "C", "country": "D", "capacity": 1, field: value}
    answer = await service.api.call("POST", VENUES, headers=headers, body=body)
    assert answer.status == 201, answer
    assert answer.json[field] == value
    path = f"{VENUES}/{answer.json['venue_id']}"
    assert (await service.api.call("GET", path, headers=headers)).json == answer.json


async def test_a_registration_at_its_bounds_is_taken(service: Service) -> None:
    local = f"{uuid4().hex}{uuid4().hex}"
    body = {
        "email": f"{local}@{'x' * (254 - len(local) - 4)}.io",
        "password": "🐎" * 18,
        "name": "x" * 200,
        "phone_number": "+" + "1" * 15 + " ext. 1".rjust(24),
        "role": "admin",
    }
    assert (len(body["email"]), len(body["password"].encode())) == (254, 72)
    answer = await service.api.call("POST", REGISTER, body=body)
    assert answer.status == 201, answer
    assert answer.json["email"] == body["email"]


async def test_headers_and_parameters_at_their_bounds_are_taken(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    key = "k" * 255
    moved = await service.clients.reserve(event_id, 1, key=key)
    assert (moved.status, (await service.clients.reserve(event_id, 1, key=f'"{key}"')).json) == (
        200,
        moved.json,
    )
    for wait_ms in ("1000", "30000"):
        headers = service.api.internal | {"X-Request-Timeout-Ms": wait_ms, "X-Request-ID": "!" * 64}
        answer = await service.api.call(
            "POST",
            f"/internal/events/{event_id}/update-availability",
            headers=headers,
            body={"quantity": -1, "version": "*"},
        )
        assert (answer.status, answer.headers["X-Request-ID"]) == (200, "!" * 64)
    answer = await service.api.call(
        "GET", f"/api/v1/events?page=999999999&limit=1&city={'x' * 200}"
    )
    assert (answer.status, answer.json["page"], answer.json["limit"]) == (200, 999_999_999, 1)
    assert (await service.clients.move(event_id, -97)).json["available_seats"] == 0
    answer = await service.clients.move(event_id, INT32_MAX)
    assert (answer.code, answer.details["requested"]) == ("SEATS_EXCEED_CAPACITY", INT32_MAX)
    answer = await service.clients.move(event_id, -INT32_MAX)
    assert (answer.code, answer.details["requested"]) == ("INSUFFICIENT_SEATS", INT32_MAX)
    answer = await service.clients.move(event_id, 1, version=2**63 - 1)
    assert (answer.code, answer.details["expected_version"]) == ("CONCURRENT_UPDATE", 2**63 - 1)
