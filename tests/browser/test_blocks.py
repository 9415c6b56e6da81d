"""Seats that are kept back from sale, as an organiser writes them down."""

import pytest
from playwright.async_api import Locator, expect

from tests.acceptance.service import Service
from tests.browser.test_events import shown
from tests.browser.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def write(dialog: Locator, row: int, name: str, seats: str, free_again: str = "") -> None:
    for label, text in (("Block", name), ("Seats", seats), ("Free again", free_again)):
        await dialog.get_by_label(label).nth(row).fill(text)


async def test_blocks_are_kept_back_changed_and_given_up(service: Service, window: Window) -> None:
    await window.enter("Ada")
    event_id = await window.create_event("Kept back", seats=100)
    await window.publish()
    page = window.page
    dialog = page.get_by_role("dialog")
    change = page.get_by_role("button", name="Change blocks")
    await change.click()
    await expect(dialog.get_by_label("Block")).to_be_focused()
    await write(dialog, 0, "Press", "20")
    await dialog.get_by_role("button", name="Another block").click()
    # What was typed is there still, and one goes on in the new line.
    await expect(dialog.get_by_label("Block").first).to_have_value("Press")
    await expect(dialog.get_by_label("Block").nth(1)).to_be_focused()
    await write(dialog, 1, "Sponsors", "10", "2035-05-01T10:00")
    await dialog.get_by_role("button", name="Save").click()
    await shown(window, "kept", 30)
    await shown(window, "free", 70)
    await expect(page.get_by_label("Details")).to_contain_text("Press 20, Sponsors 10")
    await expect(change).to_be_focused()
    rows = await service.database.rows(
        "SELECT holdbacks::text FROM events WHERE event_id = $1", event_id
    )
    # London is an hour ahead of UTC in May.
    assert "2035-05-01T09:00:00" in rows[0]["holdbacks"]
    # A line that is emptied goes; the others stay.
    await change.click()
    await expect(dialog.get_by_label("Free again").nth(1)).to_have_value("2035-05-01T10:00")
    await write(dialog, 0, "", "")
    await dialog.get_by_role("button", name="Save").click()
    await shown(window, "kept", 10)
    await expect(page.get_by_label("Details")).not_to_contain_text("Press")
    edit = page.locator(".history .edit").first
    await expect(edit).to_contain_text("Blocks Press 20, Sponsors 10 → Sponsors 10")


async def test_what_is_wrong_with_a_block_stands_at_its_line(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("Wrong blocks", seats=100)
    page = window.page
    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="Change blocks").click()
    for row in range(2):
        await write(dialog, row, f"Block {row}", "5")
        await dialog.get_by_role("button", name="Another block").click()
    window.expected |= {400, 409}
    await write(dialog, 0, "", "")
    await write(dialog, 2, "Third", "many")
    save = dialog.get_by_role("button", name="Save")
    await save.click()
    # The first line is empty, so what is wrong is the second block and the third line.
    wrong = dialog.get_by_label("Seats").nth(2)
    await expect(wrong).to_have_attribute("aria-invalid", "true")
    await expect(wrong).to_be_focused()
    await wrong.fill("96")
    await save.click()
    await expect(dialog.get_by_role("alert")).to_contain_text("seats")
    (before,) = await service.database.rows(
        "SELECT version, held_back_seats FROM events WHERE event_id = $1", event_id
    )
    assert tuple(before) == (1, 0)
    await wrong.fill("95")
    await save.click()
    await shown(window, "free", 0)


async def test_seats_that_sell_meanwhile_do_not_hinder_a_change_of_blocks(
    service: Service, window: Window
) -> None:
    await window.enter()
    event_id = await window.create_event("Sold meanwhile", seats=100)
    await window.publish()
    page = window.page
    await page.get_by_role("button", name="Change blocks").click()
    dialog = page.get_by_role("dialog")
    assert (await service.clients.reserve(event_id, 3)).status == 200
    await write(dialog, 0, "Press", "20")
    # The version that was read when the dialog opened is not the last one any more.
    window.expected.add(409)
    await dialog.get_by_role("button", name="Save").click()
    await shown(window, "kept", 20)
    await shown(window, "free", 77)
    answer = await service.clients.reserve(event_id, 2, holdback="press")
    assert answer.status == 200, answer
    await shown(window, "kept", 18)
    await shown(window, "sold", 5)
    moved = page.locator(".history .moved").first
    await expect(moved).to_contain_text("2 sold; 77 free after")
