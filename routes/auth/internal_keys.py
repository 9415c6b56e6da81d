"""Authenticates services by their internal key.

Rule: every key is compared in constant time, and always all of them, so that response times reveal
neither how much of a key was right nor which one matched. Every seat move comes through here, in
half a microsecond; hashing, which would hide the keys' length as well, would double that.
"""

from collections.abc import Mapping, Sequence
from hmac import compare_digest

from multidict import MultiMapping

from routes.contract.errors import ApiError, forbidden, unauthorized
from routes.contract.headers import API_KEY, AUTHORIZATION, sent_once

# Eight times the length of a 256-bit key in hexadecimal; comparing more would be a waste.
KEY_MAX = 512
SCHEME = "ApiKey"
# What a service's name as a caller begins with.
SERVICE_PREFIX = "internal:"


class InternalKeys:
    """The keys of each service by its name, several of them while one is rotated; all are ASCII."""

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        self._keys = tuple(
            (key, f"{SERVICE_PREFIX}{name}") for name, its in keys.items() for key in its
        )
        if not all(key and key.isascii() and len(key) <= KEY_MAX for key, _ in self._keys):
            raise ValueError(f"an internal key is 1 to {KEY_MAX} ASCII characters")

    def authenticate(self, headers: MultiMapping[str]) -> str:
        """The caller's name, `internal:<name>`. Raises ApiError 400, 401 or 403."""
        key = sent_once(headers, API_KEY)
        if AUTHORIZATION in headers:
            key = _one_of(key, sent_once(headers, AUTHORIZATION) or "")
        if not key:
            raise _unknown(f"An internal key is needed: X-API-Key, or Authorization: {SCHEME}")
        if len(key) > KEY_MAX or not key.isascii():
            raise _unknown("The internal key is malformed")
        caller = ""
        for known, name in self._keys:
            if compare_digest(key, known):
                caller = name
        if not caller:
            raise forbidden("The internal key is wrong")
        return caller


def _one_of(key: str | None, authorization: str) -> str | None:
    """The key in either header; an Authorization with another scheme is ignored."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != SCHEME.lower():
        return key
    if key is not None and key != given.strip():
        raise _unknown("X-API-Key and Authorization hold different keys")
    return given.strip()


def _unknown(message: str) -> ApiError:
    return unauthorized(message, SCHEME)
