"""Several nodes of the service on one PostgreSQL, behind a real HAProxy with the configuration
that is shipped: a burst goes on while a node is killed and another is added.

Rule: nothing here looks into a node. What holds is what a booking service saw through the
balancer, held against the ledger.
"""

import asyncio
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from evently_client import (
    ANY,
    ClientLimits,
    EventServiceClient,
    InsufficientSeats,
    OutcomeUnknown,
    SeatsMoved,
)
from tests.acceptance.service import Service, running
from tests.acceptance.service_clients import Heard
from tests.acceptance.service_process import INTERNAL_KEY, ROOT
from tests.surroundings import free_port, program
from tests.until import until

CONFIG = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
NODES, WORKERS = 3, 2
EVENTS, SEATS = 24, 150
# So few that they sell out, come back and sell out again.
HOT_SEATS = 60
CLIENTS = 48
# Moves that go on before the next change, and those that the added node has to commit.
STEADY_OKS, ADDED_COMMITS = 1000, 100
PART_WITHIN_S = 30.0
# A node that has taken an event over looks at the row again when it knew it this long before.
SNAPSHOT_MAX_AGE_S = 0.25
LIMITS = ClientLimits(tries_max=60, try_s=5.0, backoff_max_s=0.2, connections_max=CLIENTS)

_SAMPLE = re.compile(r"^(evently_[a-z_]+)(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)


class Balancer:
    """The real HAProxy with the shipped configuration; its addresses come from the environment."""

    def __init__(self, nodes: Mapping[int, int]) -> None:
        self.public, self.internal, self.stats = free_port(), free_port(), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="evently-haproxy-"))
        self._config = self._folder / "haproxy.cfg"
        self._config.write_text(CONFIG.read_text(encoding="utf-8"), encoding="utf-8")
        self._environ = {
            **os.environ,
            "EVENTLY_PUBLIC_BIND": f"127.0.0.1:{self.public}",
            "EVENTLY_INTERNAL_BIND": f"127.0.0.1:{self.internal}",
            "EVENTLY_STATS_BIND": f"127.0.0.1:{self.stats}",
            **{f"EVENTLY_NODE_{number}": f"127.0.0.1:{port}" for number, port in nodes.items()},
        }
        self._log = (self._folder / "log").open("wb")
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Check the configuration, then run a master with a worker."""
        haproxy = program("haproxy", "haproxy")
        subprocess.run(
            [haproxy, "-c", "-f", str(self._config)],
            env=self._environ,
            check=True,
            capture_output=True,
        )
        self._popen = subprocess.Popen(
            [haproxy, "-W", "-f", str(self._config)],
            env=self._environ,
            stdout=self._log,
            stderr=self._log,
        )

    def add(self, number: int, port: int) -> None:
        """Write another node into the file, as an operator would, and reload."""
        text = self._config.read_text(encoding="utf-8")
        line = re.compile(rf"^( +server node-){NODES}( .*)$", re.MULTILINE)

        def both(found: re.Match[str]) -> str:
            copy = found[0].replace(f"node-{NODES}", f"node-{number}")
            copy = copy.replace(
                f'"${{EVENTLY_NODE_{NODES}}}" id {NODES}', f"127.0.0.1:{port} id {number}"
            )
            return f"{found[0]}\n{copy}"

        text, count = line.subn(both, text)
        assert count == 2, "one line for each back end"
        self._config.write_text(text, encoding="utf-8")
        assert self._popen is not None
        self._popen.send_signal(signal.SIGUSR2)

    def stop(self) -> None:
        """End it."""
        if self._popen is not None:
            self._popen.terminate()
            self._popen.wait(10)
        self._log.close()
        shutil.rmtree(self._folder)

    def log(self) -> str:
        """What it has written."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    async def up(self) -> set[str]:
        """The nodes that get events now."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.stats}/;csv") as answer,
        ):
            rows = [line.split(",") for line in (await answer.text()).splitlines()]
        names = rows[0]
        server, status = names.index("svname"), names.index("status")
        return {
            row[server]
            for row in rows[1:]
            if row[0] == "events" and row[server] != "BACKEND" and row[status].startswith("UP")
        }


@contextmanager
def balancing(nodes: Mapping[int, int]) -> Iterator[Balancer]:
    balancer = Balancer(nodes)
    try:
        balancer.start()
        yield balancer
    finally:
        balancer.stop()


@asynccontextmanager
async def through(database_url: str, port: int) -> AsyncIterator[Service]:
    """The API as a client sees it through the balancer: the same calls, another port."""
    service = Service(database_url, 1)
    service.process._port = port
    try:
        async with service.connected():
            yield service
    finally:
        service.process.discard()


@dataclass
class Seen:
    """What the booking services saw."""

    heard: list[Heard] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    tries: int = 0
    reads: int = 0
    late: list[tuple[float, float]] = field(default_factory=list)


async def figures(node: Service) -> Counter[str]:
    """A node's own metrics, each summed over its labels."""
    found: Counter[str] = Counter()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{node.process.url}/metrics") as answer,
    ):
        for name, number in _SAMPLE.findall(await answer.text()):
            found[name] += float(number)  # type: ignore[assignment]
    return found


