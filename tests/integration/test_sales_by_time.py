"""Sales by hour and minute, the time that is asked for, and what an edit replaced."""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from db.database import Database
from db.event_ledger import EventLedger
from routes.contract.answers import BookingDay
from routes.contract.errors import ApiError, Code
from tests.integration.test_reports import ADA, BOB, MIDNIGHT, Setting

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
INSTANT = timedelta(microseconds=1)
NOW = MIDNIGHT + 10 * HOUR + timedelta(seconds=30)


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        made = Setting(database, other)
        made.now = NOW
        yield made
    await other.close()


def times(trends: list[BookingDay]) -> list[tuple[datetime, int, int, float]]:
    return [(t.start, t.tickets_sold, t.tickets_returned, t.revenue) for t in trends]


async def test_minutes_are_those_of_the_last_hour_unless_told_otherwise(setting: Setting) -> None:
    ten = MIDNIGHT + 10 * HOUR
    event_id = await setting.add(
        (1, "25.50", ten - HOUR + MINUTE - INSTANT),
        (2, "51.00", ten - HOUR + MINUTE),
        (3, "76.50", ten - INSTANT),
        (-1, "-25.50", ten - INSTANT),
        (4, "102.00", ten + timedelta(seconds=29)),
    )
    found = await setting.analytics(event_id, bucket="minute")
    assert times(found.booking_trends) == [
        (ten - HOUR + MINUTE, 2, 0, 51.0),
        (ten - MINUTE, 3, 1, 51.0),
        (ten, 4, 0, 102.0),
    ]
    assert {trend.date for trend in found.booking_trends} == {date(2026, 3, 2)}
    # The totals are the event's, whatever time is asked for.
    assert (found.tickets_sold, found.revenue) == (9, 229.5)


async def test_hours_are_those_of_seven_days_unless_told_otherwise(setting: Setting) -> None:
    begins = MIDNIGHT + 11 * HOUR - 7 * DAY
    event_id = await setting.add(
        (1, "1.00", begins - INSTANT), (2, "2.00", begins), (3, "3.00", MIDNIGHT)
    )
    found = await setting.analytics(event_id, bucket="hour")
    assert times(found.booking_trends) == [(begins, 2, 0, 2.0), (MIDNIGHT, 3, 0, 3.0)]


async def test_a_time_that_is_asked_for_is_rounded_to_whole_buckets(setting: Setting) -> None:
    moves = [(1, "1.00", MIDNIGHT + n * 10 * MINUTE) for n in range(30)]
    event_id = await setting.add(*moves)
    found = await setting.analytics(
        event_id, ADA, bucket="hour", to="2026-03-02T02:30:00Z", **{"from": "2026-03-02T01:15:00Z"}
    )
    assert times(found.booking_trends) == [
        (MIDNIGHT + HOUR, 6, 0, 6.0),
        (MIDNIGHT + 2 * HOUR, 6, 0, 6.0),
    ]


async def test_days_are_those_that_are_asked_for(setting: Setting) -> None:
    event_id = await setting.add(*((1, "1.00", MIDNIGHT + n * DAY) for n in range(5)))
    found = await setting.analytics(event_id, ADA, to="2026-03-04", **{"from": "2026-03-03"})
    assert [trend.date.day for trend in found.booking_trends] == [3, 4]
    assert found.tickets_sold == 5


async def test_seats_in_a_hold_are_sold_once_it_is_confirmed(setting: Setting) -> None:
    event_id = await setting.add((4, "0", NOW - MINUTE), (0, "102.00", NOW))
    # Versions 3 and 4: placed, confirmed.
    for version, held in ((3, 4), (4, -4)):
        await setting.other.execute(
            "UPDATE event_ledger SET held_delta = $3 WHERE event_id = $1 AND version = $2",
            event_id,
            version,
            held,
        )
    for bucket, start in (("minute", MIDNIGHT + 10 * HOUR), ("day", MIDNIGHT)):
        found = await setting.analytics(event_id, bucket=bucket)
        assert times(found.booking_trends) == [(start, 4, 0, 102.0)]


async def test_hours_add_up_to_their_days(setting: Setting) -> None:
    moves = [(n % 5 + 1, f"{n}.50", MIDNIGHT + n * 37 * MINUTE) for n in range(80)]
    event_id = await setting.add(*moves, (-3, "-9.25", MIDNIGHT + 2 * DAY))
    setting.now = MIDNIGHT + 3 * DAY
    hours = (await setting.analytics(event_id, bucket="hour")).booking_trends
    days = (await setting.analytics(event_id)).booking_trends
    for day in days:
        within = [hour for hour in hours if hour.date == day.date]
        assert sum(hour.tickets_sold for hour in within) == day.tickets_sold
        assert sum(hour.tickets_returned for hour in within) == day.tickets_returned
        assert sum(Decimal(hour.revenue) for hour in within) == Decimal(day.revenue)


