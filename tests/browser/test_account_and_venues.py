"""Venues and accounts in the console, what axe says of every page, and that it fits every width."""

from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import expect

from tests.acceptance.service import Service
from tests.browser.conftest import OpenWindow
from tests.browser.people import PASSWORD, add_admin
from tests.browser.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")
NEW_PASSWORD = "staple battery"
AXE = AXE_FILE_PATH.read_text(encoding="utf-8")


async def test_venues_are_created_changed_and_found(window: Window) -> None:
    await window.enter()
    await window.create_event("For its venue")
    await window.visit("/venues?search=For its")
    page = window.page
    await window.lists("Hall of For its venue")
    await page.get_by_role("button", name="Edit Hall of For its venue").click()
    dialog = page.get_by_role("dialog")
    window.expected.add(409)
    await dialog.get_by_label("Seats", exact=True).fill("10")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_contain_text("capacity must be at least the 1000 of a coming event")
    await dialog.get_by_label("Seats", exact=True).fill("6000")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.locator(".results tbody")).to_contain_text("6,000")


async def test_a_venue_of_another_admin_cannot_be_edited(
    window: Window, open_window: OpenWindow
) -> None:
    await window.enter()
    await window.create_event("Not for all")
    other = await open_window()
    await other.visit("/venues?search=Not for all")
    await other.enter("Eve")
    await other.at("Venues")
    await other.lists("Hall of Not for all")
    await expect(other.page.get_by_role("button", name="Edit")).to_have_count(0)


async def test_profile_and_password_change_and_the_audit_tells_of_it(window: Window) -> None:
    email = await window.enter("Ada")
    await window.visit("/account")
    page = window.page
    await page.get_by_label("Name", exact=True).fill("Ada King")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Ada King changed the profile of Ada King")).to_be_visible()
    window.expected.add(400)
    await page.get_by_label("Current password").fill("not this one")
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("is not your password")).to_be_visible()
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("changed the password of")).to_be_visible()
    await page.reload()
    await window.at("Account")
    await page.get_by_role("button", name="Log out everywhere").click()
    await window.at("Sign in")
    await window.sign_in(email, NEW_PASSWORD)
    await window.at("Account")


async def test_a_super_admin_manages_admins_and_stays_one(service: Service, window: Window) -> None:
    await service.database.rows("UPDATE admins SET role = 'event_manager'")
    both = [await window.enter("Root", "super_admin"), await add_admin(service, "Bob")]
    # The list is in the order of emails: these are on its first page.
    await service.database.rows(
        "UPDATE admins SET email = '0-' || email, email_folded = '0-' || email_folded"
        " WHERE email = ANY($1)",
        both,
    )
    await window.visit("/account")
    page = window.page
    row = page.get_by_role("row").filter(has_text=f"0-{both[1]}")
    await row.get_by_role("combobox").select_option("admin")
    await expect(page.locator(".toast")).to_have_text("Bob is Admin now")
    await row.get_by_role("button", name="Deactivate").click()
    await expect(row).to_contain_text("inactive")
    window.expected.add(409)
    mine = page.get_by_role("row").filter(has_text="(you)")
    await mine.get_by_role("button", name="Deactivate").click()
    await expect(page.locator(".toast")).to_contain_text("last active super_admin")


async def violations(window: Window) -> list[str]:
    """What axe finds in the page that is serious."""
    if not await window.page.evaluate("'axe' in window"):
        await window.page.evaluate(AXE)
    found: dict[str, Any] = await window.page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_and_every_page_fits(
    service: Service, window: Window, scheme: Literal["light", "dark"]
) -> None:
    await window.page.emulate_media(color_scheme=scheme)
    assert await violations(window) == []
    await window.enter()
    event_id = await window.create_event("Accessible")
    await window.publish()
    await service.clients.reserve(event_id, 3)
    await window.page.get_by_role("button", name="Cancel event").click()
    assert await violations(window) == []
    for place, heading in (
        ("/events", "My events"),
        ("/events?show=past", "My events"),
        (f"/events/{event_id}", "Accessible"),
        (f"/events/{event_id}/edit", "Edit event"),
        ("/events/new", "New event"),
        ("/venues", "Venues"),
        ("/account", "Account"),
    ):
        await window.visit(place)
        await window.at(heading)
        assert await violations(window) == [], place
        for width in (360, 1600):
            await window.page.set_viewport_size({"width": width, "height": 800})
            wide = await window.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (place, width)
