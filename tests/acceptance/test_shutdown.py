"""A service that is stopped, killed or orphaned: what it leaves behind, and what it keeps.

A client here is a booking service: it sends a move with its key again until there is an answer.
"""

import asyncio
import http.client
import json
import os
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from evently.supervisor import GRACE_S
from evently.worker import ARRIVAL_S, LINGER_S
from tests.acceptance.cluster import (
    CLIENTS,
    PROBE_EVERY_S,
    READY,
    RESTARTED_S,
    SLOW_END,
    book,
    under_way,
)
from tests.acceptance.marks import CLUSTER_OF_2
from tests.acceptance.service import Service, raw_socket, running
from tests.until import until

CREDENTIALS = b'{"email":"nobody@example.com","password":"Not-theirs-1"}'
LOGIN = (
    b"POST /api/v1/auth/admin/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(CREDENTIALS), CREDENTIALS)
)


@CLUSTER_OF_2
async def test_a_service_that_was_killed_whole_is_back_with_its_data(cluster: Service) -> None:
    event = await cluster.clients.published_event(total_capacity=5000)
    event_id = event["event_id"]
    killed_s, killed = 0.0, asyncio.Event()

    def kill() -> None:
        nonlocal killed_s
        killed_s = time.monotonic()
        cluster.process.kill()
        killed.set()

    async with asyncio.TaskGroup() as tasks:
        sold = tasks.create_task(book(cluster, event_id, 600, at_a_tenth=kill))
        await killed.wait()
        ready_s = await asyncio.to_thread(cluster.process.start)
    print(f"{cluster.workers} workers are ready again after {ready_s:.1f} s")  # noqa: T201
    assert ready_s < RESTARTED_S * cluster.workers
    heard = sold.result()
    assert {one.status for one in heard} == {200}
    assert under_way(heard, killed_s) == CLIENTS - 1
    await cluster.clients.check_promise(heard)
    assert (await cluster.database.ledger(event_id))[-1]["available_seats"] == 4400


@CLUSTER_OF_2
async def test_nobody_outlives_a_killed_supervisor(cluster: Service) -> None:
    event = await cluster.clients.published_event()
    moved = await cluster.clients.reserve(event["event_id"], 3)
    cluster.process.kill_supervisor()
    cluster.process.assert_gone(within_s=10)
    # Its place is free at once, and its data is there.
    cluster.process.start()
    path = f"/internal/events/{event['event_id']}"
    answer = await cluster.api.call("GET", path, headers=cluster.api.internal, fresh=True)
    assert answer.json["version"] == moved.json["version"]


async def test_sigterm_under_load_answers_what_is_under_way_and_exits_0(cluster: Service) -> None:
    event = await cluster.clients.published_event(total_capacity=100_000)
    event_id = event["event_id"]
    path = f"/internal/events/{event_id}/update-availability"
    ok: dict[str, dict[str, Any]] = {}
    other: Counter[int] = Counter()
    unanswered: Counter[str] = Counter()
    stopped = asyncio.Event()

    async def client(number: int) -> None:
        """Moves, each sent once, until the service is gone."""
        while not stopped.is_set():
            key = str(uuid4())
            try:
                answer = await cluster.api.send(
                    "POST",
                    path,
                    headers=cluster.api.internal | {"Idempotency-Key": key},
                    body={"quantity": -1, "version": "*"},
                    fresh=number % 4 == 0,
                )
            except aiohttp.ClientConnectorError:
                return
            except (aiohttp.ClientError, TimeoutError) as error:
                unanswered[f"{error!r}"] += 1
                continue
            if answer.status == 200:
                ok[key] = answer.json
            else:
                other[answer.status] += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(CLIENTS):
            tasks.create_task(client(number))
        probing: list[int] = []
        probes = [
            asyncio.to_thread(ready_until_it_is_not, cluster.process.port, probing)
            for _ in range(4)
        ]
        drained = asyncio.gather(*probes)
        await until(lambda: len(ok) > 300 and len(probing) == 4, 20, "300 seats and the probes")
        cluster.process.terminate()
        told_s = time.monotonic()
        await asyncio.to_thread(cluster.process.wait_stopped)
        took_s = time.monotonic() - told_s
        stopped.set()
        said = [body for body in await drained if body is not None]
    lost = dict(unanswered)
    print(f"{len(ok)} OK, {dict(other)}, no answer: {lost}, {took_s:.1f} s")  # noqa: T201
    # A connection that nobody had accepted yet is lost with the socket it waited at.
    assert sum(unanswered.values()) <= CLIENTS // 2
    assert said, "no probe heard that the service was no longer ready"
    assert {body["error"]["details"]["database"] for body in said} == {"draining"}
    assert other.keys() <= {503}
    ledger = {row["request_key"]: row for row in await cluster.database.ledger(event_id)}
    for key, answer in ok.items():
        assert ledger[key]["version"] == answer["version"]
    # Whoever got no answer knows nothing: the connection closed before, or the move was done.
    assert len(ledger) - 2 - len(ok) <= sum(unanswered.values())


