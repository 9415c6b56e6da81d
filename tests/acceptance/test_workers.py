"""Several worker processes as one service: what is killed, paused, replaced or stopped under load
loses nothing that was answered and keeps nobody waiting for long.

A client here is a booking service: it sends a move with its key again until there is an answer.
"""

import asyncio
import os
import re
import signal
import stat
import time
from collections import Counter
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from evently.worker import ARRIVAL_S, LINGER_S
from tests.acceptance.cluster import (
    CLIENTS,
    RECOVERED_S,
    WATCHDOG_S,
    all_ready,
    book,
    event_owned_by,
    longest_silence,
    under_way,
)
from tests.acceptance.marks import CLUSTER_OF_4
from tests.acceptance.service import Service, raw_socket, running
from tests.until import until

# Killed


async def test_the_owner_is_killed_while_its_event_is_sold(cluster: Service) -> None:
    event = await cluster.clients.published_event(total_capacity=5000)
    event_id = event["event_id"]
    other = (cluster.owner(event_id) + 1) % cluster.workers
    bystander = (await event_owned_by(cluster, other, total_capacity=5000))["event_id"]
    pid = cluster.owner_pid(event_id)
    killed_s = 0.0

    def kill() -> None:
        nonlocal killed_s
        killed_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)

    async with asyncio.TaskGroup() as tasks:
        sold = tasks.create_task(book(cluster, event_id, 2000, at_a_tenth=kill))
        by = tasks.create_task(book(cluster, bystander, 400))
    heard = sold.result()
    assert {one.status for one in heard} == {200}
    assert len(heard) == 2000
    # Whether a client lost its connection depends on the worker that it happened to reach.
    assert under_way(heard, killed_s) == CLIENTS - 1
    assert longest_silence(heard, killed_s) < RECOVERED_S
    assert {one.status for one in by.result()} == {200}
    assert max(one.heard_s - one.sent_s for one in by.result() if not one.lost) < RECOVERED_S
    await cluster.clients.check_promise(heard + by.result())
    assert (await cluster.database.ledger(event_id))[-1]["available_seats"] == 3000
    cluster.process.verify()
    await all_ready(cluster)
    assert cluster.process.worker_pids()[cluster.owner(event_id)] != pid
    assert len(cluster.process.worker_pids()) == cluster.workers


async def test_a_killed_worker_s_answers_are_replayed_by_the_others(cluster: Service) -> None:
    event = await cluster.clients.published_event()
    event_id = event["event_id"]
    first = await cluster.clients.reserve(event_id, 2, key="before")
    os.kill(cluster.owner_pid(event_id), signal.SIGKILL)
    for _ in range(10):
        again = await cluster.clients.reserve_for_sure(event_id, "before", seats=2, fresh=True)
        assert (again.answer, again.replayed) == (first.json, True)
    assert len(await cluster.database.ledger(event_id)) == 3
    await all_ready(cluster)


# Paused


@pytest.mark.parametrize("paused_s", [0.8, 3.0])
async def test_the_owner_is_paused_while_its_event_is_sold(
    cluster: Service, paused_s: float
) -> None:
    event = await cluster.clients.published_event(total_capacity=5000)
    event_id = event["event_id"]
    pid = cluster.owner_pid(event_id)
    stopped_s, stopped = 0.0, asyncio.Event()

    def pause() -> None:
        nonlocal stopped_s
        stopped_s = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        stopped.set()

    async with asyncio.TaskGroup() as tasks:
        sold = tasks.create_task(book(cluster, event_id, 1000, at_a_tenth=pause))
        await stopped.wait()
        # The one wait for a time in here: how long the pause is, is what the test is about.
        await asyncio.sleep(paused_s)
        outlived = pid in cluster.process.processes()
        if outlived:
            os.kill(pid, signal.SIGCONT)
    heard = sold.result()
    assert {one.status for one in heard} == {200}
    assert under_way(heard, stopped_s) == CLIENTS - 1
    await cluster.clients.check_promise(heard)
    assert (await cluster.database.ledger(event_id))[-1]["available_seats"] == 4000
    if paused_s > WATCHDOG_S:
        assert not outlived, "the watchdog did not kill the paused worker"
        assert f"killing the silent worker with process id {pid}" in cluster.process.log()
        await all_ready(cluster)
        assert cluster.owner_pid(event_id) != pid
    else:
        assert cluster.owner_pid(event_id) == pid, "a short pause costs no worker its life"
    cluster.process.verify()


