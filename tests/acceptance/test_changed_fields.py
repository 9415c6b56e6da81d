"""A conflict names the terms of the offer that changed since the caller's version, over HTTP."""

import json
from typing import Any

import pytest

from tests.acceptance.booking import Booking, booking
from tests.acceptance.cluster import all_ready, event_owned_by
from tests.acceptance.expectations import expect
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer

ALWAYS = ["event_id", "expected_version", "current_version", "available_seats", "status"]
LATER = "2035-06-02T02:00:00Z"
OLDER = """
UPDATE events
   SET base_price = $2, version = version + 1, terms_version = version + 1,
       edited_version = version + 1
 WHERE event_id = $1
RETURNING version
"""
OLDER_LEDGER = """
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id,
                          changes)
SELECT event_id, version, 'updated', 0, 0, 0, available_seats, status, 'older ' || version,
       'update', 'admin:older', 'older', jsonb_build_object('base_price', base_price)
  FROM events
 WHERE event_id = $1
"""


def told(answer: Answer) -> list[str] | None:
    """The fields that a conflict names; None if it says that it does not know them."""
    details = expect(answer, 409, "CONCURRENT_UPDATE")
    fields: list[str] | None = details.get("changed_fields", [])
    assert list(details) == [*ALWAYS, *(["changed_fields"] if fields != [] else [])]
    return fields


class Offer:
    """An event on sale whose offer changes."""

    def __init__(self, of: Booking) -> None:
        self.of, self.event_id, self._service = of, of.event_id, of.service

    async def change(self, **changes: Any) -> None:
        clients = self._service.clients
        event = {"event_id": self.event_id, "version": await self.version()}
        answer = await clients.change(await clients.admin(), event, **changes)
        assert answer.status == 200, answer

    async def version(self) -> int:
        """Its version, by the database."""
        rows = await self._service.database.rows(
            "SELECT version FROM events WHERE event_id = $1", self.event_id
        )
        version: int = rows[0]["version"]
        return version

    async def reserve(self, version: int, **more: Any) -> Answer:
        return await self._service.clients.reserve(self.event_id, 1, version=version, **more)

    async def change_as_an_older_release(self, price: int) -> None:
        """A change as a worker of a release makes it that notes no terms."""
        await self._service.database.rows(OLDER, self.event_id, price)
        await self._service.database.rows(OLDER_LEDGER, self.event_id)


@pytest.fixture
async def offer(service: Service) -> Offer:
    return Offer(await booking(service))


async def test_what_changed_since_is_named_and_seat_moves_are_not(offer: Offer) -> None:
    await offer.change(base_price=30, max_tickets_per_booking=4)  # 3
    assert (await offer.reserve(3)).status == 200  # 4
    await offer.change(name="Day", base_price=30)  # 5
    await offer.change(end_datetime=LATER)  # 6
    assert told(await offer.reserve(1)) == [
        *("base_price", "end_datetime", "max_tickets_per_booking", "status")
    ]
    assert told(await offer.reserve(2)) == [
        *("base_price", "end_datetime", "max_tickets_per_booking")
    ]
    assert told(await offer.reserve(3)) == told(await offer.reserve(5)) == ["end_datetime"]
    assert (await offer.reserve(6)).status == 200
    assert told(await offer.reserve(6)) == []
    assert told(await offer.reserve(99)) == []


async def test_a_change_back_is_one_and_the_same_value_again_is_none(offer: Offer) -> None:
    await offer.change(base_price=25.5)  # 3
    assert told(await offer.reserve(2)) == []
    await offer.change(base_price=30)
    await offer.change(base_price=25.5)  # 5
    assert told(await offer.reserve(2)) == told(await offer.reserve(4)) == ["base_price"]


async def test_retries_returns_holds_and_admins_are_told_as_well(
    offer: Offer, service: Service
) -> None:
    await offer.of.reserve(2)  # 3
    await offer.change(base_price=30)  # 4
    again: dict[str, Any] = {"on_conflict": "retry"}
    move = service.clients.move
    for answer in (
        await offer.reserve(3, **again),
        await move(offer.event_id, 1, endpoint="return-seats", version=3),
        await move(offer.event_id, 1, version=2, **again),
        await offer.of.place(1, version=3),
        await offer.of.place(1, version=3, **again),
        await service.clients.change(
            await service.clients.admin(), {"event_id": offer.event_id, "version": 3}, name="Day"
        ),
        await service.clients.change(
            await service.clients.admin(),
            {"event_id": offer.event_id, "version": 3},
            name="Day",
            **again,
        ),
        await service.clients.cancel(
            await service.clients.admin(), {"event_id": offer.event_id, "version": 2}
        ),
    ):
        assert told(answer) == ["base_price"]
    await service.clients.cancel(
        await service.clients.admin(), {"event_id": offer.event_id, "version": 4}
    )
    answer = await move(offer.event_id, 1, endpoint="return-seats", version=4)
    assert told(answer) == ["status"]


