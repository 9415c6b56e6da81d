"""Calls one Event Service: sends each try, and retries as the call's course decides.

Rule: only this module uses the network, and every try has a timeout.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import aiohttp
from yarl import URL

from .answers import (
    Answer,
    EventForBooking,
    SeatsMoved,
    decoded,
    event_for_booking,
    failure_of,
    seats_moved,
)
from .course import ClientLimits, Course
from .errors import Failure
from .moves import ANY, OnConflict, Version, key_header, move_body, positive

T = TypeVar("T")


class EventServiceClient:
    """Calls one Event Service. Use it as an asynchronous context manager, or `open` and `close` it.

    `url` is the address of the service, `api_key` an internal key. Any number of calls may run at
    once; they share `limits.connections_max` connections.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        limits: ClientLimits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits or ClientLimits()
        self._base = f"{url.rstrip('/')}/internal/events/"
        if URL(self._base).scheme not in {"http", "https"}:
            raise ValueError(f"{url} is not a URL like http://127.0.0.1:8002")
        self._api_key = api_key
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def get_event(self, event_id: str) -> EventForBooking:
        """The event as it is now. Raises EventNotFound, Unavailable or another Refused."""
        course = Course(self._limits, None)
        url = self._url(event_id)
        while True:
            answer = await self._try(course, "GET", url, None, {}, event_for_booking)
            if not isinstance(answer, Failure):
                return answer
            await self._sleep(course.wait_s(answer))

    async def reserve(
        self,
        event_id: str,
        seats: int,
        *,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        key: str | None = None,
    ) -> SeatsMoved:
        """Take `seats` (1 or more) of an event.

        `version` is the one that the caller's decision is based on, "*" for any. If the event has
        changed since: "retry" takes the seats if only the seat count changed; "current" takes
        them whatever has changed, price included; "fail" raises ConcurrentUpdate.

        Raises InsufficientSeats, EventNotModifiable, EventNotFound, ConcurrentUpdate, another
        Refused, Unavailable or OutcomeUnknown.
        """
        url = self._url(event_id, "/update-availability")
        return await self._move(url, -positive(seats), version, on_conflict, key)

    async def return_seats(
        self,
        event_id: str,
        seats: int,
        *,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        key: str | None = None,
    ) -> SeatsMoved:
        """Return `seats` (1 or more) of an event; `version` and the rest as for `reserve`.

        Raises SeatsExceedCapacity, EventNotFound, ConcurrentUpdate, another Refused, Unavailable
        or OutcomeUnknown.
        """
        url = self._url(event_id, "/return-seats")
        return await self._move(url, positive(seats), version, on_conflict, key)

    async def open(self) -> None:
        """Prepare for calls; connections are opened when they are needed."""
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limits.connections_max),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s),
            headers={"X-API-Key": self._api_key, "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept-Encoding",),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _url(self, event_id: str, action: str = "") -> URL:
        return URL(f"{self._base}{quote(event_id, safe='')}{action}", encoded=True)

    async def _move(
        self, url: URL, quantity: int, version: Version, on_conflict: OnConflict, key: str | None
    ) -> SeatsMoved:
        course = Course(self._limits, uuid4().hex if key is None else key)
        headers = {"Idempotency-Key": key_header(course.key), "Content-Type": "application/json"}
        while True:
            body = move_body(quantity, version, on_conflict)
            answer = await self._try(course, "POST", url, body, headers, seats_moved)
            if not isinstance(answer, Failure):
                return answer
            current = answer.details.get("current_version")
            if on_conflict == "current" and _is_conflict(answer) and isinstance(current, int):
                # The refused version can never be current again, so no earlier try can still act.
                wait_s = course.conflict_wait_s(answer)
                course.unknown = False
                version = current
            else:
                wait_s = course.wait_s(answer)
            await self._sleep(wait_s)

    async def _try(
        self,
        course: Course,
        method: str,
        url: URL,
        body: bytes | None,
        headers: Mapping[str, str],
        read: Callable[[Answer, Course], T],
    ) -> T | Failure:
        assert self._session is not None, "the client is not open"
        course.tries += 1
        try:
            async with asyncio.timeout(min(self._limits.try_s, course.left_s())):
                request = self._session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                )
                async with request as response:
                    raw = await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Failure("UNREACHABLE", str(error), again=True)
        except TimeoutError:
            return Failure("TIMEOUT", "No answer in time", again=True, unknown=True)
        except (aiohttp.ClientError, OSError) as error:
            message = f"{type(error).__name__}: {error}"
            return Failure("CONNECTION_LOST", message, again=True, unknown=True)
        answer = Answer(response.status, response.headers, decoded(raw))
        if answer.status != HTTPStatus.OK:
            return failure_of(answer)
        try:
            return read(answer, course)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            message = "The answer does not come from the Event Service"
            return Failure("BAD_ANSWER", message, status=answer.status, again=True, unknown=True)


def _is_conflict(failure: Failure) -> bool:
    return failure.code == "CONCURRENT_UPDATE"