# Replaced


async def test_rolling_restarts_lose_no_request(cluster: Service) -> None:
    event = await cluster.clients.published_event(total_capacity=100_000)
    event_id = event["event_id"]
    paths = ("/healthz", f"/api/v1/events/{event_id}/availability", "/api/v1/events?limit=1")
    answered: Counter[int] = Counter()
    lost: Counter[str] = Counter()
    rolling = True

    async def ask(client: int) -> None:
        """Requests on new connections, one after the other; each is sent once."""
        while rolling:
            path = paths[client % len(paths)]
            try:
                if client % 4:
                    answer = await cluster.api.send("GET", path, fresh=True)
                else:
                    answer = await cluster.api.send(
                        "POST",
                        f"/internal/events/{event_id}/update-availability",
                        headers=cluster.api.internal | {"Idempotency-Key": str(uuid4())},
                        body={"quantity": -1, "version": "*"},
                        fresh=True,
                    )
            except (aiohttp.ClientError, TimeoutError) as error:
                lost[f"{'GET' if client % 4 else 'POST'} {error!r}"] += 1
                continue
            answered[answer.status] += 1

    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(ask(client)) for client in range(CLIENTS)]
        for _ in range(4 if cluster.workers == 2 else 1):
            before = set(cluster.process.worker_pids().values())
            cluster.process.roll()

            def replaced(before: set[int] = before) -> bool:
                now = {
                    pid
                    for pid, command in cluster.process.processes().items()
                    if "index" in command
                }
                return len(now) == cluster.workers and not now & before

            await until(replaced, 60, "new workers in every place")
        await until(lambda: sum(answered.values()) > 2000, 30, "2000 answers")
        rolling = False
        await asyncio.gather(*clients)
    print(f"{sum(answered.values())} requests answered, lost: {dict(lost)}")  # noqa: T201
    assert not lost, f"of {sum(answered.values())}: {dict(lost)}"
    assert answered.keys() == {200}, answered
    assert sum(answered.values()) > 2000
    ledger = await cluster.database.ledger(event_id)
    assert len(ledger) - 2 == sum(row["kind"] == "reserved" for row in ledger)
    await all_ready(cluster)


async def test_no_counter_goes_backwards_when_workers_are_replaced(cluster: Service) -> None:
    event_id = (await cluster.clients.published_event())["event_id"]
    for _ in range(20):
        await cluster.clients.reserve(event_id, 1, fresh=True)
    before = await counters(cluster)
    os.kill(cluster.owner_pid(event_id), signal.SIGKILL)

    async def one_is_new() -> bool:
        seen = await counters(cluster)
        fallen = {
            name: (value, seen.get(name))
            for name, value in before.items()
            if seen.get(name, 0.0) < value
        }
        assert not fallen
        return len(cluster.process.worker_pids()) == cluster.workers

    await until(one_is_new, 20, "the new worker")
    await all_ready(cluster)
    assert await one_is_new()


async def counters(service: Service) -> dict[str, float]:
    """Every counter of /metrics, histograms' too, by name and labels."""
    try:
        text = (await service.api.send("GET", "/metrics", fresh=True)).body.decode()
    except aiohttp.ClientError:
        return await counters(service)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    found = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        family = re.sub(r"(_bucket|_count|_sum)?(\{.*)?$", "", name)
        if not line.startswith("#") and kinds.get(family) in {"counter", "histogram"}:
            found[name] = float(value)
    return found


