"""Which internal keys admit whom."""

from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from routes.auth.internal_keys import KEY_MAX, InternalKeys
from routes.contract.errors import ApiError

KEY, NEXT_KEY = "booking-key-0123456789", "booking-key-9876543210"
KEYS = InternalKeys({"booking": [KEY, NEXT_KEY], "long": ["k" * KEY_MAX]})


def caller(*headers: tuple[str, str], path: str = "/internal/events/x") -> str:
    """Who calls with these headers."""
    return KEYS.authenticate(make_mocked_request("GET", path, CIMultiDict(headers)).headers)


ADMITTED = {
    "X-API-Key": ([("X-API-Key", KEY)], "internal:booking"),
    "the next key, while keys are rotated": ([("X-API-Key", NEXT_KEY)], "internal:booking"),
    "Authorization": ([("Authorization", f"ApiKey {KEY}")], "internal:booking"),
    "the scheme in any case": ([("authorization", f"APIKEY {KEY}")], "internal:booking"),
    "both, and the same": (
        [("X-API-Key", KEY), ("Authorization", f"ApiKey {KEY}")],
        "internal:booking",
    ),
    "beside another scheme": (
        [("X-API-Key", KEY), ("Authorization", "Bearer x.y.z")],
        "internal:booking",
    ),
    "the longest": ([("X-API-Key", "k" * KEY_MAX)], "internal:long"),
}


@pytest.mark.parametrize(("headers", "name"), ADMITTED.values(), ids=ADMITTED.keys())
def test_a_key_names_its_caller(headers: list[tuple[str, str]], name: str) -> None:
    assert caller(*headers) == name


REFUSED = {
    "none": ([], 401),
    "empty": ([("X-API-Key", "")], 401),
    "the scheme alone": ([("Authorization", "ApiKey")], 401),
    "the scheme and a blank": ([("Authorization", "ApiKey ")], 401),
    "another scheme": ([("Authorization", f"Bearer {KEY}")], 401),
    "a longer scheme": ([("Authorization", f"ApiKeyFOO {KEY}")], 401),
    "the key as the scheme": ([("Authorization", KEY)], 401),
    "a letter that is not ASCII": ([("X-API-Key", "ключ")], 401),
    "one too long": ([("X-API-Key", "k" * (KEY_MAX + 1))], 401),
    "both, and not the same": (
        [("X-API-Key", KEY), ("Authorization", f"ApiKey {NEXT_KEY}")],
        401,
    ),
    "both, one of them empty": ([("X-API-Key", KEY), ("Authorization", "ApiKey ")], 401),
    "another key": ([("X-API-Key", "wrong")], 403),
    "a prefix": ([("X-API-Key", KEY[:-1])], 403),
    "more than the key": ([("X-API-Key", KEY + "0")], 403),
    "another case": ([("X-API-Key", KEY.upper())], 403),
    "two keys in one header": ([("X-API-Key", f"{KEY}, {KEY}")], 403),
    "two of X-API-Key": ([("X-API-Key", KEY), ("X-API-Key", KEY)], 400),
    "two of Authorization": ([("Authorization", f"ApiKey {KEY}")] * 2, 400),
}


@pytest.mark.parametrize(("headers", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_key_is_refused(headers: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(ApiError) as refusal:
        caller(*headers)
    assert refusal.value.status == status
    assert refusal.value.headers.get("WWW-Authenticate") == ("ApiKey" if status == 401 else None)


def test_a_byte_that_is_no_text_is_refused() -> None:
    # As aiohttp hands it on; its own mock of a request cannot.
    request = Mock(headers=CIMultiDict({"X-API-Key": "\udcff"}))
    with pytest.raises(ApiError) as refusal:
        KEYS.authenticate(request.headers)
    assert refusal.value.status == 401


def test_a_key_in_the_query_is_not_read() -> None:
    with pytest.raises(ApiError) as refusal:
        caller(path=f"/internal/events/x?api_key={KEY}&X-API-Key={KEY}")
    assert refusal.value.status == 401


def test_no_refusal_repeats_the_key() -> None:
    with pytest.raises(ApiError) as refusal:
        caller(("X-API-Key", "half-a-secret"))
    assert "half-a-secret" not in str(refusal.value.body())


@pytest.mark.parametrize("key", ["", "ключ", "k" * (KEY_MAX + 1)])
def test_a_key_that_nobody_could_send_is_refused_at_start(key: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        InternalKeys({"booking": [KEY, key]})


def test_every_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(given: str, known: str) -> bool:
        compared.append(known)
        return given == known

    monkeypatch.setattr("routes.auth.internal_keys.compare_digest", compare)
    assert caller(("X-API-Key", KEY)) == "internal:booking"
    assert len(compared) == 3
