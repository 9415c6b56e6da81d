"""How holds end when many end at once, when nobody asks, and when the service was killed."""

import asyncio
import json
import time
from collections import Counter
from contextlib import ExitStack

from tests.acceptance.booking import Booking, booking
from tests.acceptance.marks import TWO_WORKERS
from tests.acceptance.service import Service, running
from tests.until import until

PAIRS, AT_ONCE = 1000, 50
# A cold event is looked at every five seconds, and what is due then has been for two.
COLD_S = 7.0
# What it may take on a machine whose processors have seven programs each.
BUSY_S = 20.0


@TWO_WORKERS
async def test_of_a_confirm_and_a_release_at_one_instant_one_wins(service: Service) -> None:
    # One more than are held, so that it is never sold out.
    of = await booking(service, total_capacity=PAIRS + 1)
    ends: Counter[str] = Counter()

    async def end(number: int, hold_id: str) -> None:
        if number % 2:
            sold, freed = await asyncio.gather(of.confirm(hold_id), of.release(hold_id))
        else:
            freed, sold = await asyncio.gather(of.release(hold_id), of.confirm(hold_id))
        assert sorted((sold.status, freed.status)) == [200, 409]
        ends["sold" if sold.status == 200 else "freed"] += 1

    for _ in range(PAIRS // AT_ONCE):
        hold_ids = await asyncio.gather(*(of.placed() for _ in range(AT_ONCE)))
        await asyncio.gather(*(end(number, one) for number, one in enumerate(hold_ids)))
    assert ends.total() == PAIRS
    assert min(ends["sold"], ends["freed"]) > 0
    assert await of.numbers() == (PAIRS + 1 - ends["sold"], 0, "published")


async def test_a_seat_that_was_held_when_the_service_was_killed_is_sold_once_it_expired(
    database_url: str,
) -> None:
    with running(Service(database_url, 1)) as service:
        async with service.connected():
            of = await booking(service, total_capacity=20)
            for _ in range(4):
                await of.placed(5)
            assert (await of.reserve()).code == "INSUFFICIENT_SEATS"
            service.process.kill()
            await of.age()
            await asyncio.to_thread(service.process.start)
            assert (await of.reserve()).status == 200
            kinds = await of.kinds()
            assert kinds[-2:] == ["expired", "reserved"], kinds
            assert await of.numbers() == (19, 0, "published")
        service.process.verify()


async def test_holds_nobody_asks_for_expire_once_whatever_the_number_of_nodes(
    database_url: str,
) -> None:
    with ExitStack() as nodes:
        one = nodes.enter_context(running(Service(database_url, 1)))
        async with one.connected():
            of = [await booking(one, total_capacity=40) for _ in range(5)]
            await asyncio.gather(*(its.placed(2) for its in of for _ in range(20)))
        # So that no worker knows of them any more.
        one.process.kill()
        one.process.start()
        other = nodes.enter_context(running(Service(database_url, 2)))
        async with one.connected(), other.connected():
            await asyncio.gather(*(its.age() for its in of))
            aged_s = time.monotonic()

            async def all_free() -> bool:
                return all([await its.numbers() == (40, 0, "published") for its in of])

            await until(all_free, BUSY_S, "the seats of all holds are free")
            took_s = time.monotonic() - aged_s
            print(f"100 holds of 5 cold events were free after {took_s:.1f} s")  # noqa: T201
            await asyncio.gather(*map(expired_once, of))
            for node in (one, other):
                ids = {its.event_id for its in of}
                listed = await node.api.call("GET", "/api/v1/events?limit=100")
                free = {e["event_id"]: e["available_seats"] for e in listed.json["events"]}
                assert {event_id: free[event_id] for event_id in ids} == dict.fromkeys(ids, 40)
        one.process.verify()


async def expired_once(of: Booking) -> None:
    ledger = await of.service.database.ledger(of.event_id)
    expired = [row for row in ledger if row["kind"] == "expired"]
    gone = [hold["hold_id"] for row in expired for hold in json.loads(row["hold"])]
    assert len(gone) == len(set(gone)) == 20
