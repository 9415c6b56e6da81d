"""What a browser is told about calls from other origins, by the dispatcher over real sockets."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import pytest

from routes.call import Call
from routes.contract.answers import Health
from routes.server.cors import MAX_AGE_S
from tests.integration.one_dispatcher import Browser, dispatching, endpoints_at

SHOP = "https://shop.example.org"
FOREIGN = ("https://evil.example", "null", "https://shop.example.org.evil.example", "", "*")


class Handled:
    """How often the handler ran."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, call: Call) -> Health:
        self.times += 1
        return Health()


@pytest.fixture
def handled() -> Handled:
    return Handled()


Serve = Callable[..., AbstractAsyncContextManager[Browser]]


@pytest.fixture
def serve(handled: Handled) -> Serve:
    """Serves `/x` to browsers of the origins that it is given."""

    def serving(*origins: str) -> AbstractAsyncContextManager[Browser]:
        return dispatching(endpoints_at("/x", handled, ("GET", "POST")), origins=origins)

    return serving


def cors(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "access-control-"
    return {name.lower(): to for name, to in headers.items() if name.lower().startswith(prefix)}


PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type",
}


@pytest.mark.parametrize("origin", [SHOP, *FOREIGN])
async def test_without_configured_origins_no_browser_is_told_anything(
    serve: Serve, origin: str
) -> None:
    async with serve() as browser:
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            async with browser.request(
                method, "/x", headers={"Origin": origin, **PREFLIGHT}
            ) as answer:
                assert cors(answer.headers) == {}
                assert "Vary" not in answer.headers


async def test_a_configured_origin_is_named_and_no_credentials_are_allowed(serve: Serve) -> None:
    async with serve(SHOP, "http://localhost:3000") as browser:
        for path in ("/x", "/nowhere"):
            async with browser.get(path, headers={"Origin": SHOP}) as answer:
                told = cors(answer.headers)
                assert told.pop("access-control-expose-headers")
                assert told == {"access-control-allow-origin": SHOP}
                assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [*FOREIGN, SHOP.upper(), f"{SHOP}/", f"{SHOP}:443"])
async def test_no_other_origin_is_named(serve: Serve, origin: str) -> None:
    async with serve(SHOP) as browser:
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": origin, **PREFLIGHT}
            async with browser.request(method, "/x", headers=headers) as answer:
                assert cors(answer.headers) == {}
                # Or a cache would hand the answer for one origin to another.
                assert answer.headers["Vary"] == "Origin"


async def test_a_preflight_is_answered_and_runs_nothing(serve: Serve, handled: Handled) -> None:
    async with (
        serve(SHOP) as browser,
        browser.options("/x", headers={"Origin": SHOP, **PREFLIGHT}) as answer,
    ):
        assert (answer.status, await answer.read()) == (204, b"")
        told = cors(answer.headers)
    assert told["access-control-allow-origin"] == SHOP
    assert told["access-control-allow-methods"] == "GET, HEAD, OPTIONS, POST"
    assert {"Authorization", "Content-Type"} <= set(
        told["access-control-allow-headers"].split(", ")
    )
    assert told["access-control-max-age"] == str(MAX_AGE_S)
    assert "access-control-allow-credentials" not in told
    assert handled.times == 0
