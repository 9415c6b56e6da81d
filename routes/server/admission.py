"""The steps that both paths share: how a request is admitted, and how its response is concluded.

Theory of operation. A request passes these steps in this order, and the first one that raises an
ApiError decides the response:

1. `name_request`   its id and its trace, so that whatever fails afterwards can be found in the log
2. `admit_caller`   duplicate headers, then the internal key (or, in `dispatch`, the admin's token)
3. `canonical_ids`  the ids in the path (from `router`)
4. `query_of`       the parameters after the `?`
5. `read_json`      the body: its headers, its bytes, its JSON, its fields
6.                  the endpoint's handler

`dispatch` takes every step for each request. `fast_path` accepts only targets that have passed
steps 3 and 4, which need nothing but the target's text, and takes the others.

What comes of it becomes a response in exactly one of three ways (`succeeded`, `refused`,
`without_body`), and `conclude` counts and logs that response once.

Rule: whatever happens on the way, the client gets a response of this service's own making that
carries the request's id.
"""

import logging
import re
import time
from http import HTTPStatus
from typing import Any

from multidict import MultiMapping, istr
from yarl import URL

from routes.auth.internal_keys import SERVICE_PREFIX
from routes.call import Call
from routes.contract.answers import encode, etag_of
from routes.contract.errors import Code, repeated
from routes.contract.fields import NoQuery
from routes.contract.headers import refuse_duplicates
from routes.contract.ids import random_id
from routes.contract.raised import error_for
from routes.contract.raw import Raw
from routes.contract.validation import read_query
from routes.endpoint import Access, Answer, Endpoint
from routes.request_context import request_id_now, traceparent_now
from routes.server.cors import allow_origin
from routes.server.response import BODILESS, JSON, NO_STORE, Ready, head_of
from routes.services import Services

log = logging.getLogger(__name__)
access_log = logging.getLogger("evently.access")

# One in so many successes of hot endpoints is logged, and of what they shed, the refusals that come
# so far apart: a flood of them must not become one of lines, which take a fifth of the time then.
# Everything else is logged every time.
HOT_LOG_EVERY, REFUSAL_LOG_S = 1000, 0.01
# The route that is counted and logged for a request that no endpoint was found for.
UNMATCHED = "unmatched"
ID_CHARACTERS = 36

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,64}")
# W3C Trace Context, section 3.2: version 00, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID_HEADER = istr("X-Request-ID")
_TRACEPARENT_HEADER = istr("traceparent")
_IF_NONE_MATCH = istr("If-None-Match")
# Plain names for members of enums: to look one up in its class costs 0.1 to 0.4 us a time.
_PUBLIC, _INTERNAL = Access.PUBLIC, Access.INTERNAL
_NO_CONTENT, _NOT_MODIFIED = HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value
_SERVER_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR.value
_SHED = frozenset({Code.OVERLOADED, Code.DATABASE_UNAVAILABLE})
_READS = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def request_id(sent: MultiMapping[str]) -> str:
    """The client's own id for its request if it is safe to log, or a new one."""
    given = sent.get(_REQUEST_ID_HEADER)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return random_id()


def name_request(call: Call) -> None:
    """From here on, log lines and spans carry this request's id, and its trace if it has one."""
    request_id_now.set(call.request_id)
    given = call.sent.get(_TRACEPARENT_HEADER)
    known = given is not None and _TRACEPARENT.fullmatch(given) is not None
    traceparent_now.set(given if given is not None and known else "")


def admit_caller(endpoint: Endpoint, call: Call) -> None:
    """Check everything about the caller that needs no database. Raises ApiError 400, 401 or 403.

    An admin's token needs the database; `dispatch` checks it next.
    """
    if endpoint.access is _PUBLIC and not endpoint.idempotent:
        return
    refuse_duplicates(call.sent)
    if endpoint.access is _INTERNAL:
        call.caller = call.services.internal_keys.authenticate(call.sent)


def query_of(endpoint: Endpoint, target: str, url: URL) -> Any:
    """The parameters of a request's target as the endpoint's model. Raises ApiError 400."""
    if endpoint.query is NoQuery:
        return None
    if "?" not in target:
        return read_query(endpoint.query, {})
    parameters = url.query
    found = dict(parameters)
    if len(found) != len(parameters):
        twice = {name for name in parameters if len(parameters.getall(name)) > 1}
        raise repeated("query", *sorted(twice))
    return read_query(endpoint.query, found)


