"""Where the tests of the client's promises are played: on the real service and on the fake one.

Rule: no test knows which of the two it runs on.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import asyncpg

from db.archive_store import ArchiveStore
from evently_client import (
    AdminClient,
    ClientLimits,
    EventServiceClient,
    Failure,
    Holdback,
    SyncEventServiceClient,
)
from evently_client.testing import Break, FakeEventService
from evently_client.transport import Answer, HttpTransport, Request
from tests.acceptance.booking import AGE
from tests.acceptance.place import Place
from tests.acceptance.service_process import INTERNAL_KEY

PRICE = Decimal("25.50")


class Stage(Protocol):
    """What tests need beside a client; `pass_an_hour` is for the holds of an event."""

    def client(self, **how: Any) -> EventServiceClient: ...
    def sync_client(self) -> SyncEventServiceClient: ...
    def break_next(self, *breaks: Break) -> None: ...
    async def add_event(
        self, seats: int, *, published: bool = True, starts_in: timedelta = timedelta(days=30)
    ) -> str: ...
    async def change_price(self, event_id: str, price: Decimal) -> None: ...
    async def cancel(self, event_id: str) -> None: ...
    async def pass_an_hour(self, event_id: str) -> None: ...
    async def pause(self, event_id: str, *, paused: bool) -> None: ...
    async def keep_back(
        self, event_id: str, name: str, seats: int, release_in: timedelta | None = None
    ) -> None: ...
    async def archive_changes(self) -> None: ...


class FakeStage:
    """The fake service."""

    def __init__(self) -> None:
        self._fake = FakeEventService()
        self.sync_client = self._fake.sync_client
        self.break_next = self._fake.break_next

    def client(self, **how: Any) -> EventServiceClient:
        return self._fake.client(**how)

    async def add_event(
        self, seats: int, *, published: bool = True, starts_in: timedelta = timedelta(days=30)
    ) -> str:
        return self._fake.add_event(
            seats, base_price=PRICE, published=published, starts_in=starts_in
        )

    async def change_price(self, event_id: str, price: Decimal) -> None:
        self._fake.change_price(event_id, price)

    async def cancel(self, event_id: str) -> None:
        self._fake.cancel(event_id)

    async def pass_an_hour(self, event_id: str) -> None:
        self._fake.pass_time(timedelta(hours=1))

    async def pause(self, event_id: str, *, paused: bool) -> None:
        self._fake.pause(event_id, paused=paused)

    async def keep_back(
        self, event_id: str, name: str, seats: int, release_in: timedelta | None = None
    ) -> None:
        self._fake.keep_back(event_id, name, seats, release_in=release_in)

    async def archive_changes(self) -> None:
        self._fake.archive_changes()


class Breaking(HttpTransport):
    """HTTP whose answers, or requests, are lost as a test says."""

    def __init__(self, url: str, limits: ClientLimits, breaks: deque[Break]) -> None:
        super().__init__(url, limits)
        self._breaks = breaks

    async def send(self, request: Request, timeout_s: float) -> Answer | Failure:
        broken = self._breaks.popleft() if self._breaks else None
        lost = Failure("CONNECTION_LOST", "lost by the test", again=True, unknown=True)
        if broken is Break.LOST_REQUEST:
            return lost
        answer = await super().send(request, timeout_s)
        if broken is Break.SILENCE:
            await asyncio.sleep(timeout_s)
        return answer if broken is None else lost


class ServiceStage:
    """The real service, with an admin who is logged in."""

    def __init__(self, place: Place, admin: AdminClient) -> None:
        self._url = place.url
        self._database_url = place.database_url
        self._admin = admin
        self._venue_id = place.venue_id
        self._breaks: deque[Break] = deque()

    def client(self, *, api_key: str = INTERNAL_KEY, **how: Any) -> EventServiceClient:
        limits = how.pop("limits", None) or ClientLimits()
        transport = Breaking(self._url, limits, self._breaks)
        return EventServiceClient(self._url, api_key, limits=limits, transport=transport, **how)

    def sync_client(self) -> SyncEventServiceClient:
        return SyncEventServiceClient(self._url, INTERNAL_KEY)

    def break_next(self, *breaks: Break) -> None:
        self._breaks.extend(breaks)

    async def add_event(
        self, seats: int, *, published: bool = True, starts_in: timedelta = timedelta(days=30)
    ) -> str:
        start = datetime.now(UTC) + starts_in
        event = await self._admin.create_event(
            name="Night",
            venue_id=self._venue_id,
            event_type="concert",
            start_datetime=start,
            end_datetime=start + timedelta(hours=3),
            total_capacity=seats,
            base_price=PRICE,
        )
        if published:
            event = await self._admin.publish_event(event.event_id, event.version)
        return event.event_id

    async def change_price(self, event_id: str, price: Decimal) -> None:
        version = (await self._admin.get_event(event_id)).version
        await self._admin.update_event(event_id, version, base_price=price)

    async def cancel(self, event_id: str) -> None:
        version = (await self._admin.get_event(event_id)).version
        await self._admin.cancel_event(event_id, version)

    async def pause(self, event_id: str, *, paused: bool) -> None:
        version = (await self._admin.get_event(event_id)).version
        await self._admin.update_event(event_id, version, paused=paused, on_conflict="retry")

    async def keep_back(
        self, event_id: str, name: str, seats: int, release_in: timedelta | None = None
    ) -> None:
        release_at = None if release_in is None else datetime.now(UTC) + release_in
        event = await self._admin.get_event(event_id)
        blocks = [*event.holdbacks, Holdback(name, seats, release_at)]
        kept = await self._admin.update_event(event_id, event.version, holdbacks=blocks)
        assert kept.holdbacks == tuple(blocks)

    async def archive_changes(self) -> None:
        # All of them, whatever their month.
        async with ArchiveStore(self._database_url) as store:
            begins_at, _ = await store.expired_changes(datetime.now(UTC) + timedelta(days=1))
            await store.expire_changes(begins_at)
            await store.delete_changes(0, begins_at - 1)

    async def pass_an_hour(self, event_id: str) -> None:
        # The shortest hold is too long for a test to wait, so its holds were placed earlier.
        connection = await asyncpg.connect(self._database_url)
        try:
            await connection.execute(AGE, event_id)
        finally:
            await connection.close()
