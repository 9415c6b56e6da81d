"""When seats are sold, and for what money: the form of an event, and a click on its page."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.acceptance.service import Service, from_now
from tests.browser.people import log_in
from tests.browser.test_events import shown
from tests.browser.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def row(service: Service, event_id: str) -> Any:
    (found,) = await service.database.rows("SELECT * FROM events WHERE event_id = $1", event_id)
    return found


async def is_on_sale(service: Service, event_id: str) -> bool:
    answer = await service.clients.reserve(event_id, 1)
    if answer.status == 200:
        return True
    assert answer.json["error"]["code"] == "EVENT_NOT_ON_SALE"
    return False


async def test_a_form_has_the_times_of_sales_in_the_zone_of_the_venue_and_the_currency(
    service: Service, window: Window
) -> None:
    headers = await log_in(service, await window.enter())
    await service.clients.create_venue(headers, name="Harlem Hall", timezone="America/New_York")
    page = window.page
    await window.visit("/events/new")
    opens, empty = page.get_by_label("Sales open"), "; left empty, once it is published"
    await expect(opens).to_have_accessible_description(f"In Europe/London{empty}")
    await page.get_by_role("combobox", name="Venue").fill("Harlem")
    await page.get_by_role("option", name="Harlem Hall").click()
    await expect(opens).to_have_accessible_description(f"In America/New_York{empty}")
    for label, text in (
        *(("Name", "In another zone"), ("Seats", "100"), ("Type", "concert")),
        *(("Starts", "2035-06-01T20:00"), ("Ends", "2035-06-01T23:00")),
        *(("Sales open", "2035-05-01T10:00"), ("Sales close", "2035-06-01T21:00")),
        *(("Price of a seat", "30"), ("Currency", "eur")),
    ):
        await page.get_by_label(label, exact=label == "Name").fill(text)
    await page.get_by_role("button", name="Create draft").click()
    await window.at("In another zone")
    event_id = page.url.rpartition("/")[2]
    made = await row(service, event_id)
    # New York is four hours behind UTC in summer.
    assert made["start_datetime"] == datetime(2035, 6, 2, 0, tzinfo=UTC)
    assert made["sales_start"] == datetime(2035, 5, 1, 14, tzinfo=UTC)
    assert made["sales_end"] == datetime(2035, 6, 2, 1, tzinfo=UTC)
    assert made["currency"] == "EUR"
    await expect(page.get_by_label("Details")).to_contain_text("€30.00")
    # Of the times, one is taken away; the other stays.
    await page.get_by_role("link", name="Edit").click()
    await window.at("Edit event")
    await expect(opens).to_have_value("2035-05-01T10:00")
    await opens.fill("")
    await page.get_by_role("button", name="Save").click()
    await window.at("In another zone")
    changed = await row(service, event_id)
    assert changed["sales_start"] is None
    assert changed["sales_end"] == made["sales_end"]
    await window.publish()
    await page.get_by_role("link", name="Edit").click()
    await window.at("Edit event")
    # What is sold has its currency.
    await expect(page.get_by_label("Currency")).to_have_count(0)
    await expect(page.get_by_label("Price of a seat")).to_have_accessible_description("In EUR")


async def test_what_is_wrong_with_times_and_currency_stands_at_their_fields(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("Wrong times")
    before = await row(service, event_id)
    page = window.page
    await page.get_by_role("link", name="Edit").click()
    await window.at("Edit event")
    window.expected.add(400)
    opens, closes = page.get_by_label("Sales open"), page.get_by_label("Sales close")
    currency = page.get_by_label("Currency")
    for field, text, told in (
        (closes, "2035-06-02T10:00", "Sales close must not be after “Ends”"),
        (opens, "2035-06-01T20:30", "Sales open must be before “Starts”"),
        (currency, "euro", "must be a currency of ISO 4217"),
    ):
        kept = await field.input_value()
        await field.fill(text)
        await page.get_by_role("button", name="Save").click()
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_be_focused()
        await expect(field.locator("..")).to_contain_text(told)
        await field.fill(kept)
    # Half a time is not the same as none.
    await opens.focus()
    await page.keyboard.type("0105")
    await page.get_by_role("button", name="Save").click()
    await expect(opens.locator("..")).to_contain_text("Sales open is not complete")
    assert await row(service, event_id) == before


async def test_sales_are_opened_and_closed_by_a_click(service: Service, window: Window) -> None:
    headers = await log_in(service, await window.enter())
    event_id = await window.create_event("Clicked")
    opens = datetime(2035, 5, 1, 10, tzinfo=UTC)
    changed = await service.clients.change(
        headers, {"event_id": event_id, "version": 1}, sales_start=opens.isoformat()
    )
    page = window.page
    await expect(page.get_by_text("Publish it, and sales open Tue, 1 May 2035")).to_be_visible()
    assert changed.status == 200
    await page.get_by_role("button", name="Publish").click()
    await window.at("Opens in")
    assert not await is_on_sale(service, event_id)
    await expect(page.get_by_role("button", name="Pause sales")).to_have_count(0)
    await page.get_by_role("button", name="Open sales now").click()
    await window.at("On sale")
    await expect(page.locator(".toast")).to_have_text("Sales are open")
    assert (await row(service, event_id))["sales_start"] is None
    assert await is_on_sale(service, event_id)
    # What has taken the place of the button has the focus.
    await expect(page.get_by_role("button", name="Close sales now")).to_be_focused()
    await page.get_by_role("button", name="Close sales now").click()
    await window.at("Sales closed")
    closed = await row(service, event_id)
    assert timedelta() <= datetime.now(UTC) - closed["sales_end"] < timedelta(seconds=15)
    assert not await is_on_sale(service, event_id)
    await page.get_by_role("button", name="Open sales now").click()
    await window.at("On sale")
    assert (await row(service, event_id))["sales_end"] is None
    assert await is_on_sale(service, event_id)


async def test_closing_for_good_is_asked_for_first(service: Service, window: Window) -> None:
    headers = await log_in(service, await window.enter())
    event_id = await window.create_event("At the door")
    for version, changes in enumerate(({"sales_end": "2035-06-01T22:00:00Z"}, {}), start=1):
        answer = await service.clients.change(
            headers,
            {"event_id": event_id, "version": version},
            **(changes or {"status": "published"}),
        )
        assert answer.status == 200
    await service.database.rows(
        "UPDATE events SET start_datetime = now() - interval '1 minute', sales_end = $2,"
        " end_datetime = $2 WHERE event_id = $1",
        event_id,
        datetime.fromisoformat(from_now(3600)),
    )
    page = window.page
    await page.get_by_role("button", name="Close sales now").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("cannot be opened again")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    assert await is_on_sale(service, event_id)
    await page.get_by_role("button", name="Close sales now").click()
    await dialog.get_by_role("button", name="Close sales").click()
    await window.at("On now")
    await expect(page.get_by_role("button", name="Open sales now")).to_have_count(0)
    await expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    answer = await service.clients.reserve(event_id, 1)
    assert answer.json["error"]["code"] == "EVENT_NOT_MODIFIABLE"


async def test_an_archived_event_says_where_its_history_is(
    service: Service, window: Window, tmp_path: Path
) -> None:
    await window.enter()
    event_id = await window.create_event("Long over")
    await window.publish()
    assert (await service.clients.reserve(event_id, 3)).status == 200
    await service.database.rows(
        "UPDATE events SET start_datetime = '2025-12-14 19:00Z',"
        " end_datetime = '2025-12-14 22:00Z' WHERE event_id = $1",
        event_id,
    )
    done = service.process.run("archive", "--before", "2026-01", "--to", str(tmp_path))
    assert "1 events" in done.stdout, done.stderr

    await window.page.reload()

    await window.at("Completed")
    history = window.page.locator(".panel", has_text="History")
    await expect(history).to_contain_text("Archived: its history is kept in files")
    await expect(history.get_by_role("button")).to_have_count(0)
    await shown(window, "sold", 3)
