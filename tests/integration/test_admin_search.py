"""An admin's own events by text, time and need, in either order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from db.database import Database
from db.event_lists import EventListReader, EventPage, Wanted
from evently.domain.text import fold

ADA, BOB = str(uuid4()), str(uuid4())
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
VENUE = """
INSERT INTO venues (venue_id, name, name_folded, address, address_folded, city, city_folded,
                    country, capacity, created_by)
VALUES ($1, $2, $3, '', '', $4, $5, '', 100000, $1)
"""
EVENT = """
INSERT INTO events (event_id, name, name_folded, description, venue_id, event_type,
                    event_type_folded, start_datetime, end_datetime, total_capacity,
                    available_seats, base_price, max_tickets_per_booking, status, version,
                    terms_version, created_by)
VALUES ($1, $2, $3, '', $4, 'concert', 'concert', $5, $6, $7, $8, 20, 10, $9, 1, 1, $10)
"""


class Setting:
    """Events with the one or other thing about them."""

    def __init__(
        self, database: Database, other: "asyncpg.Connection[asyncpg.Record]", now: datetime
    ) -> None:
        self.lists = EventListReader(database)
        self.now = now
        self._other = other

    async def venue(self, name: str = "Hall", city: str = "Oslo") -> str:
        venue_id = str(uuid4())
        await self._other.execute(VENUE, venue_id, name, fold(name), city, fold(city))
        return venue_id

    async def event(
        self,
        name: str,
        starts_in: timedelta = 30 * DAY,
        *,
        lasts: timedelta = 2 * HOUR,
        venue_id: str | None = None,
        capacity: int = 100,
        left: int = 100,
        status: str = "published",
        owner: str = ADA,
        **more: object,
    ) -> None:
        start = self.now + starts_in
        row = (venue_id or await self.venue(), start, start + lasts, capacity, left, status, owner)
        event_id = uuid4()
        await self._other.execute(EVENT, event_id, name, fold(name), *row)
        if more:
            changes = ", ".join(f"{column} = ${n}" for n, column in enumerate(more, start=2))
            update = f"UPDATE events SET {changes} WHERE event_id = $1"
            await self._other.execute(update, event_id, *more.values())

    async def find(self, wanted: Wanted, limit: int = 20, offset: int = 0) -> list[str]:
        page = await self.lists.search(wanted, limit, offset)
        return [event["name"] for event in page.events]


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield Setting(database, other, datetime.now(UTC))
    await other.close()


async def test_text_is_found_in_name_venue_and_city_in_any_case(setting: Setting) -> None:
    here = await setting.venue("Gr\u00f6\u00dfe Halle", "\u00c5lesund")
    await setting.event("D\u2019Angelo live", DAY * 3)
    await setting.event("Night", DAY * 2, venue_id=here)
    assert await setting.find(Wanted(ADA, search=fold("D'ANGELO"))) == ["D\u2019Angelo live"]
    assert await setting.find(Wanted(ADA, search=fold("GR\u00d6SSE"))) == ["Night"]
    assert await setting.find(Wanted(ADA, search=fold("\u00e5LES"))) == ["Night"]
    assert await setting.find(Wanted(ADA, search=fold("%"))) == []


async def test_others_events_are_found_by_those_who_see_all_alone(setting: Setting) -> None:
    await setting.event("Mine")
    await setting.event("Yours", owner=BOB)
    assert await setting.find(Wanted(ADA, search="yours")) == []
    assert await setting.find(Wanted(None, search="yours")) == ["Yours"]


async def test_a_time_finds_what_is_on_in_it(setting: Setting) -> None:
    await setting.event("Before", -2 * DAY)
    await setting.event("Long", -DAY, lasts=3 * DAY)
    await setting.event("After", 2 * DAY)
    now = setting.now
    assert await setting.find(Wanted(ADA, on_from=now)) == ["Long", "After"]
    assert await setting.find(Wanted(ADA, on_before=now)) == ["Before", "Long"]
    assert await setting.find(Wanted(ADA, on_from=now, on_before=now + HOUR)) == ["Long"]


async def test_the_latest_come_first_if_asked(setting: Setting) -> None:
    for day in (2, 1, 3):
        await setting.event(str(day), day * DAY)
    assert await setting.find(Wanted(ADA, latest_first=True)) == ["3", "2", "1"]
    assert await setting.find(Wanted(ADA, latest_first=True), 1, 1) == ["2"]


async def test_a_status_narrows_what_is_found(setting: Setting) -> None:
    await setting.event("Draft one", status="draft")
    await setting.event("Done one", -DAY)
    await setting.event("Open one")
    for status, name in (("draft", "Draft"), ("completed", "Done"), ("published", "Open")):
        assert await setting.find(Wanted(ADA, status, "one")) == [f"{name} one"]


async def test_the_total_is_of_all_that_is_found(setting: Setting) -> None:
    for number in range(5):
        await setting.event(f"Find {number}", (number + 2) * DAY)
        await setting.event(f"Other {number}")

    async def page(limit: int, offset: int) -> EventPage:
        return await setting.lists.search(Wanted(ADA, search="find"), limit, offset)

    for limit, offset, found in ((2, 0, 2), (2, 4, 1), (2, 6, 0), (20, 0, 5)):
        told = await page(limit, offset)
        assert (len(told.events), told.total) == (found, 5)


async def test_attention_is_for_what_has_to_be_looked_at(setting: Setting) -> None:
    await setting.event("Draft tomorrow", 23 * HOUR, status="draft")
    await setting.event("Draft too late", -HOUR, status="draft")
    await setting.event("Soon", 23 * HOUR)
    await setting.event("On now", -HOUR)
    await setting.event("Ten left", 40 * DAY, left=10)
    await setting.event("A twentieth left", 41 * DAY, capacity=1000, left=50)
    now = setting.now
    await setting.event("Opens tomorrow", sales_start=now + 23 * HOUR)
    await setting.event("Paused", paused=True)
    await setting.event("Closed with seats left", sales_end=now - HOUR)
    await setting.event("Kept back", left=0, status="sold_out", held_back_seats=5)
    seen = await setting.find(Wanted(ADA, attention=True))
    await setting.event("Draft later", 25 * HOUR, status="draft")
    await setting.event("Eleven left", left=11)
    await setting.event("More left", capacity=1000, left=51)
    await setting.event("Over", -5 * HOUR)
    await setting.event("Off", 2 * HOUR, status="cancelled")
    await setting.event("Gone", left=0, status="sold_out")
    await setting.event("Opens later", left=5, sales_start=now + 25 * HOUR, paused=True)
    await setting.event("Open", sales_start=now - HOUR, sales_end=now + HOUR)
    await setting.event("Closed and sold", left=0, status="sold_out", sales_end=now - HOUR)
    await setting.event("All in carts", left=20, available_seats=0, held_seats=20)
    assert len(seen) == 10
    assert await setting.find(Wanted(ADA, attention=True)) == seen