class Admission:
    """Makes, counts and logs the responses of one server."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._observer = services.observer
        # Successes of hot endpoints since the last one that was logged.
        self._unlogged = 0
        # When the next refusal of a hot endpoint is logged, by the monotonic clock.
        self._next_refusal_s = 0.0

    def succeeded(self, endpoint: Endpoint, call: Call, answer: Answer) -> Ready:
        """The response to a call that its handler answered; 304 if the client has it already."""
        status, more = endpoint.status, call.headers
        if isinstance(answer, Raw):
            body, content_type = answer.body, answer.content_type
            status = answer.status or status
        else:
            body, content_type = encode(answer), JSON
            if endpoint.etag:
                more["ETag"] = etag_of(body)
        if "ETag" in more and _matches(call.sent.get(_IF_NONE_MATCH), more["ETag"]):
            status, body, content_type = _NOT_MODIFIED, b"", ""
        return self._ready(
            call, head_of(status, content_type, endpoint.cache_control), status, body
        )

    def refused(self, error: Exception, call: Call, route: str) -> Ready:
        """The response to a call that ended in `error`; a bug is logged."""
        name_request(call)
        error = error_for(error, f"{call.method} {route}", reads=call.method in _READS)
        self._observer.refused(error.code)
        call.shed = error.code in _SHED
        call.headers.pop("ETag", None)
        call.headers.update(error.headers)
        head = head_of(error.status, JSON, NO_STORE)
        return self._ready(call, head, error.status, encode(error.body()))

    def without_body(self, call: Call) -> Ready:
        """204: the response to a question about the path itself; its headers are the answer."""
        return self._ready(call, head_of(_NO_CONTENT, "", ""), _NO_CONTENT, b"")

    def conclude(self, call: Call, route: str, status: int, *, hot: bool) -> None:
        """Count and log a response."""
        now_s = time.monotonic()
        seconds = now_s - call.received_s
        if self._observer.asks_for_names:
            name_request(call)
        self._observer.answered(_known_method(call.method), route, status, seconds)
        if call.caller.startswith(SERVICE_PREFIX):
            self._observer.served(call.caller[len(SERVICE_PREFIX) :], status)
        if hot and status < _SERVER_ERROR and not call.failed:
            self._unlogged += call.moves
            if self._unlogged < HOT_LOG_EVERY:
                return
            self._unlogged = 0
        if hot and call.shed:
            if now_s < self._next_refusal_s:
                return
            self._next_refusal_s = now_s + REFUSAL_LOG_S
        if access_log.isEnabledFor(logging.INFO):
            _log(call, route, status, seconds)

    def _ready(self, call: Call, head: str, status: int, body: bytes) -> Ready:
        """Add what depends on the request and on the moment."""
        services, more = self.services, call.headers
        if services.cors_origins:
            allow_origin(call.sent, more, services.cors_origins)
        if services.lifecycle.draining:
            # The client must not send another request on a connection that is about to close.
            more["Connection"] = "close"
        lines = "".join([f"{name}: {text}\r\n" for name, text in more.items()]) if more else ""
        length = f"Content-Length: {len(body)}\r\n" if status not in BODILESS else ""
        head = f"{head}X-Request-ID: {call.request_id}\r\n{lines}{length}"
        return status, head, body, more.get("Connection") == "close"


def _log(call: Call, route: str, status: int, seconds: float) -> None:
    name_request(call)
    fields = {
        "method": _known_method(call.method),
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 2),
        "caller": call.caller or None,
        "moves": call.moves if call.moves > 1 else None,
        "failed": call.failed or None,
        # A path parameter that was refused as an id may be as long as a line of HTTP.
        **{name: text[:ID_CHARACTERS] for name, text in call.params.items()},
    }
    access_log.info("answered", extra={"fields": fields})


def _known_method(method: str) -> str:
    """The method as a metric's label: whatever a client makes up is `OTHER`."""
    return method if method in _METHODS else "OTHER"


def _matches(given: str | None, etag: str) -> bool:
    """Whether an If-None-Match names `etag` (RFC 9110, section 13.1.2: weakly compared)."""
    if given is None:
        return False
    return given.strip() == "*" or etag in (
        tag.strip().removeprefix("W/") for tag in given.split(",")
    )
