"""The console in a real browser: one service and one headless Chromium for all tests of a process.

Rules
1. A test fails by an error in the console, a report of the page's policy, an answer that was not
   expected, and by a request to anybody else.
2. Each test has windows of its own, which know nothing of the others: a login belongs to a window.
   They share the cache of one context, so that the console's files are fetched once.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import TypeAlias
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

from evently.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, running
from tests.browser.window import Window

OpenWindow: TypeAlias = Callable[[], Awaitable[Window]]
# The shortest that may be set: whatever a test does, its tokens are renewed under it.
ACCESS_TOKEN_TTL_S = 10
# As long as anything may take on a machine that is busy with other tests.
TAKES_S = 15.0
expect.set_options(timeout=TAKES_S * 1000)


@pytest.fixture(scope="session")
def console_service(postgres: EmbeddedPostgres, template: str) -> Iterator[Service]:
    """One service for the tests of a process; at the end every event is what its ledger says."""
    name = f"console_{uuid4().hex}"
    postgres.create_database(name, template)
    settings = {"EVENTLY_ACCESS_TOKEN_TTL_S": str(ACCESS_TOKEN_TTL_S)}
    with running(Service(postgres.dsn(name), 1, settings=settings)) as service:
        yield service
        service.process.verify()
    postgres.drop_database(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, as .ci/run installs it: its shell without windows, where that is here.

    What draws and runs a page is the same in both, of one release; the shell has none of what is
    around a page in a desktop's browser, which takes half of the processors' time.
    """
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        pytest.fail(
            "the tests of the console need Chromium: apt-get install chromium-headless-shell"
        )
    async with async_playwright() as playwright:
        # Chromium has no sandbox for root, as whom CI may run; it sees this service alone.
        running_browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield running_browser
        await running_browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """What all windows share."""
    made = await browser.new_context(
        locale="en-GB", timezone_id="Europe/London", reduced_motion="reduce"
    )
    made.set_default_timeout(TAKES_S * 1000)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def service(console_service: Service) -> AsyncIterator[Service]:
    """The service, ready to be called."""
    seen = len(console_service.process.log())
    async with console_service.connected():
        yield console_service
    console_service.process.assert_no_traceback(seen)


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(service: Service, context: BrowserContext) -> AsyncIterator[OpenWindow]:
    """Opens windows; each has been clean when the test ends."""
    async with AsyncExitStack() as stack:
        opened: list[Window] = []

        async def make() -> Window:
            page = await context.new_page()
            stack.push_async_callback(page.close)
            window = Window(page, service)
            await window.watch()
            opened.append(window)
            return window

        yield make
        await asyncio.sleep(0)
        for window in opened:
            window.assert_clean()


@pytest_asyncio.fixture(loop_scope="session")
async def window(open_window: OpenWindow) -> Window:
    """One window, at the sign-in."""
    opened = await open_window()
    await opened.visit("")
    return opened
