"""The Event Service as a booking service calls it: read an event, reserve seats, return seats.

It needs aiohttp and nothing else of this project, so that the file may be copied.

Rules
1. Every move has one Idempotency-Key for all of its tries, so a try whose answer was lost is
   simply sent again: seats move once, whatever happens to connections.
2. Tried again: 503, 429, other 5xx, lost connections, timeouts; with full jitter, after
   Retry-After, a bounded number of times within a bounded time. Never: a refusal.
3. An error says what is certain. `Refused` and `Unavailable`: nothing changed. `OutcomeUnknown`:
   the seats may have moved; the same call with its `key` tells, also from another process.

    async with EventServiceClient("http://127.0.0.1:8002", api_key) as events:
        event = await events.get_event(event_id)
        try:
            moved = await events.reserve(event_id, 2, version=event.version)
        except InsufficientSeats as error:
            print(f"only {error.available} left")

A booking that must survive a crash of its own process stores a key of its own first, passes it as
`key`, and makes the same call with it after the restart: with `version="*"` or the same version.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import uuid4

import aiohttp
from yarl import URL

OnConflict: TypeAlias = Literal["retry", "current", "fail"]
Version: TypeAlias = int | Literal["*"]

T = TypeVar("T")

ANY: Literal["*"] = "*"
KEY_MAX = 255
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._:~/+=-]+")


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """The bounds of a call. Waits between tries are drawn from 0 to `backoff_s` * 2^n."""

    # Eight tries wait 3.5 s on average, 7 s at most: that outlasts the restart of a worker.
    tries_max: int = 8
    # A conflict costs a round trip; whoever loses ten in a row should opt for `retry`.
    conflicts_max: int = 10
    # Over the service's own longest wait for a seat move: 2 s in the queue, 3 s to commit.
    try_s: float = 8.0
    connect_s: float = 2.0
    # All tries of one call; a person waits no longer for a booking.
    call_s: float = 30.0
    backoff_s: float = 0.1
    backoff_max_s: float = 2.0
    # A conflict is over as soon as the other's commit is: milliseconds.
    conflict_backoff_s: float = 0.002
    conflict_backoff_max_s: float = 0.05
    connections_max: int = 100


@dataclass(frozen=True, slots=True)
class EventForBooking:
    """What a booking needs to know of an event."""

    event_id: str
    available_seats: int
    max_tickets_per_booking: int
    base_price: Decimal
    version: int
    status: str


@dataclass(frozen=True, slots=True)
class SeatsMoved:
    """The event after a committed move, and how the call went.

    `replayed` tells that an earlier try under the same key had moved the seats; `tries` and
    `conflicts` count what it took.
    """

    event_id: str
    available_seats: int
    status: str
    version: int
    key: str
    replayed: bool = False
    tries: int = 1
    conflicts: int = 0


class EventServiceError(Exception):
    """A call that failed.

    `code` and `details` are the service's own; where no answer came, `code` is UNREACHABLE (the
    request never left), CONNECTION_LOST or TIMEOUT. `status` is None then.
    """

    def __init__(self, failure: "Failure", course: "_Course") -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.code = failure.code
        self.message = failure.message
        self.details: Mapping[str, Any] = failure.details
        self.status = failure.status
        self.request_id = failure.request_id
        self.key = course.key
        self.tries = course.tries
        self.conflicts = course.conflicts


class Refused(EventServiceError):
    """The service said no; nothing changed, and the same call would be refused again."""


class InvalidRequest(Refused):
    """The service does not understand the request: a bug of the caller's, or of this client."""

    @property
    def fields(self) -> list[dict[str, str]]:
        """Each bad field with what is wrong with it."""
        return list(self.details.get("fields", ()))


class Unauthorized(Refused):
    """The internal key is missing, unknown or not allowed."""


class EventNotFound(Refused):
    """No such event, or not published."""


class EventNotModifiable(Refused):
    """The event has started or is cancelled."""

    @property
    def event_status(self) -> str | None:
        """The event's status, where the service told it."""
        return self.details.get("status")


class InsufficientSeats(Refused):
    """Fewer seats are left than were asked for; final."""

    @property
    def requested(self) -> int:
        """Seats asked for."""
        return int(self.details["requested"])

    @property
    def available(self) -> int:
        """Seats left."""
        return int(self.details["available"])


class SeatsExceedCapacity(Refused):
    """More seats were returned than are out."""

    @property
    def requested(self) -> int:
        """Seats to be returned."""
        return int(self.details["requested"])

    @property
    def returnable(self) -> int:
        """Seats that are out."""
        return int(self.details["returnable"])


class ConcurrentUpdate(Refused):
    """The event has changed since the caller's version, in a way that the caller did not allow."""

    @property
    def current_version(self) -> int | None:
        """The version to decide on anew."""
        return self.details.get("current_version")

    @property
    def available_seats(self) -> int | None:
        """Seats left at that version."""
        return self.details.get("available_seats")

    @property
    def event_status(self) -> str | None:
        """The event's status at that version."""
        return self.details.get("status")


