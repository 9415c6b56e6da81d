"""The money of a move, as the booking service says it: a free ticket, a discount, a refund."""

import pytest

from tests.acceptance.booking import booking
from tests.acceptance.expectations import expect
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer


async def move(
    service: Service, event_id: str, quantity: int, key: str | None = None, **more: object
) -> Answer:
    endpoint = "update-availability" if quantity < 0 else "return-seats"
    headers = dict(service.api.internal)
    if key is not None:
        headers["Idempotency-Key"] = key
    body = {"quantity": quantity, "version": "*", **more}
    return await service.api.call(
        "POST", f"/internal/events/{event_id}/{endpoint}", headers=headers, body=body
    )


async def revenue(service: Service, event_id: str) -> float:
    (row,) = await service.database.rows(
        "SELECT e.revenue, (SELECT sum(l.money_delta) FROM event_ledger AS l"
        "                    WHERE l.event_id = e.event_id) AS paid"
        "  FROM events AS e WHERE e.event_id = $1",
        event_id,
    )
    assert row["revenue"] == row["paid"]
    return float(row["revenue"])


async def test_the_revenue_is_the_sum_of_what_was_paid(service: Service) -> None:
    of = await booking(service, base_price=20)
    for quantity, amount in ((-2, 35.5), (-1, 0), (-4, None), (1, 12.25), (2, 0)):
        assert (await move(service, of.event_id, quantity, amount=amount)).status == 200
    await of.confirm(await of.placed(2), amount=30.01)
    assert await revenue(service, of.event_id) == 35.5 + 80 - 12.25 + 30.01


async def test_no_more_is_paid_back_than_was_taken(service: Service) -> None:
    of = await booking(service, base_price=20)
    await move(service, of.event_id, -2, amount=35.5)
    refused = await move(service, of.event_id, 1, "back", amount=35.51)
    expect(refused, 409, "AMOUNT_EXCEEDS_REVENUE")
    assert refused.details == {"event_id": of.event_id, "amount": 35.51, "revenue": 35.5}
    assert await revenue(service, of.event_id) == 35.5
    # Not the last word: more may be taken until it is asked again.
    await move(service, of.event_id, -1, amount=1)
    assert (await move(service, of.event_id, 1, "back", amount=35.51)).status == 200
    assert await revenue(service, of.event_id) == 0.99


async def test_another_amount_under_a_key_is_another_request(service: Service) -> None:
    of = await booking(service)
    first = await move(service, of.event_id, -1, "k", amount=10)
    again = await move(service, of.event_id, -1, "k", amount=10.0)
    assert (again.json, again.headers["Idempotent-Replayed"]) == (first.json, "true")
    for amount in (10.01, None):
        other = await move(service, of.event_id, -1, "k", amount=amount)
        expect(other, 422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("amount", [0.001, -1, 10_000_000_000, "1", True], ids=str)
@pytest.mark.parametrize("quantity", [-1, 1])
async def test_an_amount_is_a_price(service: Service, quantity: int, amount: object) -> None:
    of = await booking(service)
    expect(await move(service, of.event_id, quantity, amount=amount), 400, "VALIDATION_ERROR")
    assert await of.kinds() == ["created", "published"]
