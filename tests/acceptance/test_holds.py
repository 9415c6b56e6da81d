"""A booking's life by way of a hold: placed, changed, confirmed or released, and read."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.booking import Booking, booking
from tests.acceptance.expectations import expect, fields_of
from tests.acceptance.service import Service

HOLD = [
    *("hold_id", "quantity", "unit_price", "status", "reference", "held_at", "expires_at"),
    *("latest_expires_at", "closed_at", "retaken", "amount"),
]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_hold_is_placed_read_confirmed_and_returned(service: Service) -> None:
    of = await booking(service, base_price=20)
    answer = await of.place(2, duration_s=600, reference="b-1")
    assert answer.status == 201
    assert fields_of(answer) == ["event_id", "available_seats", "status", "version", "hold"]
    hold = answer.json["hold"]
    assert list(hold) == HOLD
    assert (hold["quantity"], hold["unit_price"], hold["status"]) == (2, 20, "held")
    assert (hold["reference"], hold["closed_at"], hold["amount"]) == ("b-1", None, None)
    held_at = instant(hold["held_at"])
    assert instant(hold["expires_at"]) - held_at == timedelta(seconds=600)
    assert instant(hold["latest_expires_at"]) - held_at == timedelta(seconds=7200)
    assert (answer.json["available_seats"], answer.json["version"]) == (98, 3)
    location = answer.headers["Location"]
    assert location == f"{of.path}/{hold['hold_id']}"
    read = await service.api.call("GET", location, headers=service.api.internal)
    assert read.json == {"event_id": of.event_id, "hold": hold}

    confirmed = await of.confirm(hold["hold_id"])
    assert confirmed.status == 200
    assert (confirmed.json["available_seats"], confirmed.json["version"]) == (98, 4)
    told = confirmed.json["hold"]
    assert (told["status"], told["amount"], told["retaken"]) == ("confirmed", 40, False)
    assert await of.numbers() == (98, 0, "published")
    back = await service.clients.move(of.event_id, 2, endpoint="return-seats", version="*")
    assert back.json["available_seats"] == 100
    assert await of.kinds() == ["created", "published", "held", "confirmed", "returned"]


async def test_confirmed_twice_is_one_sale_and_the_same_answer(service: Service) -> None:
    of = await booking(service)
    hold_id = await of.placed(2)
    first = await of.confirm(hold_id, "pay-1")
    again = await of.confirm(hold_id, "pay-2")
    assert again.json == first.json
    assert "Idempotent-Replayed" not in again.headers
    repeated = await of.confirm(hold_id, "pay-1")
    assert repeated.json == first.json
    assert repeated.headers["Idempotent-Replayed"] == "true"
    expect(await of.confirm(hold_id, amount=1), 409, "HOLD_NOT_ACTIVE")
    assert (await of.kinds()).count("confirmed") == 1


async def test_a_hold_is_released_once_and_then_it_is_free(service: Service) -> None:
    of = await booking(service)
    hold_id = await of.placed(3)
    first = await of.release(hold_id)
    assert (first.json["available_seats"], first.json["hold"]["status"]) == (100, "released")
    again = await of.release(hold_id)
    assert again.json == first.json
    details = expect(await of.confirm(hold_id), 409, "HOLD_NOT_ACTIVE")
    assert details == {"event_id": of.event_id, "hold_id": hold_id, "status": "released"}
    assert await of.kinds() == ["created", "published", "held", "released"]


async def test_what_was_confirmed_is_not_released(service: Service) -> None:
    of = await booking(service)
    hold_id = await of.placed()
    await of.confirm(hold_id, amount=12.5)
    assert expect(await of.release(hold_id), 409, "HOLD_NOT_ACTIVE")["status"] == "confirmed"
    assert await of.numbers() == (99, 0, "published")


async def test_a_lost_answer_to_a_hold_names_the_same_hold_again(service: Service) -> None:
    of = await booking(service)
    first = await of.place(2, "k-1", duration_s=60)
    again = await of.place(2, "k-1", duration_s=60)
    assert again.status == 201
    assert again.json == first.json
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    expect(await of.place(2, "k-1", duration_s=61), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await of.numbers() == (98, 2, "published")


async def test_a_hold_takes_more_and_fewer_seats_and_more_time(service: Service) -> None:
    of = await booking(service, max_tickets_per_booking=4)
    hold_id = await of.placed(2, duration_s=60)
    more = await of.call("PUT", f"/{hold_id}", quantity=4)
    assert (more.json["available_seats"], more.json["hold"]["quantity"]) == (96, 4)
    fewer = await of.call("PUT", f"/{hold_id}", quantity=1, duration_s=900)
    assert (fewer.json["available_seats"], fewer.json["hold"]["quantity"]) == (99, 1)
    hold = fewer.json["hold"]
    assert instant(hold["expires_at"]) > instant(hold["held_at"]) + timedelta(seconds=890)
    details = expect(await of.call("PUT", f"/{hold_id}", quantity=5), 409, "MAX_TICKETS_EXCEEDED")
    assert (details["requested"], details["max_tickets_per_booking"]) == (5, 4)
    assert await of.numbers() == (99, 1, "published")


async def test_a_hold_keeps_its_price_and_does_not_grow_at_another(service: Service) -> None:
    of = await booking(service, base_price=20)
    hold_id = await of.placed(2)
    admin = await service.clients.admin()
    await service.clients.change(admin, {"event_id": of.event_id, "version": 3}, base_price=30)
    details = expect(await of.call("PUT", f"/{hold_id}", quantity=3), 409, "HOLD_PRICE_CHANGED")
    assert (details["unit_price"], details["base_price"]) == (20, 30)
    assert (await of.confirm(hold_id)).json["hold"]["amount"] == 40
    path = f"/api/v1/admin/events/{of.event_id}/analytics"
    sold = (await service.api.call("GET", path, headers=admin)).json
    assert (sold["tickets_sold"], sold["revenue"]) == (2, 40)


async def test_all_seats_held_is_not_sold_out_and_tells_when_some_may_be_free(
    service: Service,
) -> None:
    of = await booking(service, total_capacity=3)
    hold_ids = [await of.placed() for _ in range(3)]
    for answer in (await of.reserve(), await of.place()):
        details = expect(answer, 409, "INSUFFICIENT_SEATS")
        assert (details["requested"], details["available"], details["held"]) == (1, 0, 3)
        assert instant(details["next_hold_expires_at"]) > instant("2020-01-01T00:00:00Z")
    assert await of.numbers() == (0, 3, "published")
    for hold_id in hold_ids:
        await of.confirm(hold_id)
    assert await of.numbers() == (0, 0, "sold_out")


async def test_a_held_seat_is_not_returned(service: Service) -> None:
    of = await booking(service)
    await of.placed(6)
    answer = await service.clients.move(of.event_id, 1, endpoint="return-seats", version="*")
    assert expect(answer, 409, "SEATS_EXCEED_CAPACITY")["returnable"] == 0


async def test_nobody_is_refused_while_an_expired_hold_has_the_seat(service: Service) -> None:
    of = await booking(service, total_capacity=2)
    await of.placed(2)
    await of.age()
    assert (await of.reserve(2)).status == 200
    assert await of.kinds() == ["created", "published", "held", "expired", "reserved"]


async def test_an_expired_hold_reads_so_at_once_and_is_written_soon(service: Service) -> None:
    of = await booking(service)
    hold_id = await of.placed(2, reference="b-2")
    await of.age()
    read = (await of.call("GET", f"/{hold_id}")).json["hold"]
    assert (read["status"], read["closed_at"]) == ("expired", read["expires_at"])
    assert (await of.call("GET", "?status=held")).json["holds"] == []
    listed = (await of.call("GET", "?status=expired&reference=b-2")).json
    assert [hold["hold_id"] for hold in listed["holds"]] == [hold_id]
    async with asyncio.timeout(10):
        while await of.numbers() != (100, 0, "published"):
            await asyncio.sleep(0.1)
    assert await of.kinds() == ["created", "published", "held", "expired"]


async def test_a_late_confirm_retakes_the_seats_if_they_are_there(service: Service) -> None:
    of = await booking(service, total_capacity=4)
    written, unwritten, gone, early = [await of.placed() for _ in range(4)]
    await of.age()
    refused = expect(await of.confirm(early, late="refuse"), 409, "HOLD_EXPIRED")
    assert (refused["hold_id"], refused["requested"]) == (early, 1)
    assert (await of.confirm(unwritten)).json["hold"]["retaken"]
    # Whoever wants seats has the others written.
    assert (await of.reserve(2)).status == 200
    taken = await of.confirm(written)
    assert (taken.status, taken.json["hold"]["retaken"]) == (200, True)
    details = expect(await of.confirm(gone), 409, "HOLD_EXPIRED")
    assert (details["requested"], details["available"]) == (1, 0)
    assert await of.numbers() == (0, 0, "sold_out")


async def test_a_cancelled_event_sells_no_held_seat_and_takes_them_back(service: Service) -> None:
    of = await booking(service)
    kept, given = await of.placed(2), await of.placed(3)
    admin = await service.clients.admin()
    path = f"/api/v1/admin/events/{of.event_id}"
    gone = await service.api.call("DELETE", path, headers=admin, body={"version": 4})
    assert gone.status == 200
    expect(await of.confirm(kept), 409, "EVENT_NOT_MODIFIABLE")
    expect(await of.call("PUT", f"/{kept}", duration_s=60), 409, "EVENT_NOT_MODIFIABLE")
    expect(await of.place(), 409, "EVENT_NOT_MODIFIABLE")
    assert (await of.release(given)).json["available_seats"] == 98
    await of.age()
    async with asyncio.timeout(10):
        while await of.numbers() != (100, 0, "cancelled"):
            await asyncio.sleep(0.1)


async def test_capacity_is_not_cut_below_what_is_sold_and_held(service: Service) -> None:
    of = await booking(service)
    await of.placed(3)
    await of.reserve(2)
    admin = await service.clients.admin()
    path = f"/api/v1/admin/events/{of.event_id}"
    answer = await service.api.call(
        "PUT", path, headers=admin, body={"version": 4, "total_capacity": 4}
    )
    details = expect(answer, 409, "CAPACITY_BELOW_SOLD")
    assert (details["total_capacity"], details["sold"], details["held"]) == (4, 2, 3)


async def test_holds_are_listed_in_order_page_by_page(service: Service) -> None:
    of = await booking(service)
    hold_ids = [await of.placed() for _ in range(5)]
    found: list[str] = []
    after = ""
    while True:
        page = (await of.call("GET", f"?limit=2{after}")).json
        found += [hold["hold_id"] for hold in page["holds"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == hold_ids
    expect(await of.call("GET", "?after=nonsense"), 400, "VALIDATION_ERROR")


async def test_the_history_tells_of_holds(service: Service) -> None:
    of = await booking(service)
    hold_id = await of.placed(2)
    await of.confirm(hold_id)
    admin = await service.clients.admin()
    path = f"/api/v1/admin/events/{of.event_id}/history"
    rows = (await service.api.call("GET", path, headers=admin)).json["history"]
    assert [(row["kind"], row["quantity"], row["held"], row["hold_id"]) for row in rows[:2]] == [
        ("confirmed", 0, -2, hold_id),
        ("held", -2, 2, hold_id),
    ]


BAD = [
    *[{"quantity": given} for given in (0, -1, True, 2**31, "1", 1.5, None)],
    *[{"quantity": 1, "duration_s": given} for given in (29, 7201, "900", True)],
    {"quantity": 1, "reference": "x" * 256},
    {"quantity": 1, "version": 0},
    {"quantity": 1, "on_conflict": "wait"},
    {"quantity": 1, "duratoin_s": 60},
    {},
]


@pytest.mark.parametrize("body", BAD, ids=str)
async def test_a_hold_that_makes_no_sense_is_refused_by_field(
    service: Service, body: dict[str, Any]
) -> None:
    of = await booking(service)
    answer = await service.api.call("POST", of.path, headers=service.api.internal, body=body)
    expect(answer, 400, "VALIDATION_ERROR")
    assert await of.kinds() == ["created", "published"]


@pytest.mark.parametrize("amount", [0.001, -1, 10_000_000_000, "1", True], ids=str)
async def test_an_amount_is_a_price(service: Service, amount: object) -> None:
    of = await booking(service)
    hold_id = await of.placed()
    expect(await of.confirm(hold_id, amount=amount), 400, "VALIDATION_ERROR")
    assert (await of.call("GET", f"/{hold_id}")).json["hold"]["status"] == "held"


async def test_a_hold_belongs_to_its_event(service: Service) -> None:
    of, other = await booking(service), await booking(service)
    hold_id = await of.placed()
    unknown = str(uuid4())
    for answer in (
        await other.confirm(hold_id),
        await other.release(hold_id),
        await other.call("PUT", f"/{hold_id}", quantity=2),
        await other.call("GET", f"/{hold_id}"),
    ):
        details = expect(answer, 404, "HOLD_NOT_FOUND")
        assert details == {"event_id": other.event_id, "hold_id": hold_id}
    expect(await of.confirm(unknown), 404, "HOLD_NOT_FOUND")
    expect(await Booking(service, unknown).place(), 404, "EVENT_NOT_FOUND")
    expect(await of.call("GET", "/1"), 400, "VALIDATION_ERROR")
    assert await of.numbers() == (99, 1, "published")
    admin = await service.clients.admin()
    venue = await service.clients.create_venue(admin)
    draft = await service.clients.create_event(admin, venue["venue_id"])
    for answer in (
        await Booking(service, draft["event_id"]).place(),
        await Booking(service, draft["event_id"]).call("GET"),
    ):
        expect(answer, 404, "EVENT_NOT_FOUND")


async def test_a_confirm_takes_no_body_of_another_type(service: Service) -> None:
    of = await booking(service)
    path = f"{of.path}/{await of.placed()}/confirm"
    headers = {**service.api.internal, "Content-Type": "text/plain"}
    answer = await service.api.call("POST", path, headers=headers, raw=b"{}")
    expect(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    expect(
        await service.api.call("POST", path, headers=service.api.internal, body=[]),
        400,
        "VALIDATION_ERROR",
    )
    assert (await service.api.call("POST", path, headers=service.api.internal)).status == 200


async def test_a_thousand_clients_share_three_hundred_seats(service: Service) -> None:
    of = await booking(service, total_capacity=300, base_price=10)
    answers = await asyncio.gather(*(of.place() for _ in range(1000)))
    assert Counter(answer.status for answer in answers) == {201: 300, 409: 700}
    refused = [answer.details for answer in answers if answer.status == 409]
    assert all(details["held"] + details["available"] == 300 for details in refused[-600:])
    assert await of.numbers() == (0, 300, "published")
    hold_ids = [answer.json["hold"]["hold_id"] for answer in answers if answer.status == 201]
    assert len(set(hold_ids)) == 300
    sold = await asyncio.gather(*map(of.confirm, hold_ids))
    assert all(answer.status == 200 for answer in sold)
    assert await of.numbers() == (0, 0, "sold_out")
    (row,) = await service.database.rows(
        "SELECT revenue FROM events WHERE event_id = $1", of.event_id
    )
    assert row["revenue"] == 3000
