"""Lists of events on a real PostgreSQL: which events, in which order, how many, by which plan."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from multidict import CIMultiDict

from db.database import Database
from db.event_lists import EventListReader
from db.sql import load
from evently.domain.admins import Admin, Role
from evently.domain.text import fold
from routes.caches.event_lists import EventLists
from routes.caches.revision import LocalRevision
from routes.call import Call
from routes.contract.answers import AdminEventList, EventInAdminList, EventInList
from routes.contract.bodies import AdminEventListQuery, EventListQuery
from routes.contract.errors import ApiError, Code
from routes.contract.raw import Raw
from routes.contract.validation import read_query
from routes.handlers.listings import list_events, list_own_events

ADA, BOB = str(UUID(int=1)), str(UUID(int=2))
NOW = datetime.now(UTC)
DAY = timedelta(days=1)

ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, city_folded, country, capacity, created_by)
VALUES ($1, $2, '1 Street', $3, $4, 'USA', 20000, $1)
"""
ADD_EVENT = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by,
                    event_type_folded)
VALUES ($1, $2, 'long text', $3, $4, $5, $6, 100, $7, 25.5, 10, $8, 3, 2, $9, $10)
"""


class Setting:
    """The lists, and a second connection that puts events under them."""

    def __init__(self, database: Database, other: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.other = other
        self.revision = LocalRevision()
        self.lists = EventLists(EventListReader(database), self.revision)
        self.venues: dict[str, str] = {}

    async def add(
        self,
        name: str,
        *,
        starts: datetime | timedelta = DAY,
        lasts: timedelta = timedelta(hours=2),
        kind: str = "concert",
        city: str = "New York",
        status: str = "published",
        owner: str = ADA,
        event_id: str | None = None,
    ) -> str:
        if city not in self.venues:
            self.venues[city] = str(uuid4())
            await self.other.execute(
                ADD_VENUE, self.venues[city], f"Hall of {city}", city, fold(city)
            )
        event_id = event_id or str(uuid4())
        start = starts if isinstance(starts, datetime) else NOW + starts
        seats = 0 if status == "sold_out" else 100
        venue = self.venues[city]
        row = (event_id, name, venue, kind, start, start + lasts, seats, status, owner, fold(kind))
        await self.other.execute(ADD_EVENT, *row)
        self.revision.bump()
        return event_id

    def call(self, query: Any) -> Call:
        services = SimpleNamespace(event_lists=self.lists)
        call = Call("GET", CIMultiDict(), cast(Any, services))
        call.query = query
        return call

    async def public(self, **query: str) -> dict[str, Any]:
        raw = await list_events(self.call(read_query(EventListQuery, query)))
        assert isinstance(raw, Raw)
        answer: dict[str, Any] = msgspec.json.decode(raw.body)
        return answer

    async def names(self, **query: str) -> list[str]:
        answer = await self.public(**query)
        assert answer["total"] == len(answer["events"])
        return [event["name"] for event in answer["events"]]

    async def own(self, admin_id: str, role: Role = "admin", **query: str) -> AdminEventList:
        call = self.call(read_query(AdminEventListQuery, query))
        call.admin = Admin(admin_id, role)
        return await list_own_events(call)

    async def own_names(self, admin_id: str, role: Role = "admin", **query: str) -> list[str]:
        answer = await self.own(admin_id, role, **query)
        assert answer.total == len(answer.events)
        return [event.name for event in answer.events]


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield Setting(database, other)
    await other.close()


async def test_no_event_is_an_empty_page(setting: Setting) -> None:
    assert await setting.public() == {
        "events": [],
        "total": 0,
        "page": 1,
        "limit": 20,
        "has_more": False,
    }


async def test_an_event_is_listed_with_its_venue_and_without_its_admin(setting: Setting) -> None:
    event_id = await setting.add("Night")
    (event,) = (await setting.public())["events"]
    assert tuple(event) == EventInList.__struct_fields__
    assert event["event_id"] == event_id
    assert event["venue_id"] == setting.venues["New York"]
    assert (event["venue_name"], event["venue_city"]) == ("Hall of New York", "New York")
    assert (event["base_price"], event["available_seats"], event["version"]) == (25.5, 100, 3)
    assert event["start_datetime"].endswith("Z")


async def test_the_public_list_is_what_is_on_sale_and_has_not_ended(setting: Setting) -> None:
    await setting.add("coming")
    await setting.add("sold out", starts=2 * DAY, status="sold_out")
    await setting.add("on now", starts=timedelta(hours=-1))
    await setting.add("on for a year", starts=-30 * DAY, lasts=365 * DAY)
    await setting.add("over", starts=-DAY)
    await setting.add("long over", starts=-60 * DAY)
    await setting.add("draft", status="draft")
    await setting.add("cancelled", status="cancelled")
    assert await setting.names() == ["on for a year", "on now", "coming", "sold out"]


async def test_events_are_listed_by_start_and_then_by_id(setting: Setting) -> None:
    await setting.add("third", starts=2 * DAY, event_id=str(UUID(int=9)))
    await setting.add("second", starts=NOW + DAY, event_id=str(UUID(int=8)))
    await setting.add("first", starts=NOW + DAY, event_id=str(UUID(int=7)))
    assert await setting.names() == ["first", "second", "third"]


async def test_pages_hold_every_event_once_and_say_if_there_are_more(setting: Setting) -> None:
    for number in range(7):
        await setting.add(str(number), starts=DAY * (1 + number // 3))
    pages = [await setting.public(limit="3", page=str(page)) for page in (1, 2, 3, 4)]
    assert [len(page["events"]) for page in pages] == [3, 3, 1, 0]
    assert [page["total"] for page in pages] == [7] * 4
    assert [page["has_more"] for page in pages] == [True, True, False, False]
    seen = [event["name"] for page in pages for event in page["events"]]
    assert sorted(seen) == list("0123456")


async def test_a_full_last_page_has_no_more(setting: Setting) -> None:
    for number in range(4):
        await setting.add(str(number))
    assert (await setting.public(limit="2", page="2"))["has_more"] is False
    assert (await setting.public(limit="4"))["total"] == 4


async def test_the_type_matches_whole_and_in_any_case(setting: Setting) -> None:
    await setting.add("a", kind="Concert")
    await setting.add("b", kind="concerto")
    assert await setting.names(type="cONCERT") == ["a"]
    assert await setting.names(event_type="CONCERTO") == ["b"]
    assert await setting.names(type="concer") == []
    assert len(await setting.names(type="")) == 2


async def test_the_city_is_the_venues_whole_and_in_any_case(setting: Setting) -> None:
    await setting.add("a", city="New York")
    await setting.add("b", city="York")
    assert await setting.names(city="new YORK") == ["a"]
    assert await setting.names(city="YORK") == ["b"]
    assert await setting.names(city="New") == []


async def test_the_service_itself_says_which_cities_and_types_are_the_same(
    setting: Setting,
) -> None:
    await setting.add("a", city="Besan\u00e7on", kind="Stra\u00dfenfest")
    await setting.add("b", city="Oslo", kind="jazz\u2013rock")
    assert await setting.names(city="BESANC\u0327ON") == ["a"]
    assert await setting.names(type="STRASSENFEST") == ["a"]
    assert await setting.names(city="besan\u00e7on", type="strassenfest") == ["a"]
    assert await setting.names(type="Jazz-Rock") == ["b"]


async def test_a_city_is_all_its_venues_in_one_order(setting: Setting) -> None:
    for number in range(6):
        setting.venues.clear()
        await setting.add(str(number), starts=DAY * (6 - number), city="Oslo")
    first = await setting.public(city="oslo", limit="4")
    rest = await setting.public(city="oslo", limit="4", page="2")
    listed = [event["name"] for event in (*first["events"], *rest["events"])]
    assert listed == ["5", "4", "3", "2", "1", "0"]
    assert (first["total"], first["has_more"], rest["has_more"]) == (6, True, False)


async def test_filters_narrow_each_other(setting: Setting) -> None:
    await setting.add("a", city="Oslo", kind="concert")
    await setting.add("b", city="Oslo", kind="sports")
    await setting.add("c", city="Bergen", kind="concert")
    await setting.add("d", city="Oslo", kind="concert", starts=40 * DAY)
    before = (NOW + 20 * DAY).date().isoformat()
    assert await setting.names(city="oslo", type="concert", date_to=before) == ["a"]
    assert sorted(await setting.names(type="concert", date_to=before)) == ["a", "c"]


async def test_an_event_is_found_on_every_day_that_it_is_on(setting: Setting) -> None:
    day = datetime(NOW.year + 1, 6, 1, tzinfo=UTC)
    await setting.add("before", starts=day - DAY, lasts=DAY)
    await setting.add("into it", starts=day - timedelta(hours=1), kind="opera")
    await setting.add("all month", starts=day - 14 * DAY, lasts=30 * DAY, city="Oslo")
    await setting.add("that night", starts=day + timedelta(hours=20))
    await setting.add("on now", starts=-DAY, lasts=2 * DAY)
    date = day.date().isoformat()
    assert await setting.names(date_from=date, date_to=date) == [
        *("all month", "into it", "that night")
    ]
    assert await setting.names(date_from=date, city="oslo") == ["all month"]
    assert await setting.names(date_from=date, type="opera") == ["into it"]
    noon = f"{date}T12:00Z"
    assert await setting.names(date_from=noon, date_to=noon) == ["all month"]
    assert await setting.names(date_from="2020-01-01", date_to=NOW.date().isoformat()) == ["on now"]


async def test_dates_include_their_day(setting: Setting) -> None:
    day = datetime(NOW.year + 1, 6, 1, tzinfo=UTC)
    last = timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999)
    await setting.add("before", starts=day - timedelta(hours=2))
    await setting.add("first", starts=day)
    await setting.add("last", starts=day + last)
    await setting.add("after", starts=day + DAY)
    date = day.date().isoformat()
    assert await setting.names(date_from=date, date_to=date) == ["first", "last"]
    assert await setting.names(date_from=date) == ["first", "last", "after"]
    assert await setting.names(date_to=date) == ["before", "first", "last"]
    assert await setting.names(date_to=f"{date}T00:00:00Z") == ["before", "first"]
    assert await setting.names(date_from=f"{date}T02:00:00+02:00", date_to=date) == [
        "first",
        "last",
    ]
    assert await setting.names(date_from=f"{date}T02:00:00 02:00", date_to=date) == [
        "first",
        "last",
    ]


async def test_a_past_date_does_not_bring_back_what_is_over(setting: Setting) -> None:
    await setting.add("over", starts=-10 * DAY)
    await setting.add("on now", starts=timedelta(hours=-1))
    assert await setting.names(date_from="2020-01-01") == ["on now"]
    assert await setting.names(date_to="2020-01-01") == []


@pytest.mark.parametrize("literal", ["%", "_", "\\", "' OR 1=1 --", '"; DROP TABLE events', "$1"])
@pytest.mark.parametrize("parameter", ["city", "type"])
async def test_wildcards_quotes_and_sql_are_only_text(
    setting: Setting, parameter: str, literal: str
) -> None:
    await setting.add("plain")
    assert await setting.names(**{parameter: literal}) == []
    await setting.add("odd", city=literal, kind=literal)
    assert await setting.names(**{parameter: literal}) == ["odd"]


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "1e3"},
        {"page": "\uff11"},
        {"page": "1" * 20},
        {"limit": "0"},
        {"limit": "-5"},
        {"city": "x" * 10_240},
        {"city": "a\0"},
        {"type": "\0"},
        {"date_from": "yesterday"},
        {"date_from": "2030-02-30"},
        {"date_from": "2030-06-01T20:00:00"},
        {"date_to": "2030-W05-1"},
        {"date_to": "0001-01-01"},
        {"date_to": "9999-12-31T23:59:59-23:59"},
        {"date_from": "2030-06-02", "date_to": "2030-06-01"},
        {"type": "a", "event_type": "b"},
    ],
)
async def test_a_bad_parameter_is_refused(setting: Setting, query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        await setting.public(**query)
    assert (caught.value.code, caught.value.status) == (Code.VALIDATION_ERROR, 400)


async def test_the_furthest_page_is_empty_and_still_knows_the_total(setting: Setting) -> None:
    await setting.add("only")
    for filters in ({}, {"city": "new york"}, {"type": "concert"}):
        answer = await setting.public(page="999999999", limit="100", **filters)
        assert (answer["events"], answer["total"], answer["has_more"]) == ([], 1, False)


async def test_the_list_carries_its_etag(setting: Setting) -> None:
    call = setting.call(read_query(EventListQuery, {}))
    await list_events(call)
    before = call.headers["ETag"]
    await setting.add("new")
    await list_events(call)
    assert call.headers["ETag"] != before


async def test_admins_list_their_own_of_every_status(setting: Setting) -> None:
    await setting.add("over", starts=-DAY)
    await setting.add("draft", status="draft")
    await setting.add("coming", starts=2 * DAY)
    await setting.add("cancelled", starts=3 * DAY, status="cancelled")
    await setting.add("bob's", owner=BOB)
    assert await setting.own_names(ADA) == ["over", "draft", "coming", "cancelled"]
    assert await setting.own_names(BOB) == ["bob's"]
    assert await setting.own_names(str(uuid4())) == []


async def test_a_super_admin_lists_everybodys(setting: Setting) -> None:
    await setting.add("ada's")
    await setting.add("bob's", starts=2 * DAY, owner=BOB)
    assert await setting.own_names(str(uuid4()), "super_admin") == ["ada's", "bob's"]


@pytest.mark.parametrize("role", ["admin", "super_admin"])
async def test_the_status_filter_is_the_status_that_is_answered(
    setting: Setting, role: Role
) -> None:
    await setting.add("over", starts=-3 * DAY)
    await setting.add("over, sold out", starts=-2 * DAY, status="sold_out")
    await setting.add("over, cancelled", starts=-DAY, status="cancelled")
    await setting.add("over, never on sale", starts=-DAY / 2, status="draft")
    await setting.add("coming")
    await setting.add("gone", starts=2 * DAY, status="sold_out")
    expected = {
        "completed": ["over", "over, sold out"],
        "published": ["coming"],
        "sold_out": ["gone"],
        "cancelled": ["over, cancelled"],
        "draft": ["over, never on sale"],
    }
    for status, names in expected.items():
        assert await setting.own_names(ADA, role, status=status) == names
        answer = await setting.own(ADA, role, status=status)
        assert {event.status for event in answer.events} == {status}


async def test_an_admins_page_shows_who_and_when_and_counts_all(setting: Setting) -> None:
    for number in range(3):
        await setting.add(str(number), starts=DAY * (number + 1))
    answer = await setting.own(ADA, limit="2", page="2")
    assert (answer.total, answer.page, answer.limit) == (3, 2, 2)
    (event,) = answer.events
    assert (event.name, event.created_by) == ("2", ADA)
    encoded = msgspec.json.decode(msgspec.json.encode(answer))
    assert tuple(encoded) == ("events", "total", "page", "limit")
    assert tuple(encoded["events"][0]) == EventInAdminList.__struct_fields__


async def test_an_unknown_status_is_refused(setting: Setting) -> None:
    with pytest.raises(ApiError) as caught:
        await setting.own(ADA, status="open")
    assert caught.value.details["fields"][0]["field"] == "query.status"


async def test_an_admins_list_is_never_a_cached_one(setting: Setting) -> None:
    event_id = await setting.add("Night")
    assert (await setting.own(ADA)).events[0].available_seats == 100
    sold = "UPDATE events SET available_seats = 99, version = 4 WHERE event_id = $1"
    await setting.other.execute(sold, event_id)
    assert (await setting.own(ADA)).events[0].available_seats == 99


# Plans, at a size where a wrong one would be felt. What is read is the plan and the pages it
# touched, never the clock.

EVENTS, VENUES, CITIES = 100_000, 1000, 50
GENERATE_VENUES = f"""
INSERT INTO venues (venue_id, name, address, city, city_folded, country, capacity, created_by)
SELECT gen_random_uuid(), 'Venue ' || i, '1 Street', 'City ' || i % {CITIES},
       'city ' || i % {CITIES}, 'USA', 20000, gen_random_uuid()
  FROM generate_series(1, {VENUES}) AS i
