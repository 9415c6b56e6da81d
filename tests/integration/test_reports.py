"""An event's history and analytics, from a ledger on a real PostgreSQL."""

import asyncio
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

from db.account_store import AccountStore
from db.database import Database
from db.event_ledger import EventLedger, SalesByDay, StillAddingUp
from evently.domain.admins import Admin
from evently.domain.errors import Overloaded
from routes.call import Call
from routes.contract.answers import EventAnalytics, EventHistory, LedgerRow
from routes.contract.bodies import Paging
from routes.contract.errors import ApiError, Code
from routes.contract.fields import Query
from routes.contract.report_queries import AnalyticsQuery
from routes.contract.validation import read_query
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
MOVE = """
UPDATE events SET version = version + 1, available_seats = available_seats - $2,
                  revenue = revenue + $3
 WHERE event_id = $1 RETURNING version, available_seats
"""


class Setting:
    """Events with the ledgers that make them, and calls of admins."""

    def __init__(self, database: Database, other: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.database = database
        self.ledger = EventLedger(database)
        self.accounts = AccountStore(database)
        self.now = MIDNIGHT
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

    async def sell(self, event_id: str, seats: int, money: str, at: datetime) -> None:
        """One more version of the event."""
        row = await self.other.fetchrow(MOVE, event_id, seats, Decimal(money))
        assert row is not None
        version, left = row["version"], row["available_seats"]
        await self._note(event_id, version, "reserved", -seats, money, at, left, None)

    async def kept(self, event_id: str) -> int | None:
        """The version up to which the event's sums are kept."""
        sql = "SELECT version FROM event_sales_kept WHERE event_id = $1"
        found: int | None = await self.other.fetchval(sql, event_id)
        return found

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

    def call(self, event_id: str, admin: Admin, model: type[Query] = Paging, **query: str) -> Call:
        clock = SimpleNamespace(now=lambda: self.now)
        services = SimpleNamespace(
            ledger=self.ledger, accounts=self.accounts, events=SimpleNamespace(clock=clock)
        )
        call = Call("GET", CIMultiDict(), cast(Any, services))
        call.params = {"event_id": event_id}
        call.query = read_query(model, query)
        call.admin = admin
        return call

    async def analytics(self, event_id: str, admin: Admin = ADA, **query: str) -> EventAnalytics:
        return await get_analytics(self.call(event_id, admin, AnalyticsQuery, **query))

    async def history(self, event_id: str, admin: Admin = ADA, **query: str) -> EventHistory:
        return await get_history(self.call(event_id, admin, Paging, **query))


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield Setting(database, other)
    await other.close()


async def test_an_event_that_sold_nothing_has_no_trend(setting: Setting) -> None:
    event_id = await setting.add()
    assert await setting.analytics(event_id) == EventAnalytics(event_id, 0, 0.0, 0.0, [], False)


async def test_analytics_tell_what_is_out_and_what_it_brought(setting: Setting) -> None:
    event_id = await setting.add(
        (10, "255.00", MIDNIGHT), (5, "127.50", MIDNIGHT), (-4, "-102.00", MIDNIGHT)
    )
    found = await setting.analytics(event_id)
    assert (found.tickets_sold, found.revenue, found.capacity_utilization) == (11, 280.5, 3.67)


@pytest.mark.parametrize(
    ("seats", "capacity", "percent"),
    [
        (1, 3, 33.33),
        (2, 3, 66.67),
        (1, 8, 12.5),
        (1, 20_000, 0.01),
        (3, 3, 100),
        # Whatever is sold is not nothing, and one seat that is left is not none.
        (1, 200_000, 0.01),
        (199_999, 200_000, 99.99),
    ],
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
            {
                "date": "2026-03-02",
                "tickets_sold": 1,
                "tickets_returned": 0,
                "revenue": 25.5,
                "start": "2026-03-02T00:00:00Z",
            }
        ],
        "archived": False,
    }


DAY = timedelta(days=1)


def sums(found: SalesByDay | StillAddingUp | None) -> list[tuple[int, int, Decimal]]:
    assert isinstance(found, SalesByDay)
    return [(day.tickets_sold, day.tickets_returned, day.revenue) for day in found.days]


