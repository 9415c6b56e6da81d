"""Lists that change under one's hands: neither what is typed nor the place is lost."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.acceptance.service import Service
from tests.browser.people import log_in
from tests.browser.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")
LATER = "2035-06-02T19:00:00Z"


async def test_what_is_typed_while_a_search_is_on_its_way_stays(window: Window) -> None:
    await window.enter()
    await window.create_event("Winter gala")
    await window.create_event("Winter night", starts=LATER)
    await window.visit("/events")
    await window.lists("Winter gala", "Winter night")
    typed = asyncio.Event()

    async def late(route: Route) -> None:
        if "search=Winter+g" in route.request.url:
            await typed.wait()
        await route.continue_()

    await window.page.route("**/admin/events?**", late)
    box = window.page.get_by_label("Search events")
    async with window.page.expect_request("**/admin/events?*search=Winter+g&**"):
        await box.press_sequentially("Winter g")
    # What was asked first is answered last, and not shown.
    await box.press("Backspace")
    async with window.page.expect_response("**/admin/events?*search=Winter+n&**"):
        await box.press_sequentially("n")
    await window.lists("Winter night")
    async with window.page.expect_response("**/admin/events?*search=Winter+g&**"):
        typed.set()
    await window.lists("Winter night")
    await expect(box).to_be_focused()
    await expect(box).to_have_value("Winter n")
    assert window.page.url.endswith("#/events?search=Winter+n")
    await window.page.reload()
    await window.lists("Winter night")
    await expect(box).to_have_value("Winter n")


async def test_a_list_that_is_drawn_anew_leaves_the_focus_where_it_was(
    service: Service, window: Window
) -> None:
    await window.enter()
    await window.create_event("Earlier")
    event_id = await window.create_event("Later", starts=LATER)
    await window.publish()
    await window.visit("/events")
    await window.lists("Earlier", "Later")
    link = window.page.get_by_role("link", name="Later")
    await link.focus()
    assert (await service.clients.reserve(event_id, 3)).status == 200
    await expect(window.page.get_by_text("3 of 1,000 sold")).to_be_visible()
    await expect(link).to_be_focused()


async def test_unfolded_figures_stay_open_as_seats_sell(service: Service, window: Window) -> None:
    await window.enter()
    event_id = await window.create_event("Unfolded")
    await window.publish()
    assert (await service.clients.reserve(event_id, 3)).status == 200
    await window.page.reload()
    figures = window.page.locator(".figures").first
    await figures.locator("summary").click()
    await expect(figures.get_by_role("row").last).to_contain_text("3")
    assert (await service.clients.reserve(event_id, 4)).status == 200
    await expect(figures.get_by_role("row").last).to_contain_text("7")


async def test_going_back_leads_from_one_list_to_the_one_before(window: Window) -> None:
    await window.enter()
    await window.create_event("A draft")
    await window.visit("/events")
    await window.lists("A draft")
    past = window.page.get_by_role("button", name="Past")
    await past.press("Enter")
    await window.lists()
    await expect(past).to_have_attribute("aria-pressed", "true")
    await expect(past).to_be_focused()
    await window.page.get_by_role("button", name="Drafts").click()
    await window.lists("A draft")
    await window.page.go_back()
    await window.lists()
    await expect(past).to_have_attribute("aria-pressed", "true")
    await window.page.go_back()
    await window.lists("A draft")


async def test_a_dialog_gives_the_focus_back_though_the_event_changed_meanwhile(
    service: Service, window: Window
) -> None:
    headers = await log_in(service, await window.enter())
    event_id = await window.create_event("Changed behind a dialog")
    change = window.page.get_by_role("button", name="Change the price")
    await change.press("Enter")
    await expect(window.page.get_by_role("dialog")).to_be_visible()
    async with window.page.expect_response(f"**/events/{event_id}/inventory"):
        event = {"event_id": event_id, "version": 1}
        assert (await service.clients.change(headers, event, base_price=40)).status == 200
    await window.page.keyboard.press("Escape")
    await expect(change).to_be_focused()
    # What was put off is drawn now, and the focus stays.
    await expect(window.page.get_by_label("Details")).to_contain_text("40.00")
    await expect(change).to_be_focused()