class KeyReused(Refused):
    """The key was used before, with another request."""


class Unavailable(EventServiceError):
    """The service could not do it in any try; nothing changed."""


class OutcomeUnknown(EventServiceError):
    """The seats may have moved: the same call with this `key` tells."""

    key: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What came instead of a success, in one try.

    `again` tells that another try makes sense, not before `wait_s`; `unknown` that this one may
    have moved the seats.
    """

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    status: int | None = None
    request_id: str | None = None
    again: bool = False
    unknown: bool = False
    wait_s: float = 0.0


_REFUSALS: Mapping[str, type[Refused]] = {
    "VALIDATION_ERROR": InvalidRequest,
    "PAYLOAD_TOO_LARGE": InvalidRequest,
    "UNSUPPORTED_MEDIA_TYPE": InvalidRequest,
    "UNAUTHORIZED": Unauthorized,
    "EVENT_NOT_FOUND": EventNotFound,
    "EVENT_NOT_MODIFIABLE": EventNotModifiable,
    "INSUFFICIENT_SEATS": InsufficientSeats,
    "SEATS_EXCEED_CAPACITY": SeatsExceedCapacity,
    "CONCURRENT_UPDATE": ConcurrentUpdate,
    "IDEMPOTENCY_KEY_REUSED": KeyReused,
}
# The service gives these only after it has looked for the key: no earlier try moved the seats.
# Of a 401, which a rotated key may get, that cannot be said.
_PROOFS = frozenset(
    {
        "EVENT_NOT_FOUND",
        "EVENT_NOT_MODIFIABLE",
        "INSUFFICIENT_SEATS",
        "SEATS_EXCEED_CAPACITY",
        "CONCURRENT_UPDATE",
    }
)
# With these the service says that nothing was done; any other 5xx may be a proxy's guess.
_NOTHING_DONE = frozenset({"OVERLOADED", "DATABASE_UNAVAILABLE", "RATE_LIMITED", "REQUEST_TIMEOUT"})


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came over the wire; `body` is None where that was no JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


class _Course:
    """How one call has gone so far: whether there is another try, and when."""

    __slots__ = ("_deadline_s", "_limits", "conflicts", "key", "tries", "unknown")

    def __init__(self, limits: ClientLimits, key: str | None) -> None:
        self._limits = limits
        self._deadline_s = time.monotonic() + limits.call_s
        self.key = key
        self.tries = 0
        self.conflicts = 0
        self.unknown = False

    def wait_s(self, failure: Failure) -> float:
        """How long to wait before the next try. Raises the call's error when there is none."""
        self.unknown = self.unknown or failure.unknown
        if not failure.again:
            raise self._final(failure)
        limits = self._limits
        most_s = min(limits.backoff_max_s, limits.backoff_s * 2.0 ** (self.tries - 1))
        return self._within(failure, self.tries - self.conflicts, limits.tries_max, most_s)

    def conflict_wait_s(self, failure: Failure) -> float:
        """The same after a conflict that the caller lets us take on."""
        self.conflicts += 1
        limits = self._limits
        backoff_s = limits.conflict_backoff_s * 2.0 ** (self.conflicts - 1)
        most_s = min(limits.conflict_backoff_max_s, backoff_s)
        return self._within(failure, self.conflicts, limits.conflicts_max, most_s)

    def left_s(self) -> float:
        """Seconds until the call is over."""
        return self._deadline_s - time.monotonic()

    def _within(self, failure: Failure, count: int, count_max: int, most_s: float) -> float:
        # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        wait_s = failure.wait_s + random.uniform(0.0, most_s)  # noqa: S311 - spreads load only
        if count >= count_max or wait_s >= self.left_s():
            raise self._final(failure)
        return wait_s

    def _final(self, failure: Failure) -> EventServiceError:
        if self.unknown and self.key is not None and failure.code not in _PROOFS:
            return OutcomeUnknown(failure, self)
        if failure.again:
            return Unavailable(failure, self)
        return _REFUSALS.get(failure.code, Refused)(failure, self)


