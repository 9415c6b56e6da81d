"""The HTTP server: aiohttp's low-level one, with a fast path in front of its request loop.

Theory of operation: aiohttp parses what a connection receives into a queue of messages, and a task
for each connection (its request loop) waits on a future, the *waiter*, until there is a message.
`Connection` keeps that future from being set. It offers the first message in the queue to the fast
path, and sets the waiter only if the fast path does not take it; then aiohttp's loop calls the
dispatcher for everything that is queued. These attributes of aiohttp are not public, so its version
is pinned, and `tests/unit/test_connection.py` fails if they change.

Rules:

1. The requests of a connection are answered in their order: a message is offered to the fast path
   only while no other request of the connection is pending.
2. What one turn of the loop has no time for is read in the next ones (`loop_turns`).
3. A client that does not read its responses gets no further ones, and is cut off in the end.
   When the server stops, what is still arriving is waited for, then cut off; what has arrived is
   answered.
4. Bytes that are not a request are answered 400 and counted, but not logged: a flood of them must
   not become a flood of tracebacks. (aiohttp logs one for each, and names itself in the response.)
5. After bytes that are not a request, or a head that is refused while it arrives
   (`arriving_heads`), nothing more is parsed; it is read and dropped for a while (`rest`). So is
   what comes behind a request whose answer is the last, before that is written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _ErrInfo

from routes.contract.answers import encode
from routes.contract.errors import ApiError, Code, internal_error
from routes.contract.ids import random_id
from routes.observer import Observer
from routes.server.admission import UNMATCHED
from routes.server.arriving_heads import (
    ARRIVING_BYTES_MAX,
    ArrivingHead,
    ArrivingHeads,
    is_too_long,
    too_long,
)
from routes.server.fast_path import Exchange, FastPath
from routes.server.loop_turns import READS_MAX, LoopTurns
from routes.server.response import JSON, NO_STORE, Response, head_of
from routes.server.rest import Rest

log = logging.getLogger(__name__)

# Proxies and clients reuse a connection within this time; nginx's own default is the same. It
# also bounds how long a client may take to send the head of its first request.
KEEP_ALIVE_S = 75.0
# The rest of a body that is not wanted, or what comes behind the last answer of a connection, is
# read for this long, so that the client gets to see the response.
LINGER_S = 2.0
# Many clients send a short body right after its head, in a packet of its own. The fast path waits
# this long for it; then the request goes to the dispatcher, which can deal with bodies that drip.
BODY_GRACE_S = 0.05
# How often a server that stops looks whether all has arrived: 1000 connections take it 0.2 ms.
ARRIVAL_LOOK_S = 0.02


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, server: "EdgeServer", **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._observer = server.observer
        self._fast_path = server.fast_path
        self._turns = server.turns
        # Pieces that wait for a turn: one, or two where aiohttp reads on by itself.
        self._put_off = 0
        self._body_grace_s = server.body_grace_s
        # The request that the fast path is answering, if its handler waits for something.
        self._exchange: Exchange | None = None
        # Guards against answering from within answering.
        self._serving = False
        self._body_timer: asyncio.TimerHandle | None = None
        self._head = ArrivingHead(server.heads)
        # What arrives from now on, if it is not parsed any more.
        self._rest: Rest | None = None
        # Set by `shutdown` to learn when the pending response has been written.
        self._answered: asyncio.Future[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is pending, so that the fast path may take the next one."""
        waiter = self._waiter
        return waiter is not None and not (waiter.done() or self._exchange or self._body_timer)

    @property
    def awaits_body(self) -> bool:
        """Whether the fast path waits for the body of a request whose head is here."""
        return self._body_timer is not None

    @property
    def unfinished(self) -> bool:
        """Whether its client has yet to send a request that it began, or to read a response."""
        if self._paused:
            return True
        if self._messages:
            return not self._messages[-1][1].is_eof()
        request = self._current_request
        return request is not None and not request.content.is_eof()

    @property
    def expects_more(self) -> bool:
        """Whether a request may be under way: an unfinished one, or the client's first."""
        if self.transport is None or self.transport.is_closing() or self._lingers:
            return False
        # aiohttp's loop has taken a message, and has made no request of it yet.
        between = self._waiter is None and self._current_request is None
        begun = self._request_count == 0 or self._head.bytes > 0
        return begun or between or self.unfinished

    def data_received(self, data: bytes) -> None:
        """Read what was received, in this turn of the loop or in one of the next."""
        if not self._put_off and self._turns.take(len(data)):
            self._read(data)
        elif self.transport is not None:
            self.transport.pause_reading()
            self._put_off += 1
            self._turns.put_off(self._read_late, data)

    def _read_late(self, data: bytes) -> None:
        self._put_off -= 1
        transport = self.transport
        if transport is not None and not transport.is_closing():
            if not (self._reading_paused or self._buffer_paused):
                transport.resume_reading()
            try:
                self._read(data)
            except Exception:
                transport.abort()
                raise

    def _read(self, data: bytes) -> None:
        """Have aiohttp parse and queue what was received, without waking its request loop."""
        if self._rest is not None:
            return
        known = self._request_count
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        if self._request_count != known:
            refusal = self._bound_heads(self._request_count - known, data)
            if refusal is not None or isinstance(self._messages[-1][0], _ErrInfo):
                self._refuse(refusal)
        elif not (self._close or self._force_close or self._buffer_paused):
            refusal = self._head.grew(len(data))
            if refusal is not None:
                self._refuse(refusal)
        self._serve()

    def resume_writing(self) -> None:
        """Continue once the client has read what it was sent."""
        super().resume_writing()
        self._serve()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel what the client waited for."""
        self._stop_waiting_for_body()
        self._head.forget()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.future is not None:
            exchange.future.cancel()
        self._report_answered()
        super().connection_lost(exc)

    def _process_keepalive(self) -> None:
        """Close a connection that has been idle for too long; abort it if its client reads nothing.

        Closing would wait until the client has read everything, which it never will.
        """
        transport = self.transport if self._paused else None
        super()._process_keepalive()
        if transport is not None and self.transport is None:
            transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the answer; after the last one, drop for a while what comes behind its request."""
        written, lost = await super().finish_response(request, resp, start_time)
        behind = self._messages or self._head.bytes
        if behind and self.transport is not None and not (written.keep_alive or lost):
            self._rest = Rest(self.transport)
            self._messages.clear()
            self._head.forget()
            if self._buffer_paused:
                self._resume_reading_for_buffer()
            await self._rest.linger(self._lingering_time)
        return written, lost

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Answer the pending request, then close; what is unfinished never will be answered.

        aiohttp has stopped reading by now, and closing would wait until the client has read.
        """
        if (self.unfinished or self._lingers) and self.transport is not None:
            self.transport.abort()
        elif self._exchange is not None:
            self._answered = self._loop.create_future()
            await asyncio.wait((self._answered,), timeout=timeout)
        await super().shutdown(timeout)

    @property
    def _lingers(self) -> bool:
        """Whether it only waits for its client to end it."""
        return self._rest is not None and self._rest.lingers

    def _bound_heads(self, count: int, data: bytes) -> ApiError | None:
        """Note that the heads of `count` requests are complete; drop them if one is too long."""
        if not self._head.completed(self._messages[-1][1], data):
            return None
        arrived = [self._messages.pop() for _ in range(count)]
        if any(is_too_long(message) for message, _ in arrived):
            return too_long()
        self._messages.extend(reversed(arrived))
        return None

    def _refuse(self, error: ApiError | None) -> None:
        """Queue the last answer: of this error, or that aiohttp's parser has queued."""
        message = self._messages.pop()[0] if error is None else _as_message(error)
        assert self.transport is not None, "it has brought something"
        self._rest = Rest(self.transport)
        # To aiohttp, the body of a request.
        self._messages.append((message, cast(StreamReader, self._rest)))
        self._head.forget()

    def _serve(self) -> None:
        """Answer queued requests as far as that is possible now."""
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
        """Whether the next request lacks only its body for the fast path, and there is still time.

        Starts the timer at the first call for a request.
        """
        message, payload = self._messages[0]
        if not payload.is_eof():
            if self._body_timer is not None:
                return True
            if (
                self._fast_path is not None
                and isinstance(message, RawRequestMessage)
                and self._fast_path.takes_with_body(message)
            ):
                self._body_timer = self._loop.call_later(self._body_grace_s, self._body_is_late)
                return True
        self._stop_waiting_for_body()
        return False

    def _body_is_late(self) -> None:
        self._body_timer = None
        if self._put_off:  # It may have come, and waits for its turn.
            self._body_timer = self._loop.call_later(self._body_grace_s, self._body_is_late)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop_waiting_for_body(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _serve_next(self) -> bool:
        """Begin to answer the next request; False if the fast path does not take it."""
        message, payload = self._messages[0]
        if self._fast_path is None or not isinstance(message, RawRequestMessage):
            return False
        exchange = self._fast_path.take(message, payload, self._respond, self._turns.came_s)
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

    def _respond(self, response: bytes, last: bool) -> None:
        """Write a response of the fast path; close after the `last` one."""
        pending, self._exchange = self._exchange, None
        if self.transport is not None:
            self.transport.write(response)
        if last or self._close:
            self.force_close()
        self._report_answered()
        if pending is not None:
            self._serve()

    def _report_answered(self) -> None:
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
        if self._rest is not None:
            self._rest.answered()
        if isinstance(exc, ApiError):
            error = exc
            self._observer.answered("OTHER", UNMATCHED, status, 0.0)
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            error = ApiError(Code.VALIDATION_ERROR, "This is not an HTTP request", status=status)
            self._observer.answered("OTHER", UNMATCHED, status, 0.0)
        else:
            error = internal_error()
            log.error("a request failed outside its handler", exc_info=exc)
        body = encode(error.body())
        more = "".join(f"{name}: {text}\r\n" for name, text in error.headers.items())
        head = (
            f"{head_of(status, JSON, NO_STORE)}{more}X-Request-ID: {random_id()}\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n"
        )
        return Response(status, head, body, closes=True)


class EdgeServer(web.Server):
    """Makes a Connection for every client that connects.

    Without a fast path, `dispatcher` answers every request.
    """

    def __init__(
        self,
        dispatcher: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        observer: Observer,
        fast_path: FastPath | None = None,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        body_grace_s: float = BODY_GRACE_S,
        heads_bytes_max: int = ARRIVING_BYTES_MAX,
        linger_s: float = LINGER_S,
        reads_max: int = READS_MAX,
    ) -> None:
        super().__init__(dispatcher, handler_cancellation=True)
        self.fast_path = fast_path
        self.observer = observer
        self.body_grace_s = body_grace_s
        self.heads = ArrivingHeads(heads_bytes_max)
        self.turns = LoopTurns(reads_max)
        self._keep_alive_s = keep_alive_s
        self._linger_s = linger_s

    async def arrived(self, within_s: float) -> None:
        """Wait until all is read and no connection expects more, or `within_s` have passed.

        A client whose connection was accepted just before the listener closed may need a while to
        send its request; if it were closed before, that request would be lost.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        # To set an event for this would cost every request of the server's life a little.
        while loop.time() < deadline_s and (  # noqa: ASYNC110
            self.turns.waiting
            or any(cast("Connection", one).expects_more for one in self._connections)
        ):
            await asyncio.sleep(ARRIVAL_LOOK_S)

    def __call__(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=self._keep_alive_s,
            lingering_time=self._linger_s,
            auto_decompress=False,
        )


def _as_message(error: ApiError) -> _ErrInfo:
    """What aiohttp's loop takes for a message, and hands to `handle_error`."""
    return _ErrInfo(error.status, error, error.message)
