"""Which requests are plain ones to a hot endpoint, and which targets are cached."""

from dataclasses import replace
from typing import Any

import pytest
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from routes.api import ENDPOINTS
from routes.endpoint import Access, SplitHandler
from routes.server.targets import CACHED_TARGET_BYTES_MAX, Targets
from tests.examples import ADMIN, EVENT, VENUE

READ = f"/internal/events/{EVENT}"


def message(target: str, **changes: Any) -> RawRequestMessage:
    """A plain GET of `target`, as aiohttp parses one, with `changes`."""
    parsed: dict[str, Any] = {
        "method": "GET",
        "path": target,
        "version": HttpVersion11,
        "headers": CIMultiDictProxy(CIMultiDict()),
        "raw_headers": (),
        "should_close": False,
        "compression": None,
        "upgrade": False,
        "chunked": False,
        "url": URL(target, encoded=True),
    }
    return RawRequestMessage(**(parsed | changes))


@pytest.fixture
def targets() -> Targets:
    return Targets(ENDPOINTS)


def test_a_plain_request_is_found_with_its_ids_in_lower_case(targets: Targets) -> None:
    found = targets.find(message(f"/internal/events/{ADMIN.upper()}"))

    assert found is not None
    assert found.endpoint.path == "/internal/events/{event_id}"
    assert found.params == {"event_id": ADMIN}


SPECIAL: dict[str, dict[str, Any]] = {
    "HTTP/1.0": {"version": HttpVersion10},
    "closing": {"should_close": True},
    "an upgrade": {"upgrade": True},
    "chunked": {"chunked": True},
    "HEAD": {"method": "HEAD"},
    "another method": {"method": "POST"},
    "an unknown method": {"method": "BREW"},
}


@pytest.mark.parametrize("changes", SPECIAL.values(), ids=SPECIAL.keys())
def test_a_special_request_is_not_found(targets: Targets, changes: dict[str, Any]) -> None:
    assert targets.find(message(READ)) is not None
    assert targets.find(message(READ, **changes)) is None


@pytest.mark.parametrize("target", ["/nowhere", "/internal/events/x", "*", f"{READ}/"])
def test_a_target_that_is_wrong_is_not_found(targets: Targets, target: str) -> None:
    assert targets.find(message(target)) is None


def test_targets_are_cached_up_to_their_greatest_length(targets: Targets) -> None:
    longest = message(f"{READ}?x=".ljust(CACHED_TARGET_BYTES_MAX, "x"))
    longer = message(f"{longest.path}x")

    assert targets.find(longest) is targets.find(longest)
    assert targets.find(longer) is not targets.find(longer)


def test_the_cache_starts_again_when_it_is_full() -> None:
    targets = Targets(ENDPOINTS, targets_max=2)
    one, two, three = (message(f"{READ}?{number}") for number in range(3))
    first, second = targets.find(one), targets.find(two)
    assert (targets.find(one), targets.find(two)) == (first, second)

    third = targets.find(three)

    assert targets.find(three) is third
    assert targets.find(one) is not first


def test_an_endpoint_that_needs_the_dispatcher_cannot_be_hot() -> None:
    (hot, *_) = (one for one in ENDPOINTS if isinstance(one.handler, SplitHandler))
    with pytest.raises(AssertionError):
        Targets([replace(hot, access=Access.ADMIN)])


def test_a_hold_is_found_and_not_cached_for_it_comes_once() -> None:
    targets = Targets(ENDPOINTS, targets_max=2)
    confirm = message(f"/internal/events/{EVENT}/holds/{VENUE}/confirm", method="POST")

    found = targets.find(confirm)

    assert found is not None
    assert found.params == {"event_id": EVENT, "hold_id": VENUE}
    assert targets.find(confirm) is not found
