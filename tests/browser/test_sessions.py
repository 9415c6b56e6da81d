"""How an organiser signs in, stays signed in and leaves."""

import asyncio
import re

import pytest
from playwright.async_api import Browser, Route, expect

from tests.acceptance.service import Service
from tests.browser.conftest import ACCESS_TOKEN_TTL_S
from tests.browser.people import PASSWORD, add_admin
from tests.browser.window import Window
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
REFRESH = "/api/v1/auth/admin/refresh"
KEPT = "sessionStorage.getItem('evently.refresh_token')"


def tokens(window: Window) -> list[str]:
    """The access tokens with which the window has asked, in order."""
    sent = (one.headers.get("authorization") for one in window.requests)
    return [token for token in sent if token is not None]


async def test_signing_out_ends_the_login_on_the_service_as_well(
    service: Service, window: Window
) -> None:
    email = await window.enter()
    token = await window.page.evaluate(KEPT)
    async with window.page.expect_response("**/auth/admin/logout") as answered:
        await window.page.get_by_role("button", name="Sign out").click()
    assert (await answered.value).status == 200
    await window.at("Sign in")
    assert await window.page.evaluate(KEPT) is None
    answer = await service.api.send("POST", REFRESH, body={"refresh_token": token})
    assert answer.status == 401
    window.expected.add(401)
    await window.sign_in(email, "a wrong password")
    await expect(window.page.get_by_text("Email or password is wrong")).to_be_visible()
    await window.sign_in(email)
    await window.at("My events")


async def test_who_signs_out_while_a_token_is_renewed_stays_signed_out(window: Window) -> None:
    await window.enter()
    page = window.page
    renewed, signed_out = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        renewed.set()
        await signed_out.wait()
        await route.fulfill(response=answer)

    await page.route(f"**{REFRESH}", answer_late)
    # What was kept in memory is gone, so the first question waits for another token.
    await page.reload()
    await renewed.wait()
    await page.get_by_role("button", name="Sign out").click()
    await window.at("Sign in")
    async with page.expect_response(f"**{REFRESH}"):
        signed_out.set()
    # A page that is read anew knows of no login either.
    asked = window.sent("POST", REFRESH)
    await page.reload()
    await window.at("Sign in")
    assert await page.evaluate(KEPT) is None
    assert window.sent("POST", REFRESH) == asked


async def test_the_access_token_is_renewed_unseen_before_it_expires(window: Window) -> None:
    await window.enter()
    event_id = await window.create_event("Watched")
    first = tokens(window)[-1]
    # The page asks on with another token, before the service has refused one.
    await until(lambda: tokens(window)[-1] != first, ACCESS_TOKEN_TTL_S, "a renewal")
    async with window.page.expect_response(f"**/admin/events/{event_id}") as answered:
        pass
    assert (await answered.value).status == 304
    assert window.sent("POST", REFRESH) == 1


async def test_a_token_that_is_refused_is_renewed_once_for_all_who_wait(window: Window) -> None:
    await window.enter()
    await window.create_event("Refused once")
    refused: set[str] = set()

    async def refuse(route: Route) -> None:
        path = route.request.url
        if path in refused:
            await route.continue_()
            return
        refused.add(path)
        await route.fulfill(
            status=401,
            json={"error": {"code": "UNAUTHORIZED", "message": "expired", "details": {}}},
        )

    window.expected.add(401)
    before = window.sent("POST", REFRESH)
    await window.page.route(re.compile("/api/v1/admin/events/[^/]+/(analytics|history)"), refuse)
    await window.page.reload()
    await window.at("Refused once")
    await expect(window.page.get_by_role("heading", name="History")).to_be_visible()
    # One at the reload, which forgets the token, and one for the three that were refused.
    assert len(refused) == 3
    assert window.sent("POST", REFRESH) - before == 2


