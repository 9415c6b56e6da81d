"""An organiser's events, from the draft to the end of the sale."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

from tests.acceptance.booking import Booking
from tests.acceptance.service import Service, from_now
from tests.browser.conftest import TAKES_S, OpenWindow
from tests.browser.people import log_in, super_admin
from tests.browser.window import Window
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sell(service: Service, event_id: str, seats: int, *, clients: int = 16) -> None:
    """Sell seats one by one through several connections."""

    async def client(number: int) -> None:
        for turn in range(number, seats, clients):
            answer = await service.clients.reserve(event_id, 1, key=f"{event_id}-{turn}")
            assert answer.status == 200

    await asyncio.gather(*(client(number) for number in range(clients)))


def questions(window: Window, event_id: str) -> int:
    """How often the page has asked for the event; it does once a second."""
    return sum(one.url.endswith(f"/admin/events/{event_id}") for one in window.requests)


async def shown(window: Window, kind: str, seats: int) -> None:
    """Wait until the page shows this number."""
    await expect(window.page.locator(f"[data-seats={kind}]")).to_have_text(f"{seats:,}")


async def test_an_organiser_registers_creates_an_event_at_a_new_venue_and_publishes_it(
    service: Service, window: Window
) -> None:
    await window.register()
    page = window.page
    await page.get_by_role("link", name="New event").click()
    await page.get_by_label("Name", exact=True).fill("By hand")
    await page.get_by_role("combobox", name="Venue").click()
    await page.get_by_role("option", name="New venue").click()
    venue = page.get_by_role("dialog")
    for label, text in (
        *(("Name", "Hall of hands"), ("Address", "1 Street"), ("City", "Oslo")),
        *(("Country", "Norway"), ("Seats", "5000")),
    ):
        await venue.get_by_label(label, exact=True).fill(text)
    await venue.get_by_role("button", name="Create venue").click()
    await expect(page.get_by_role("combobox", name="Venue")).to_have_value("Hall of hands, Oslo")
    for label, text in (
        *(("Starts", "2035-06-01T20:00"), ("Ends", "2035-06-01T23:00"), ("Seats", "1000")),
        *(("Price of a seat", "25.50"), ("Type", "concert")),
    ):
        await page.get_by_label(label, exact=True).fill(text)
    await page.get_by_role("button", name="Create draft").click()
    await window.at("By hand")
    event_id = page.url.rpartition("/")[2]
    path = f"/api/v1/events/{event_id}"
    assert (await service.api.send("GET", path)).status == 404
    await window.publish()
    found = (await service.api.send("GET", path)).json
    assert (found["total_capacity"], found["base_price"]) == (1000, 25.5)
    # London is an hour ahead of UTC in June.
    assert found["start_datetime"] == "2035-06-01T19:00:00Z"


async def test_a_thousand_seats_sell_and_the_page_shows_what_its_last_question_was_told(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("Thousand", seats=1000)
    await window.publish()
    selling = asyncio.create_task(sell(service, event_id, 1000))
    compared = 0
    while not selling.done():
        now = (await service.api.send("GET", f"/api/v1/events/{event_id}/availability")).json
        sold = 1000 - now["available_seats"]

        asked = questions(window, event_id)

        async def told(sold: int = sold, asked: int = asked) -> bool:
            # One may have been on its way; once the next but one is asked, one between is drawn.
            return await window.seats("sold") >= sold or questions(window, event_id) >= asked + 3

        await until(told, TAKES_S, f"{sold} sold seats, or three questions")
        assert await window.seats("sold") >= sold
        compared += 1
    await selling
    assert compared
    await shown(window, "sold", 1000)
    await shown(window, "free", 0)
    await expect(window.page.locator("[data-revenue]")).to_have_text("US$25,500.00")
    await expect(window.page.get_by_role("heading", level=1)).to_contain_text("Sold out")
    await expect(window.page.get_by_label("Sold per day: 1,000 sold")).to_be_visible()
    await expect(window.page.get_by_label("The last hour, by minute: 1,000 sold")).to_be_visible()
    await expect(window.page.locator(".history .moved").first).to_contain_text(
        " sold; 0 free after"
    )


async def test_seats_in_holds_are_shown_by_themselves_and_counted(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("Held", seats=100)
    await window.publish()
    of = Booking(service, event_id)
    kept, bought = await of.placed(3), await of.placed(2)
    assert (await of.confirm(bought)).status == 200
    await shown(window, "held", 3)
    await shown(window, "sold", 2)
    await shown(window, "free", 95)
    holds = window.page.get_by_role("region", name="Holds")
    await expect(holds).to_contain_text("Active1")
    await expect(holds).to_contain_text("Confirmed100%")
    assert (await of.release(kept)).status == 200
    await shown(window, "free", 98)
    await expect(holds).to_contain_text("Confirmed50%")


async def test_the_capacity_is_raised_during_the_sale(service: Service, window: Window) -> None:
    await window.enter("Ada")
    event_id = await window.create_event("Raised", seats=300)
    await window.publish()
    page = window.page
    # Seats that move meanwhile may make the page try again.
    window.expected.add(409)
    selling = asyncio.create_task(sell(service, event_id, 250, clients=2))
    await page.get_by_role("button", name="Change the capacity").click()
    await page.get_by_role("dialog").get_by_label("Seats", exact=True).fill("320")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await selling
    await shown(window, "sold", 250)
    await shown(window, "free", 70)
    edit = page.locator(".history .edit").filter(has_text="Capacity 300 → 320")
    await expect(edit).to_contain_text("Ada")


async def test_sales_are_paused_and_go_on(service: Service, window: Window) -> None:
    await window.enter()
    event_id = await window.create_event("Paused")
    await window.publish()
    page = window.page
    await page.get_by_role("button", name="Pause sales").click()
    await expect(page.get_by_role("button", name="Resume sales")).to_be_visible()
    await expect(page.get_by_text("Sales are paused", exact=True).first).to_be_visible()
    refused = await service.clients.reserve(event_id, 1)
    assert refused.json["error"]["code"] == "EVENT_NOT_ON_SALE"
    await page.get_by_role("button", name="Resume sales").click()
    await expect(page.get_by_role("button", name="Pause sales")).to_be_visible()
    assert (await service.clients.reserve(event_id, 1)).status == 200
    await expect(page.locator(".history .edit").filter(has_text="Sales resumed")).to_be_visible()


async def test_cancelling_takes_the_name_and_tells_how_many_tickets_are_out(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("To be cancelled")
    await window.publish()
    await service.clients.reserve(event_id, 3)
    await shown(window, "sold", 3)
    page = window.page
    await page.get_by_role("button", name="Cancel event").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("3 tickets are sold and have to be refunded")
    field = dialog.get_by_label("Type the name of the event")
    await field.fill("Something else")
    await dialog.get_by_role("button", name="Cancel the event").click()
    await expect(dialog).to_contain_text("This is not its name")
    assert (await service.api.send("GET", f"/api/v1/events/{event_id}")).json["status"] == (
        "published"
    )
    await field.fill("To be cancelled")
    await dialog.get_by_role("button", name="Cancel the event").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")
    await expect(page.get_by_role("button", name="Cancel event")).to_have_count(0)
    assert (await service.api.send("GET", f"/api/v1/events/{event_id}")).json["status"] == (
        "cancelled"
    )


async def test_what_another_admin_changed_is_shown_and_not_overwritten(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("Twice changed")
    page = window.page
    await page.get_by_role("link", name="Edit").click()
    await window.at("Edit event")
    rows = await service.database.rows("SELECT * FROM events WHERE event_id = $1", event_id)
    root = await super_admin(service)
    changed = await service.clients.change(
        root, {"event_id": event_id, "version": rows[0]["version"]}, base_price=30
    )
    assert changed.status == 200
    window.expected.add(409)
    await page.get_by_label("Tickets per booking").fill("4")
    await page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("price US$25.50 → US$30.00")
    await dialog.get_by_role("button", name="Save mine on top").click()
    await window.at("Twice changed")
    facts = page.get_by_label("Details")
    await expect(facts).to_contain_text("30.00")
    await expect(facts).to_contain_text("4 at most")


async def test_errors_stand_at_their_fields(window: Window) -> None:
    await window.enter()
    await window.create_event("Correct", seats=10)
    page = window.page
    await page.get_by_role("link", name="Edit").click()
    await window.at("Edit event")
    window.expected.add(400)
    await page.get_by_label("Price of a seat").fill("1.005")
    await page.get_by_label("Seats", exact=True).fill("5001")
    await page.get_by_role("button", name="Save").click()
    price = page.get_by_label("Price of a seat")
    await expect(price).to_have_attribute("aria-invalid", "true")
    await expect(price).to_be_focused()
    await expect(page.get_by_text("must have at most two decimals")).to_be_visible()
    await price.fill("10")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("must not exceed the venue's capacity of 5000")).to_be_visible()
    await expect(price).not_to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Name", exact=True).fill(" ")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Name is required")).to_be_visible()


async def test_an_event_is_duplicated_as_a_draft_a_week_later(
    service: Service, window: Window
) -> None:
    await window.enter()
    first = await window.create_event("Weekly", starts="2035-06-01T19:00:00Z")
    page = window.page
    await page.get_by_role("link", name="Duplicate").click()
    await window.at("Duplicate")
    await expect(page.get_by_label("Starts")).to_have_value("2035-06-08T20:00")
    await page.get_by_role("button", name="Create draft").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Draft")
    second = page.url.rpartition("/")[2]
    assert second != first
    rows = await service.database.rows(
        "SELECT start_datetime, status FROM events WHERE event_id = $1", second
    )
    # London is an hour ahead of UTC in June.
    assert rows[0]["start_datetime"].isoformat() == "2035-06-08T19:00:00+00:00"
    assert rows[0]["status"] == "draft"


async def test_markup_in_a_name_is_text(service: Service, window: Window) -> None:
    name = "<script>throw 1</script><img src=x onerror='throw 2'>"
    await window.enter(name)
    await window.create_event(name)
    await window.publish()
    assert await window.page.locator("main script, main img").count() == 0
    await expect(window.page.get_by_role("heading", level=1)).to_contain_text(name)
    await expect(window.page.locator(".history .edit").first).to_contain_text(name)
    await window.visit("/events")
    await window.lists(name)
    assert service.process.probe("/healthz") == 200


async def test_what_wants_attention_comes_first(service: Service, window: Window) -> None:
    email = await window.enter()
    headers = await log_in(service, email)
    venue = await service.clients.create_venue(headers)

    async def event(name: str, **over: Any) -> dict[str, Any]:
        return await service.clients.create_event(headers, venue["venue_id"], name=name, **over)

    soon = {"start_datetime": from_now(7200), "end_datetime": from_now(9000)}
    await service.clients.publish(headers, await event("Soon", **soon))
    nearly = await service.clients.publish(headers, await event("Nearly sold out"))
    await service.clients.reserve(nearly["event_id"], 93)
    await event("Late draft", **soon)
    await service.clients.publish(headers, await event("Nothing to do"))
    await window.visit("/events")
    await window.page.reload()
    attention = window.page.get_by_label("Needs attention")
    await expect(attention.get_by_role("link")).to_have_count(3)
    for name, why in (
        ("Soon", "Starts in 2 hours"),
        ("Nearly sold out", "Only 7 seats left"),
        ("Late draft", "still a draft"),
    ):
        await expect(attention.get_by_role("link", name=name)).to_contain_text(why)


async def test_five_thousand_events_are_searched_and_paged(
    service: Service, window: Window
) -> None:
    email = await window.enter()
    headers = await log_in(service, email)
    venue = await service.clients.create_venue(headers)
    first = await service.clients.create_event(headers, venue["venue_id"], name="Event number 0")
    await service.database.rows(
        "INSERT INTO events (event_id, name, name_folded, description, venue_id, event_type,"
        " event_type_folded, start_datetime, end_datetime, total_capacity, available_seats,"
        " base_price, max_tickets_per_booking, status, version, terms_version, created_by)"
        " SELECT gen_random_uuid(), 'Event number ' || n, 'event number ' || n, '', venue_id,"
        " event_type, event_type_folded, start_datetime + n * interval '1 hour',"
        " end_datetime + n * interval '1 hour', total_capacity, available_seats, base_price,"
        " max_tickets_per_booking, 'cancelled', 1, 1, created_by"
        " FROM events, generate_series(1, 4999) AS n WHERE event_id = $1",
        first["event_id"],
    )
    await window.visit("/events?show=all")
    await window.page.reload()
    await expect(window.page.get_by_text("1–25 of 5,000")).to_be_visible()
    await expect(window.page.locator(".results tbody tr")).to_have_count(25)
    await window.page.get_by_role("button", name="Next").click()
    await expect(window.page.get_by_text("26–50 of 5,000")).to_be_visible()
    await expect(window.page.locator(".results .name").first).to_have_text("Event number 25")
    await window.page.get_by_label("Search events").fill("NUMBER 499")
    await expect(window.page.locator(".results tbody tr")).to_have_count(11)
    # Rows made by hand have no ledger.
    await service.database.rows(
        "DELETE FROM events WHERE name LIKE 'Event number %' AND name <> 'Event number 0'"
    )


async def test_another_admins_event_never_shows(
    service: Service, window: Window, open_window: OpenWindow
) -> None:
    await window.enter()
    event_id = await window.create_event("Mine alone")
    other = await open_window()
    await other.visit("")
    await other.enter("Eve")
    await other.lists()
    await expect(other.page.get_by_text("No events are coming")).to_be_visible()
    other.expected.add(403)
    await other.visit(f"/events/{event_id}")
    await expect(other.page.get_by_text("Not yours")).to_be_visible()
    assert "Mine alone" not in await other.page.content()
    assert service.process.probe("/healthz") == 200