async def test_the_metrics_of_any_worker_are_those_of_all(cluster: Service) -> None:
    # Of what no other test here does: of the rest, some may still wait to be handed over, which
    # every worker does once a second, and would come on top of what this one counts.
    event_id, unknown = (await cluster.clients.published_event())["event_id"], uuid4()
    name = (
        'evently_request_seconds_count{method="GET",'
        'route="/api/v1/events/{event_id}/availability",status="404"}'
    )
    moves = 'evently_seat_moves_total{kind="return",outcome="exceeds_capacity"}'
    before = await counters(cluster)
    assert before.keys().isdisjoint({name, moves})
    path = f"/api/v1/events/{unknown}/availability"
    await asyncio.gather(*(cluster.api.send("GET", path, fresh=True) for _ in range(200)))
    await asyncio.gather(*(cluster.clients.move(event_id, 1, fresh=True) for _ in range(50)))

    async def all_counted() -> bool:
        """Whether the next worker that is asked knows of all; none knows of more."""
        after = await counters(cluster)
        asked, moved = after.get(name, 0), after.get(moves, 0)
        assert asked <= 200
        assert moved <= 50
        return (asked, moved) == (200, 50)

    # The workers hand over what they counted once a second; from then on all answer the same.
    await until(all_counted, 5, "the counts of all workers")
    for _ in range(5 * cluster.workers):
        assert await all_counted()
    text = (await cluster.api.call("GET", "/metrics")).body.decode()
    assert f"evently_database_reachable {float(cluster.workers)}" in text
    assert "pid=" not in text


# One node, one truth


@CLUSTER_OF_4
async def test_what_was_acknowledged_is_seen_by_the_next_request_anywhere(
    cluster: Service,
) -> None:
    headers = await cluster.clients.admin()
    admin = {**headers}
    for step in range(12):
        event_type = uuid4().hex
        answer = await cluster.api.call(
            "POST",
            "/api/v1/admin/venues",
            headers=admin,
            fresh=True,
            body={
                "name": "Before",
                "address": "1 Street",
                "city": "Oslo",
                "country": "Norway",
                "capacity": 1000,
            },
        )
        venue = answer.json
        draft = await cluster.clients.create_event(admin, venue["venue_id"], event_type=event_type)
        event_id = draft["event_id"]
        seen = await look(cluster, event_id, event_type)
        assert seen["admin"] == (1, "draft", 100)
        assert seen["admin_list"] == [(1, "draft", 100)]
        assert (seen["list"], seen["detail"], seen["internal"]) == ([], None, None)

        await cluster.clients.publish(admin, draft)
        seen = await look(cluster, event_id, event_type)
        assert seen["list"] == [(2, "published", 100, "Before")]
        assert seen["detail"] == (2, "published", 100, "Before")
        assert seen["internal"] == (2, "published", 100)
        assert seen["availability"] == ("published", 100)

        moved = await cluster.clients.reserve(event_id, 1 + step % 3, fresh=True)
        left = 99 - step % 3
        assert (moved.json["version"], moved.json["available_seats"]) == (3, left)
        seen = await look(cluster, event_id, event_type)
        assert seen["detail"] == (3, "published", left, "Before")
        assert seen["internal"] == (3, "published", left)
        assert seen["availability"] == ("published", left)
        assert seen["admin"] == (3, "published", left)
        assert seen["admin_list"] == [(3, "published", left)]
        assert seen["sold"] == 100 - left

        await cluster.clients.change(
            admin, {"event_id": event_id, "version": 3}, total_capacity=500
        )
        seen = await look(cluster, event_id, event_type)
        assert seen["list"] == [(4, "published", left + 400, "Before")]
        assert seen["detail"] == (4, "published", left + 400, "Before")

        path = f"/api/v1/admin/venues/{venue['venue_id']}"
        await cluster.api.call("PUT", path, headers=admin, fresh=True, body={"name": "After"})
        seen = await look(cluster, event_id, event_type)
        assert seen["list"] == [(4, "published", left + 400, "After")]
        assert seen["detail"] == (4, "published", left + 400, "After")

        await cluster.clients.cancel(admin, {"event_id": event_id, "version": 4})
        seen = await look(cluster, event_id, event_type)
        assert seen["list"] == []
        assert seen["detail"] == (5, "cancelled", left + 400, "After")
        assert seen["availability"] == ("cancelled", left + 400)
        assert seen["admin_list"] == [(5, "cancelled", left + 400)]


