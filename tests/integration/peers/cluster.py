"""Workers of one node in one process: real sockets between them, one real database under them."""

import time
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import asyncpg

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.peers.forwarder import Forwarder
from actors.peers.frame_contents import (
    request_in,
)
from actors.peers.frame_stream import FrameStream
from actors.peers.frames import (
    AskFrame,
    Frame,
    ReadFrame,
)
from actors.peers.link import PeerLink
from actors.peers.ring import Ring
from actors.peers.server import PeerServer
from actors.registry import Registry
from db.database import Database
from db.event_store import EventStore
from evently.app import Node
from evently.domain.commands import Command, Update
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    Answer,
    Done,
)
from evently.domain.state import Status
from tests.integration.stored_draft import store_draft

ADMIN = "22222222-2222-4222-8222-222222222222"
WORKERS = 3
RELEASE, NEXT_RELEASE = "1.0", "1.1"
ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', 100000, $1)
"""


class Unobserved:
    """Nobody counts."""

    def committed(self, events: int, moves: int, seconds: float) -> None: ...

    def overtaken(self, events: int) -> None: ...

    def went_back(self) -> None: ...

    def failed(self, reason: str) -> None: ...

    def hold_ended(self, end: str, late_s: float) -> None: ...
    def blocks_freed(self, seats: int) -> None: ...


def ask_for(
    command: Command, key: str | None = None, *, wait_s: float = 10.0, doubtful: bool = False
) -> Request:
    deadline_s = time.monotonic() + wait_s
    return Request(
        command,
        key or uuid4().hex,
        key is not None,
        Origin("test", "request"),
        deadline_s,
        doubtful,
    )


class Worker:
    """What `app.py` makes of one worker, as far as its events go."""

    def __init__(self, cluster: "Cluster", index: int, registry: Registry, release: str) -> None:
        self.registry = registry
        self.server = PeerServer(registry, cluster.path(index, release))
        others = (other for other in range(WORKERS) if other != index)
        self.links = {other: PeerLink(cluster.path(other, release)) for other in others}
        self.forwarder = Forwarder(index, cluster.ring, registry, self.links)

    async def ask(self, event_id: str, command: Command, key: str | None = None) -> Answer:
        return await self.forwarder.ask(event_id, ask_for(command, key))

    async def stop(self) -> None:
        await self.server.stop()
        for link in self.links.values():
            link.close()

    def crash(self) -> None:
        """Be gone as a killed process is: nothing is said, every connection breaks."""
        assert self.server._server is not None
        self.server._server.close()
        for stream in list(self.server._streams):
            assert stream._transport is not None
            stream._transport.abort()


class Cluster:
    """Three workers on one database."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.ring = Ring(WORKERS)
        self._url = url
        self._folder = folder
        self._stack = stack
        self.workers: list[Worker] = []

    def path(self, index: int, release: str = RELEASE) -> Path:
        return Node(index, WORKERS, self._folder, release).socket(index)

    async def start(self) -> None:
        for index in range(WORKERS):
            self.workers.append(await self.worker(index))
        await self.sql(ADD_VENUE, ADMIN)

    async def worker(self, index: int, release: str = RELEASE, **limits: int) -> Worker:
        registry = await self.registry(**limits)
        worker = Worker(self, index, registry, release)
        await worker.server.start()
        self._stack.push_async_callback(worker.stop)
        return worker

    async def registry(self, **limits: int) -> Registry:
        database = await self._stack.enter_async_context(Database(self._url))
        store = EventStore(database, self._url)
        registry = Registry(store, DatabaseClock(), Unobserved(), **limits)
        registry.start()
        self._stack.push_async_callback(registry.stop)
        return registry

    async def sql(self, sql: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def ledger(self, event_id: str) -> list[asyncpg.Record]:
        """The event's versions from the first sale on, after a check that none is missing."""
        rows = await self.sql(
            "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version", event_id
        )
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
        return rows[2:]

    async def refusals(self, event_id: str) -> list[asyncpg.Record]:
        """The final refusals that are kept."""
        return await self.sql("SELECT * FROM event_refusals WHERE event_id = $1", event_id)

    async def event(self, owner: int, seats: int = 100) -> str:
        """A published event that lives in the worker `owner`, where nobody has asked for it yet."""
        event_id = next(
            found
            for found in iter(lambda: str(uuid4()), None)
            if self.ring.order(found)[0] == owner
        )
        await store_draft(self._url, event_id, ADMIN, ADMIN, seats)
        publish = Update(ADMIN, False, 1, {"status": Status.PUBLISHED}, 0)
        assert isinstance(await self.workers[owner].ask(event_id, publish), Done)
        return event_id


class Lossy(PeerServer):
    """An owner that goes away in the middle: before it has looked at a request, or after."""

    after_commit = True
    asked = 0

    def _ask(self, stream: FrameStream, frame: AskFrame) -> None:
        self.asked += 1
        if not self.after_commit:
            self._break(stream)
            return
        future = self._registry.submit(frame.event_id, request_in(frame))
        future.add_done_callback(lambda _: self._break(stream))

    def _read(self, stream: FrameStream, frame: ReadFrame) -> None:
        self.asked += 1
        self._break(stream)

    @staticmethod
    def _break(stream: FrameStream) -> None:
        assert stream._transport is not None
        stream._transport.abort()


async def lossy_owner(cluster: Cluster, index: int, *, after_commit: bool) -> Lossy:
    """Put one in the place of the worker `index`."""
    cluster.workers[index].crash()
    lossy = Lossy(await cluster.registry(), cluster.path(index))
    lossy.after_commit = after_commit
    await lossy.start()
    cluster._stack.push_async_callback(lossy.stop)
    return lossy


class Silent(PeerServer):
    """An owner that hears and says nothing, as a paused process does."""

    def _arrived(self, stream: FrameStream, frame: Frame) -> None:
        """Nothing."""
