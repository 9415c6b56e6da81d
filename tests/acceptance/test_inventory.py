"""What the organiser is told of the seats: it adds up at any moment, whatever is sold meanwhile."""

import asyncio

from tests.acceptance.booking import Booking, booking
from tests.acceptance.expectations import expect, fields_of
from tests.acceptance.marks import TWO_WORKERS
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer

READS = 1000
# So few that there is about one version for a read: none that nobody reads needs to be made.
BUYERS = 3


async def read(of: Booking, headers: dict[str, str]) -> Answer:
    path = f"/api/v1/admin/events/{of.event_id}/inventory"
    return await of.service.api.call("GET", path, headers=headers)


async def test_it_tells_where_the_seats_are_and_what_became_of_holds(service: Service) -> None:
    of, admin = await booking(service, total_capacity=20), await service.clients.admin()
    await of.reserve(3)
    kept = await of.place(2, duration_s=60)
    await of.confirm(await of.placed(4))
    await of.release(await of.placed(1))

    answer = await read(of, admin)
    assert answer.status == 200
    assert fields_of(answer) == [
        *("event_id", "version", "status", "total_capacity", "sold", "held", "held_back"),
        *("available_seats", "holdbacks", "holds"),
    ]
    assert answer.json == {
        "event_id": of.event_id,
        "version": 8,
        "status": "published",
        "total_capacity": 20,
        "sold": 7,
        "held": 2,
        "held_back": 0,
        "available_seats": 11,
        "holdbacks": [],
        "holds": {
            "active": 1,
            "next_expires_at": kept.json["hold"]["expires_at"],
            "confirmed": 1,
            "released": 1,
            "expired": 0,
            "retaken": 0,
            "confirmed_percent": 50,
        },
    }


async def test_a_hold_whose_time_has_passed_counts_as_expired(service: Service) -> None:
    of, admin = await booking(service), await service.clients.admin()
    late, _ = await of.placed(1), await of.placed(2)
    await of.age()
    holds = (await read(of, admin)).json["holds"]
    assert (holds["active"], holds["expired"], holds["next_expires_at"]) == (0, 2, None)
    assert holds["confirmed_percent"] == 0

    assert (await of.confirm(late)).json["hold"]["retaken"]
    holds = (await read(of, admin)).json["holds"]
    assert (holds["confirmed"], holds["retaken"], holds["expired"]) == (1, 1, 1)
    assert holds["confirmed_percent"] == 50


async def test_an_event_without_holds_has_no_percentage(service: Service) -> None:
    of, admin = await booking(service), await service.clients.admin()
    found = (await read(of, admin)).json
    assert found["holds"]["confirmed_percent"] is None
    assert (found["sold"], found["held"], found["available_seats"]) == (0, 0, 100)


async def test_it_is_for_the_owner_and_those_who_see_every_event(service: Service) -> None:
    of = await booking(service)
    other = await service.clients.register_admin()
    expect(await read(of, other), 403, "UNAUTHORIZED")
    expect(await read(of, {}), 401, "UNAUTHORIZED")
    expect(await read(of, service.api.internal), 401, "UNAUTHORIZED")
    nowhere = Booking(service, "00000000-0000-4000-8000-000000000000")
    expect(await read(nowhere, await service.clients.admin()), 404, "EVENT_NOT_FOUND")


@TWO_WORKERS
async def test_it_adds_up_while_seats_are_sold_held_and_returned(service: Service) -> None:
    # A version's numbers, by its ledger alone, are what each read of it must say.
    of, admin = await booking(service, total_capacity=300), await service.clients.admin()
    stopped = asyncio.Event()
    buyers = [asyncio.create_task(buy(of, n % 2 == 0, stopped)) for n in range(BUYERS)]
    try:
        reads = [(await read(of, admin)).json for _ in range(READS)]
    finally:
        stopped.set()
        await asyncio.gather(*buyers)

    free, held, seats = 0, 0, {}
    for row in await service.database.ledger(of.event_id):
        free += row["seat_delta"] + row["capacity_delta"]
        held += row["held_delta"]
        seats[row["version"]] = (free, held)
    for found in reads:
        told = (found["available_seats"], found["held"])
        assert told == seats[found["version"]], found
        assert sum(told) + found["sold"] == found["total_capacity"] == 300
        # Each hold has one seat, and none expires.
        assert found["holds"]["active"] == found["held"]
    assert len({found["version"] for found in reads}) > READS // 10


async def buy(of: Booking, confirms: bool, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        await of.reserve(1)
        hold_id = await of.placed(1)
        if confirms:
            await of.confirm(hold_id)
            await of.service.clients.move(of.event_id, 1, endpoint="return-seats")
        else:
            await of.release(hold_id)
        await of.service.clients.move(of.event_id, 1, endpoint="return-seats")