"""
# Of six events one is over, one is no longer or not yet on sale, and four are to come.
GENERATE_EVENTS = f"""
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, event_type_folded,
                    created_by)
SELECT gen_random_uuid(), 'Event ' || i, repeat('Some words. ', 20), v.ids[1 + i % {VENUES}],
       (ARRAY['Concert', 'Sports', 'Theatre', 'Comedy', 'Opera'])[1 + i / 7 % 5], s.start,
       s.start + interval '2 hours', 100, 100, 25.5, 10,
       CASE i % 6 WHEN 1 THEN 'draft' ELSE 'published' END, 1, 1,
       (ARRAY['concert', 'sports', 'theatre', 'comedy', 'opera'])[1 + i / 7 % 5],
       ('00000000-0000-0000-0000-' || lpad((i % 10)::text, 12, '0'))::uuid
  FROM generate_series(1, {EVENTS}) AS i,
       (SELECT array_agg(venue_id) AS ids FROM venues) AS v,
       LATERAL (SELECT now() + CASE i % 6 WHEN 0 THEN -1 ELSE 1 END
                             * (i % 365 + 1) * interval '1 day' + i * interval '1 ms') AS s (start)
"""
NONE = ("null", "null")
DRAFT = ("'{draft}'", "null")
COMING = ("'{published}'", "false")
COMPLETED = ("'{published,sold_out}'", "true")
# Statement, its filters, the indexes of which one must find the page, pages of 8 KiB it may touch.
PLANS = [
    ("list_events_of_admin", (f"'{ADA}'", *NONE), {"events_by_owner"}, 250),
    ("list_events_of_admin", (f"'{ADA}'", *DRAFT), {"events_by_owner"}, 250),
    ("list_events_of_admin", (f"'{ADA}'", *COMING), {"events_by_owner"}, 250),
    ("list_events_of_all", NONE, {"events_by_start"}, 250),
    ("list_events_of_all", COMPLETED, {"events_by_start", "events_on_sale"}, 250),
    ("list_events_of_all_by_status", ("'draft'", "false"), {"events_by_status"}, 250),
    # A sixth of them is over, and is neither on the page nor read.
    ("list_events_of_all_by_status", ("'published'", "true"), {"events_by_status"}, 250),
    ("list_events_of_all_by_status", ("'sold_out'", "true"), {"events_by_status"}, 50),
]
# These hold what a list of all events filters by. Only a list in order needs the one by start; a
# count may walk any of them. Which is smallest, and so cheapest, depends on the random ids here:
# the one by start always has 1308 pages, the one by venue between some 1300 and 1500.
WHOLE = {"events_by_start", "events_by_venue", "events_by_owner", "events_by_status"}
# A count reads an index from end to end of what it counts, and never the rows.
# Each takes half a second; an autovacuum of the table, two.
VACUUMS_MAX = 20
COUNTS = [
    ("count_events_of_admin", (f"'{ADA}'", *NONE), {"events_by_owner"}, 300),
    ("count_events_of_admin", (f"'{ADA}'", *COMPLETED), {"events_by_owner"}, 300),
    ("count_events_of_all_by_status", ("'draft'", "false"), {"events_by_status"}, 500),
    ("count_events_of_all", NONE, {*WHOLE, "events_pkey"}, 2000),
]


async def test_lists_of_100_000_events_walk_an_index_and_touch_few_pages(
    setting: Setting,
) -> None:
    await setting.other.execute(GENERATE_VENUES)
    await setting.other.execute(GENERATE_EVENTS)
    await _vacuum(setting.other)
    for mode in ("force_generic_plan", "force_custom_plan"):
        await setting.other.execute(f"SET plan_cache_mode = {mode}")
        for after in (("null", "null"), ("now() + interval '300 days'", f"'{ADA}'")):
            plan = await _explain(setting.other, "load_on_sale", (*after, "500"))
            # Of each of 500 events the row, and the way to it through its key's index.
            _check(plan, "load_on_sale", {"events_on_sale"}, 8 * 500)
            (walk,) = (n for n in _nodes(plan) if n.get("Index Name") == "events_on_sale")
            assert walk["Shared Hit Blocks"] + walk["Shared Read Blocks"] <= 100
        for changes in ("0", "1001"):
            asked = ("pg_current_snapshot()::text", changes)
            plan = await _explain(setting.other, "read_list_changes", asked)
            _check(plan, "read_list_changes", {"list_changes_in_order"}, 20)
        for name, filters, indexes, pages_max in PLANS:
            plan = await _explain(setting.other, name, (*filters, "20", "0"))
            _check(plan, name, indexes, pages_max)
        for name, filters, indexes, pages_max in COUNTS:
            plan = await _explain(setting.other, name, filters)
            _check(plan, name, indexes, pages_max)


def _check(plan: dict[str, Any], name: str, indexes: set[str], pages_max: int) -> None:
    nodes = list(_nodes(plan))
    scans = {node["Node Type"] for node in nodes if node.get("Relation Name") == "events"}
    walked = {node["Index Name"] for node in nodes if node["Node Type"] == "Index Only Scan"}
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert "Seq Scan" not in scans, name
    assert walked & indexes, f"{name} walks {walked}"
    assert touched <= pages_max, f"{name} touches {touched} pages"


async def _vacuum(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Until most pages are known to be visible: a snapshot elsewhere may be in the way."""
    for _ in range(VACUUMS_MAX):
        await connection.execute("VACUUM (ANALYZE)")
        if await connection.fetchval(
            "SELECT relallvisible > 0.99 * relpages FROM pg_class WHERE oid = 'events'::regclass"
        ):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("pages of the table stay invisible")


async def _explain(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, arguments: tuple[str, ...]
) -> dict[str, Any]:
    await connection.execute(f"PREPARE explained AS {load(name)}")
    statement = f"EXECUTE explained ({', '.join(arguments)})"
    try:
        found = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
        )
    finally:
        await connection.execute("DEALLOCATE explained")
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


async def test_an_admin_searches_among_their_own_events_and_a_super_admin_among_all(
    setting: Setting,
) -> None:
    await setting.add("Mine", city="Oslo")
    await setting.add("Elsewhere")
    await setting.add("Yours", city="Oslo", owner=BOB)
    assert await setting.own_names(ADA, search="OSLO") == ["Mine"]
    found = await setting.own_names(ADA, "super_admin", search="oslo")
    assert sorted(found) == ["Mine", "Yours"]
