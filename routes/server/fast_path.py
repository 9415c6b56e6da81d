"""The fast path: answers plain requests to hot endpoints without a task or an aiohttp request.

Rules:

1. It takes a request only if nothing about it is special: HTTP/1.1, keep-alive, the whole body
   received, an endpoint whose handler is split. Everything else goes to the dispatcher.
2. It answers what the dispatcher would: `admission`, the handlers and `conclusion` are the same,
   in the same order.

aiohttp creates a task, a request, a writer and a timer for every request, which together cost
more than reading an event. Here the handler is called in the turn of the event loop in which the
bytes arrived; if it has to wait, a callback writes the answer.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeAlias

from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from multidict import istr

from routes.call import Call
from routes.contract.answers import encode
from routes.contract.errors import ApiError
from routes.contract.fields import Body
from routes.contract.raw import Raw
from routes.endpoint import Endpoint, SplitHandler
from routes.server.admission import admit, query_of, request_id
from routes.server.conclusion import Conclusion, unchanged
from routes.server.cors import allow_origin
from routes.server.read_json import BODY_BYTES_MAX, expect_json, parse_body
from routes.server.response import date_line, status_line
from routes.server.router import Router, canonical_ids
from routes.services import Services

# Request targets whose endpoint, ids and query are remembered, which saves 3 us, and how long they
# may be; 1 MB at most. An event in memory takes 3 KB: to remember many more would show in it.
TARGETS_MAX, KNOWN_TARGET_BYTES_MAX = 1024, 256
# Bodies whose meaning is remembered, and how long they may be; 2 MB at most.
KNOWN_BODIES_MAX, KNOWN_BODY_BYTES_MAX = 4096, 128

_CONTENT_LENGTH = istr("Content-Length")
_EXPECT = istr("Expect")

Respond: TypeAlias = Callable[[bytes, bool], None]
# The bytes of an answer, whether it is the connection's last, and its status.
Ending: TypeAlias = tuple[bytes, bool, int]


class Route:
    """A hot endpoint, and how its answers begin.

    `head` begins a good answer, `head_unchanged` the one that the client has it already.
    """

    __slots__ = ("endpoint", "handler", "head", "head_unchanged")

    def __init__(self, endpoint: Endpoint) -> None:
        assert isinstance(endpoint.handler, SplitHandler), "only split handlers are hot"
        self.endpoint = endpoint
        self.handler: SplitHandler[Any] = endpoint.handler
        shared = (
            f"Cache-Control: {endpoint.cache_control}\r\n"
            "X-Content-Type-Options: nosniff\r\nServer: evently\r\n"
        )
        self.head_unchanged = status_line(HTTPStatus.NOT_MODIFIED) + shared
        self.head = f"{status_line(endpoint.status)}Content-Type: application/json\r\n{shared}"


class Target:
    """What a request target asks for."""

    __slots__ = ("params", "query", "route")

    def __init__(self, route: Route, params: dict[str, str], query: Any) -> None:
        self.route = route
        self.params = params
        self.query = query


class FastPath:
    """Finds out whether a request is a plain one to a hot endpoint, and begins to answer it."""

    def __init__(
        self, endpoints: Iterable[Endpoint], services: Services, conclusion: Conclusion
    ) -> None:
        hot = [one for one in endpoints if isinstance(one.handler, SplitHandler)]
        self._router = Router(hot)
        self._routes = {id(one): Route(one) for one in hot}
        self._targets: dict[str, dict[str, Target]] = {one.method: {} for one in hot}
        self.services = services
        self.conclusion = conclusion

    def take(
        self, message: RawRequestMessage, payload: StreamReader, respond: Respond
    ) -> "Exchange | None":
        """Answer a request through `respond`, now or later; None where the dispatcher must.

        `respond` takes the bytes of the answer, and whether it is the connection's last.
        """
        target = self._target(message) if payload.is_eof() else None
        if target is None:
            return None
        exchange = Exchange(self, target, message, respond)
        exchange.begin(payload)
        return exchange

    def takes_with_body(self, message: RawRequestMessage) -> bool:
        """Whether a request whose body is not here yet would be taken if it were."""
        target = self._target(message)
        if target is None or target.route.endpoint.body is None or _EXPECT in message.headers:
            return False
        return int(message.headers.get(_CONTENT_LENGTH, 0)) <= BODY_BYTES_MAX

    def _target(self, message: RawRequestMessage) -> Target | None:
        targets = self._targets.get(message.method)
        if (
            targets is None
            or message.version is not HttpVersion11
            or message.should_close
            or message.upgrade
            or message.chunked
            or self.services.lifecycle.draining
        ):
            return None
        return targets.get(message.path) or self._resolve(message, targets)

    def _resolve(self, message: RawRequestMessage, targets: dict[str, Target]) -> Target | None:
        """The target by its own text; whatever is wrong with it, the dispatcher says."""
        path = message.path.partition("?")[0]
        try:
            methods, params = self._router.find(path)
            endpoint = methods.get(message.method)
            if endpoint is None:
                return None
            query = query_of(endpoint, message.path, message.url.query)
            target = Target(self._routes[id(endpoint)], canonical_ids(params), query)
        except ApiError:
            return None
        if len(message.path) <= KNOWN_TARGET_BYTES_MAX:
            if len(targets) >= TARGETS_MAX:
                targets.clear()
            targets[message.path] = target
        return target


def _body(model: type[Body], payload: StreamReader) -> Body:
    """The whole body, already received. Raises ApiError 400 or 413.

    The stream's own way to hand out its bytes asks aiohttp to resume reading, which was never
    paused: half as much work again as parsing the request.
    """
    if payload is EMPTY_PAYLOAD:
        # This is not a stream: it has no buffer.
        return parse_body(model, b"")
    raw = b"".join(payload._buffer)  # noqa: SLF001 - see above
    return _known_body(model, raw) if len(raw) <= KNOWN_BODY_BYTES_MAX else parse_body(model, raw)


# Bookings differ little: most bodies are one of a few hundred, and a lookup takes a tenth of the
# 5 us that parsing and validating take. What is refused is not remembered. Only hot endpoints
# remember bodies, and none of those carries a secret.
_known_body = lru_cache(KNOWN_BODIES_MAX)(parse_body)


class Exchange:
    """One request on the fast path; `future` is what its answer waits for, if it does."""

    __slots__ = ("_call", "_path", "_respond", "_route", "_started_s", "future")

    def __init__(
        self, path: FastPath, target: Target, message: RawRequestMessage, respond: Respond
    ) -> None:
        self._started_s = time.perf_counter()
        self._path = path
        self._route = target.route
        self._respond = respond
        self._call = call = Call(message.method, message.headers, path.services)
        call.request_id = request_id(message.headers)
        call.params = target.params
        call.query = target.query
        self.future: asyncio.Future[Any] | None = None

    def begin(self, payload: StreamReader) -> None:
        """Check the request and let its handler begin."""
        call, route = self._call, self._route
        endpoint = route.endpoint
        try:
            admit(endpoint, call)
            if endpoint.body is not None:
                expect_json(call.sent)
                call.body = _body(endpoint.body, payload)
            begun = route.handler.begin(call)
            if isinstance(begun, asyncio.Future):
                self.future = begun
                begun.add_done_callback(self._go_on)
                return
            answer = self._good(route.handler.finish(call, begun))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            answer = self._bad(error)
        self._end(*answer)

    def _go_on(self, future: "asyncio.Future[Any]") -> None:
        if future.cancelled():
            return
        try:
            answer = self._good(self._route.handler.finish(self._call, future.result()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            answer = self._bad(error)
        self._end(*answer)

    def _good(self, answer: Any) -> Ending:
        call, route = self._call, self._route
        services, more = call.services, call.headers
        body = answer.body if isinstance(answer, Raw) else encode(answer)
        if services.cors_origins:
            allow_origin(call.sent, more, services.cors_origins)
        head, status, last = route.head, route.endpoint.status, services.lifecycle.draining
        lines = ""
        if more or last:
            if last:
                more["Connection"] = "close"
            if unchanged(call):
                head, status, body = route.head_unchanged, HTTPStatus.NOT_MODIFIED.value, b""
            lines = "".join([f"{name}: {value}\r\n" for name, value in more.items()])
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        text = f"{head}{lines}X-Request-ID: {call.request_id}\r\n{length}{date_line()}"
        return text.encode("latin-1") + body, last, status

    def _bad(self, error: Exception) -> Ending:
        response = self._path.conclusion.refusal(error, self._call, self._route.endpoint.path)
        return response.as_bytes(), response.closes, response.status

    def _end(self, answer: bytes, last: bool, status: int) -> None:
        self._respond(answer, last)
        self._path.conclusion.conclude(self._call, self._route.endpoint, status, self._started_s)