@pytest.mark.parametrize(
    ("bucket", "longest"), [("minute", DAY), ("hour", 31 * DAY)], ids=["minute", "hour"]
)
async def test_a_question_has_a_bounded_number_of_buckets(
    setting: Setting, bucket: str, longest: timedelta
) -> None:
    event_id = await setting.add()

    async def ask(since: datetime, **to: str) -> Any:
        asked = {"from": since.isoformat(), **to}
        return await setting.analytics(event_id, ADA, bucket=bucket, **asked)

    # One bucket is allowed for the time that a question takes.
    step = MINUTE if bucket == "minute" else HOUR
    for until, to in ((NOW, {}), (MIDNIGHT, {"to": MIDNIGHT.isoformat()})):
        await ask(until - longest - step + INSTANT, **to)
        with pytest.raises(ApiError) as caught:
            await ask(until - longest - step - 2 * INSTANT, **to)
        assert caught.value.details["fields"][0]["field"] == "query.from"


async def test_a_time_that_is_to_come_has_no_sales(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", NOW))
    for ahead in (timedelta(0), MINUTE, DAY):
        since = NOW + timedelta(seconds=30) + ahead
        asked = {"from": since.isoformat()}
        found = await setting.analytics(event_id, ADA, bucket="minute", **asked)
        assert found.booking_trends == []


@pytest.mark.parametrize(
    "query",
    [{"bucket": "second"}, {"from": "soon"}, {"from": "2026-03-02", "to": "2026-03-01"}],
)
async def test_a_question_that_makes_no_sense_is_refused(
    setting: Setting, query: dict[str, str]
) -> None:
    event_id = await setting.add()
    with pytest.raises(ApiError) as caught:
        await setting.analytics(event_id, ADA, **query)
    assert caught.value.code is Code.VALIDATION_ERROR


async def test_another_admin_sees_no_hours_either(setting: Setting) -> None:
    event_id = await setting.add()
    with pytest.raises(ApiError) as caught:
        await setting.analytics(event_id, BOB, bucket="hour")
    assert caught.value.status == 403


async def edit(setting: Setting, event_id: str, version: int, **changes: Any) -> None:
    await setting._note(event_id, version, "updated", 0, "0", MIDNIGHT, 300, changes)
    await setting.other.execute(
        "UPDATE events SET version = $2 WHERE event_id = $1", event_id, version
    )


async def test_history_tells_what_an_edit_replaced(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT))
    await edit(setting, event_id, 4, name="Day")
    await edit(setting, event_id, 5, name="Noon", base_price=30)
    rows = (await setting.history(event_id)).history
    assert [row.previous for row in rows] == [
        {"name": "Day", "base_price": "25.50"},
        {"name": "Night"},
        {},
        {"status": "published"},
        {},
    ]
    # A page that has only the newest finds the same.
    (newest,) = (await setting.history(event_id, limit="1")).history
    assert newest.previous == rows[0].previous


async def test_what_lies_too_far_back_is_left_out(setting: Setting) -> None:
    event_id = await setting.add(*((1, "25.50", MIDNIGHT) for _ in range(7)))
    await edit(setting, event_id, 10, name="Day")
    setting.ledger = EventLedger(setting.database, previous_within=9)
    assert (await setting.history(event_id, limit="1")).history[0].previous == {"name": "Night"}
    setting.ledger = EventLedger(setting.database, previous_within=8)
    assert (await setting.history(event_id, limit="1")).history[0].previous == {}


async def test_history_names_the_admins_who_have_an_account(setting: Setting) -> None:
    event_id = await setting.add((1, "25.50", MIDNIGHT))
    assert {row.caller_name for row in (await setting.history(event_id)).history} == {None}
    await setting.other.execute(
        "INSERT INTO admins (admin_id, email, email_folded, password_hash, name, role)"
        " VALUES ($1, 'ada@x.io', 'ada@x.io', '', 'Ada', 'admin')",
        ADA.admin_id,
    )
    rows = (await setting.history(event_id)).history
    assert [row.caller_name for row in rows] == [None, "Ada", "Ada"]