class EventServiceClient:
    """Calls one Event Service. An asynchronous context manager, or `open` and `close`.

    `url` is where the service answers; `api_key` its internal key. Any number of calls may run at
    once; `limits.connections_max` connections carry them.
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
            raise ValueError(f"{url} is no URL like http://127.0.0.1:8002")
        self._api_key = api_key
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def get_event(self, event_id: str) -> EventForBooking:
        """The event as it is now. Raises EventNotFound, Unavailable or another Refused."""
        course = _Course(self._limits, None)
        url = self._url(event_id)
        while True:
            answer = await self._try(course, "GET", url, None, {}, _event)
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

        `version` is the one the caller decided on, "*" for any. When the event has moved on:
        "retry" takes the seats all the same as long as only the seat count changed; "current"
        takes them at whatever the event has become, price included; "fail" raises
        ConcurrentUpdate. Raises InsufficientSeats, EventNotModifiable, EventNotFound,
        ConcurrentUpdate, another Refused, Unavailable or OutcomeUnknown.
        """
        url = self._url(event_id, "/update-availability")
        return await self._move(url, -_positive(seats), version, on_conflict, key)

    async def return_seats(
        self,
        event_id: str,
        seats: int,
        *,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        key: str | None = None,
    ) -> SeatsMoved:
        """Give back `seats` (1 or more) of an event; `version` and the rest as for `reserve`.

        Raises SeatsExceedCapacity, EventNotFound, ConcurrentUpdate, another Refused, Unavailable
        or OutcomeUnknown.
        """
        url = self._url(event_id, "/return-seats")
        return await self._move(url, _positive(seats), version, on_conflict, key)

    async def open(self) -> None:
        """Make ready to call; connections are made when they are needed."""
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

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _url(self, event_id: str, action: str = "") -> URL:
        return URL(f"{self._base}{quote(event_id, safe='')}{action}", encoded=True)

    async def _move(
        self, url: URL, quantity: int, version: Version, on_conflict: OnConflict, key: str | None
    ) -> SeatsMoved:
        course = _Course(self._limits, uuid4().hex if key is None else key)
        headers = {"Idempotency-Key": _key_header(course.key), "Content-Type": "application/json"}
        while True:
            body = _body(quantity, version, on_conflict)
            answer = await self._try(course, "POST", url, body, headers, _moved)
            if not isinstance(answer, Failure):
                return answer
            current = answer.details.get("current_version")
            if on_conflict == "current" and _is_conflict(answer) and isinstance(current, int):
                # The refused version can never come back, so no earlier try can act any more.
                wait_s = course.conflict_wait_s(answer)
                course.unknown = False
                version = current
            else:
                wait_s = course.wait_s(answer)
            await self._sleep(wait_s)

    async def _try(
        self,
        course: _Course,
        method: str,
        url: URL,
        body: bytes | None,
        headers: Mapping[str, str],
        read: Callable[[_Answer, _Course], T],
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
        answer = _Answer(response.status, response.headers, _json(raw))
        if answer.status != HTTPStatus.OK:
            return _failure(answer)
        try:
            return read(answer, course)
        except (KeyError, TypeError, ValueError, ArithmeticError):
            message = "The answer is not one of the Event Service"
            return Failure("BAD_ANSWER", message, status=answer.status, again=True, unknown=True)


def _positive(seats: int) -> int:
    if seats < 1:
        raise ValueError(f"seats must be 1 or more, not {seats}")
    return seats


def _key_header(key: str | None) -> str:
    """`key` as an RFC 8941 string where blanks or quotes could be misread, else bare."""
    if key is None or not 1 <= len(key) <= KEY_MAX or not (key.isascii() and key.isprintable()):
        raise ValueError(f"key must be 1 to {KEY_MAX} printable ASCII characters")
    if _PLAIN_KEY.fullmatch(key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _body(quantity: int, version: Version, on_conflict: OnConflict) -> bytes:
    """The move as JSON; written by hand, for there is nothing in it to escape."""
    if version == ANY:
        return b'{"quantity":%d,"version":"*"}' % quantity
    if on_conflict == "retry":
        return b'{"quantity":%d,"version":%d,"on_conflict":"retry"}' % (quantity, version)
    return b'{"quantity":%d,"version":%d}' % (quantity, version)


# A price never passes through binary floating point.
_DECODER = json.JSONDecoder(parse_float=Decimal)


def _json(raw: bytes) -> Any:
    try:
        return _DECODER.decode(raw.decode())
    except ValueError:
        return None


def _event(answer: _Answer, _: _Course) -> EventForBooking:
    body = answer.body
    return EventForBooking(
        event_id=body["event_id"],
        available_seats=_whole(body["available_seats"]),
        max_tickets_per_booking=_whole(body["max_tickets_per_booking"]),
        base_price=Decimal(body["base_price"]),
        version=_whole(body["version"]),
        status=body["status"],
    )


def _moved(answer: _Answer, course: _Course) -> SeatsMoved:
    body = answer.body
    assert course.key is not None, "every move has a key"
    return SeatsMoved(
        event_id=body["event_id"],
        available_seats=_whole(body["available_seats"]),
        status=body["status"],
        version=_whole(body["version"]),
        key=course.key,
        replayed=answer.headers.get("Idempotent-Replayed") == "true",
        tries=course.tries,
        conflicts=course.conflicts,
    )


def _whole(given: Any) -> int:
    if type(given) is not int:
        raise TypeError("not a whole number")
    return given


def _is_conflict(failure: Failure) -> bool:
    return failure.code == "CONCURRENT_UPDATE"


def _failure(answer: _Answer) -> Failure:
    """What an answer that is no success means for the next try."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or f"HTTP_{answer.status}")
    details = error.get("details")
    nothing_done = code in _NOTHING_DONE
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


def _retry_after_s(header: str | None) -> float:
    """RFC 9110, section 10.2.3: seconds or a date; 0 for neither."""
    if header is None:
        return 0.0
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
