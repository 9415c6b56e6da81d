"""The HTTP client of a service under test: requests, whole answers, and the check of both.

Rule: `call` validates every answer against the service's own OpenAPI document; `send` does not.
"""

import http
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tests.acceptance.contract import AnswerChecker

_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.body[:400]!r}>"

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error code; None for a success."""
        if self.status < http.HTTPStatus.BAD_REQUEST:
            return None
        code: str = self.json["error"]["code"]
        return code

    @property
    def details(self) -> dict[str, Any]:
        """What an error tells beside its code."""
        details: dict[str, Any] = self.json["error"]["details"]
        return details


class ServiceApi:
    """Sends requests to the service at `url()`, with `internal_key` where a service calls."""

    def __init__(self, url: Callable[[], str], internal_key: str) -> None:
        self.internal_key = internal_key
        self._url = url
        self._checker: AnswerChecker | None = None
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Self]:
        """Within it, requests can be sent from the running loop."""
        patience = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=patience
            ) as session,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=patience
            ) as fresh,
        ):
            self._session, self._fresh = session, fresh
            try:
                yield self
            finally:
                self._session = self._fresh = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = _NOTHING,
        raw: bytes | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Send `body` as JSON, or the bytes `raw`; `fresh` makes a connection for this alone."""
        session = self._fresh if fresh else self._session
        assert session is not None, "the service is not connected"
        sent = CIMultiDict(headers or {})
        data = raw
        if body is not _NOTHING:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = URL(self._url() + path, encoded=True)
        async with session.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = _NOTHING,
        raw: bytes | None = None,
        fresh: bool = False,
    ) -> Answer:
        """`send`, with the answer checked against the service's own OpenAPI document."""
        answer = await self.send(method, path, headers=headers, body=body, raw=raw, fresh=fresh)
        checker = await self.checker()
        pattern = checker.pattern_of(path)
        checker.check(method, pattern, answer.status, answer.headers, answer.body)
        return answer

    async def checker(self) -> AnswerChecker:
        """What answers are checked with."""
        if self._checker is None:
            document = await self.send("GET", "/openapi.json")
            self._checker = AnswerChecker(document.json)
        return self._checker

    @property
    def internal(self) -> dict[str, str]:
        """The headers of the booking service."""
        return {"X-API-Key": self.internal_key}
