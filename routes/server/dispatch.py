"""Takes every request through the same steps: route, caller, ids, query, body, handler, answer.

Rule: whatever happens on the way, the client gets an answer of this service's own making, with
the request's id, and what it did is counted.
"""

import logging
import re
import time
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11
from multidict import MultiMapping, istr

from evently.domain.errors import CommandFailed, Fault
from routes.call import Call
from routes.contract.answers import encode
from routes.contract.errors import ApiError, Code, failed, internal_error, invalid
from routes.contract.fields import NoQuery, read_body, read_query
from routes.contract.ids import random_id
from routes.contract.raw import Raw
from routes.endpoint import Access, Endpoint
from routes.request_context import request_id_now, traceparent_now
from routes.server.cors import allow_origin, preflight
from routes.server.read_json import read_json
from routes.server.response import Response
from routes.server.router import Methods, Router, canonical_ids
from routes.services import Services

log = logging.getLogger(__name__)
access_log = logging.getLogger("evently.access")

# Of the hot endpoints' good answers, one in so many is logged; of all others, every one.
HOT_LOG_EVERY = 1000
UNMATCHED = "unmatched"
ID_CHARACTERS = 36

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,64}")
# W3C Trace Context, section 3.2: version 00, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_REQUEST_ID_HEADER = istr("X-Request-ID")
_IF_NONE_MATCH = istr("If-None-Match")
_ONCE = (istr("Authorization"), istr("X-API-Key"), istr("Idempotency-Key"))


class Dispatcher:
    """The handler of aiohttp's low-level server."""

    def __init__(self, endpoints: Iterable[Endpoint], services: Services) -> None:
        self._router = Router(endpoints)
        self._services = services
        self._observer = services.observer
        self._hot_answers = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        started_s = time.perf_counter()
        call = Call(request.method, request.headers, self._services, request)
        route = UNMATCHED
        hot = False
        try:
            call.request_id = request_id(call.sent)
            _name(call)
            endpoint = self._endpoint(call)
            if endpoint is None:
                response = _response(call, HTTPStatus.NO_CONTENT, b"", "")
            else:
                route, hot = endpoint.path, endpoint.hot
                response = await self._answer(endpoint, call)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            response = self.refusal(error, call, route)
        if self._services.cors_origins:
            allow_origin(call.sent, response.head, self._services.cors_origins)
        self.conclude(call, route, response.status, started_s, hot=hot)
        return response

    def refusal(self, error: Exception, call: Call, route: str) -> Response:
        """The answer to a call that ended in `error`; what is a bug is logged."""
        _name(call)
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
        return _response(call, error.status, encode(error.body()), "application/json")

    def conclude(self, call: Call, route: str, status: int, started_s: float, *, hot: bool) -> None:
        """Count and log an answer that was made just now."""
        seconds = time.perf_counter() - started_s
        if self._observer.asks_for_names:
            _name(call)
        self._observer.answered(_known_method(call.method), route, status, seconds)
        self._log(call, route, status, seconds, hot=hot)

    def _endpoint(self, call: Call) -> Endpoint | None:
        """The endpoint to run; None when the method only asked what there is."""
        request = call.request
        if request.version not in _VERSIONS:
            message, headers = "This service speaks HTTP/1.1", {"Connection": "close"}
            raise ApiError(Code.VALIDATION_ERROR, message, headers=headers)
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/"):
            path = _path_of_another_form(request, path)
        methods, call.params = self._router.find(path)
        endpoint = methods.get(request.method)
        if endpoint is not None:
            return endpoint
        allowed = _allowed(methods)
        call.headers["Allow"] = allowed
        if request.method == "OPTIONS":
            preflight(call.sent, call.headers, allowed, self._services.cors_origins)
            return None
        raise ApiError(Code.METHOD_NOT_ALLOWED, f"This path answers {allowed}")

    async def _answer(self, endpoint: Endpoint, call: Call) -> Response:
        request = call.request
        call.headers["Cache-Control"] = endpoint.cache_control
        if endpoint.access is not Access.PUBLIC or endpoint.idempotent:
            refuse_doubles(call.sent)
        if endpoint.access is Access.INTERNAL:
            call.caller = call.services.internal_keys.authenticate(call.sent)
        elif endpoint.access is Access.ADMIN:
            call.admin = await call.services.admin_auth.authenticate(request)
        if call.params:
            canonical_ids(call.params)
        if endpoint.query is not NoQuery:
            call.query = read_query(endpoint.query, once(request.raw_path, request.query))
        if endpoint.body is not None and (not endpoint.body_optional or request.body_exists):
            call.body = read_body(
                endpoint.body, await read_json(request, allow_nul=endpoint.body.allow_nul)
            )
        answer = await endpoint.handler(call)
        if isinstance(answer, Raw):
            return _raw(endpoint, answer, call)
        return _response(call, endpoint.status, encode(answer), "application/json")

    def _log(self, call: Call, route: str, status: int, seconds: float, *, hot: bool) -> None:
        if hot and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._hot_answers += 1
            if self._hot_answers % HOT_LOG_EVERY:
                return
        if not access_log.isEnabledFor(logging.INFO):
            return
        _name(call)
        fields = {
            "method": _known_method(call.method),
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "caller": call.caller or None,
            # What was no id, and was refused, may be as long as a line of HTTP.
            **{name: text[:ID_CHARACTERS] for name, text in call.params.items()},
        }
        access_log.info("answered", extra={"fields": fields})