def ready_until_it_is_not(port: int, probing: list[int]) -> Any:
    """What a load balancer's probe hears first that is no 200, on a connection that it keeps; None
    where that connection ended before. It is added to `probing` once it has heard a 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        while True:
            try:
                connection.request("GET", READY)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                return None
            if response.status != 200:
                assert response.status == 503
                return json.loads(body)
            if connection.sock is not None and connection.sock.fileno() not in probing:
                probing.append(connection.sock.fileno())
            time.sleep(PROBE_EVERY_S)


@CLUSTER_OF_2
async def test_a_second_sigterm_ends_a_service_that_drains_for_long(cluster: Service) -> None:
    # A worker that is stopped does not stop.
    for pid in cluster.process.worker_pids().values():
        os.kill(pid, signal.SIGSTOP)

    def impatient() -> bool:
        """Signals that come at once are one wish to stop; one that comes later is in earnest,
        and those that come after it, until the process is gone, change nothing.
        """
        cluster.process.terminate()
        return cluster.process.ended is not None

    # Without a second signal it would wait for them for GRACE_S.
    await until(impatient, GRACE_S - 3.0, "the end")
    assert cluster.process.ended == 1
    cluster.process.assert_gone(within_s=2)


async def test_requests_that_are_arriving_at_sigterm_are_answered(database_url: str) -> None:
    with ExitStack() as stack:
        service = stack.enter_context(running(Service(database_url, 1)))
        head, body = LOGIN.split(b"\r\n\r\n")
        head += b"\r\n\r\n"
        rests = {b"": head + body, head: body, LOGIN[:20]: LOGIN[20:]}
        arriving = []
        for begun, rest in rests.items():
            connection = stack.enter_context(raw_socket(service))
            connection.sendall(begun)
            arriving.append((connection, rest))
        assert service.process.probe("/healthz") == 200
        service.process.terminate()
        # As long as a busy client may need, which is what the test is about: beyond the worker's
        # first wait, and well within its second.
        await asyncio.sleep(LINGER_S + ARRIVAL_S / 3)
        for connection, rest in arriving:
            connection.sendall(rest)
        answers = [await asyncio.to_thread(everything_from, one) for one, _ in arriving]
        assert [answer.split()[1] for answer in answers] == 3 * [b"401"]
        await asyncio.to_thread(service.process.wait_stopped)


async def test_clients_that_do_nothing_do_not_hold_up_the_end(database_url: str) -> None:
    with ExitStack() as stack:
        service = stack.enter_context(running(Service(database_url, 1)))
        document = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        for sent in (b"", LOGIN[:20], LOGIN[:-1], 200 * document):
            stack.enter_context(raw_socket(service)).sendall(sent)
        assert service.process.probe("/healthz") == 200
        told_s = time.monotonic()
        service.process.terminate()
        await asyncio.to_thread(service.process.wait_stopped)
        assert time.monotonic() - told_s < GRACE_S / 3


def everything_from(connection: socket.socket) -> bytes:
    """All bytes up to the end of a connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


async def test_the_embedded_database_is_the_services_own_and_goes_with_it(data_dir: Path) -> None:
    with running(Service(None, 1, data_dir=data_dir)) as service:
        async with service.connected():
            event_id = (await service.clients.published_event())["event_id"]
            moved = await service.clients.reserve(event_id, 3, key="kept")
            assert any("postgres" in command for command in service.process.processes().values())
            service.process.kill_supervisor()
            service.process.assert_gone(within_s=15)
            service.process.start()
            again = await service.clients.reserve(event_id, 3, key="kept", fresh=True)
            assert again.json == moved.json
            assert again.headers["Idempotent-Replayed"] == "true"
            service.process.verify()
            service.process.stop()
            assert not service.process.processes()


async def test_a_worker_that_takes_its_time_to_go_has_stopped_well(
    database_url: str, tmp_path: Path
) -> None:
    """One with many events in memory does, on a busy machine."""
    (tmp_path / "sitecustomize.py").write_text(SLOW_END, encoding="utf-8")
    with running(Service(database_url, 2, settings={"PYTHONPATH": str(tmp_path)})) as service:
        service.process.stop()
