"""One window with the console: what an organiser does there, and what went wrong meanwhile."""

import re
from urllib.parse import urlsplit
from uuid import uuid4

from playwright.async_api import ConsoleMessage, Page, Request, Response, expect

from tests.acceptance.service import Service
from tests.browser.people import PASSWORD, add_admin

# The browser itself says so much in the console about each answer that is an error.
_ABOUT_ANSWERS = re.compile(r"Failed to load resource: the server responded with a status of")
REPORT = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Window:
    """A browser's window, and what it must not have seen."""

    def __init__(self, page: Page, service: Service) -> None:
        self.page = page
        self.url = service.process.url
        self._service = service
        self._access_token = ""
        # Statuses that the test brings about.
        self.expected: set[int] = set()
        self.requests: list[Request] = []
        self._wrong: list[str] = []
        self._refused: list[tuple[int, str]] = []

    async def watch(self) -> None:
        """Note whatever goes wrong in the page."""
        page = self.page
        await page.add_init_script(REPORT)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._wrong.append(f"script: {error}"))
        page.on("request", self._sent)
        page.on("response", self._answered)

    def assert_clean(self) -> None:
        """Check that nothing went wrong but what the test expects."""
        refused = [one for one in self._refused if one[0] not in self.expected]
        assert self._wrong + refused == []

    def sent(self, method: str, path: str) -> int:
        """How many requests of this kind the page has sent."""
        return sum(one.method == method and path in urlsplit(one.url).path for one in self.requests)

    async def visit(self, place: str) -> None:
        """Open the console at a place, as an address that was typed."""
        await self.page.goto(f"{self.url}/console{place and f'#{place}'}")

    async def register(self, name: str = "Ada") -> str:
        """Create an account; its email. The window is then at the events."""
        email = f"{uuid4().hex}@example.org"
        page = self.page
        await page.get_by_role("button", name="Create an account").click()
        await page.get_by_label("Name", exact=True).fill(name)
        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Create account").click()
        await self.at("My events")
        return email

    async def enter(self, name: str = "Ada", role: str = "event_manager") -> str:
        """Sign in as an admin who has just been added, wherever the address leads; their email."""
        email = await add_admin(self._service, name, role)
        async with self.page.expect_response("**/auth/admin/login") as answered:
            await self.sign_in(email)
        self._access_token = (await (await answered.value).json())["access_token"]
        await self.page.locator("header").wait_for()
        return email

    async def sign_in(self, email: str, password: str = PASSWORD) -> None:
        """Sign in."""
        await self.page.get_by_label("Email").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def at(self, heading: str) -> None:
        """Wait until the page with this heading shows."""
        await self.page.locator("h1", has_text=heading).wait_for()

    async def create_event(
        self,
        name: str,
        *,
        seats: int = 1000,
        price: float = 25.5,
        starts: str = "2035-06-01T19:00:00Z",
    ) -> str:
        """Create a draft of who has just entered, by the API; its id. The window shows it."""
        headers = {"Authorization": f"Bearer {self._access_token}"}
        clients = self._service.clients
        venue = await clients.create_venue(
            headers, name=f"Hall of {name}"[:120], capacity=5000, timezone="Europe/London"
        )
        event = await clients.create_event(
            headers,
            venue["venue_id"],
            name=name,
            start_datetime=starts,
            end_datetime=starts.replace("T19", "T22"),
            total_capacity=seats,
            base_price=price,
        )
        await self.visit(f"/events/{event['event_id']}")
        await self.at(name)
        event_id: str = event["event_id"]
        return event_id

    async def publish(self) -> None:
        """Publish the event that is shown."""
        await self.page.get_by_role("button", name="Publish").click()
        await self.at("On sale")

    async def lists(self, *names: str) -> None:
        """Wait until the list that is shown has exactly these names."""
        await expect(self.page.locator(".results tbody .name")).to_have_text(list(names))

    async def seats(self, kind: str) -> int:
        """What the event's page shows of its seats: sold, held, kept or free."""
        shown = await self.page.locator(f"[data-seats={kind}]").inner_text()
        return int(shown.replace(",", ""))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _ABOUT_ANSWERS.match(message.text):
            self._wrong.append(f"console: {message.text}")

    def _sent(self, request: Request) -> None:
        self.requests.append(request)
        if not request.url.startswith(self.url):
            self._wrong.append(f"asked somebody else: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._refused.append((response.status, response.url))
