"""A dispatcher over real sockets, with endpoints of a test's own and nothing behind them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from evently.domain.outcomes import Answer
from routes.contract.answers import Health
from routes.endpoint import Endpoint, Handler
from routes.server.admission import Admission
from routes.server.dispatch import Dispatcher
from routes.services import Services

Browser: TypeAlias = TestClient[web.BaseRequest, None]


class Observed:
    """Remembers the statuses that were answered."""

    asks_for_names = False

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self.statuses.append(status)

    def served(self, service: str, status: int) -> None:
        raise AssertionError("no service calls here")

    def moved(self, kind: str, answer: Answer) -> None:
        raise AssertionError("no seat moves here")

    def refused(self, code: str) -> None: ...

    def move_failed(self, kind: str, code: str) -> None:
        raise AssertionError("no seat moves here")

    async def exposition(self) -> bytes:
        return b""


def endpoints_at(path: str, handler: Handler, methods: Iterable[str]) -> list[Endpoint]:
    """Endpoints that anybody may call."""
    return [
        Endpoint(method=method, path=path, handler=handler, tag="", summary="", answer=Health)
        for method in methods
    ]


@asynccontextmanager
async def dispatching(
    endpoints: Iterable[Endpoint],
    *,
    origins: Iterable[str] = (),
    observed: Observed | None = None,
) -> AsyncIterator[Browser]:
    """A client of a dispatcher with these endpoints."""
    parts: Any = SimpleNamespace(
        observer=observed or Observed(),
        cors_origins=frozenset(origins),
        lifecycle=SimpleNamespace(draining=False),
    )
    dispatcher = Dispatcher(endpoints, Admission(cast("Services", parts)))
    browser: Browser = TestClient(RawTestServer(dispatcher))
    async with browser:
        yield browser
