"""Whatever lists and reports do, seat moves go on."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from db.database import POOL_MAX
from evently.app import running_services
from evently.metrics import make_metrics
from evently.settings import Settings
from routes.caches.revision import LocalRevision
from routes.services import Services

# Far over what a read takes, far under the time for which the lists below hang.
AT_ONCE_S = 1.0


@pytest.fixture
async def services(database_url: str) -> AsyncIterator[Services]:
    settings = Settings.of(
        {
            "database_url": database_url,
            "internal_api_keys": "booking:0123456789abcdef",
            "jwt_secret": "Xa7-kP2_mQ9zR4tB8vN1cW6yL3dF5gH0",
        }
    )
    async with running_services(
        settings, database_url, make_metrics(), LocalRevision()
    ) as services:
        yield services


async def test_actors_read_while_lists_hold_every_connection_of_their_own(
    services: Services, database_url: str
) -> None:
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE venues IN ACCESS EXCLUSIVE MODE")
            lists = [
                asyncio.create_task(
                    services.venues.list(city=None, search=None, limit=20, offset=0)
                )
                for _ in range(2 * POOL_MAX)
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
