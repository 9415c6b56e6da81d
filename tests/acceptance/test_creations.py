"""Creating events and venues under a key: once, whoever repeats it, and whenever."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.expectations import expect, problems
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer
from tests.acceptance.service_clients import new_event

VENUE = {"name": "Hall", "address": "1 Street", "city": "Oslo", "country": "Norway", "capacity": 9}


class Creating:
    """An admin who creates events and venues."""

    def __init__(self, service: Service, headers: dict[str, str], venue_id: str) -> None:
        self.service = service
        self.headers = headers
        self.venue_id = venue_id

    async def create(self, what: str, key: str, *, fresh: bool = False, **over: Any) -> Answer:
        body = VENUE | over if what == "venues" else new_event(self.venue_id, **over)
        headers = {**self.headers, "Idempotency-Key": key}
        return await self.service.api.call(
            "POST", f"/api/v1/admin/{what}", headers=headers, body=body, fresh=fresh
        )


@pytest.fixture
async def creating(service: Service) -> Creating:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    return Creating(service, headers, venue["venue_id"])


@pytest.mark.parametrize("what", ["events", "venues"])
async def test_a_repeated_creation_creates_nothing_more(creating: Creating, what: str) -> None:
    key = uuid4().hex
    first = await creating.create(what, key)
    again = await creating.create(what, f'"{key}"')
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert (await creating.create(what, uuid4().hex)).json != first.json


@pytest.mark.parametrize("what", ["events", "venues"])
async def test_of_many_at_once_through_all_workers_one_creates(
    creating: Creating, what: str
) -> None:
    key, name = uuid4().hex, uuid4().hex
    answers = await asyncio.gather(
        *(creating.create(what, key, fresh=True, name=name) for _ in range(8))
    )
    assert [answer.status for answer in answers] == [201] * 8
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    table = f"SELECT count(*) AS total FROM {what} WHERE name = $1"
    assert (await creating.service.database.rows(table, name))[0]["total"] == 1


@pytest.mark.parametrize("what", ["events", "venues"])
async def test_another_request_under_the_key_is_refused(creating: Creating, what: str) -> None:
    key = uuid4().hex
    await creating.create(what, key)
    other_thing = creating.create(("events", "venues")[what == "events"], key)
    for other in (creating.create(what, key, name="Other"), other_thing):
        answer = await other
        assert expect(answer, 422, "IDEMPOTENCY_KEY_REUSED") == {"request_key": key}


async def test_the_same_request_is_the_same_however_it_is_written(creating: Creating) -> None:
    key = uuid4().hex
    first = await creating.create("events", key, name="Cafe\u0301", base_price=25.5)
    again = await creating.create("events", key, name=" Caf\u00e9 ", base_price=25.50, more=1)
    assert again.json == first.json


async def test_a_key_is_its_admins_own(creating: Creating, service: Service) -> None:
    key = uuid4().hex
    other = Creating(service, await service.clients.register_admin(), creating.venue_id)
    mine, theirs = [await each.create("events", key) for each in (creating, other)]
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.json["event_id"] != theirs.json["event_id"]


async def test_a_creation_that_was_refused_leaves_its_key_free(creating: Creating) -> None:
    key = uuid4().hex
    answer = await creating.create("events", key, total_capacity=10**9)
    assert list(problems(answer)) == ["body.total_capacity"]
    assert (await creating.create("events", key)).status == 201


async def test_a_repeated_creation_answers_what_has_become_of_it(creating: Creating) -> None:
    key = uuid4().hex
    event = (await creating.create("events", key)).json
    await creating.service.clients.publish(creating.headers, event)
    again = await creating.create("events", key)
    assert (again.status, again.json["status"], again.json["version"]) == (201, "published", 2)
    venue = (await creating.create("venues", key + "v")).json
    path = f"/api/v1/admin/venues/{venue['venue_id']}"
    assert (await creating.service.api.call("DELETE", path, headers=creating.headers)).status == 200
    gone = await creating.create("venues", key + "v")
    assert expect(gone, 404, "VENUE_NOT_FOUND") == {"venue_id": venue["venue_id"]}


@pytest.mark.parametrize("key", ["", " ", "x" * 256, '"open', "\u00e9"])
async def test_what_is_no_key_is_refused(creating: Creating, key: str) -> None:
    answer = await creating.create("venues", key)
    assert list(problems(answer)) == ["header.Idempotency-Key"]
