"""What the lists' cache gives out, and when it asks again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from db.event_lists import EventPage, Wanted
from db.event_rows import ListedEvent
from db.on_sale_index import OnSaleFilter
from evently.domain.errors import DatabaseUnavailable, Overloaded
from evently.domain.level import Level
from evently.domain.state import Status
from evently.domain.text import fold
from evently.domain.venues import Venue
from routes.caches.event_lists import ENTRY_BYTES, EventLists, Listing
from routes.caches.fresh_cache import MAX_AGE_S, FreshCache
from routes.caches.revision import LocalRevision
from routes.caches.venue_cache import VenueCache
from routes.contract.answers import AdminEventList
from routes.contract.bodies import AdminEventListQuery, EventListQuery
from routes.contract.validation import read_query

START = datetime(2030, 6, 1, 20, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Pages that are made up, each when it is let go."""

    def __init__(self) -> None:
        self.asked: list[tuple[OnSaleFilter, int, int]] = []
        self.searched: list[tuple[Wanted, int, int]] = []
        self.seats = 100
        self.total = 50
        self.pages = self.counts = 0
        self.fault: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        self.asked.append((wanted, limit, offset))
        found = EventPage((_event(self.seats),), 1)
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        return found

    def forget(self) -> None:
        """Nothing is kept here."""

    async def of_admin(
        self, admin_id: str | None, status: str | None, limit: int, offset: int
    ) -> tuple[ListedEvent, ...]:
        self.pages += 1
        left = max(0, self.total - offset)
        return tuple(_event(self.seats) for _ in range(min(limit, left)))

    async def search(self, wanted: Wanted, limit: int, offset: int) -> EventPage:
        self.searched.append((wanted, limit, offset))
        return EventPage((_event(self.seats),), self.total)

    async def count_of_admin(self, admin_id: str | None, status: str | None) -> int:
        self.counts += 1
        return self.total


def _event(seats: int) -> ListedEvent:
    return {
        "event_id": "0" * 36,
        "name": "<Night>",
        "event_type": "concert",
        "venue_id": "1" * 36,
        "venue_name": "Hall",
        "venue_city": "Oslo",
        "start_datetime": START,
        "end_datetime": START + timedelta(hours=2),
        "total_capacity": 100,
        "available_seats": seats,
        "base_price": Decimal("25.50"),
        "max_tickets_per_booking": 10,
        "status": Status.PUBLISHED,
        "version": 3,
        "created_by": "2" * 36,
        "created_at": START,
        "updated_at": START,
        "held_seats": 0,
        "held_back_seats": 0,
        "revenue": Decimal("51.00"),
        "sales_start": None,
        "sales_end": None,
        "currency": "USD",
        "level": Level.AVAILABLE,
        "timezone": "Europe/Oslo",
    }


