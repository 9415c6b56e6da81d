"""Asks the user service about admin tokens that this service did not sign.

Rule: only a clear "this is an admin" admits; every other answer is a no. No answer is neither: it
raises UserServiceUnavailable, and is remembered only as a failure of the user service.

`POST {url}/internal/auth/verify` with `{"token": ...}` and our `X-API-Key`. It is a yes if the
status is 200 and the body a JSON object in which `valid` or `active` (RFC 7662's word) is true and
neither is anything else, `admin_id`, `user_id` or `sub` (the first one present) is a UUID, and
`role` is one of this service's roles. Status 408, 429 and 5xx are no answer; all others are a no.
"""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp

from evently.domain.admins import Admin, role_of
from routes.auth.circuit_breaker import CircuitBreaker
from routes.contract.fields import canonical_uuid
from routes.request_context import traceparent_now

PATH = "/internal/auth/verify"
TIMEOUT_S = 2.0
# For this long, an admin who was removed there may still act here.
CACHED_S = 30.0
# 10 000 answers of 200 bytes; the least recently used goes first.
CACHED_MAX = 10_000
# Requests in flight from one worker: junk tokens must not flood the user service.
IN_FLIGHT_MAX = 32
RETRY_AFTER_S = 2
# A real answer takes 200 bytes.
ANSWER_BYTES_MAX = 16 * 1024

_NO_ANSWER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_IDS = ("admin_id", "user_id", "sub")
_YES = ("valid", "active")


class UserServiceUnavailable(Exception):
    """The user service does not answer; it may again after `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class UserService:
    """A client of the user service. Close it when done."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        cached_s: float = CACHED_S,
        cached_max: int = CACHED_MAX,
        in_flight_max: int = IN_FLIGHT_MAX,
        breaker: CircuitBreaker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/") + PATH
        self._headers = {"X-API-Key": api_key}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._cached_s = min(cached_s, CACHED_S)
        self._cached_max = cached_max
        self._in_flight_max = in_flight_max
        self._breaker = breaker or CircuitBreaker()
        self._clock = clock
        self._in_flight = 0
        self._session: aiohttp.ClientSession | None = None
        self._cache: OrderedDict[bytes, tuple[float, Admin | None]] = OrderedDict()

    async def verify(self, token: str) -> Admin | None:
        """The admin whose token this is, or None. Raises UserServiceUnavailable."""
        key = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(key)
        if cached is not None and self._clock() < cached[0]:
            self._cache.move_to_end(key)
            return cached[1]
        answer = await self._ask_once(token)
        self._remember(key, answer)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _remember(self, key: bytes, answer: Admin | None) -> None:
        self._cache[key] = (self._clock() + self._cached_s, answer)
        self._cache.move_to_end(key)
        while len(self._cache) > self._cached_max:
            self._cache.popitem(last=False)

    async def _ask_once(self, token: str) -> Admin | None:
        if self._in_flight >= self._in_flight_max or not self._breaker.admits():
            raise self._unavailable()
        self._in_flight += 1
        try:
            answer = await self._ask(token)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._breaker.failed()
            raise self._unavailable() from error
        finally:
            self._in_flight -= 1
        self._breaker.succeeded()
        return answer

    def _unavailable(self) -> UserServiceUnavailable:
        return UserServiceUnavailable(max(RETRY_AFTER_S, int(self._breaker.retry_after_s)))

    async def _ask(self, token: str) -> Admin | None:
        """The answer. Raises ClientError or TimeoutError if there is none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers=self._headers)
        # Following a redirect would send the key and the token to wherever it points.
        traceparent = traceparent_now.get()
        async with self._session.post(
            self._url,
            json={"token": token},
            headers={"traceparent": traceparent} if traceparent else None,
            allow_redirects=False,
        ) as response:
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status in _NO_ANSWER:
                raise aiohttp.ClientPayloadError(f"status {response.status}")
            if response.status != HTTPStatus.OK:
                return None
            return admin_in(await _bounded(response))


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body, or nothing if it is longer than a real answer."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            return b""
    return bytes(body)


def admin_in(body: bytes) -> Admin | None:
    """The admin that the user service's answer names, or None for every other answer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or not _is_yes(answer):
        return None
    admin_id = next((answer[name] for name in _IDS if name in answer), None)
    canonical = canonical_uuid(admin_id) if isinstance(admin_id, str) else None
    role = role_of(answer.get("role"))
    return None if canonical is None or role is None else Admin(canonical, role)


def _is_yes(answer: dict[str, Any]) -> bool:
    said = [answer[name] for name in _YES if name in answer]
    return bool(said) and all(word is True for word in said)
