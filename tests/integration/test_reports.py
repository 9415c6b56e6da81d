"""An event's history and analytics, from a ledger on a real PostgreSQL."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from multidict import CIMultiDict

from db.database import Database
from db.event_ledger import EventLedger
from evently.domain.admins import Admin
from routes.call import Call
from routes.contract.answers import EventAnalytics, EventHistory, LedgerRow
from routes.contract.bodies import Paging
from routes.contract.errors import ApiError, Code
from routes.contract.fields import read_query
from routes.handlers.reports import get_analytics, get_history

ADA = Admin(str(uuid4()), "event_manager")
BOB = Admin(str(uuid4()), "admin")
ROOT = Admin(str(uuid4()), "super_admin")
CAPACITY = 300
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)

ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', 20000, $1)
"""
ADD_EVENT = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, revenue, created_by)
VALUES ($1, 'Night', '', $2, 'concert', now() + interval '1 day', now() + interval '2 days',
        $3, $4, 25.5, 10, CASE $4::integer WHEN 0 THEN 'sold_out' ELSE 'published' END,
        $5, 1, $6, $7)
"""
ADD_VERSION = """
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id,
                          changes, recorded_at)
VALUES ($1, $2, $3, $4, 0, $5, $6, 'published', 'key ' || $2::bigint, '', $7, 'request', $8, $9)
"""


class Setting:
    """Events with the ledgers that make them, and calls of admins."""

    def __init__(self, database: Database, other: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.ledger = EventLedger(database)
        self.other = other

    async def add(self, *moves: tuple[int, str, datetime], capacity: int = CAPACITY) -> str:
        """Make Ada's event: created, published, then each (seats, money, time)."""
        event_id, venue_id = str(uuid4()), str(uuid4())
        left = capacity - sum(seats for seats, _, _ in moves)
        revenue = sum((Decimal(money) for _, money, _ in moves), Decimal(0))
        await self.other.execute(ADD_VENUE, venue_id)
        row = (event_id, venue_id, capacity, left, 2 + len(moves), revenue, ADA.admin_id)
        await self.other.execute(ADD_EVENT, *row)
        created = {"name": "Night", "description": "", "base_price": "25.50"}
        await self._note(event_id, 1, "created", 0, "0", MIDNIGHT, capacity, created)
        await self._note(
            event_id, 2, "published", 0, "0", MIDNIGHT, capacity, {"status": "published"}
        )
        left = capacity
        for version, (seats, money, at) in enumerate(moves, start=3):
            left -= seats
            kind = "reserved" if seats > 0 else "returned"
            await self._note(event_id, version, kind, -seats, money, at, left, None)
        return event_id

    async def _note(
        self,
        event_id: str,
        version: int,
        kind: str,
        delta: int,
        money: str,
        at: datetime,
        left: int,
        changes: dict[str, Any] | None,
    ) -> None:
        caller = "key:booking" if changes is None else ADA.caller
        noted = None if changes is None else json.dumps(changes)
        row = (event_id, version, kind, delta, Decimal(money), left, caller, noted, at)
        await self.other.execute(ADD_VERSION, *row)

    def call(self, event_id: str, admin: Admin, **query: str) -> Call:
        services = SimpleNamespace(ledger=self.ledger)
        call = Call("GET", CIMultiDict(), cast(Any, services))
        call.params = {"event_id": event_id}
        call.query = read_query(Paging, query)
        call.admin = admin
        return call

    async def analytics(self, event_id: str, admin: Admin = ADA) -> EventAnalytics:
        return await get_analytics(self.call(event_id, admin))

    async def history(self, event_id: str, admin: Admin = ADA, **query: str) -> EventHistory:
        return await get_history(self.call(event_id, admin, **query))


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield Setting(database, other)
    await other.close()


async def test_an_event_that_sold_nothing_has_no_trend(setting: Setting) -> None:
    event_id = await setting.add()
    assert await setting.analytics(event_id) == EventAnalytics(event_id, 0, 0.0, 0.0, [])


async def test_analytics_tell_what_is_out_and_what_it_brought(setting: Setting) -> None:
    event_id = await setting.add(
        (10, "255.00", MIDNIGHT), (5, "127.50", MIDNIGHT), (-4, "-102.00", MIDNIGHT)
    )
    found = await setting.analytics(event_id)
    assert (found.tickets_sold, found.revenue, found.capacity_utilization) == (11, 280.5, 3.67)


@pytest.mark.parametrize(
    ("seats", "capacity", "percent"),
    [(1, 3, 33.33), (2, 3, 66.67), (1, 8, 12.5), (1, 20_001, 0.0), (1, 20_000, 0.01), (3, 3, 100)],
)
async def test_utilization_is_a_percentage_of_two_decimals(
    setting: Setting, seats: int, capacity: int, percent: float
) -> None:
    event_id = await setting.add((seats, "1.00", MIDNIGHT), capacity=capacity)
    assert (await setting.analytics(event_id)).capacity_utilization == percent


