"""A service whose database is away, empty or closed to it when it starts, or while it serves."""

import json
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cluster import all_ready
from tests.acceptance.service import Service, running
from tests.chaos.server import DATABASE, Server
from tests.until import until

ROLES = """
CREATE ROLE seller LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO seller;
"""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, with an empty database."""
    with (
        tempfile.TemporaryDirectory(prefix="evently-tests-") as folder,
        Server(Path(folder)) as one,
    ):
        one.create_database(DATABASE)
        yield one


def not_ready(service: Service) -> dict[str, str]:
    """Why the service is not ready."""
    body: dict[str, Any] = json.loads(service.process.probe_text("/health/ready") or "{}")
    error: dict[str, Any] = body["error"]
    return {"message": error["message"], "reason": error["details"]["database"]}


async def test_a_service_starts_before_its_database_and_serves_when_it_is_there(
    server: Server,
) -> None:
    service = Service(server.dsn(DATABASE), 2)
    process = service.process
    server.stop()
    try:
        process.begin()
        workers = process.worker_pids()
        assert process.probe("/healthz") == HTTPStatus.OK
        assert not_ready(service)["reason"] == "unreachable"

        server.start()
        # Either worker may answer, and each asks once a second.
        await until(lambda: "run `evently migrate` first" in not_ready(service)["message"])
        await until(lambda: not_ready(service)["reason"] == "not fit")
        assert process.run("migrate").returncode == 0
        await all_ready(service)
        await until(lambda: process.probe("/health/ready") == HTTPStatus.OK)

        assert process.worker_pids() == workers, "nothing ended meanwhile"
        async with service.connected():
            event = await service.clients.published_event()
            assert (await service.clients.reserve(event["event_id"], 1)).status == HTTPStatus.OK
        process.stop()
    finally:
        process.discard()


async def test_a_role_that_may_not_do_enough_is_told_what_to_run(server: Server) -> None:
    owner = Service(server.dsn(DATABASE), 1)
    assert owner.process.run("migrate").returncode == 0
    server.psql(f"{ROLES} REVOKE INSERT ON event_ledger FROM seller;", DATABASE)
    seller = server.dsn(DATABASE).replace("postgres@", "seller@")
    service = Service(seller, 1)

    done = service.process.run("serve", "--port", "0")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "Error: seller lacks INSERT on public.event_ledger; as its owner run: "
        "GRANT INSERT ON public.event_ledger TO seller;"
    )
    assert "Traceback" not in done.stderr
    # And the role that may not even make tables is told to migrate as another.
    denied = service.process.run("migrate")
    assert (denied.returncode, "Traceback" in denied.stderr) == (1, False)

    server.psql("GRANT INSERT ON public.event_ledger TO seller", DATABASE)
    with running(service):
        async with service.connected():
            event_id = (await service.clients.published_event())["event_id"]
            server.psql("REVOKE INSERT ON event_ledger FROM seller", DATABASE)

            answer = await service.clients.reserve(event_id, 1)
            assert (answer.status, answer.code) == (503, "DATABASE_UNAVAILABLE")
            await until(lambda: service.process.probe("/health/ready") == 503, what="not ready")
            said = not_ready(service)
            assert said["reason"] == "not permitted"
            assert "permission denied for table event_ledger" in said["message"]

            server.psql("GRANT INSERT ON public.event_ledger TO seller", DATABASE)
            await until(lambda: service.process.probe("/health/ready") == 200, what="ready")
            assert (await service.clients.reserve(event_id, 1)).status == HTTPStatus.OK
    for one in (owner, service):
        one.process.discard()
