"""The service behind a real PgBouncer, with sessions and with transactions in turn."""

import logging
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import asyncpg
import pytest

from db.connect import SERVER_SETTINGS
from db.database import _POOL_SETTINGS as POOL
from db.event_check import _SETTINGS as VERIFY
from db.event_store import _LANE_SETTINGS as LANE
from db.ledger_proofs import _SETTINGS as DRIFT
from db.migrate import check_database
from db.serving import TwoDatabases, check_serving
from evently.domain.errors import Fault
from evently.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, running
from tests.integration.test_black_hole import name_of
from tests.pgbouncer import START_UP_PARAMETERS, pgbouncer, release
from tests.surroundings import free_port

# The first that keeps prepared statements while transactions take turns on a connection.
PREPARES = (1, 21)
# PgBouncer reports these itself, and lets each client have its own.
TRACKED = {"application_name", "timezone"}


@pytest.fixture
def name(database_url: str) -> str:
    return name_of(database_url)


@pytest.fixture(scope="module")
def sessions(postgres: EmbeddedPostgres) -> Iterator[int]:
    """The port of one that lends a connection for as long as its client stays."""
    with pgbouncer(postgres, {"pool_mode": "session", "default_pool_size": "40"}) as port:
        yield port


@pytest.fixture(scope="module")
def transactions(postgres: EmbeddedPostgres) -> Iterator[int]:
    """The port of one that lends two connections for a transaction each."""
    if release() < PREPARES:
        pytest.skip("this PgBouncer is older than 1.21: no prepared statements in transaction mode")
    settings = {
        "pool_mode": "transaction",
        "default_pool_size": "2",
        "max_prepared_statements": "200",
    }
    with pgbouncer(postgres, settings) as port:
        yield port


async def books(url: str, direct_url: str, settings: dict[str, str] | None = None) -> None:
    """All kinds of requests, by a service of two workers that has `url`."""
    service = Service(url, 2, settings=settings)
    with running(service):
        async with service.connected():
            service.database.url = direct_url
            event = await service.clients.published_event(total_capacity=60)
            event_id = event["event_id"]
            heard = [
                await service.clients.reserve_for_sure(event_id, f"pooled-{n}") for n in range(70)
            ]
            assert sum(one.ok for one in heard) == 60
            await service.clients.check_promise(heard)
            for path in ("/api/v1/events", f"/api/v1/events/{event_id}", "/health/ready"):
                for _ in range(20):
                    assert (await service.api.call("GET", path)).status == HTTPStatus.OK
        service.process.verify()


async def test_sessions_take_turns(sessions: int, name: str, database_url: str) -> None:
    url = f"postgresql://postgres@127.0.0.1:{sessions}/{name}?sslmode=disable"
    await books(url, database_url)


async def test_transactions_take_turns_and_commits_go_past_them(
    transactions: int, name: str, database_url: str
) -> None:
    url = f"postgresql://postgres@127.0.0.1:{transactions}/{name}?sslmode=disable"
    await books(url, database_url, {"EVENTLY_COMMIT_DATABASE_URL": database_url})


async def test_settings_that_it_does_not_pass_on_are_named_with_what_to_run(
    sessions: int, name: str, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://postgres@127.0.0.1:{sessions}/{name}?sslmode=disable"
    admin = await asyncpg.connect(database_url)
    with caplog.at_level(logging.WARNING):
        await check_serving(url)
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == 4
    for statement in (one.partition("run: ")[2] for one in said):
        found = re.fullmatch(r"ALTER ROLE postgres (SET \w+ = '\w+';)", statement)
        assert found is not None, statement
        await admin.execute(f"ALTER ROLE postgres IN DATABASE {name} {found[1]}")
    # Those that it keeps have the settings of before; an operator tells it to RECONNECT.
    await admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        await check_serving(url)
        await check_serving(database_url)
    assert not caplog.records
    await admin.close()


async def test_commits_that_would_go_to_another_database_are_refused(
    database_url: str, postgres: EmbeddedPostgres, template: str
) -> None:
    await check_serving(database_url, database_url.replace("sslmode=disable", "sslmode=allow"))
    postgres.create_database("another", template)
    with pytest.raises(TwoDatabases, match="both must name the same"):
        await check_serving(database_url, postgres.dsn("another"))


def test_the_documented_start_up_parameters_are_all_that_are_sent() -> None:
    sent = {*SERVER_SETTINGS, *POOL, *LANE, *VERIFY, *DRIFT} - TRACKED
    assert set(START_UP_PARAMETERS.split(", ")) == sent
    documented = Path("docs/scaling.md").read_text(encoding="utf-8")
    assert f"ignore_startup_parameters = {START_UP_PARAMETERS}" in documented


async def test_a_pooler_that_is_away_is_a_database_that_is_away(name: str) -> None:
    with pytest.raises(Fault):
        await check_database(f"postgresql://postgres@127.0.0.1:{free_port()}/{name}")
