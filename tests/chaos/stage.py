"""Everything a run takes: a server, the proxy before it, the service, and a thread for the loop.

Rule: faults are injected from the main thread, which may block on them; the proxy and the clients
run on a loop in a thread of its own, so that nothing a fault waits for holds them up. (The kernel
also wants PostgreSQL to be started from a thread that outlives it.)
"""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import asyncpg
import uvloop

from tests.acceptance.service import Service
from tests.chaos.history import History
from tests.chaos.ledger import EventLedger
from tests.chaos.programme import Programme, from_now, some_blocks
from tests.chaos.proxy import Proxy
from tests.chaos.server import DATABASE, Server, socket_of

T = TypeVar("T")

WORKERS = 2
# For each worker; and small ones, which a few clients sell out in a second.
HOT_PER_WORKER, HOT_SEATS = 2, 10_000_000
SMALL, SMALL_SEATS = 4, 40
# A block has so many seats at most.
HOT_BLOCK, SMALL_BLOCK = 150, 6
# When those open that are not on sale yet, and when the first blocks are freed, if ever.
OPENINGS_S = (1.5, 1.8, 2.0)
FIRST_RELEASES_S = (None, 2.0, 4.0, 8.0)
# The longest that anything on the loop takes: the end of the clients.
CALL_S = 60.0


class LoopThread:
    """A loop in a thread of its own, for coroutines that must not be held up."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-loop")

    def call(self, act: Coroutine[Any, Any, T], within_s: float = CALL_S) -> T:
        """Run a coroutine there; what it returns or raises."""
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(within_s)

    def do(self, act: Callable[[], T]) -> T:
        """Run a function there; what it returns or raises."""

        async def done() -> T:
            return act()

        return self.call(done())

    def begin(self, act: Coroutine[Any, Any, Any]) -> Callable[[], None]:
        """Run a coroutine there until it is told to stop by what this returns."""
        future = asyncio.run_coroutine_threadsafe(act, self._loop)

        def stop() -> None:
            future.cancel()

        return stop

    @contextmanager
    def running(self) -> Iterator["LoopThread"]:
        """Within it the loop runs."""
        self._thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


@dataclass
class Stage:
    """One run's processes, and the events that are sold."""

    loop: LoopThread
    server: Server
    proxy: Proxy
    service: Service
    history: History = field(default_factory=History)
    programme: Programme = field(default_factory=Programme)

    @property
    def hot(self) -> list[str]:
        """The events that always sell."""
        return self.programme.hot

    @property
    def events(self) -> list[str]:
        """All events that are sold."""
        return self.programme.events

    def owned_by(self, worker: int) -> list[str]:
        """The hot events that live in this worker."""
        return [event_id for event_id in self.hot if self.service.owner(event_id) == worker]

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to the server that goes past the proxy."""
        return await asyncpg.connect(self.server.dsn(DATABASE))

    async def put_on_sale(self, seed: int) -> None:
        """Fresh events: hot ones in every worker, small ones, and some whose sales open later."""
        self.history, self.programme = History(), Programme()
        dice = random.Random(f"{seed} programme")  # noqa: S311 - choices that can be repeated
        programme = self.programme
        async with self.service.connected():
            while len(programme.hot) < HOT_PER_WORKER * self.service.workers:
                # The first ones keep seats back, as half of the small ones do.
                blocks = HOT_BLOCK if len(programme.hot) < self.service.workers else 0
                event_id = await self._published(HOT_SEATS, dice, blocks)
                if len(self.owned_by(self.service.owner(event_id))) < HOT_PER_WORKER:
                    programme.hot.append(event_id)
            for number in range(SMALL):
                blocks = SMALL_BLOCK if number % 2 else 0
                programme.small.append(await self._published(SMALL_SEATS, dice, blocks))
            for number, after_s in enumerate(OPENINGS_S):
                blocks = 0 if number else HOT_BLOCK
                opens = {"sales_start": from_now(after_s)}
                event_id = await self._published(HOT_SEATS, dice, blocks, **opens)
                programme.windowed.append(event_id)
        programme.blocks = {
            event_id: seats
            for event_id, seats in programme.blocks.items()
            if event_id in programme.events
        }

    async def _published(self, seats: int, dice: random.Random, block_max: int, **over: Any) -> str:
        headers = await self.service.clients.admin()
        venue = await self.service.clients.create_venue(headers, capacity=seats)
        venue_id = venue["venue_id"]
        if block_max:
            over["holdbacks"] = some_blocks(dice, block_max, FIRST_RELEASES_S)
        draft = await self.service.clients.create_event(
            headers, venue_id, total_capacity=seats, **over
        )
        event_id: str = (await self.service.clients.publish(headers, draft))["event_id"]
        if block_max:
            self.programme.blocks[event_id] = block_max
        return event_id

    async def ledgers(self) -> dict[str, EventLedger]:
        """What the database holds of the events."""
        connection = await self.connect()
        try:
            return {
                event_id: await EventLedger.read(connection, event_id) for event_id in self.events
            }
        finally:
            await connection.close()

    async def past_the_proxy(
        self, act: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[T]]
    ) -> T:
        """What `act` returns with a connection that goes past the proxy."""
        connection = await self.connect()
        try:
            return await act(connection)
        finally:
            connection.terminate()


@contextmanager
def staged() -> Iterator[Stage]:
    """Set all of it up; at the end nothing of it is left."""
    with (
        TemporaryDirectory(prefix="evently-chaos-") as folder,
        Server(Path(folder)) as server,
        LoopThread().running() as loop,
    ):
        server.create_database(DATABASE)
        proxy = Proxy(socket_of(server))
        loop.call(proxy.listen())
        # An hour has more of them than a token lives by default.
        settings = {"EVENTLY_ACCESS_TOKEN_TTL_S": "86400"}
        service = Service(proxy.dsn(DATABASE), WORKERS, settings=settings)
        try:
            done = service.process.run("migrate")
            assert done.returncode == 0, done.stderr
            service.process.start()
            yield Stage(loop, server, proxy, service)
        finally:
            service.process.discard()
            loop.call(proxy.__aexit__(None, None, None))