def request_id(sent: MultiMapping[str]) -> str:
    """The client's own id for its request where it is fit to be written, or a new one."""
    given = sent.get(_REQUEST_ID_HEADER)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return random_id()


def _name(call: Call) -> None:
    """From here on, log lines and spans carry this request's id, and its trace if it has one."""
    request_id_now.set(call.request_id)
    given = call.sent.get("traceparent")
    known = given is not None and _TRACEPARENT.fullmatch(given) is not None
    traceparent_now.set(given if given is not None and known else "")


_READS = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


def _path_of_another_form(request: web.BaseRequest, target: str) -> str:
    """The path of a request target that is no path: a whole URL, `*`, or an authority."""
    if request.method == "CONNECT":
        message, headers = "This service is no proxy", {"Allow": "GET, POST, PUT, DELETE, OPTIONS"}
        raise ApiError(Code.METHOD_NOT_ALLOWED, message, headers=headers)
    return request.rel_url.raw_path if "://" in target else target


def _known_method(method: str) -> str:
    """The method as a metric's label: whatever a client makes up is `OTHER`."""
    return method if method in _METHODS else "OTHER"


def _allowed(methods: Methods) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def refuse_doubles(sent: MultiMapping[str]) -> None:
    """Raise ApiError 400 where a header that decides something stands twice."""
    for name in _ONCE:
        if len(sent.getall(name, ())) > 1:
            raise invalid((f"header.{name}", f"{name} must be given once"))


def once(target: str, query: MultiMapping[str]) -> dict[str, str]:
    """The parameters of a request's target. Raises ApiError 400 where one stands twice."""
    if "?" not in target:
        return {}
    found = dict(query)
    if len(found) != len(query):
        twice = sorted({name for name in query if len(query.getall(name)) > 1})
        raise invalid(*((f"query.{name}", f"{name} must be given once") for name in twice))
    return found


def _raw(endpoint: Endpoint, answer: Raw, call: Call) -> Response:
    etag = call.headers.get("ETag")
    if etag is not None and matches(call.sent.get(_IF_NONE_MATCH), etag):
        return _response(call, HTTPStatus.NOT_MODIFIED, b"", "")
    return _response(call, endpoint.status, answer.body, answer.content_type)


def matches(given: str | None, etag: str) -> bool:
    """Whether an If-None-Match names `etag` (RFC 9110, section 13.1.2: weakly compared)."""
    if given is None:
        return False
    return given.strip() == "*" or etag in (
        tag.strip().removeprefix("W/") for tag in given.split(",")
    )


def _response(call: Call, status: int, body: bytes, content_type: str) -> Response:
    headers = call.headers
    if content_type:
        headers["Content-Type"] = content_type
    headers["X-Request-ID"] = call.request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Server"] = "evently"
    if call.services.lifecycle.draining:
        # So that the client sends no further request on a connection that is about to end.
        headers["Connection"] = "close"
    return Response(status, headers, body)
