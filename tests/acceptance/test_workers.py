"""Several worker processes as one service: what is killed, paused, replaced or stopped under load
loses nothing that was answered and keeps nobody waiting for long.

A client here is a booking service: it sends a move with its key again until there is an answer.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import stat
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from evently.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, raw_socket, running
from tests.acceptance.service_clients import Heard
from tests.until import until

# Until an event answers again whose owner was killed.
RECOVERED_S = 2.0
# Until a service that was killed is ready again, for each of its workers: a second and a half on
# an idle machine, and twice as much on a busy one.
RESTARTED_S = 3.0
# The watchdog's patience with a silent worker, and the time it takes to notice.
WATCHDOG_S = 2.0
CLIENTS = 64
READY = "/health/ready"
# Often enough to be heard while a worker drains, and seldom enough not to be a load.
PROBE_EVERY_S = 0.03
# Lets every worker's process live on for longer than the supervisor waits after its last word.
SLOW_END = """
import atexit, sys, time
if any(argument.startswith("--index=") for argument in sys.orig_argv):
    atexit.register(time.sleep, 2.5)
"""


@pytest.fixture(scope="module", params=[2, 4], ids=["2-workers", "4-workers"])
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


async def all_ready(service: Service, within_s: float = 30.0) -> None:
    """Wait until every worker listens for the others, which it does just before it serves."""

    def alive() -> bool:
        text = service.process.probe_text("/metrics") or ""
        return f"evently_database_reachable {float(service.workers)}" in text

    await until(alive, within_s, f"{service.workers} workers at work")


async def event_owned_by(service: Service, index: int, **over: Any) -> dict[str, Any]:
    """A published event that lives in the worker `index`."""
    while True:
        event = await service.clients.published_event(**over)
        if service.owner(event["event_id"]) == index:
            return event


async def book(service: Service, event_id: str, moves: int, *, fresh: bool = False) -> list[Heard]:
    """`moves` reserves of one seat, each under a key of its own, by CLIENTS at a time."""
    heard: list[Heard] = []
    keys = iter([f"{uuid4()}" for _ in range(moves)])

    async def client() -> None:
        for key in keys:
            one = await service.clients.reserve_for_sure(event_id, key, fresh=fresh)
            heard.append(one)

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client())
    return heard


def longest_silence(heard: list[Heard], since_s: float) -> float:
    """The longest time without an OK, from `since_s` on."""
    times = sorted({since_s, *(one.heard_s for one in heard if one.heard_s > since_s)})
    return max(later - sooner for sooner, later in pairwise(times))


# Killed


async def test_the_owner_is_killed_while_its_event_is_sold(cluster: Service) -> None:
    event = await cluster.clients.published_event(total_capacity=5000)
    event_id = event["event_id"]
    other = (cluster.owner(event_id) + 1) % cluster.workers
    bystander = (await event_owned_by(cluster, other, total_capacity=5000))["event_id"]
    pid = cluster.owner_pid(event_id)
    async with asyncio.TaskGroup() as tasks:
        sold = tasks.create_task(book(cluster, event_id, 2000))
        by = tasks.create_task(book(cluster, bystander, 400))
        await until(lambda: in_ledger(cluster, event_id, 200), 20, "200 sold seats")
        os.kill(pid, signal.SIGKILL)
        killed_s = time.monotonic()
    heard = sold.result()
    assert {one.status for one in heard} == {200}
    assert len(heard) == 2000
    assert any(one.lost for one in heard), "the owner was killed too late to break anything"
    assert longest_silence(heard, killed_s) < RECOVERED_S
    assert {one.status for one in by.result()} == {200}
    assert max(one.heard_s - one.sent_s for one in by.result() if not one.lost) < RECOVERED_S
    await cluster.clients.check_promise(heard + by.result())
    assert (await cluster.database.ledger(event_id))[-1]["available_seats"] == 3000
    cluster.process.verify()
    await all_ready(cluster)
    assert cluster.process.worker_pids()[cluster.owner(event_id)] != pid
    assert len(cluster.process.worker_pids()) == cluster.workers


async def in_ledger(service: Service, event_id: str, versions: int) -> bool:
    rows = await service.database.rows("SELECT version FROM events WHERE event_id = $1", event_id)
    return bool(rows[0]["version"] >= versions)


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
    async with asyncio.TaskGroup() as tasks:
        sold = tasks.create_task(book(cluster, event_id, 1000))
        await until(lambda: in_ledger(cluster, event_id, 100), 20, "100 sold seats")
        os.kill(pid, signal.SIGSTOP)
        # The one wait for a time in here: how long the pause is, is what the test is about.
        await asyncio.sleep(paused_s)
        outlived = pid in cluster.process.processes()
        if outlived:
            os.kill(pid, signal.SIGCONT)
    heard = sold.result()
    assert {one.status for one in heard} == {200}
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
    assert sockets == [f"worker-{index}.sock" for index in range(cluster.workers)]
    for command in cluster.process.processes().values():
        assert "postgres" not in command, "a database's password would show"


def run_dir_of(pid: int) -> Path:
    """The folder that a worker shares with the others."""
    environ = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    name = "PROMETHEUS_MULTIPROC_DIR="
    (metrics,) = (entry for entry in environ if entry.startswith(name))
    return Path(metrics.removeprefix(name)).parent


# Stopped


async def test_a_service_that_was_killed_whole_is_back_with_its_data(cluster: Service) -> None:
    event = await cluster.clients.published_event(total_capacity=5000)
    event_id = event["event_id"]
    async with asyncio.TaskGroup() as tasks:
        sold = tasks.create_task(book(cluster, event_id, 600))
        await until(lambda: in_ledger(cluster, event_id, 100), 20, "100 sold seats")
        cluster.process.kill()
        ready_s = await asyncio.to_thread(cluster.process.start)
    print(f"{cluster.workers} workers are ready again after {ready_s:.1f} s")  # noqa: T201
    assert ready_s < RESTARTED_S * cluster.workers
    heard = sold.result()
    assert {one.status for one in heard} == {200}
    await cluster.clients.check_promise(heard)
    assert (await cluster.database.ledger(event_id))[-1]["available_seats"] == 4400


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


async def test_a_second_sigterm_ends_a_service_that_drains_for_long(cluster: Service) -> None:
    # Requests whose body never comes keep their workers from stopping.
    head = (
        b"POST /api/v1/auth/admin/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    )
    with ExitStack() as stack:
        for _ in range(4 * cluster.workers):
            connection = stack.enter_context(raw_socket(cluster))
            connection.sendall(head + b"Content-Length: 10\r\n\r\n")
        await until(lambda: cluster.process.probe("/healthz") == 200, 10, "an answer after them")
        # Signals that come at once are one wish to stop; one that comes later is in earnest.
        for _ in range(6):
            cluster.process.terminate()
            with suppress(AssertionError):
                await until(lambda: cluster.process.ended is not None, 0.5)
                break
    assert cluster.process.ended == 1
    cluster.process.assert_gone(within_s=2)


async def test_the_embedded_database_is_the_services_own_and_goes_with_it() -> None:
    # Not under pytest's folder, whose mode lets no other user through; PostgreSQL is never root.
    with tempfile.TemporaryDirectory(prefix="evently-embedded-") as folder:
        data_dir = Path(folder) / "data"
        with running(Service(None, 2, data_dir=data_dir)) as service:
            async with service.connected():
                event_id = (await service.clients.published_event())["event_id"]
                moved = await service.clients.reserve(event_id, 3, key="kept")
                assert any(
                    "postgres" in command for command in service.process.processes().values()
                )
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
