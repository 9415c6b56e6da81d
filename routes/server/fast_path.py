"""The fast path: answers plain requests to hot endpoints without a task or aiohttp's request.

Theory of operation: aiohttp creates a task, a request, a writer and a timer for every request,
which together cost more than reading an event does. Here `Connection` offers each parsed request
to `FastPath.take`. If nothing about the request is special, an `Exchange` takes the steps of
`admission` and calls the handler's first half in the turn of the loop that brought the bytes. If
the handler has to wait, it returns a future, and a callback on that future runs the second half and
writes the response.

Rules:

1. It takes a request only if nothing about it is special: HTTP/1.1, kept alive, not chunked, its
   whole body received, an endpoint whose handler is split. `dispatch` answers the rest.
2. Both paths give the same answer: they run the same steps and the same handlers in the same order.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import istr

from routes.call import Call
from routes.server.admission import Admission, admit_caller, request_id
from routes.server.read_json import BODY_BYTES_MAX, expect_json, read_json
from routes.server.receive_body import received_body
from routes.server.response import Ready, as_bytes
from routes.server.targets import Target, Targets

_CONTENT_LENGTH = istr("Content-Length")
_EXPECT = istr("Expect")

# Writes the bytes of a response, and closes the connection after them if told so.
Respond: TypeAlias = Callable[[bytes, bool], None]


class FastPath:
    """Decides whether a request is a plain one to a hot endpoint, and begins to answer it."""

    def __init__(self, targets: Targets, admission: Admission) -> None:
        self._targets = targets
        self._admission = admission
        self._lifecycle = admission.services.lifecycle

    def take(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        respond: Respond,
        received_s: float | None = None,
    ) -> "Exchange | None":
        """Answer a request through `respond`, now or later; None if `dispatch` must answer it.

        It came at `received_s`, by the monotonic clock, or just now.
        """
        target = None
        if payload.is_eof() and not self._lifecycle.draining:
            target = self._targets.find(message)
        if target is None:
            return None
        exchange = Exchange(self._admission, target, message, respond, received_s)
        exchange.begin(payload)
        return exchange

    def takes_with_body(self, message: RawRequestMessage) -> bool:
        """Whether a request whose body is still to come would be taken once it has come."""
        target = None if self._lifecycle.draining else self._targets.find(message)
        if target is None or target.endpoint.body is None or _EXPECT in message.headers:
            return False
        return int(message.headers.get(_CONTENT_LENGTH, 0)) <= BODY_BYTES_MAX


class Exchange:
    """One request on the fast path; `future` is what its response waits for, if it does."""

    __slots__ = (
        "_admission",
        "_call",
        "_endpoint",
        "_handler",
        "_respond",
        "future",
    )

    def __init__(
        self,
        admission: Admission,
        target: Target,
        message: RawRequestMessage,
        respond: Respond,
        received_s: float | None,
    ) -> None:
        self._admission = admission
        self._endpoint = target.endpoint
        self._handler = target.handler
        self._respond = respond
        services = admission.services
        call = Call(message.method, message.headers, services, received_s=received_s)
        self._call = call
        call.request_id = request_id(message.headers)
        call.params = target.params
        call.query = target.query
        self.future: asyncio.Future[Any] | None = None

    def begin(self, payload: StreamReader) -> None:
        """Admit the request and run the handler's first half."""
        call, endpoint, handler = self._call, self._endpoint, self._handler
        try:
            admit_caller(endpoint, call)
            if endpoint.body is not None:
                body = received_body(payload)
                if body or not endpoint.body_optional:
                    expect_json(call.sent)
                    call.body = read_json(endpoint.body, body)
            begun = handler.begin(call)
            if isinstance(begun, asyncio.Future):
                self.future = begun
                begun.add_done_callback(self._finish)
                return
            ready = self._admission.succeeded(endpoint, call, handler.finish(call, begun))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            ready = self._admission.refused(error, call, endpoint.path)
        self._conclude(ready)

    def _finish(self, future: "asyncio.Future[Any]") -> None:
        if future.cancelled():
            # The client hung up.
            return
        call, endpoint = self._call, self._endpoint
        try:
            answer = self._handler.finish(call, future.result())
            ready = self._admission.succeeded(endpoint, call, answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            ready = self._admission.refused(error, call, endpoint.path)
        self._conclude(ready)

    def _conclude(self, ready: Ready) -> None:
        status, head, body, closes = ready
        self._respond(as_bytes(head, body), closes)
        endpoint = self._endpoint
        self._admission.conclude(self._call, endpoint.path, status, hot=endpoint.hot)
