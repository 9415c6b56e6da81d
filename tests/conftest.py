"""One real PostgreSQL for each process of the run, and a migrated, empty database for every test.

Rules
1. The server commits as durably as in production, since the service calls one that does not
   not ready. A database of its own costs a test about 20 ms, so tests commit and share nothing.
2. `make test` spreads the tests over several processes, which share nothing either; scheduling.py
   keeps those together that share a service.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from xdist.remote import Producer

from db.migrate import migrate
from evently.embedded import EmbeddedPostgres
from tests.databases import Databases
from tests.scheduling import SharedServices


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedServices:
    """Let xdist keep the tests of one service together."""
    return SharedServices(config, log)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The server; not under pytest's folder, whose mode every other run resets to root's own."""
    with (
        tempfile.TemporaryDirectory(prefix="evently-tests-") as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        yield server
        # Nobody reads this again: it need not be on disk before the server ends.
        os.kill(server.pid, signal.SIGQUIT)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with every migration and not a row."""

    async def fill() -> None:
        connection = await asyncpg.connect(postgres.dsn("template"))
        try:
            await migrate(connection)
        finally:
            await connection.close()

    postgres.create_database("template")
    asyncio.run(fill())
    return "template"


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres, template: str) -> Databases:
    """Migrated databases to lend."""
    return Databases(postgres, template)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, databases: Databases) -> Iterator[str]:
    """The URL of a migrated database of the test's own."""
    name = databases.take()
    try:
        yield postgres.dsn(name)
    finally:
        databases.give_back(name)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> str:
    """The URL of a database that no migration has touched; it goes with the server."""
    name = f"test_{uuid4().hex}"
    postgres.create_database(name)
    return postgres.dsn(name)
