"""The measurements that are not rows: uncached list pages, memory, and that seats add up.

Rule: a failed check does not stop the run; the report shows it.
"""

import asyncio
import http.client
import random
import statistics
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import aiohttp

from bench.database import BenchDatabase, event_id
from bench.failures import ServiceFailed
from bench.load import play
from bench.processes import heap_bytes
from bench.results import ActiveMemory, Bookings, UncachedList
from bench.rows import Scene, internal
from bench.service import Service

PAGE = 20
PAGES = 40

CLIENTS, SEATS, BOOKINGS_EACH = 1000, 1000, 2
BOOKING_S = 60.0

# Enough connections to touch 10 000 events in a second or two.
TOUCHING = 64
# Read first, so that buffers, caches and database connections do not count as memory of events.
WARMING_EVENTS = 64
TOUCHES_MAX = 10
# Far fewer than a worker can read from the database.
TOUCHES_A_SECOND = 3000
# A worker updates the number of its events once a second.
TOLD_S = 1.2


def uncached_list(scene: Scene, events: int) -> UncachedList:
    """Ask for pages with filters that were never requested before, one after the other.

    All events start after the dates of the filters, so every page is a page of all events.
    """
    connection = http.client.HTTPConnection("127.0.0.1", scene.ours.port, timeout=30)
    long_ago = datetime.now(UTC) - timedelta(days=1)
    middle = events // PAGE // 2 + 1
    first_ms, middle_ms = [], []
    try:
        for turn in range(PAGES):
            begin = f"{long_ago - timedelta(seconds=turn):%Y-%m-%dT%H:%M:%SZ}"
            query = f"/api/v1/events?limit={PAGE}&date_from={begin}"
            first_ms.append(_time_ms(connection, f"{query}&page=1"))
            middle_ms.append(_time_ms(connection, f"{query}&page={middle}"))
    finally:
        connection.close()
    return UncachedList(
        events=events,
        first_ms=statistics.median(first_ms),
        first_worst_ms=max(first_ms),
        middle_ms=statistics.median(middle_ms),
        middle_worst_ms=max(middle_ms),
    )


def _time_ms(connection: http.client.HTTPConnection, path: str) -> float:
    started_s = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    took_ms = (time.perf_counter() - started_s) * 1000
    if response.status != HTTPStatus.OK:
        raise ServiceFailed(f"GET {path} answered {response.status}: {body!r}")
    return took_ms


def memory(scene: Scene, active: int, idle: int | None = None) -> tuple[ActiveMemory, int]:
    """Read `active` events once, and measure by how much the workers' memory has grown.

    Also returns the memory before the growth, to be passed as `idle` for a larger number.
    """
    ours = scene.ours
    if idle is None:
        _touch(scene, WARMING_EVENTS)
        idle = heap_bytes(ours.pid)
    alive = touches = 0
    while alive < active and touches < TOUCHES_MAX:
        _touch(scene, active)
        alive = int(ours.counts().value("evently_actors"))
        touches += 1
    grown = heap_bytes(ours.pid) - idle
    each = grown / (active - WARMING_EVENTS)
    return ActiveMemory(active=active, alive=alive, bytes_each=each), idle


def _touch(scene: Scene, events: int) -> None:
    numbers = list(range(1, events + 1))
    # If the time is too short for all of them, the next call starts with others.
    random.shuffle(numbers)
    requests = [internal(scene, number) for number in numbers]
    seconds = 1 + events // TOUCHES_A_SECOND
    play(scene.ours.port, requests, scene.folder, connections=TOUCHING, seconds=seconds)
    time.sleep(TOLD_S)


def bookings(database: BenchDatabase, name: str, ours: Service, number: int) -> Bookings:
    """Let 1000 clients book twice as many seats as there are, all at once."""
    database.add_event(name, number, SEATS)
    answers = asyncio.run(_book(ours, number))
    left, sold_by_ledger = database.seats_left(name, number)
    return Bookings(
        clients=CLIENTS,
        asked=CLIENTS * BOOKINGS_EACH,
        seats=SEATS,
        sold=answers[HTTPStatus.OK],
        refused=answers[HTTPStatus.CONFLICT],
        otherwise=answers.total() - answers[HTTPStatus.OK] - answers[HTTPStatus.CONFLICT],
        left=left,
        sold_by_ledger=sold_by_ledger,
    )


async def _book(ours: Service, number: int) -> Counter[int]:
    url = f"http://127.0.0.1:{ours.port}/internal/events/{event_id(number)}/update-availability"
    body = {"quantity": -1, "version": "*"}
    answers: Counter[int] = Counter()

    async def client(session: aiohttp.ClientSession) -> None:
        for _ in range(BOOKINGS_EACH):
            async with session.post(url, json=body) as response:
                await response.read()
                answers[response.status] += 1

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        headers={"X-API-Key": ours.key},
        timeout=aiohttp.ClientTimeout(total=BOOKING_S),
    ) as session:
        await asyncio.gather(*(client(session) for _ in range(CLIENTS)))
    return answers
