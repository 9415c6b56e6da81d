"""Blocks of events that nobody is busy with are freed too, once, by whichever node."""

from tests.acceptance.booking import Booking, booking
from tests.acceptance.service import Service, running
from tests.acceptance.test_hold_ends import BUSY_S
from tests.until import until

BLOCK = {"name": "Press", "quantity": 15, "release_at": "2035-05-01T10:00:00Z"}
# As if the time of release had been an hour ago.
AGE = """
UPDATE events
   SET next_release_at = now() - interval '1 hour',
       holdbacks = jsonb_set(holdbacks, '{0,release_at}', to_jsonb(now() - interval '1 hour'))
 WHERE event_id = $1
"""


async def kept_back(service: Service) -> Booking:
    """An event with a block that is not due."""
    of = await booking(service, total_capacity=40)
    admin, path = await service.clients.admin(), f"/api/v1/admin/events/{of.event_id}"
    body = {"version": 2, "holdbacks": [BLOCK]}
    assert (await service.api.call("PUT", path, headers=admin, body=body)).status == 200
    return of


async def test_blocks_nobody_asks_for_are_freed_once_whatever_the_number_of_nodes(
    database_url: str,
) -> None:
    with running(Service(database_url, 1)) as one:
        async with one.connected():
            of = [await kept_back(one) for _ in range(3)]
        # So that no worker knows of them any more.
        one.process.kill()
        one.process.start()
        with running(Service(database_url, 2)):
            async with one.connected():
                *due, later = of
                for its in due:
                    await one.database.rows(AGE, its.event_id)

                async def all_free() -> bool:
                    return all([await its.numbers() == (40, 0, "published") for its in due])

                await until(all_free, BUSY_S, "the seats of all blocks are free")
                for its in due:
                    assert await its.kinds() == ["created", "published", "updated", "expired"]
                assert await later.numbers() == (25, 0, "published")
            one.process.verify()
