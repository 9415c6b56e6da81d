"""The HTTP server: aiohttp's low-level one, with a fast path in front of its request loop.

Rules:

1. The requests of a connection are answered in order. While none is in progress, the first
   pending one is offered to the fast path; if that does not take it, aiohttp's own loop wakes and
   handles everything that is pending.
2. A client that does not read its answers gets no further ones, and is cut off in the end.
3. Bytes that are not a request are answered 400 and counted, not logged: a storm of them must not
   become a storm of tracebacks. (aiohttp logs one for each, and names itself in the answer.)
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage

from routes.contract.answers import encode
from routes.contract.errors import ApiError, Code, internal_error
from routes.contract.ids import random_id
from routes.observer import Observer
from routes.server.conclusion import UNMATCHED
from routes.server.fast_path import Exchange, FastPath
from routes.server.response import Response

log = logging.getLogger(__name__)

# Proxies and clients reuse a connection within this time; nginx's own default is the same. It
# also bounds how long a client may take for its first request's head.
KEEP_ALIVE_S = 75.0
# The rest of a body that was refused is read for this long, so that the client sees the answer.
LINGER_S = 2.0
# Many clients send a short body right after its head, in a packet of its own. The fast path waits
# this long for it; then the dispatcher takes over, which handles bodies that arrive slowly.
BODY_GRACE_S = 0.05


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, server: "EdgeServer", **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._observer = server.observer
        self._fast_path = server.fast_path
        self._exchange: Exchange | None = None
        self._serving = False
        self._body_timer: asyncio.TimerHandle | None = None
        self._answered: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Let aiohttp parse and queue the bytes without waking its loop, then serve."""
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        self._serve()

    def resume_writing(self) -> None:
        """Go on once the client has read what it was sent."""
        super().resume_writing()
        self._serve()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the answer that nobody waits for any more."""
        self._forget_body()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.future is not None:
            exchange.future.cancel()
        self._tell_answered()
        super().connection_lost(exc)

    def _process_keepalive(self) -> None:
        """Close an idle connection; abort one whose client has not read what was written.

        Closing it would wait until the client reads, which it never will.
        """
        transport = self.transport if self._paused else None
        super()._process_keepalive()
        if transport is not None and self.transport is None:
            transport.abort()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Answer the request in progress, then close."""
        if self._exchange is not None:
            self._answered = self._loop.create_future()
            await asyncio.wait((self._answered,), timeout=timeout)
        await super().shutdown(timeout)

    def _serve(self) -> None:
        """Answer pending requests, as far as that can be done now."""
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
        """Whether the fast path would take the next request if its body had arrived."""
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
        return True

    def _respond(self, answer: bytes, last: bool) -> None:
        """Write an answer of the fast path; after the `last` one, close."""
        under_way, self._exchange = self._exchange, None
        if self.transport is not None:
            self.transport.write(answer)
        if last or self._close:
            self.force_close()
        self._tell_answered()
        if under_way is not None:
            self._serve()

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
        """The answer to what the dispatcher never saw: bytes that are not HTTP, or a bug."""
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


class EdgeServer(web.Server):
    """Makes a Connection for every client that connects.

    Without a fast path every request goes through `dispatcher`, aiohttp's way.
    """

    def __init__(
        self,
        dispatcher: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        observer: Observer,
        fast_path: FastPath | None = None,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(dispatcher, handler_cancellation=True)
        self.fast_path = fast_path
        self.observer = observer
        self._keep_alive_s = keep_alive_s

    def __call__(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._keep_alive_s,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
