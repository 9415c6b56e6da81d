"""Services on a database of the test's own."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.database import Database
from tests.integration.auth.service import MakeService, Service

# A hundred at once share a few connections, however slow the machine: what is tested is the
# throttle, not the pool.
ACQUIRE_S = 60.0


@pytest.fixture
async def make_service(database_url: str) -> AsyncIterator[MakeService]:
    """Makes workers with settings of a test's own, on one database."""
    made: list[Service] = []
    async with Database(database_url, acquire_s=ACQUIRE_S) as database:

        def make(**settings: Any) -> Service:
            made.append(Service(database, database_url, **settings))
            return made[-1]

        yield make
        for service in made:
            service.close()


@pytest.fixture
def service(make_service: MakeService) -> Service:
    """A worker with the usual settings."""
    return make_service()
