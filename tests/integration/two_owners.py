"""Two registries on one database that both take themselves for the owner of every event.

Rule: what happens to one of them, a test does to it; the other is as healthy as can be.
"""

import time
from contextlib import AsyncExitStack
from uuid import uuid4

import asyncpg

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from db.database import Database
from db.event_check import EventCheck
from db.event_store import EventStore
from evently.domain.commands import Command, Update
from evently.domain.errors import Overloaded
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer, Done
from evently.domain.state import Status
from tests.integration.stored_draft import store_draft

ADMIN = "22222222-2222-4222-8222-222222222222"
ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', $2, $1)
"""


class Overtakings:
    """Counts how often another writer was faster."""

    def __init__(self) -> None:
        self.count = 0

    def committed(self, events: int, moves: int, seconds: float) -> None: ...

    def overtaken(self, events: int) -> None:
        self.count += events

    def went_back(self) -> None: ...

    def failed(self, reason: str) -> None: ...

    def hold_ended(self, end: str, late_s: float) -> None: ...
    def blocks_freed(self, seats: int) -> None: ...


class Pair:
    """Two registries that both take themselves for the owner of every event."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.overtakings = Overtakings()
        self.registries: list[Registry] = []
        self.stores: list[EventStore] = []
        self.venue_id = str(uuid4())

    async def start(self, stack: AsyncExitStack) -> None:
        for _ in range(2):
            database = await stack.enter_async_context(Database(self.url))
            store = EventStore(database, self.url)
            registry = Registry(store, DatabaseClock(), self.overtakings)
            registry.start()
            self.stores.append(store)
            stack.push_async_callback(registry.stop)
            self.registries.append(registry)
        await self.sql(ADD_VENUE, self.venue_id, 10_000)

    async def sql(self, sql: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def event(self, seats: int) -> str:
        """A published event that both have in memory."""
        event_id = str(uuid4())
        await store_draft(self.url, event_id, self.venue_id, ADMIN, seats)
        publish = Update(ADMIN, False, 1, {"status": Status.PUBLISHED}, 0)
        assert isinstance(await self.ask(0, event_id, publish), Done)
        assert await self.registries[1].read(event_id) is not None
        return event_id

    async def ask(
        self, which: int, event_id: str, command: Command, key: str | None = None
    ) -> Answer:
        request = Request(
            command,
            key or uuid4().hex,
            key is not None,
            Origin("test", "request"),
            time.monotonic() + 20,
        )
        return await self.registries[which].ask(event_id, request)

    async def persist(self, which: int, event_id: str, command: Command, key: str) -> Answer:
        """Ask as a client does, who asks again with its key after 503."""
        for _ in range(100):
            try:
                return await self.ask(which, event_id, command, key)
            except Overloaded:
                continue
        raise AssertionError(f"{key} never got through")

    async def ledger(self, event_id: str) -> list[asyncpg.Record]:
        """Its versions, after a check that they add up to its row."""
        async with EventCheck(self.url) as check:
            async for page in check.pages():
                for replayed in page:
                    assert replayed.differences() == []
        return await self.sql(
            "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version", event_id
        )
