"""SIGHUP: an old worker serves until the new one does."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from evently.embedded import EmbeddedPostgres
from tests.acceptance.cluster import all_ready
from tests.acceptance.service import Service, running
from tests.databases import Databases
from tests.until import until

WITHIN_S = 30.0


@pytest.fixture(scope="module")
def lone(postgres: EmbeddedPostgres, databases: Databases) -> Iterator[Service]:
    """A service of one worker, so that nobody else answers."""
    name = databases.take()
    with running(Service(postgres.dsn(name), 1)) as service:
        yield service
    databases.give_back(name)


@pytest.fixture
async def service(lone: Service) -> AsyncIterator[Service]:
    await all_ready(lone)
    async with lone.connected():
        yield lone


async def paused_successor(service: Service) -> tuple[int, int]:
    """Begin to replace the worker, and stop the new one before it serves; the ids of both."""
    (old,) = service.process.worker_pids().values()
    service.process.roll()
    await until(lambda: service.process.worker_pids()[0] != old, WITHIN_S, "the new process")
    new = service.process.worker_pids()[0]
    os.kill(new, signal.SIGSTOP)
    return old, new


async def statuses(service: Service) -> set[int]:
    """What new connections are answered."""
    async with asyncio.timeout(WITHIN_S):
        return {(await service.api.send("GET", "/healthz", fresh=True)).status for _ in range(20)}


async def test_the_old_worker_serves_until_the_new_one_does(service: Service) -> None:
    old, new = await paused_successor(service)
    assert await statuses(service) == {200}
    assert {old, new} <= service.process.processes().keys()
    os.kill(new, signal.SIGCONT)
    await until(lambda: old not in service.process.processes(), WITHIN_S, "the old one's end")
    assert await statuses(service) == {200}
    assert service.process.worker_pids() == {0: new}


async def test_a_new_worker_that_dies_before_it_serves_leaves_the_old_one(
    service: Service,
) -> None:
    old, new = await paused_successor(service)
    os.kill(new, signal.SIGKILL)
    await until(lambda: "before it served" in service.process.log(), WITHIN_S, "the log line")
    assert await statuses(service) == {200}
    assert service.process.worker_pids() == {0: old}


async def test_an_old_worker_that_dies_meanwhile_is_followed_by_the_new_one(
    service: Service,
) -> None:
    old, new = await paused_successor(service)
    os.kill(old, signal.SIGKILL)
    os.kill(new, signal.SIGCONT)
    assert await statuses(service) == {200}
    assert service.process.worker_pids() == {0: new}


async def test_the_end_of_the_service_is_the_end_of_both(
    postgres: EmbeddedPostgres, databases: Databases
) -> None:
    name = databases.take()
    with running(Service(postgres.dsn(name), 1)) as service:
        await all_ready(service)
        _, new = await paused_successor(service)
        service.process.terminate()
        os.kill(new, signal.SIGCONT)
        await asyncio.to_thread(service.process.wait_stopped)
    databases.give_back(name)