class Setting:
    """The lists over one source, with a clock and a revision in hand."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.revision = LocalRevision()
        self.source = Source()
        self.lists = EventLists(self.source, self.revision, clock=self.clock, **options)

    async def ask(self, **query: str) -> Listing:
        found = self.lists.on_sale(read_query(EventListQuery, query))
        return await found if isinstance(found, asyncio.Future) else found

    async def own(self, **query: str) -> AdminEventList:
        return await self.lists.of_admin("ada", read_query(AdminEventListQuery, query))

    async def seats(self, **query: str) -> int:
        listing = await self.ask(**query)
        seats: int = msgspec.json.decode(listing.raw.body)["events"][0]["available_seats"]
        return seats


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_a_list_is_read_once_within_its_age(setting: Setting) -> None:
    first = await setting.ask()
    setting.clock.now += MAX_AGE_S - 0.001
    assert await setting.ask() is first
    assert len(setting.source.asked) == 1


async def test_events_that_are_named_share_an_entry_in_any_order(setting: Setting) -> None:
    one, other = str(UUID(int=1)), str(UUID(int=2))
    first = await setting.ask(ids=f"{one},{other}")
    assert await setting.ask(ids=f"{other},{one},{other}") is first
    assert await setting.ask(ids=f"{one},{other}", limit="100") is first
    for query in ({}, {"ids": one}, {"ids": f"{one},{other}", "limit": "99"}):
        assert await setting.ask(**query) is not first
    assert [wanted.ids for wanted, *_ in setting.source.asked] == [
        *((one, other), None, (one,), (one, other)),
    ]
    assert [limit for _, limit, _ in setting.source.asked] == [100, 20, 100, 99]


async def test_a_warmed_list_is_there_for_the_first_client(setting: Setting) -> None:
    setting.lists.warm()
    await setting.lists.stop()
    await setting.ask()
    assert len(setting.source.asked) == 1


async def test_a_list_of_its_full_age_is_read_again(setting: Setting) -> None:
    assert await setting.seats() == 100
    setting.source.seats = 99
    setting.clock.now += MAX_AGE_S
    assert await setting.seats() == 99


async def test_age_counts_from_before_the_query(setting: Setting) -> None:
    setting.source.go.clear()
    asked = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 1)
    setting.clock.now += MAX_AGE_S
    setting.source.seats = 99
    setting.source.go.set()
    assert await asked == 100
    assert await setting.seats() == 99


async def test_nobody_joins_a_query_that_is_older_than_a_list_may_be(setting: Setting) -> None:
    setting.source.go.clear()
    early = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 1)
    setting.source.seats = 99
    setting.clock.now += MAX_AGE_S
    late = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 2)
    setting.source.go.set()
    assert (await early, await late) == (100, 99)
    assert await setting.seats() == 99


async def test_a_bump_makes_the_next_request_read(setting: Setting) -> None:
    await setting.seats()
    setting.source.seats = 99
    setting.revision.bump()
    assert await setting.seats() == 99


async def test_a_query_from_before_a_bump_answers_nobody_after_it(setting: Setting) -> None:
    setting.source.go.clear()
    early = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 1)
    setting.source.seats = 99
    setting.revision.bump()
    late = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 2)
    setting.source.go.set()
    assert (await early, await late) == (100, 99)
    assert await setting.seats() == 99


async def test_a_query_that_a_bump_overtook_is_not_remembered(setting: Setting) -> None:
    setting.source.go.clear()
    early = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 1)
    setting.revision.bump()
    setting.source.go.set()
    assert await early == 100
    setting.source.seats = 99
    assert await setting.seats() == 99


async def test_those_who_ask_at_once_share_one_query(setting: Setting) -> None:
    setting.source.go.clear()
    asked = [asyncio.create_task(setting.ask()) for _ in range(50)]
    await _until(lambda: len(setting.source.asked) == 1)
    setting.source.go.set()
    answers = await asyncio.gather(*asked)
    assert len(setting.source.asked) == 1
    assert all(answer is answers[0] for answer in answers)


async def test_one_who_goes_away_leaves_the_query_to_the_others(setting: Setting) -> None:
    setting.source.go.clear()
    first, second = (asyncio.create_task(setting.seats()) for _ in range(2))
    await _until(lambda: len(setting.source.asked) == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    setting.source.go.set()
    assert await second == 100
    assert len(setting.source.asked) == 1


async def test_a_query_that_all_have_left_is_remembered_for_the_next(setting: Setting) -> None:
    setting.source.go.clear()
    only = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 1)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    setting.source.go.set()
    await setting.lists.stop()
    assert await setting.seats() == 100
    assert len(setting.source.asked) == 1


async def test_an_error_goes_to_all_who_asked_and_is_not_remembered(setting: Setting) -> None:
    setting.source.go.clear()
    setting.source.fault = DatabaseUnavailable("gone")
    asked = [asyncio.create_task(setting.ask()) for _ in range(3)]
    await _until(lambda: len(setting.source.asked) == 1)
    setting.source.go.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
    setting.source.fault = None
    assert await setting.seats() == 100


async def test_an_error_that_all_have_left_troubles_nobody(setting: Setting) -> None:
    setting.source.go.clear()
    setting.source.fault = DatabaseUnavailable("gone")
    only = asyncio.create_task(setting.seats())
    await _until(lambda: len(setting.source.asked) == 1)
    only.cancel()
    setting.source.go.set()
    await setting.lists.stop()
    setting.source.fault = None
    assert await setting.seats() == 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"page": "1", "limit": "20"}),
        ({"limit": "100"}, {"limit": "5000"}),
        ({"city": "Oslo"}, {"city": " oSLO "}),
        ({"type": "Concert"}, {"event_type": "CONCERT"}),
        ({"type": ""}, {"city": ""}),
        ({"date_from": "2030-06-01"}, {"date_from": "2030-06-01T02:00:00+02:00"}),
        ({"nonsense": "1"}, {}),
    ],
)
async def test_the_same_filters_are_one_entry(
    setting: Setting, one: dict[str, str], other: dict[str, str]
) -> None:
    assert await setting.ask(**one) is await setting.ask(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"page": "1"}, {"page": "2"}),
        ({"limit": "20"}, {"limit": "21"}),
        ({"city": "Oslo"}, {"type": "Oslo"}),
        ({"date_from": "2030-06-01"}, {"date_to": "2030-06-01"}),
        ({"date_to": "2030-06-01"}, {"date_to": "2030-06-02"}),
        ({}, {"city": "%"}),
    ],
)
async def test_other_filters_are_another_entry(
    setting: Setting, one: dict[str, str], other: dict[str, str]
) -> None:
    await setting.ask(**one)
    await setting.ask(**other)
    assert len(setting.source.asked) == 2


async def test_the_etag_follows_the_bytes_and_nothing_else(setting: Setting) -> None:
    first = await setting.ask()
    setting.clock.now += MAX_AGE_S
    again = await setting.ask()
    setting.source.seats = 99
    setting.clock.now += MAX_AGE_S
    changed = await setting.ask()
    assert again is not first
    assert again.etag == first.etag != changed.etag
    assert first.etag.startswith('"')
    assert first.etag.endswith('"')


async def test_markup_is_escaped(setting: Setting) -> None:
    assert b"\\u003cNight" in (await setting.ask()).raw.body


async def test_an_admins_total_is_counted_once_a_second_and_after_every_change(
    setting: Setting,
) -> None:
    for page in ("1", "2", "1"):
        assert (await setting.own(page=page)).total == 50
    assert (setting.source.pages, setting.source.counts) == (3, 1)
    setting.revision.bump()
    await setting.own()
    assert setting.source.counts == 2
    setting.clock.now += MAX_AGE_S
    await setting.own()
    assert setting.source.counts == 3


async def test_an_admins_page_past_the_end_is_not_looked_for(setting: Setting) -> None:
    answer = await setting.own(page="999999999")
    assert (answer.events, answer.total, setting.source.pages) == ([], 50, 0)
    assert len((await setting.own(page="3")).events) == 10


async def test_a_short_page_of_an_admin_tells_the_total(setting: Setting) -> None:
    setting.source.total = 7
    assert (await setting.own()).total == 7
    assert setting.source.counts == 0


async def test_the_oldest_list_goes_when_the_bytes_are_full() -> None:
    one = Setting()
    size = len((await one.ask()).raw.body) + ENTRY_BYTES
    setting = Setting(bytes_max=2 * size)
    for page in ("1", "2", "1", "3"):
        await setting.ask(page=page)
    asked = len(setting.source.asked)
    await setting.ask(page="1")
    assert (asked, len(setting.source.asked)) == (3, 3)
    await setting.ask(page="2")
    assert len(setting.source.asked) == 4


async def test_a_list_over_the_bound_is_answered_and_not_kept() -> None:
    setting = Setting(bytes_max=ENTRY_BYTES)
    assert await setting.seats() == 100
    assert await setting.seats() == 100
    assert len(setting.source.asked) == 2


async def test_the_queries_under_way_are_bounded() -> None:
    go = asyncio.Event()
    cache: FreshCache[int, int] = FreshCache(
        LocalRevision(), weight_max=10, weigh=lambda _: 1, flights_max=2
    )

    async def load() -> int:
        await go.wait()
        return 7

    asked = [asyncio.create_task(cache.get(key, load)) for key in (1, 2)]
    await _until(lambda: "2 under way" in repr(cache))
    with pytest.raises(Overloaded):
        await cache.get(3, load)
    go.set()
    assert await asyncio.gather(*asked) == [7, 7]
    assert await cache.get(3, load) == 7
    assert repr(cache) == "<FreshCache 3 held, 3 of 10, 0 under way>"


class Venues:
    """One venue, and how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, venue_id: str) -> Venue | None:
        self.asked += 1
        if venue_id == "unknown":
            return None
        return Venue(
            venue_id=venue_id,
            name="Hall",
            address="1 Street",
            city="Oslo",
            state=None,
            country="Norway",
            postal_code=None,
            capacity=500,
            layout_config=None,
            created_by="2" * 36,
            created_at=START,
            updated_at=START,
        )