async def test_sums_are_kept_and_only_what_came_since_is_added(setting: Setting) -> None:
    ledger = EventLedger(setting.database, chunk=2, unkept_max=1)
    moves = [(2, "51.00", MIDNIGHT + n * DAY / 2) for n in range(6)]
    event_id = await setting.add(*moves, (-1, "-25.50", MIDNIGHT))
    whole = [(4, 1, Decimal("76.50")), (4, 0, Decimal("102.00")), (4, 0, Decimal("102.00"))]
    assert sums(await ledger.by_day(event_id)) == whole
    assert await setting.kept(event_id) == 8
    # What is kept is not read again, even if it were another by now.
    await setting.other.execute("UPDATE event_ledger SET seat_delta = -50 WHERE version = 3")
    assert sums(await ledger.by_day(event_id)) == whole
    await setting.sell(event_id, 3, "76.50", MIDNIGHT + DAY)
    await setting.sell(event_id, 1, "25.50", MIDNIGHT + 9 * DAY)
    whole[1] = (7, 0, Decimal("178.50"))
    whole.append((1, 0, Decimal("25.50")))
    assert sums(await ledger.by_day(event_id)) == whole
    assert await setting.kept(event_id) == 10


async def test_a_report_of_few_versions_writes_nothing(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT))
    ledger = EventLedger(setting.database, unkept_max=3)
    assert sums(await ledger.by_day(event_id)) == [(1, 0, Decimal("25.50"))]
    assert await setting.kept(event_id) is None
    await setting.sell(event_id, 1, "25.50", MIDNIGHT)
    assert sums(await ledger.by_day(event_id)) == [(2, 0, Decimal("51.00"))]
    assert await setting.kept(event_id) == 4


async def test_what_there_was_no_time_for_is_told_and_the_next_goes_on(setting: Setting) -> None:
    event_id = await setting.add(*((1, "25.50", MIDNIGHT) for _ in range(6)))
    hurried = EventLedger(setting.database, chunk=2, unkept_max=0, patience_s=0)
    assert await hurried.by_day(event_id) == StillAddingUp(0, 8)
    setting.ledger = hurried
    with pytest.raises(ApiError, match="0 of its 8 versions are done") as caught:
        await setting.analytics(event_id)
    assert (caught.value.code, caught.value.status) == (Code.OVERLOADED, 503)
    assert caught.value.details == {"reason": "adding_up", "versions_done": 0, "versions": 8}
    assert caught.value.headers["Retry-After"] == "1"
    for kept in (2, 4, 6, 8):
        assert await hurried._keep_chunk(event_id, 8) == kept
    assert sums(await hurried.by_day(event_id)) == [(6, 0, Decimal("153.00"))]


async def test_those_who_add_up_at_once_add_each_version_once(
    setting: Setting, database_url: str
) -> None:
    event_id = await setting.add(*((1, "25.50", MIDNIGHT + n * DAY / 9) for n in range(40)))
    async with Database(database_url) as another:
        ledgers = [EventLedger(one, chunk=3, unkept_max=0) for one in (setting.database, another)]
        found = await asyncio.gather(*(ledger.by_day(event_id) for ledger in ledgers * 4))
    assert sums(found[0]) == [(count, 0, count * Decimal("25.50")) for count in (9, 9, 9, 9, 4)]
    assert all(sums(one) == sums(found[0]) for one in found)


async def test_sums_that_are_deleted_are_made_anew(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT), (1, "25.50", MIDNIGHT))
    ledger = EventLedger(setting.database, unkept_max=0)
    before = await ledger.by_day(event_id)
    await setting.other.execute("DELETE FROM event_sales_kept WHERE event_id = $1", event_id)
    assert await setting.other.fetchval("SELECT count(*) FROM event_sales_by_day") == 0
    assert await ledger.by_day(event_id) == before


async def test_more_reports_than_the_bound_wait_for_their_turn(setting: Setting) -> None:
    event_id = await setting.add()
    await asyncio.gather(*(setting.analytics(event_id) for _ in range(20)))
    async with setting.other.transaction():
        await setting.other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        answers = await asyncio.gather(
            *(setting.analytics(event_id) for _ in range(3)), return_exceptions=True
        )
    assert [type(answer) for answer in answers].count(Overloaded) == 2


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
