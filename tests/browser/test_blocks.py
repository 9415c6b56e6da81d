"""Seats that are kept back from sale, as an organiser writes them down."""

import json

import pytest
from playwright.async_api import Locator, expect

from tests.acceptance.service import Service, from_now
from tests.browser.people import log_in
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


async def test_a_duplicate_takes_the_blocks_along(service: Service, window: Window) -> None:
    headers = await log_in(service, await window.enter())
    # A week later the clocks in London have been put back.
    first = await window.create_event("With blocks", seats=100, starts="2035-10-24T19:00:00Z")
    crew = {"name": "Crew", "quantity": 0, "release_at": from_now(-30 * 86_400)}
    press = {"name": "Press", "quantity": 20, "release_at": "2035-10-23T09:00:00Z"}
    sponsors = {"name": "Sponsors", "quantity": 10}
    changed = await service.clients.change(
        headers, {"event_id": first, "version": 1}, holdbacks=[sponsors, crew, press]
    )
    assert changed.status == 200, changed
    await window.page.get_by_role("link", name="Duplicate").click()
    await window.at("Duplicate")
    page = window.page
    await expect(page.get_by_label("Starts")).to_have_value("2035-10-31T20:00")
    # Of one that is free already it is not known any more how many seats it had.
    for label, values in (
        ("Block", ["Sponsors", "Crew", "Press"]),
        ("Seats", ["100", "10", "", "20"]),
        ("Free again", ["", "", "2035-10-30T10:00"]),
    ):
        fields = page.get_by_label(label)
        assert [await one.input_value() for one in await fields.all()] == values
    await page.get_by_label("Block").first.fill("")
    await page.get_by_label("Seats").nth(1).fill("")
    window.expected.add(400)
    await page.get_by_role("button", name="Create draft").click()
    # The line that was emptied is not sent, and what is wrong stands at its line all the same.
    await expect(page.get_by_label("Seats").nth(2)).to_be_focused()
    await page.keyboard.type("81")
    await page.get_by_role("button", name="Create draft").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "Blocks must not keep back more than “Seats”, 100"
    )
    await page.get_by_label("Seats").nth(2).fill("6")
    await page.get_by_role("button", name="Create draft").click()
    await expect(page.get_by_label("Details")).to_contain_text("Crew 6, Press 20")
    await shown(window, "kept", 26)
    second = page.url.rpartition("/")[2]
    (made,) = await service.database.rows(
        "SELECT start_datetime, holdbacks::text FROM events WHERE event_id = $1", second
    )
    assert second != first
    assert made["start_datetime"].isoformat() == "2035-10-31T20:00:00+00:00"
    assert json.loads(made["holdbacks"]) == [
        {"name": "Crew", "quantity": 6, "release_at": None},
        {"name": "Press", "quantity": 20, "release_at": "2035-10-30T10:00:00+00:00"},
    ]
