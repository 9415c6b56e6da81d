"""A service of several workers as its tests use it: who owns what, and clients that book."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4

from tests.acceptance.service import Service
from tests.acceptance.service_clients import Heard
from tests.until import until

# Until an event answers again whose owner was killed: 0.2 s is the median of chaos runs, and 2.4 s
# were measured with seven programs for every processor.
RECOVERED_S = 3.0
# Until a service that was killed is ready again, for each of its workers: a second and a half on
# an idle machine, and 7 s with seven programs for every processor.
RESTARTED_S = 10.0
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


async def book(
    service: Service, event_id: str, moves: int, *, at_a_tenth: Callable[[], object] | None = None
) -> list[Heard]:
    """`moves` reserves of one seat, each under a key of its own, by CLIENTS at a time.

    `at_a_tenth` is called once a tenth of them is answered, before any other answer is taken, so
    that every client but one waits for its answer: whatever it does comes in the middle.
    """
    heard: list[Heard] = []
    keys = iter([f"{uuid4()}" for _ in range(moves)])

    async def client() -> None:
        for key in keys:
            heard.append(await service.clients.reserve_for_sure(event_id, key))
            if at_a_tenth is not None and len(heard) == moves // 10:
                at_a_tenth()

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client())
    return heard


def longest_silence(heard: list[Heard], since_s: float) -> float:
    """The longest time without an OK, from `since_s` on."""
    times = sorted({since_s, *(one.heard_s for one in heard if one.heard_s > since_s)})
    return max(later - sooner for sooner, later in pairwise(times))


def under_way(heard: list[Heard], at_s: float) -> int:
    """How many of the moves were waited for at this time."""
    return sum(one.sent_s < at_s < one.heard_s for one in heard)
