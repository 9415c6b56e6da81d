"""The database is away, full, or has no connection left: what callers hear, and that it ends.

Each test has a server of its own, for it is killed, filled and exhausted.
"""

import asyncio
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.acceptance.service import Service, from_now, running
from tests.acceptance.service_api import Answer
from tests.acceptance.service_clients import Heard
from tests.chaos.foreign import give_back, take_every_connection
from tests.chaos.server import DATABASE, Server
from tests.surroundings import library, small_disk
from tests.until import until

# The service's own targets are 10 ms and 3 s; a busy machine is given some more.
REFUSED_S = 1.0
BACK_S = 10.0
CLIENTS = 64
# A new cluster with its log takes a hundred megabytes.
DISK = "160m"
# As an operator might, by hand, with the version and the ledger row that belong to it.
START = """
WITH moved AS (
    UPDATE events SET start_datetime = now() - interval '1 minute', version = version + 1,
                      terms_version = version + 1
     WHERE event_id = $1 RETURNING event_id, version, available_seats, status)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
SELECT event_id, version, 'updated', 0, 0, 0, available_seats, status, 'by hand', '', '', ''
  FROM moved
"""


@contextmanager
def served(
    folder: Path, workers: int = 2, settings: dict[str, str] | None = None
) -> Iterator[tuple[Server, Service]]:
    """A service on a server of its own."""
    with Server(folder) as server:
        server.create_database(DATABASE)
        service = Service(server.dsn(DATABASE), workers, settings=settings)
        assert service.process.run("migrate").returncode == 0
        with running(service):
            yield server, service


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evently-faults-") as folder:
        yield Path(folder)


async def refusals(service: Service, event_id: str) -> list[tuple[Answer, float]]:
    """What 64 callers hear who ask once, and how long each waits."""

    async def ask() -> tuple[Answer, float]:
        sent_s = time.monotonic()
        answer = await service.clients.reserve(event_id, 1, key=str(uuid4()))
        return answer, time.monotonic() - sent_s

    return await asyncio.gather(*(ask() for _ in range(CLIENTS)))


def codes(answers: list[tuple[Answer, float]]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status, answer.code) for answer, _ in answers)


async def until_sold(service: Service, event_id: str) -> tuple[Heard, float]:
    """A seat, and how long it took to get it."""
    started_s = time.monotonic()
    heard = await service.clients.reserve_for_sure(event_id, str(uuid4()))
    assert heard.ok, heard
    return heard, time.monotonic() - started_s


