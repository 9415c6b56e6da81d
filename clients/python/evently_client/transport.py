"""Sends one try over HTTP, and says what became of it.

Rule: only this module uses the network; every try has a timeout, and is sent once.
"""

import asyncio
import ssl as tls
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
from yarl import URL

from .course import ClientLimits
from .decode import decoded
from .errors import Failure

# Codes by which the service says that nothing was done; any other 5xx may come from a proxy.
NOTHING_DONE = frozenset({"OVERLOADED", "DATABASE_UNAVAILABLE", "RATE_LIMITED", "REQUEST_TIMEOUT"})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `target` is its path and query, encoded."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is None if it was not JSON. Header names ignore case."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Transport(Protocol):
    """What carries requests to a service, real or not."""

    async def send(self, request: Request, timeout_s: float) -> Answer | Failure:
        """The answer, or why there is none."""
        ...

    async def wait(self, wait_s: float) -> None:
        """Let the time before another try pass."""
        ...

    async def close(self) -> None:
        """Close whatever the transport has opened."""
        ...


class HttpTransport:
    """HTTP to the service at `url`, over a session of its own or over the one it is given.

    `ssl` is the TLS context for https. A session that was given is not closed here.
    """

    def __init__(
        self,
        url: str,
        limits: ClientLimits,
        session: aiohttp.ClientSession | None = None,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        self._base = url.rstrip("/")
        if URL(self._base).scheme not in {"http", "https"}:
            raise ValueError(f"{url} is not a URL like http://127.0.0.1:8002")
        self._limits = limits
        self._given = session
        self._own: aiohttp.ClientSession | None = None
        self._ssl: tls.SSLContext | bool = True if ssl is None else ssl

    async def send(self, request: Request, timeout_s: float) -> Answer | Failure:
        """The answer, or why there is none."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self._limits.connect_s)
        session = self._session()
        try:
            async with session.request(
                request.method,
                URL(f"{self._base}{request.target}", encoded=True),
                data=request.body,
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
                ssl=self._ssl,
                middlewares=_middlewares(session) if request.method in _RESENT else None,
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Failure("UNREACHABLE", str(error), again=True)
        except asyncio.TimeoutError:
            return Failure("TIMEOUT", "No answer in time", again=True, unknown=True)
        except (aiohttp.ClientError, OSError) as error:
            message = f"{type(error).__name__}: {error}"
            return Failure("CONNECTION_LOST", message, again=True, unknown=True)
        return Answer(response.status, response.headers, decoded(raw))

    async def wait(self, wait_s: float) -> None:
        """Let the time before another try pass."""
        await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Close the connections of the session of its own."""
        if self._own is not None:
            session, self._own = self._own, None
            await session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limits.connections_max),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._own


# aiohttp sends these again by itself when a kept connection breaks.
_RESENT = frozenset({"PUT", "DELETE"})


def _middlewares(session: aiohttp.ClientSession) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """Those of the session, which has no public name for them, and the one that sends once."""
    return (*getattr(session, "_middlewares", ()), _Once())


class _Once:
    """Keeps aiohttp from sending a change twice: the second would be refused for the first."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send it the first time."""
        if self._sent:
            raise aiohttp.ServerDisconnectedError
        self._sent = True
        return await handler(request)


def failure_of(answer: Answer) -> Failure:
    """The failure in `answer`, and whether it may be retried."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or f"HTTP_{answer.status}")
    details = error.get("details")
    nothing_done = code in NOTHING_DONE
    server_side = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failure(
        code,
        str(error.get("message") or f"HTTP status {answer.status}"),
        details if isinstance(details, dict) else {},
        answer.status,
        answer.headers.get("X-Request-ID"),
        again=server_side or nothing_done or answer.status == HTTPStatus.TOO_MANY_REQUESTS,
        unknown=server_side and not nothing_done,
        wait_s=_retry_after_s(answer.headers.get("Retry-After")),
    )


def _retry_after_s(header: str | None) -> float | None:
    """RFC 9110, section 10.2.3: seconds or a date; None for neither."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())