async def test_trends_are_by_utc_day_in_order(setting: Setting) -> None:
    instant = timedelta(microseconds=1)
    event_id = await setting.add(
        (1, "25.50", MIDNIGHT - instant),
        (2, "51.00", MIDNIGHT),
        (3, "90.00", MIDNIGHT + timedelta(hours=23)),
        (-1, "-27.75", MIDNIGHT + timedelta(days=1) - instant),
        (-2, "-55.50", MIDNIGHT + timedelta(days=3)),
    )
    trends = (await setting.analytics(event_id)).booking_trends
    assert [(d.date, d.tickets_sold, d.tickets_returned, d.revenue) for d in trends] == [
        (date(2026, 3, 1), 1, 0, 25.5),
        (date(2026, 3, 2), 5, 1, 113.25),
        (date(2026, 3, 5), 0, 2, -55.5),
    ]


async def test_trends_add_up_to_what_is_out_and_what_it_brought(setting: Setting) -> None:
    moves = [(7, "178.50", MIDNIGHT + timedelta(hours=9 * n)) for n in range(20)]
    event_id = await setting.add(*moves, (-3, "-76.50", MIDNIGHT + timedelta(days=9)))
    found = await setting.analytics(event_id)
    trends = found.booking_trends
    assert sum(d.tickets_sold - d.tickets_returned for d in trends) == found.tickets_sold
    assert sum(d.revenue for d in trends) == found.revenue


async def test_analytics_are_answered_in_the_order_of_their_fields(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT))
    answer = msgspec.json.decode(msgspec.json.encode(await setting.analytics(event_id)))
    assert answer == {
        "event_id": event_id,
        "tickets_sold": 1,
        "revenue": 25.5,
        "capacity_utilization": 0.33,
        "booking_trends": [
            {"date": "2026-03-02", "tickets_sold": 1, "tickets_returned": 0, "revenue": 25.5}
        ],
    }


async def test_the_sums_are_as_of_one_version(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT), (1, "25.50", MIDNIGHT))
    (day,) = await setting.ledger.by_day(event_id, version=3)
    assert (day.tickets_sold, day.revenue) == (1, Decimal("25.50"))


async def test_history_is_every_version_newest_first(setting: Setting) -> None:
    event_id = await setting.add((10, "255.00", MIDNIGHT), (-4, "-102.00", MIDNIGHT))
    answer = await setting.history(event_id)
    assert [row.version for row in answer.history] == [4, 3, 2, 1]
    assert [row.kind for row in answer.history] == ["returned", "reserved", "published", "created"]
    assert [row.quantity for row in answer.history] == [4, -10, 0, 0]
    assert [row.available_seats for row in answer.history] == [294, 290, 300, 300]
    assert (answer.event_id, answer.total, answer.page, answer.limit) == (event_id, 4, 1, 20)


async def test_history_tells_who_changed_which_fields(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT))
    reserved, published, created = (await setting.history(event_id)).history
    assert (reserved.caller, reserved.changed_fields, reserved.changes) == ("key:booking", [], {})
    assert (published.caller, published.changed_fields) == (ADA.caller, ["status"])
    assert created.changed_fields == ["base_price", "description", "name"]
    assert created.changes == {"base_price": "25.50", "description": "", "name": "Night"}
    assert tuple(msgspec.to_builtins(created)) == LedgerRow.__struct_fields__


async def test_history_pages_hold_every_version_once(setting: Setting) -> None:
    event_id = await setting.add(*((1, "25.50", MIDNIGHT) for _ in range(9)))
    pages = [await setting.history(event_id, limit="4", page=str(page)) for page in (1, 2, 3, 4)]
    versions = [[row.version for row in page.history] for page in pages]
    assert versions == [[11, 10, 9, 8], [7, 6, 5, 4], [3, 2, 1], []]
    assert {page.total for page in pages} == {11}
    assert (await setting.history(event_id, page="999999999", limit="100")).history == []


@pytest.mark.parametrize("read", ["analytics", "history"])
async def test_an_unknown_event_is_not_found(setting: Setting, read: str) -> None:
    with pytest.raises(ApiError) as caught:
        await getattr(setting, read)(str(uuid4()), ROOT)
    assert (caught.value.code, caught.value.status) == (Code.EVENT_NOT_FOUND, 404)


@pytest.mark.parametrize("read", ["analytics", "history"])
async def test_another_admins_event_is_forbidden(setting: Setting, read: str) -> None:
    event_id = await setting.add()
    with pytest.raises(ApiError) as caught:
        await getattr(setting, read)(event_id, BOB)
    assert (caught.value.code, caught.value.status) == (Code.UNAUTHORIZED, 403)


@pytest.mark.parametrize("read", ["analytics", "history"])
async def test_a_super_admin_reads_every_event(setting: Setting, read: str) -> None:
    event_id = await setting.add()
    assert (await getattr(setting, read)(event_id, ROOT)).event_id == event_id