async def test_each_of_many_moves_is_told_its_own(offer: Offer, service: Service) -> None:
    await offer.change(base_price=30)  # 3
    await offer.change(total_capacity=120)  # 4
    moves = [
        {"event_id": offer.event_id, "quantity": -1, "version": version, "on_conflict": how}
        for version, how in ((2, "fail"), (3, "retry"), (4, "retry"), (4, "fail"))
    ]
    answer = await service.api.call(
        "POST", "/internal/moves", headers=service.api.internal, body={"moves": moves}
    )
    results = answer.json["results"]
    assert [result["status"] for result in results] == [409, 409, 200, 409]
    fields = [
        result["error"]["details"].get("changed_fields", [])
        for result in results
        if "error" in result
    ]
    assert fields == [["base_price", "total_capacity"], ["total_capacity"], []]


async def test_a_conflict_is_not_kept_under_its_key(offer: Offer) -> None:
    await offer.change(base_price=30)  # 3
    assert told(await offer.reserve(2, key="mine")) == ["base_price"]
    await offer.change(max_tickets_per_booking=3)  # 4
    assert told(await offer.reserve(2, key="mine")) == ["base_price", "max_tickets_per_booking"]
    assert (await offer.reserve(4, key="mine")).status == 200


async def test_the_public_and_the_booking_service_are_shown_nothing_of_it(
    offer: Offer, service: Service
) -> None:
    await offer.change(base_price=30)
    admin = await service.clients.admin()
    for path, headers in (
        (f"/api/v1/events/{offer.event_id}", {}),
        (f"/internal/events/{offer.event_id}", service.api.internal),
        (f"/api/v1/admin/events/{offer.event_id}", admin),
    ):
        answer = await service.api.call("GET", path, headers=headers)
        assert answer.status == 200
        assert not {"term_versions", "terms_version", "changed_fields"} & answer.json.keys()


# Rolling upgrade


async def test_what_an_older_release_changed_is_not_named_and_nothing_before_it_is(
    offer: Offer,
) -> None:
    await offer.change(max_tickets_per_booking=3)  # 3
    await offer.change_as_an_older_release(40)  # 4
    assert [told(await offer.reserve(version)) for version in (1, 2, 3)] == [None] * 3
    assert told(await offer.reserve(3, on_conflict="retry")) is None
    await offer.change(total_capacity=90)  # 5
    assert [told(await offer.reserve(version)) for version in (1, 2, 3)] == [None] * 3
    assert told(await offer.reserve(4)) == ["total_capacity"]
    await offer.change(base_price=41)  # 6
    assert told(await offer.reserve(4)) == ["base_price", "total_capacity"]
    assert told(await offer.reserve(5)) == ["base_price"]


async def test_an_event_from_before_the_column_is_told_of_from_its_next_change_on(
    offer: Offer, service: Service
) -> None:
    await offer.change_as_an_older_release(40)  # 3
    await service.database.rows(
        "UPDATE events SET term_versions = DEFAULT WHERE event_id = $1", offer.event_id
    )
    assert [told(await offer.reserve(version)) for version in (1, 2)] == [None] * 2
    await offer.change(max_tickets_per_booking=3)  # 4
    assert [told(await offer.reserve(version)) for version in (1, 2)] == [None] * 2
    assert told(await offer.reserve(3)) == ["max_tickets_per_booking"]
    rows = await service.database.rows(
        "SELECT term_versions #>> '{}' AS noted FROM events WHERE event_id = $1", offer.event_id
    )
    assert json.loads(rows[0]["noted"]) == {
        "since": 3,
        "changed": [["max_tickets_per_booking", 4]],
    }


# Several workers


@pytest.fixture
async def offers(cluster: Service) -> list[Offer]:
    """One of each worker."""
    events = [await event_owned_by(cluster, index) for index in range(cluster.workers)]
    return [Offer(Booking(cluster, event["event_id"])) for event in events]


async def test_every_worker_tells_it_also_after_a_restart(
    cluster: Service, offers: list[Offer]
) -> None:
    for offer in offers:
        await offer.change(base_price=30)  # 3
        await offer.change(end_datetime=LATER)  # 4

    async def ask() -> None:
        for offer in offers:
            # Each on a connection of its own, at whichever worker takes it.
            for _ in range(2 * cluster.workers):
                strict = await offer.reserve(2, fresh=True)
                retried = await offer.reserve(3, fresh=True, on_conflict="retry")
                assert told(strict) == ["base_price", "end_datetime"]
                assert told(retried) == ["end_datetime"]

    await ask()
    cluster.process.stop()
    cluster.process.start()
    await all_ready(cluster)
    await ask()
    for offer in offers:
        await offer.change(max_tickets_per_booking=3)
        assert told(await offer.reserve(3)) == ["end_datetime", "max_tickets_per_booking"]
