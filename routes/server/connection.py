"""The HTTP server: aiohttp's low-level one, with a fast path in front of its request loop.

Rules:

1. The requests of a connection are answered in their order. While nothing is under way, the first
   that waits is offered to the fast path; what that does not take wakes aiohttp's own loop, which
   then handles all that waits.
2. A client that does not read its answers is not answered further, and in the end is cut off.
3. A client that moves seats of another worker's events again and again is given to that worker,
   when nothing of it is under way; what came of its next request must not get lost.
4. Bytes that are no request are answered 400 and counted, not logged: a storm of them must not
   become a storm of tracebacks. (aiohttp logs one for each, and names itself in the answer.)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_parser import HttpParser, RawRequestMessage

from routes.contract.answers import encode
from routes.contract.errors import ApiError, Code, internal_error
from routes.contract.ids import random_id
from routes.observer import Observer
from routes.server.dispatch import UNMATCHED
from routes.server.fast_path import Exchange, FastPath
from routes.server.handoff import Affinity, Handoff
from routes.server.response import Response

log = logging.getLogger(__name__)

# Proxies and clients reuse a connection within this time; nginx's own default is the same. It
# also bounds how long a client may take for its first request's head.
KEEP_ALIVE_S = 75.0
# What is left of a body that we did not want to read is read for this long, so that the client
# gets to see our answer.
LINGER_S = 2.0
# Many clients send a short body right behind its head, in a packet of its own. It is waited for so
# long before the request goes the long way, which knows what to do about bodies that drip.
BODY_GRACE_S = 0.05

_END_OF_HEAD = b"\r\n\r\n"


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, server: "EdgeServer", home: int | None, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._observer = server.observer
        self._fast_path = server.fast_path
        self._exchange: Exchange | None = None
        self._serving = False
        self._body_timer: asyncio.TimerHandle | None = None
        self._answered: asyncio.Future[None] | None = None
        self._affinity = Affinity(server.handoff, home) if server.handoff is not None else None
        # What has come since the last answer, and where in its first piece a head ends.
        self._came_bytes = 0
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take in what has come: aiohttp parses and queues it, its loop need not wake yet."""
        if not self._came_bytes:
            self._head_bytes = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        self._came_bytes += len(data)
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        self._serve()

    def resume_writing(self) -> None:
        """Go on once the client has read what it was sent."""
        super().resume_writing()
        self._serve()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody waits for the answer any more."""
        self._forget_body()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.future is not None:
            exchange.future.cancel()
        self._tell_answered()
        super().connection_lost(exc)

    def _process_keepalive(self) -> None:
        """Close what has been idle for long; who has not read by now what was written never will.

        To close would be to wait until they do.
        """
        transport = self.transport if self._paused else None
        super()._process_keepalive()
        if transport is not None and self.transport is None:
            transport.abort()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Answer what is under way, then close."""
        if self._exchange is not None:
            self._answered = self._loop.create_future()
            await asyncio.wait((self._answered,), timeout=timeout)
        await super().shutdown(timeout)

    def _serve(self) -> None:
        """Answer what waits, as far as that can be done now."""
        waiter = self._waiter
        if waiter is None or self._serving or self._exchange is not None:
            return
        self._serving = True
        try:
            while self._messages and not (waiter.done() or self._paused or self._exchange):
                if self._waits_for_body():
                    break
                if not self._serve_next():
                    waiter.set_result(None)
        finally:
            self._serving = False

    def _waits_for_body(self) -> bool:
        """Whether the next request is one for the fast path but for its body, and that may come."""
        message, payload = self._messages[0]
        if not payload.is_eof():
            if self._body_timer is not None:
                return True
            if (
                self._fast_path is not None
                and isinstance(message, RawRequestMessage)
                and self._fast_path.takes_with_body(message)
            ):
                self._body_timer = self._loop.call_later(BODY_GRACE_S, self._body_is_late)
                return True
        self._forget_body()
        return False

    def _body_is_late(self) -> None:
        self._body_timer = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _forget_body(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _serve_next(self) -> bool:
        """Begin to answer the next request; False where the fast path does not take it."""
        message, payload = self._messages[0]
        if self._fast_path is None or not isinstance(message, RawRequestMessage):
            return False
        came_bytes = self._came_bytes
        exchange = self._fast_path.take(message, payload, self._respond)
        if exchange is None:
            return False
        # What follows is what aiohttp's own loop does around a request.
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if exchange.future is not None and not self._force_close:
            self._exchange = exchange
        elif self._affinity is not None and self._affinity.guest:
            self._follow(self._affinity, exchange, came_bytes)
        return True

    def _respond(self, answer: bytes, last: bool) -> None:
        """Write an answer of the fast path; after the `last` one, close."""
        under_way, self._exchange = self._exchange, None
        if self.transport is not None:
            self.transport.write(answer)
        if last or self._close:
            self.force_close()
        self._tell_answered()
        came_bytes, self._came_bytes = self._came_bytes, 0
        if under_way is not None:
            if self._affinity is not None:
                self._follow(self._affinity, under_way, came_bytes)
            self._serve()

    def _follow(self, affinity: Affinity, answered: Exchange, came_bytes: int) -> None:
        """Leave for the worker that the connection belongs to, if its last request came alone."""
        if not affinity.answered(answered.changed_event):
            return
        if self._head_bytes + answered.body_bytes == came_bytes:
            # The answer leaves at the end of this turn of the loop.
            self._loop.call_soon(self._leave, affinity)

    def _leave(self, affinity: Affinity) -> None:
        """Leave, unless something has come or is still to go."""
        transport, parser = self.transport, self._parser
        if transport is None or parser is None or self._force_close or self._close:
            return
        if self._came_bytes or transport.get_write_buffer_size():
            return
        if _between_requests(parser):
            affinity.leave(transport)
        else:
            # The end of a head came in two pieces, one of them with the request before it: only a
            # client that tries comes so far, and to find out has spoilt what the parser had.
            self.force_close()

    def _tell_answered(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the dispatcher never saw: what is not HTTP, or a bug in between."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            error = ApiError(Code.VALIDATION_ERROR, "This is not an HTTP request", status=status)
            self._observer.answered("OTHER", UNMATCHED, status, 0.0)
        else:
            error = internal_error()
            log.error("a request failed outside its handler", exc_info=exc)
        headers = {
            "Content-Type": "application/json",
            "X-Request-ID": random_id(),
            "X-Content-Type-Options": "nosniff",
            "Server": "evently",
            "Cache-Control": "no-store",
            "Connection": "close",
        }
        return Response(status, headers, encode(error.body()))


def _between_requests(parser: HttpParser[Any]) -> bool:
    """Whether nothing of a request is in the parser; if something is, it is of no use after."""
    try:
        return parser.feed_eof() is None
    except Exception:  # noqa: BLE001 - whatever is wrong with it, there is something
        return False


class EdgeServer(web.Server):
    """Makes a Connection for every client that connects.

    Without a fast path every request goes through `dispatcher`, aiohttp's way; without a handoff
    every connection stays.
    """

    def __init__(
        self,
        dispatcher: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        observer: Observer,
        fast_path: FastPath | None = None,
        handoff: Handoff | None = None,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(dispatcher, handler_cancellation=True)
        self.fast_path = fast_path
        self.handoff = handoff
        self.observer = observer
        self._keep_alive_s = keep_alive_s

    def __call__(self) -> web.RequestHandler:
        """A protocol for a new connection."""
        return self.serve(None)

    def serve(self, home: int | None) -> Connection:
        """A protocol for a connection that came to the worker `home` at first, None for this."""
        return Connection(
            self,
            home,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._keep_alive_s,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
