"""Whatever lists and reports do, seat moves go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from actors.envelope import Request
from db.database import POOL_MAX
from evently.app import running_services
from evently.domain.errors import Overloaded
from evently.domain.origin import Origin
from evently.domain.outcomes import Done
from evently.metrics import make_metrics
from evently.settings import Settings
from routes.caches.event_lists import Listing
from routes.caches.revision import LocalRevision
from routes.contract.answers import EventList
from routes.contract.bodies import AdminEventListQuery, EventListQuery
from routes.services import Services
from tests.examples import reserve
from tests.until import until

# Far over what a read takes, far under the time for which the lists below hang.
AT_ONCE_S = 1.0
ADD_EVENT = """
WITH place AS (
    INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
    VALUES (gen_random_uuid(), 'Hall', '1 Street', 'Oslo', 'Norway', 20000, gen_random_uuid())
    RETURNING venue_id
)
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by)
SELECT gen_random_uuid(), 'Night', '', venue_id, 'opera', now() + interval '1 day',
       now() + interval '2 days', 100, 100, 25.5, 10, 'published', 1, 1, venue_id
  FROM place
"""


@pytest.fixture
async def services(database_url: str) -> AsyncIterator[Services]:
    settings = Settings.of(
        {
            "database_url": database_url,
            "internal_api_keys": "booking:0123456789abcdef",
            "jwt_secret": "Xa7-kP2_mQ9zR4tB8vN1cW6yL3dF5gH0",
        }
    )
    metrics = make_metrics()
    async with running_services(settings, database_url, metrics, LocalRevision()) as services:

        async def measured() -> bool:
            return b"evently_table_bytes{" in await metrics.exposition()

        # The watch of the tables reads at the start, and would wait for the locks of the tests.
        await until(measured)
        yield services


async def test_actors_read_while_lists_hold_every_connection_of_their_own(
    services: Services, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE venues IN ACCESS EXCLUSIVE MODE")
            lists = [
                asyncio.create_task(services.venues.get(str(uuid4()))) for _ in range(2 * POOL_MAX)
            ]
            async with asyncio.timeout(5):
                while await _waiting(other) < POOL_MAX:
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(AT_ONCE_S):
                await services.event_store.load([])
                await services.event_store.recall([])
        await asyncio.gather(*lists, return_exceptions=True)
    finally:
        await other.close()


async def _waiting(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Connections that wait for a lock."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE relation = 'venues'::regclass AND NOT granted"
    )
    return found


async def test_lists_of_every_kind_leave_connections_to_the_others(
    services: Services, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    lists = services.event_lists
    query, own = EventListQuery(), AdminEventListQuery(page=2)
    await other.execute(ADD_EVENT)
    await _answer(lists.on_sale(query))
    services.revision.bump()
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE venues IN ACCESS EXCLUSIVE MODE")
            asked = [
                asyncio.ensure_future(work)
                for number in range(1, 9)
                for work in (
                    _answer(lists.on_sale(EventListQuery(limit=number))),
                    lists.of_admin(str(uuid4()), own),
                    lists.of_admin(None, AdminEventListQuery(limit=number)),
                    lists.search(None, AdminEventListQuery(limit=number, search="night")),
                    services.venues.list(city=None, search=None, limit=number, offset=0),
                )
            ]
            refused = 0
            for answered in asyncio.as_completed(asked):
                with suppress(Overloaded):
                    await answered
                    continue
                refused += 1
                if refused == len(asked) // 2:
                    break
            # An admin still logs in, and a report is still read.
            async with asyncio.timeout(AT_ONCE_S):
                assert await services.ledger.sales(str(uuid4())) is None
        await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await other.close()


async def test_a_lost_connection_makes_lists_read_all_anew(
    services: Services, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    await other.execute(ADD_EVENT)
    event_id = str(await other.fetchval("SELECT event_id FROM events"))
    deadline_s = asyncio.get_running_loop().time() + 5
    sold = Request(reserve(1), "key", True, Origin("key:booking", "request"), deadline_s)
    assert isinstance(await services.events.ask(event_id, sold), Done)
    assert (await _uncached(services)).total == 1
    await other.execute("ALTER TABLE events DISABLE TRIGGER USER")
    await other.execute(ADD_EVENT)
    assert (await _uncached(services)).total == 1
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'evently-committer'"
    )
    await other.close()
    async with asyncio.timeout(5):
        while (await _uncached(services)).total != 2:
            await asyncio.sleep(0.02)


async def _uncached(services: Services) -> EventList:
    services.revision.bump()
    listing = await _answer(services.event_lists.on_sale(EventListQuery()))
    return msgspec.json.decode(listing.raw.body, type=EventList)


async def _answer(found: "Listing | asyncio.Future[Listing]") -> Listing:
    return await found if isinstance(found, asyncio.Future) else found
