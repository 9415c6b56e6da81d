"""The long way: answers any request with aiohttp's own request object and a task.

Theory of operation: aiohttp's low-level server calls the dispatcher in a task of its own for each
request that the fast path did not take. The dispatcher finds the endpoint and takes the steps of
`admission` in their order; it is the only one that awaits on the way: an admin's token, the bytes
of a body, and a handler that is a coroutine.

Rule: it never raises, except when its task is cancelled because the client is gone.
"""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from routes.call import Call
from routes.contract.errors import ApiError, Code
from routes.endpoint import Access, Endpoint
from routes.server.admission import (
    UNMATCHED,
    Admission,
    admit_caller,
    name_request,
    query_of,
    request_id,
)
from routes.server.cors import preflight
from routes.server.read_json import expect_json, read_json
from routes.server.receive_body import receive_body
from routes.server.response import Ready, Response
from routes.server.router import Methods, Router, canonical_ids

_VERSIONS = frozenset({HttpVersion10, HttpVersion11})


class Dispatcher:
    """The handler of aiohttp's low-level server."""

    def __init__(self, endpoints: Iterable[Endpoint], admission: Admission) -> None:
        self._router = Router(endpoints)
        self._admission = admission

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        call = Call(request.method, request.headers, self._admission.services, request)
        route, hot = UNMATCHED, False
        try:
            call.request_id = request_id(call.sent)
            name_request(call)
            endpoint = self._endpoint(call)
            if endpoint is None:
                ready = self._admission.without_body(call)
            else:
                route, hot = endpoint.path, endpoint.hot
                ready = await self._answer(endpoint, call)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            ready = self._admission.refused(error, call, route)
        status, head, body, closes = ready
        self._admission.conclude(call, route, status, hot=hot)
        return Response(status, head, body, closes)

    def _endpoint(self, call: Call) -> Endpoint | None:
        """The endpoint to run; None for OPTIONS, which only asks what the path answers."""
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
            preflight(call.sent, call.headers, allowed, call.services.cors_origins)
            return None
        raise ApiError(Code.METHOD_NOT_ALLOWED, f"This path answers {allowed}")

    async def _answer(self, endpoint: Endpoint, call: Call) -> Ready:
        """Take every step up to the handler. Raises ApiError and domain faults."""
        request = call.request
        admit_caller(endpoint, call)
        if endpoint.access is Access.ADMIN:
            call.admin = await call.services.admin_auth.bearer.authenticate(call.sent)
        canonical_ids(call.params)
        call.query = query_of(endpoint, request.raw_path, request.rel_url)
        if endpoint.body is not None and (not endpoint.body_optional or request.body_exists):
            expect_json(call.sent)
            call.body = read_json(endpoint.body, await receive_body(request))
        return self._admission.succeeded(endpoint, call, await endpoint.handler(call))


def _path_of_another_form(request: web.BaseRequest, target: str) -> str:
    """The path of a request target that is no path: a whole URL, `*`, or an authority."""
    if request.method == "CONNECT":
        message, headers = "This service is no proxy", {"Allow": "GET, POST, PUT, DELETE, OPTIONS"}
        raise ApiError(Code.METHOD_NOT_ALLOWED, message, headers=headers)
    return request.rel_url.raw_path if "://" in target else target


def _allowed(methods: Methods) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))