async def book(
    client: EventServiceClient, events: list[str], seen: Seen, over: asyncio.Event, seed: int
) -> None:
    """One booking service: reserves, returns some, and reads what it has just been told."""
    dice = random.Random(seed)  # noqa: S311 - choices that can be repeated
    held: list[str] = []
    while not over.is_set():
        # Every third move is for the hot event.
        event_id = events[0] if dice.random() < 1 / 3 else dice.choice(events)
        giving_back = bool(held) and dice.random() < 0.45
        if giving_back:
            event_id = held.pop(dice.randrange(len(held)))
        sent_s = time.monotonic()
        moved = await move(client, event_id, giving_back=giving_back, seen=seen)
        if moved is None:
            continue
        if not giving_back:
            held.append(event_id)
        seen.tries += moved.tries
        answer = {"version": moved.version, "available_seats": moved.available_seats}
        seen.heard.append(
            Heard(
                event_id, moved.key, HTTPStatus.OK, answer, moved.replayed, moved.tries - 1, 0,
                sent_s, time.monotonic(),
            )
        )  # fmt: skip
        await read_own_write(client, moved, seen)


async def move(
    client: EventServiceClient, event_id: str, *, giving_back: bool, seen: Seen
) -> SeatsMoved | None:
    """One acknowledged move under a key of its own; None where it was refused."""
    key = uuid4().hex
    act = client.return_seats if giving_back else client.reserve
    while True:
        try:
            return await act(event_id, 1, version=ANY, key=key)
        except InsufficientSeats as error:
            seen.refused[error.code] += 1
            seen.heard.append(
                Heard(event_id, key, HTTPStatus.CONFLICT, {}, False, 0, 0, 0.0, time.monotonic())
            )
            return None
        except OutcomeUnknown:
            seen.refused["asked again"] += 1


async def read_own_write(client: EventServiceClient, moved: SeatsMoved, seen: Seen) -> None:
    """What was acknowledged is there for the next read, whichever node answers it."""
    asked_s = time.monotonic()
    seen.reads += 1
    behind = False
    while (await client.get_event(moved.event_id)).version < moved.version:
        behind = True
        late_s = time.monotonic() - asked_s
        assert late_s < 4 * SNAPSHOT_MAX_AGE_S, f"an acknowledged move is not seen: {moved}"
    if behind:
        seen.late.append((asked_s, time.monotonic() - asked_s))


@pytest.fixture
def nodes(database_url: str) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def node_on(database_url: str) -> Service:
    return Service(database_url, WORKERS)


@asynccontextmanager
async def booking_client(balancer: Balancer) -> AsyncIterator[EventServiceClient]:
    url = f"http://127.0.0.1:{balancer.internal}"
    async with EventServiceClient(url, INTERNAL_KEY, limits=LIMITS) as client:
        yield client