async def look(service: Service, event_id: str, event_type: str) -> dict[str, Any]:
    """The event as every read tells it, each asked on a new connection."""
    headers = await service.clients.admin()
    own = f"/api/v1/admin/events/{event_id}"

    async def get(path: str, **given: str) -> Any:
        answer = await service.api.call("GET", path, headers=given, fresh=True)
        return answer.json if answer.status == 200 else None

    public, internal, availability, listed, admin, admin_list, analytics = await asyncio.gather(
        get(f"/api/v1/events/{event_id}"),
        get(f"/internal/events/{event_id}", **service.api.internal),
        get(f"/api/v1/events/{event_id}/availability"),
        get(f"/api/v1/events?type={event_type}"),
        get(own, **headers),
        get("/api/v1/admin/events?limit=100", **headers),
        get(f"{own}/analytics", **headers),
    )

    def in_short(event: dict[str, Any]) -> tuple[Any, ...]:
        return event["version"], event["status"], event["available_seats"]

    def at_its_venue(event: dict[str, Any]) -> tuple[Any, ...]:
        return *in_short(event), event["venue_name"]

    own_list = [event for event in admin_list["events"] if event["event_id"] == event_id]
    return {
        "detail": public and at_its_venue(public),
        "internal": internal and in_short(internal),
        "availability": availability and (availability["status"], availability["available_seats"]),
        "list": [at_its_venue(event) for event in listed["events"]],
        "admin": in_short(admin),
        "admin_list": [in_short(event) for event in own_list],
        "sold": analytics["tickets_sold"],
    }


# Alone on its machine


async def test_what_the_workers_share_is_private(cluster: Service) -> None:
    (run_dir,) = {run_dir_of(pid) for pid in cluster.process.worker_pids().values()}
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    sockets = sorted(path.name for path in run_dir.glob("*.sock"))
    release = version("evently-event-service")
    assert sockets == [f"worker-{index}-{release}.sock" for index in range(cluster.workers)]
    for command in cluster.process.processes().values():
        assert "postgres" not in command, "a database's password would show"


def run_dir_of(pid: int) -> Path:
    """The folder that a worker shares with the others."""
    environ = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    name = "PROMETHEUS_MULTIPROC_DIR="
    (metrics,) = (entry for entry in environ if entry.startswith(name))
    return Path(metrics.removeprefix(name)).parent


async def test_a_replaced_worker_waits_for_clients_that_are_slow_to_send(
    database_url: str,
) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    with running(Service(database_url, 1)) as service, ExitStack() as stack:
        begun = [stack.enter_context(raw_socket(service)) for _ in range(2)]
        begun[0].sendall(head)
        service.process.roll()
        await until(lambda: "worker 0 drains" in service.process.log(), 60, "the worker's end")
        # Past what a worker grants that is told to stop.
        await asyncio.sleep(LINGER_S + ARRIVAL_S + 0.5)
        begun[0].sendall(b"\r\n")
        begun[1].sendall(head + b"\r\n")
        for connection in begun:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        await until(lambda: "worker 0 has stopped" in service.process.log(), 30, "its stop")
        assert service.process.probe("/healthz") == 200
