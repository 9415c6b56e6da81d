"""The HTTP server: aiohttp's low-level one, with our own words for what is not HTTP.

Rule: bytes that are no request are answered 400 and counted, not logged: a storm of them must
not become a storm of tracebacks. (aiohttp logs one for each, and names itself in the answer.)
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from aiohttp import web

from routes.answers import encode
from routes.call import random_id
from routes.dispatch import UNMATCHED, Dispatcher
from routes.errors import ApiError, Code, internal_error
from routes.response import Response
from routes.services import Observer

log = logging.getLogger(__name__)

# Proxies and clients reuse a connection within this time; nginx's own default is the same. It
# also bounds how long a client may take for its first request's head.
KEEP_ALIVE_S = 75.0
# What is left of a body that we did not want to read is read for this long, so that the client
# gets to see our answer.
LINGER_S = 2.0


class Connection(web.RequestHandler):
    """One client's connection."""

    def __init__(self, server: "EdgeServer", **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._observer = server.observer

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


class EdgeServer(web.Server):
    """Makes a Connection for every client that connects."""

    def __init__(self, dispatcher: Dispatcher, observer: Observer) -> None:
        super().__init__(dispatcher, handler_cancellation=True)
        self.observer = observer

    def __call__(self) -> web.RequestHandler:
        """A protocol for a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