async def test_a_login_that_has_ended_leads_to_the_sign_in_and_back_to_the_place(
    service: Service, window: Window
) -> None:
    email = await window.enter()
    event_id = await window.create_event("Where I was")
    await service.database.rows("UPDATE refresh_families SET revoked_at = now()")
    window.expected.add(401)
    await window.page.reload()
    await expect(window.page.get_by_text("Your session has ended")).to_be_visible()
    await window.sign_in(email)
    await window.at("Where I was")
    assert window.page.url.endswith(event_id)


async def test_reload_and_the_back_button_keep_the_place(window: Window) -> None:
    await window.enter()
    await window.create_event("First")
    await window.visit("/events?show=draft&search=first")
    page = window.page
    await page.get_by_role("link", name="First").click()
    await window.at("First")
    await page.reload()
    await window.at("First")
    await page.go_back()
    await window.at("My events")
    await expect(page.get_by_role("button", name="Drafts")).to_have_attribute(
        "aria-pressed", "true"
    )
    await expect(page.get_by_label("Search events")).to_have_value("first")
    await page.go_forward()
    await window.at("First")


async def test_two_windows_of_one_admin_do_not_log_each_other_out(
    service: Service, window: Window
) -> None:
    await window.enter()
    await window.create_event("Seen twice")
    # A window that is opened from another begins with a copy of its session.
    async with window.page.expect_popup() as opening:
        await window.page.evaluate("open(location.href)")
    second = Window(await opening.value, service)
    await second.watch()
    await second.page.reload()
    await second.at("Seen twice")
    for turn in (1, 2):
        await window.page.reload()
        await window.at("Seen twice")
        await second.page.reload()
        await second.at("Seen twice")
        assert await window.page.evaluate(KEPT) == await second.page.evaluate(KEPT), turn
    await second.page.close()
    second.assert_clean()


async def test_without_scripts_a_sentence_says_so(service: Service, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{service.process.url}/console")
    await expect(page.get_by_text("The console needs JavaScript")).to_be_visible()
    await context.close()


async def test_the_start_leads_to_the_console_and_the_documentation_too(
    service: Service, window: Window
) -> None:
    await window.page.goto(f"{service.process.url}/")
    await window.at("Sign in")
    assert window.page.url == f"{service.process.url}/console"
    await window.enter()
    await window.page.get_by_role("link", name="API").click()
    await expect(window.page.get_by_role("link", name="Console", exact=True)).to_have_attribute(
        "href", "console"
    )
    answer = await service.api.call("GET", "/", headers={"Accept": "application/json"})
    assert answer.json["openapi"] == "openapi.json"
    assert answer.json["registration"] == "open"


async def test_everything_can_be_done_by_keyboard(service: Service, window: Window) -> None:
    page = window.page
    await page.keyboard.type(await add_admin(service, "Ada"))
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await window.at("My events")
    await tab_to(window, "New event")
    await page.keyboard.press("Enter")
    await window.at("New event")
    await tab_to(window, "Name")
    await page.keyboard.type("By keyboard")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("listbox")).to_be_visible()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    for text in ("Hall", "1 Street", "Oslo", "", "", "Norway", "500"):
        await page.keyboard.type(text)
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("combobox", name="Venue")).to_be_focused()


async def tab_to(window: Window, name: str) -> None:
    """Press Tab until something of this name has the focus."""
    script = "document.activeElement.textContent || document.activeElement.labels?.[0]?.textContent"
    for _ in range(30):
        await window.page.keyboard.press("Tab")
        if str(await window.page.evaluate(script)).strip() == name:
            return
    raise AssertionError(f"Tab never reaches {name}")


async def test_an_open_page_asks_once_a_second_and_gets_little(
    window: Window,
) -> None:
    await window.enter()
    event_id = await window.create_event("Quiet")
    seen = len(window.requests)
    await until(lambda: len(window.requests) >= seen + 4, what="four requests")
    asked = window.requests[seen : seen + 3]
    assert asked[2].timing["startTime"] - asked[0].timing["startTime"] > 1_900
    for one in asked:
        answer = await one.response()
        assert answer is not None
        assert (answer.status, one.url.rpartition("/")[2]) == (304, event_id)
