"""What every client does with a call: sends its tries, and retries as the call's course decides.

Rules
1. A request that the service could misread, or would refuse as invalid, is never sent: a value of a
   wrong type is a TypeError, one out of range a ValueError.
2. Whatever ends a call, its key is not lost: see `key_of`.

A client is a small class of calls over this one; seat moves, public reads and admin calls have a
module each.
"""

import asyncio
import copy
import re
import ssl as tls
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeAlias, TypeVar

import aiohttp

from .course import ClientLimits, Course, Safety
from .decode import read
from .errors import Failure, carry_key
from .sent import key_header
from .transport import Answer, HttpTransport, Request, Transport, failure_of

T = TypeVar("T")
C = TypeVar("C", bound="Calls")

_REQUEST_ID = re.compile(r"[!-~]{1,64}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Retry:
    """What the retry hook is told before each wait; `call` is the name of the client's method."""

    call: str
    key: str | None
    code: str
    status: int | None
    tries: int
    wait_s: float


RetryHook: TypeAlias = Callable[[Retry], object]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call: what to send, how to read its answer, and what makes it safe to send again.

    `body_at` gives the body for another version of the event, where the client is to resolve
    conflicts by itself. `waits_s` is how long the service may wait before it answers.
    """

    name: str
    method: str
    target: str
    read: Callable[[Answer, Course], T]
    body: bytes | None = None
    safety: Safety = Safety.READ
    key: str | None = None
    body_at: Callable[[int], bytes] | None = None
    waits_s: float = 0.0


def body_as(shape: type[T]) -> Callable[[Answer, Course], T]:
    """Reads an answer's body as a `shape`."""
    return lambda answer, _: read(shape, answer.body)


@dataclass(frozen=True, slots=True)
class _Options:
    timeout_s: float | None = None
    request_id: str | None = None
    traceparent: str | None = None


class Calls:
    """Calls one service. Use it as an asynchronous context manager, or `close` it.

    `url` is the address of the service. Any number of calls may run at once, on one event loop.
    `session` is an aiohttp session to use instead of one of the client's own, `ssl` a TLS context,
    `on_retry` is called before each wait for another try; what it raises ends the call. `transport`
    takes the place of HTTP in tests: see `evently_client.testing`.
    """

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl: tls.SSLContext | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._limits = limits or ClientLimits()
        self._transport = transport or HttpTransport(url, self._limits, session, ssl)
        self._on_retry = on_retry
        self._options = _Options()

    def with_options(
        self: C,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        traceparent: str | None = None,
    ) -> C:
        """The same client with options for its calls; both share their connections.

        `timeout_s` bounds a call with all of its tries, in place of `limits.call_s`. `request_id`
        and `traceparent` go to the service, for its log and its spans. What is None stays as it is.
        """
        now = self._options
        view = copy.copy(self)
        view._options = _Options(  # noqa: SLF001 - it is of the same class
            now.timeout_s if timeout_s is None else _positive_s(timeout_s),
            _matching("request_id", request_id, _REQUEST_ID) or now.request_id,
            _matching("traceparent", traceparent, _TRACEPARENT) or now.traceparent,
        )
        return view

    def _briefly(self: C, most_s: float) -> C:
        """The same client, whose calls last `most_s` at most."""
        given_s = self._options.timeout_s
        return self.with_options(timeout_s=most_s if given_s is None else min(most_s, given_s))

    async def close(self) -> None:
        """Close the client's own connections; a session that was given stays open."""
        await self._transport.close()

    async def __aenter__(self: C) -> C:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _credentials(self) -> Mapping[str, str]:
        """The headers that say who calls."""
        return {}

    async def _call(self, call: Call[T]) -> T:
        course = Course(self._limits, call.safety, call.key, self._options.timeout_s)
        try:
            return await self._tries(call, course)
        except asyncio.CancelledError as cancelled:
            carry_key(cancelled, call.key)
            raise

    async def _tries(self, call: Call[T], course: Course) -> T:
        body, headers = call.body, self._headers(call)
        while True:
            course.tries += 1
            request = Request(call.method, call.target, headers, body)
            found = await self._try(call, request, course)
            if not isinstance(found, Failure):
                return found
            current = found.details.get("current_version")
            if call.body_at and found.code == "CONCURRENT_UPDATE" and isinstance(current, int):
                wait_s = course.conflict_wait_s(found)
                body = call.body_at(current)
            else:
                wait_s = course.wait_s(found)
            self._tell_retry(call.name, call.key, found, course.tries, wait_s)
            await self._transport.wait(wait_s)

    def _tell_retry(
        self, name: str, key: str | None, failure: Failure, tries: int, wait_s: float
    ) -> None:
        if self._on_retry is not None:
            self._on_retry(Retry(name, key, failure.code, failure.status, tries, wait_s))

    async def _try(self, call: Call[T], request: Request, course: Course) -> T | Failure:
        # The wait before this try may have taken longer than it was meant to.
        if (timeout_s := course.try_s(call.waits_s)) <= 0.0:
            return Failure("TIMEOUT", "The call's time is over", again=True)
        answer = await self._transport.send(request, timeout_s)
        if isinstance(answer, Failure):
            return answer
        if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            return failure_of(answer)
        try:
            return call.read(answer, course)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            message = "The answer does not come from the Event Service"
            return Failure("BAD_ANSWER", message, status=answer.status, again=True, unknown=True)

    def _headers(self, call: Call[T]) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers.update(self._credentials())
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.key is not None:
            headers["Idempotency-Key"] = key_header(call.key)
        if self._options.request_id is not None:
            headers["X-Request-ID"] = self._options.request_id
        if self._options.traceparent is not None:
            headers["traceparent"] = self._options.traceparent
        return headers


def _positive_s(seconds: float) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"timeout_s must be a number of seconds, not {seconds!r}")
    if not seconds > 0.0:
        raise ValueError(f"timeout_s must be more than 0, not {seconds!r}")
    return float(seconds)


def _matching(name: str, text: str | None, pattern: re.Pattern[str]) -> str | None:
    if text is not None and not isinstance(text, str):
        raise TypeError(f"{name} must be a string, not {text!r}")
    if text is not None and not pattern.fullmatch(text):
        raise ValueError(f"{name} must match {pattern.pattern}, and {text!r} does not")
    return text
