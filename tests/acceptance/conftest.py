"""The service that most acceptance tests share: one with one worker, then one with two.

Rule: a test that leaves a traceback in the service's log has failed.
"""

import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from evently.embedded import EmbeddedPostgres
from evently_client import AdminClient
from tests.acceptance.client_stage import FakeStage, ServiceStage, Stage
from tests.acceptance.cluster import all_ready
from tests.acceptance.contract import AnswerChecker
from tests.acceptance.place import Place, opened_place
from tests.acceptance.service import Service, running
from tests.acceptance.target import Target, new_target


@pytest.fixture(scope="session", params=[1, 2], ids=["1-worker", "2-workers"])
def shared_service(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, template: str
) -> Iterator[Service]:
    """One service for all tests that leave it whole; they share its database.

    Whatever they did, at the end every event is what its ledger says.
    """
    name = f"acceptance_{uuid4().hex}"
    postgres.create_database(name, template)
    # So that a test can be a client of its own to the throttle, by X-Forwarded-For.
    settings = {"EVENTLY_TRUSTED_PROXIES": "127.0.0.1/32"}
    with running(Service(postgres.dsn(name), request.param, settings=settings)) as service:
        yield service
        service.process.verify()
    postgres.drop_database(name)


@pytest.fixture
async def service(shared_service: Service) -> AsyncIterator[Service]:
    """The shared service, ready to be called."""
    seen = len(shared_service.process.log())
    async with shared_service.connected():
        yield shared_service
    shared_service.process.assert_no_traceback(seen)


@pytest.fixture(scope="session", params=[2, 4], ids=["cluster-of-2", "cluster-of-4"])
def workers(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, template: str
) -> Iterator[Service]:
    """A service whose workers come and go; at the end every event is what its ledger says."""
    name = f"workers_{uuid4().hex}"
    postgres.create_database(name, template)
    with running(Service(postgres.dsn(name), request.param)) as service:
        yield service
        service.process.verify()
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def place(postgres: EmbeddedPostgres, template: str) -> Iterator[Place]:
    """One service for all tests of the client, and one admin: each new one costs a bcrypt hash."""
    name = f"client_{uuid4().hex}"
    postgres.create_database(name, template)
    with opened_place(postgres.dsn(name)) as place:
        yield place
    postgres.drop_database(name)


@pytest.fixture(params=["fake", "service"])
def real(request: pytest.FixtureRequest) -> Place | None:
    """The real service, where it is its turn; the fake one needs no PostgreSQL."""
    if request.param == "fake":
        return None
    place: Place = request.getfixturevalue("place")
    return place


@pytest.fixture
async def stage(real: Place | None) -> AsyncIterator[Stage]:
    if real is None:
        yield FakeStage()
    else:
        async with AdminClient(real.url, real.tokens) as admin:
            yield ServiceStage(real, admin)


@pytest.fixture
async def cluster(workers: Service) -> AsyncIterator[Service]:
    """That service with all of its workers at work, started again if a test has ended it."""
    seen = len(workers.process.log())
    if not workers.process.processes():
        workers.process.start()
    await all_ready(workers)
    async with workers.connected():
        yield workers
    workers.process.assert_no_traceback(seen)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Where an embedded database may live.

    Not under pytest's folder, whose mode lets no other user through; PostgreSQL is never root.
    """
    with tempfile.TemporaryDirectory(prefix="evently-embedded-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


@pytest.fixture
async def checker(service: Service) -> AnswerChecker:
    """What the service's answers are held against."""
    return await service.api.checker()


@pytest.fixture
async def target(service: Service) -> Target:
    """An event of its own for a test to attack."""
    return await new_target(service)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the service's log beside the failure of a test that has a service."""
    report = yield
    if report.failed:
        for found in {arg for arg in item.funcargs.values() if isinstance(arg, Service)}:
            report.sections.append((f"log of {found!r}", found.process.log_tail()))
    return report