async def test_nothing_is_sold_twice_or_lost_while_nodes_come_and_go(
    nodes: ExitStack, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    running_nodes = {
        number: nodes.enter_context(running(node_on(database_url)))
        for number in range(1, NODES + 1)
    }
    balancer = nodes.enter_context(
        balancing({number: node.process.port for number, node in running_nodes.items()})
    )
    names = {f"node-{number}" for number in running_nodes}
    await until(_all_up(balancer, names), what="three healthy nodes")
    async with (
        through(database_url, balancer.internal) as balanced,
        booking_client(balancer) as client,
    ):
        events = await put_on_sale(balanced)
        seen, over = Seen(), asyncio.Event()
        started_s = time.monotonic()
        burst = [
            asyncio.create_task(book(client, events, seen, over, seed)) for seed in range(CLIENTS)
        ]

        await until(_more(seen, STEADY_OKS), PART_WITHIN_S, "the burst")
        steady_s, steady = time.monotonic() - started_s, len(seen.heard)
        alone = [await figures(node) for node in running_nodes.values()]
        late_alone = len(seen.late)
        killed_s = time.monotonic()
        running_nodes[2].process.kill()

        await until(_more(seen, STEADY_OKS), PART_WITHIN_S, "the burst without the killed node")
        added = await asyncio.to_thread(nodes.enter_context, running(node_on(database_url)))
        running_nodes[NODES + 1] = added
        balancer.add(NODES + 1, added.process.port)
        await until(
            _all_up(balancer, {"node-1", "node-3", "node-4"}), what="the added node's health"
        )
        await until(_commits(added, ADDED_COMMITS), PART_WITHIN_S, "commits at the added node")
        await until(_more(seen, STEADY_OKS), PART_WITHIN_S, "the burst with the added node")
        over.set()
        await asyncio.gather(*burst)
        seconds = time.monotonic() - started_s
        after = [await figures(running_nodes[number]) for number in (1, 3, 4)]
    oks = [one for one in seen.heard if one.ok]
    await balanced.clients.check_promise(seen.heard)
    keys = Counter(one.key for one in oks)
    assert max(keys.values()) == 1
    for event_id in events:
        ledger = await balanced.database.ledger(event_id)
        assert all(row["available_seats"] >= 0 for row in ledger)
        told = {one.key for one in oks if one.event_id == event_id}
        # Nobody else moved seats, and nobody gave up: what is in the ledger was acknowledged.
        assert {row["request_key"] for row in ledger if row["seat_delta"]} == told
    balanced.process.verify()

    # Every node had its part of the events, and while each had a home nobody was overtaken.
    spread = [int(count["evently_commit_events_total"]) for count in alone]
    assert all(spread), spread
    assert sum(count["evently_commit_overtaken_total"] for count in alone) == 0
    assert late_alone == 0, "with every event at home the next read is never behind"
    overtaken = sum(count["evently_commit_overtaken_total"] for count in after)
    commits = sum(count["evently_commit_events_total"] for count in after)
    waits_ms = sorted((one.heard_s - one.sent_s) * 1000 for one in oks)
    after_kill_ms = max(
        (one.heard_s - one.sent_s) * 1000 for one in oks if one.sent_s < killed_s + 1.0
    )
    assert overtaken <= 0.02 * commits, f"{overtaken} of {commits} batches were overtaken"
    with capsys.disabled():
        print(  # noqa: T201 - figures for docs/scaling.md
            f"\n  nodes: {len(oks)} OK and {sum(seen.refused.values())} others in {seconds:.1f} s "
            f"({steady / steady_s:.0f}/s before the kill), {seen.tries - len(oks)} tries repeated, "
            f"commits by node {spread}, overtaken {overtaken:.0f} of {commits:.0f}, "
            f"{len(seen.late)} of {seen.reads} reads behind for a moment "
            f"(at most {max((s for _, s in seen.late), default=0.0) * 1000:.0f} ms), "
            f"a move took {waits_ms[len(waits_ms) // 2]:.0f} ms at the median, "
            f"{waits_ms[len(waits_ms) * 99 // 100]:.0f} ms at p99, "
            f"{after_kill_ms:.0f} ms at worst around the kill"
        )


def _all_up(balancer: Balancer, names: set[str]) -> Any:
    async def fact() -> bool:
        try:
            return await balancer.up() == names
        except aiohttp.ClientError:
            return False

    return fact


def _more(seen: Seen, moves: int) -> Any:
    wanted = len(seen.heard) + moves
    return lambda: len(seen.heard) >= wanted


def _commits(node: Service, events: int) -> Any:
    async def fact() -> bool:
        return (await figures(node))["evently_commit_events_total"] >= events

    return fact


async def put_on_sale(balanced: Service) -> list[str]:
    """The hot event, then the others."""
    hot = await balanced.clients.published_event(total_capacity=HOT_SEATS)
    others = [
        await balanced.clients.published_event(total_capacity=SEATS) for _ in range(EVENTS - 1)
    ]
    return [event["event_id"] for event in (hot, *others)]


async def test_an_event_with_two_homes_at_once_is_still_sold_once(
    nodes: ExitStack, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worst that a wrong balancer can do: every node works on the same event."""
    both = [nodes.enter_context(running(Service(database_url, 1))) for _ in range(2)]
    seats, clients, each = 300, 20, 20
    async with both[0].connected(), both[1].connected():
        event = await both[0].clients.published_event(total_capacity=seats)
        event_id = event["event_id"]

        async def book_in_turn(client: int) -> list[Heard]:
            return [
                await both[n % 2].clients.reserve_for_sure(event_id, f"booking-{client}-{n}")
                for n in range(client, client + each)
            ]

        answers = await asyncio.gather(*map(book_in_turn, range(clients)))
        heard = [one for each_clients in answers for one in each_clients]
        counts = [await figures(node) for node in both]
    assert sum(one.ok for one in heard) == seats
    refused = [one.answer["error"]["code"] for one in heard if not one.ok]
    assert refused == ["INSUFFICIENT_SEATS"] * (clients * each - seats)
    await both[0].clients.check_promise(heard)
    both[0].process.verify()
    overtaken = sum(count["evently_commit_overtaken_total"] for count in counts)
    commits = sum(count["evently_commit_events_total"] for count in counts)
    assert overtaken, "both nodes worked on the event"
    with capsys.disabled():
        print(  # noqa: T201 - figures for docs/scaling.md
            f"\n  two homes: {overtaken:.0f} batches overtaken, {commits:.0f} committed, "
            f"{seats} seats sold"
        )


async def test_the_public_side_shows_neither_internal_calls_nor_metrics(
    nodes: ExitStack, database_url: str
) -> None:
    node = nodes.enter_context(running(Service(database_url, 1)))
    # The others are not there; the balancer finds that out by itself.
    balancer = nodes.enter_context(
        balancing({1: node.process.port, 2: free_port(), 3: free_port()})
    )
    await until(_all_up(balancer, {"node-1"}), what="one healthy node")
    async with (
        through(database_url, balancer.public) as public,
        through(database_url, balancer.internal) as inside,
    ):
        event = await inside.clients.published_event()
        event_id = event["event_id"]
        assert (await inside.clients.reserve(event_id, 1)).status == HTTPStatus.OK
        for path in (f"/api/v1/events/{event_id}/availability", "/api/v1/events", "/healthz"):
            assert (await public.api.call("GET", path)).status == HTTPStatus.OK
        for path in (
            f"/internal/events/{event_id}",
            f"/Internal/events/{event_id}",
            f"//internal/events/{event_id}",
            f"/%69nternal/events/{event_id}",
            "/metrics",
            "/metrics/",
        ):
            answer = await public.api.send("GET", path, headers=public.api.internal)
            assert (answer.status, answer.code) == (HTTPStatus.NOT_FOUND, "NOT_FOUND"), path


async def test_without_a_node_the_answer_is_the_services_own(database_url: str) -> None:
    with balancing({1: free_port(), 2: free_port(), 3: free_port()}) as balancer:
        await until(_all_up(balancer, set()), what="no healthy node")
        async with through(database_url, balancer.internal) as balanced:
            path = f"/internal/events/{uuid4()}/update-availability"
            body = {"quantity": -1, "version": "*"}
            answer = await balanced.api.send("POST", path, headers=balanced.api.internal, body=body)
            assert (answer.status, answer.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED")
            assert answer.headers["Retry-After"] == "1"
