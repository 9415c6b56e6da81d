"""How every request ends: its response, its place in the metrics, its line in the access log.

Rules:

1. Whatever is raised becomes the error envelope here; a bug's cause goes to the log and never to
   the client.
2. Every response is counted and logged once, with the request's id.
"""

import logging
import time
from http import HTTPStatus

from multidict import istr

from evently.domain.errors import CommandFailed, Fault
from routes.call import Call
from routes.contract.answers import encode
from routes.contract.errors import ApiError, failed, internal_error
from routes.endpoint import Endpoint
from routes.server.admission import name_for_logs
from routes.server.cors import allow_origin
from routes.server.response import Response
from routes.services import Services

log = logging.getLogger(__name__)
access_log = logging.getLogger("evently.access")

# Of the good answers of hot endpoints, one in so many is logged; of all others, every one.
HOT_LOG_EVERY = 1000
# The route in metrics and logs of a request that matched no endpoint.
UNMATCHED = "unmatched"
ID_CHARACTERS = 36

_IF_NONE_MATCH = istr("If-None-Match")
_READS = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Conclusion:
    """Makes responses of answers and errors, and counts and logs them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._observer = services.observer
        self._hot_answers = 0

    def refusal(self, error: Exception, call: Call, route: str) -> Response:
        """The response to a call that ended in `error`; a bug is logged."""
        name_for_logs(call)
        if isinstance(error, Fault):
            if isinstance(error, CommandFailed):
                log.error("a command failed: %r", error)
            error = failed(error, reads=call.method in _READS)
        elif not isinstance(error, ApiError):
            log.error("%s %s failed", call.method, route, exc_info=error)
            error = internal_error()
        call.headers.pop("ETag", None)
        call.headers["Cache-Control"] = "no-store"
        call.headers.update(error.headers)
        return self.response(call, error.status, encode(error.body()), "application/json")

    def response(self, call: Call, status: int, body: bytes, content_type: str = "") -> Response:
        """The response with `call.headers` and those that every response carries."""
        headers = call.headers
        if content_type:
            headers["Content-Type"] = content_type
        headers["X-Request-ID"] = call.request_id
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Server"] = "evently"
        if self._services.lifecycle.draining:
            # So that the client sends no further request on a connection that is about to end.
            headers["Connection"] = "close"
        if self._services.cors_origins:
            allow_origin(call.sent, headers, self._services.cors_origins)
        return Response(status, headers, body)

    def conclude(
        self, call: Call, endpoint: Endpoint | None, status: int, started_s: float
    ) -> None:
        """Count and log a response that was made just now; `started_s` is of `perf_counter`."""
        seconds = time.perf_counter() - started_s
        if self._observer.asks_for_names:
            name_for_logs(call)
        route = UNMATCHED if endpoint is None else endpoint.path
        self._observer.answered(_known_method(call.method), route, status, seconds)
        if endpoint is not None and endpoint.hot and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._hot_answers += 1
            if self._hot_answers % HOT_LOG_EVERY:
                return
        self._log(call, route, status, seconds)

    def _log(self, call: Call, route: str, status: int, seconds: float) -> None:
        if not access_log.isEnabledFor(logging.INFO):
            return
        name_for_logs(call)
        fields = {
            "method": _known_method(call.method),
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "caller": call.caller or None,
            # An invalid id, which was refused, may be as long as a line of HTTP.
            **{name: text[:ID_CHARACTERS] for name, text in call.params.items()},
        }
        access_log.info("answered", extra={"fields": fields})


def unchanged(call: Call) -> bool:
    """Whether the client has this answer already, by its ETag (RFC 9110, section 13.1.2)."""
    etag = call.headers.get("ETag")
    if etag is None:
        return False
    given = call.sent.get(_IF_NONE_MATCH)
    if given is None:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in given.split(","))
    return given.strip() == "*" or etag in tags


def _known_method(method: str) -> str:
    """The method as a metric's label: anything that a client makes up is `OTHER`."""
    return method if method in _METHODS else "OTHER"