async def test_a_venue_is_read_once_a_second_and_after_every_bump() -> None:
    clock, revision, venues = Clock(), LocalRevision(), Venues()
    cache = VenueCache(venues, revision, clock=clock)
    first = await cache.get("v")
    assert await cache.get("v") is first
    assert venues.asked == 1
    revision.bump()
    await cache.get("v")
    assert venues.asked == 2
    clock.now += MAX_AGE_S
    await cache.get("v")
    assert venues.asked == 3
    await cache.stop()


async def test_an_unknown_venue_is_none() -> None:
    cache = VenueCache(Venues(), LocalRevision(), clock=Clock())
    assert await cache.get("unknown") is None


async def test_the_venues_held_are_bounded() -> None:
    venues = Venues()
    cache = VenueCache(venues, LocalRevision(), clock=Clock(), venues_max=1)
    await cache.get("one")
    await cache.get("other")
    await cache.get("one")
    assert venues.asked == 3


async def _until(true: Callable[[], bool]) -> None:
    """Let the tasks run until it is so."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


async def test_a_search_is_asked_for_with_folded_text_and_answered_in_full() -> None:
    setting = Setting()
    query = {
        "search": "D\u2019ANGELO",
        "status": "draft",
        "date_from": "2035-05-01",
        "date_to": "2035-05-02",
        "attention": "true",
        "order": "-start",
        "page": "3",
        "limit": "5",
    }
    asked = read_query(AdminEventListQuery, query)
    found = await setting.lists.search("ada", asked)
    ((wanted, limit, offset),) = setting.source.searched
    since, until = datetime(2035, 5, 1, tzinfo=UTC), datetime(2035, 5, 3, tzinfo=UTC)
    assert wanted == Wanted("ada", "draft", fold("d'angelo"), since, until, True, True)
    assert (limit, offset) == (5, 10)
    assert (found.total, found.page, found.limit) == (50, 3, 5)
    assert [event.revenue for event in found.events] == [51.0]


@pytest.mark.parametrize(
    ("query", "narrowed"),
    [
        ({}, False),
        ({"status": "draft"}, False),
        ({"search": " ", "date_from": "", "date_to": ""}, False),
        ({"attention": "false", "order": "start"}, False),
        ({"search": "a"}, True),
        ({"date_from": "2035-05-01"}, True),
        ({"date_to": "2035-05-01"}, True),
        ({"attention": "true"}, True),
        ({"order": "-start"}, True),
    ],
)
def test_only_what_the_plain_list_cannot_tell_is_searched_for(
    query: dict[str, str], *, narrowed: bool
) -> None:
    assert read_query(AdminEventListQuery, query).narrowed is narrowed