UNAVAILABLE = {(HTTPStatus.SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE"): CLIENTS}


async def test_an_outage_is_answered_at_once_and_over_when_it_is_over(folder: Path) -> None:
    with served(folder) as (server, service):
        async with service.connected():
            event_id = (await service.clients.published_event(total_capacity=5000))["event_id"]
            kept = await service.clients.reserve(event_id, 2, key="kept")
            server.end(signal.SIGKILL)
            # Whoever comes first finds out; from then on nobody waits, behind a commit of unknown
            # outcome neither: those of its batch alone hear of it after five seconds.
            await until(_all_hear(service, event_id), what="503 for everybody")
            answers = await refusals(service, event_id)
            assert codes(answers) == UNAVAILABLE
            assert max(took_s for _, took_s in answers) < REFUSED_S
            assert all(answer.headers["Retry-After"] == "1" for answer, _ in answers)
            assert (await service.api.call("GET", "/healthz")).status == HTTPStatus.OK
            ready = await service.api.call("GET", "/health/ready")
            assert ready.status == HTTPStatus.SERVICE_UNAVAILABLE

            server.start()
            heard, took_s = await until_sold(service, event_id)
            assert took_s < BACK_S
            again = await service.clients.reserve(event_id, 2, key="kept")
            assert again.json == kept.json
            assert again.headers["Idempotent-Replayed"] == "true"
            await until(
                lambda: service.process.probe("/health/ready") == HTTPStatus.OK, BACK_S, "readiness"
            )
            await service.clients.check_promise([heard])
        service.process.verify()


def _all_hear(service: Service, event_id: str) -> Any:
    async def fact() -> bool:
        return codes(await refusals(service, event_id)) == UNAVAILABLE

    return fact


async def test_without_a_free_connection_nothing_is_done_and_the_next_one_serves(
    folder: Path,
) -> None:
    with served(folder) as (server, service):
        async with service.connected():
            event_id = (await service.clients.published_event(total_capacity=5000))["event_id"]
            held = await take_every_connection(server.dsn(DATABASE))
            await until(_all_hear(service, event_id), what="503 for everybody")
            answers = await refusals(service, event_id)
            assert codes(answers) == UNAVAILABLE
            assert max(took_s for _, took_s in answers) < REFUSED_S
            await give_back(held)
            heard, took_s = await until_sold(service, event_id)
            assert took_s < BACK_S
            await service.clients.check_promise([heard])
            ledger = await service.database.ledger(event_id)
            assert len(ledger) == 3, "created, published, and one seat"
        service.process.verify()


async def test_a_full_disk_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    with small_disk(folder, DISK), served(folder) as (server, service):
        async with service.connected():
            event_id = (await service.clients.published_event(total_capacity=100_000))["event_id"]
            heard = [(await until_sold(service, event_id))[0] for _ in range(10)]
            ballast = folder / "ballast"
            fill(ballast)
            # The server may write into what it has reserved for a while.
            refused: list[Heard] = []
            await asyncio.gather(*(sell(service, event_id, heard, refused) for _ in range(8)))
            assert "No space left on device" in server.log_path.read_text(encoding="utf-8")
            assert {one.status for one in refused} == {None}, "503, or no answer"
            assert (await service.api.call("GET", "/healthz")).status == HTTPStatus.OK

            ballast.unlink()
            server.start()
            # What became of the others is told under their keys.
            again = [await service.clients.reserve_for_sure(event_id, one.key) for one in refused]
            assert {one.status for one in again} == {HTTPStatus.OK}
            heard += again
            await service.clients.check_promise(heard)
            ledger = await service.database.ledger(event_id)
            assert len(ledger) == 2 + len(heard), "each once, and nobody else's"
        service.process.verify()


async def sell(service: Service, event_id: str, heard: list[Heard], refused: list[Heard]) -> None:
    """Take seats, one after the other, until somebody is not told that theirs is taken."""
    # Larger rows fill the disk sooner.
    padding = "x" * 200
    async with asyncio.timeout(60):
        while not refused:
            key = f"{uuid4()}-{padding}"
            one = await once(service, event_id, key)
            (heard if one.ok else refused).append(one)


def fill(ballast: Path) -> None:
    """Take all the room that the file system has left."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))


async def once(service: Service, event_id: str, key: str) -> Heard:
    """One try of one seat: what was heard, None as its status where nothing is sure."""
    sent_s = time.monotonic()
    try:
        answer = await service.clients.reserve(event_id, 1, key=key)
    except (aiohttp.ClientError, TimeoutError):
        return Heard(event_id, key, None, {}, False, 1, 0, sent_s, time.monotonic())
    status = answer.status if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else None
    return Heard(event_id, key, status, answer.json, False, 0, 0, sent_s, time.monotonic())


# By the clock of the service: an hour ahead of the database's, and an hour behind it.
@pytest.mark.parametrize("wrong_by", ["+1h", "-1h"])
async def test_an_event_starts_by_the_database_s_clock(folder: Path, wrong_by: str) -> None:
    settings = {
        "LD_PRELOAD": library("faketime/libfaketime.so.1", "libfaketime"),
        "FAKETIME": wrong_by,
        # Durations are measured by another clock, which nobody sets.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with served(folder, 1, settings) as (_, service):
        async with service.connected():
            local = (await service.api.send("GET", "/no/such/path")).json["error"]["timestamp"]
            off_s = (datetime.fromisoformat(local) - datetime.now(UTC)).total_seconds()
            assert abs(off_s) == pytest.approx(3600, abs=60), "its clock is wrong"
            soon = {"start_datetime": from_now(1800), "end_datetime": from_now(7200)}
            coming = await service.clients.published_event(**soon)
            begun = await service.clients.published_event(**soon)
            await service.database.rows(START, begun["event_id"])

            sold = await service.clients.reserve(coming["event_id"], 1, key="k")
            assert sold.status == HTTPStatus.OK
            assert (await service.clients.reserve(coming["event_id"], 1, key="k")).json == sold.json
            # Another writer has moved its start; the owner sees that when it decides.
            await until(_has_begun(service, begun["event_id"]), what="the start")
            late = await service.clients.reserve(begun["event_id"], 1)
            assert (late.status, late.code) == (HTTPStatus.CONFLICT, "EVENT_NOT_MODIFIABLE")
        service.process.verify()
        # That library breaks Python's sleep, which an orderly stop would use.
        service.process.kill()
        service.process.assert_gone(within_s=10)


def _has_begun(service: Service, event_id: str) -> Any:
    async def fact() -> bool:
        path = f"/internal/events/{event_id}"
        version: int = (await service.api.call("GET", path, headers=service.api.internal)).json[
            "version"
        ]
        return version == 3

    return fact
