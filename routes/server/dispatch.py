"""The handler of aiohttp's server: answers every request that the fast path does not take.

Rule: whatever happens on the way, the client gets a response of this service's own making.
"""

import time
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from routes.call import Call
from routes.contract.answers import encode
from routes.contract.errors import ApiError, Code
from routes.contract.raw import Raw
from routes.endpoint import Access, Endpoint
from routes.server.admission import admit, name_for_logs, query_of, request_id
from routes.server.conclusion import UNMATCHED, Conclusion, unchanged
from routes.server.cors import preflight
from routes.server.read_json import parse_body, read_bytes
from routes.server.response import Response
from routes.server.router import Methods, Router, canonical_ids
from routes.services import Services

_VERSIONS = frozenset({HttpVersion10, HttpVersion11})


class Dispatcher:
    """Takes a request through admission, its handler and its conclusion."""

    def __init__(
        self, endpoints: Iterable[Endpoint], services: Services, conclusion: Conclusion
    ) -> None:
        self._router = Router(endpoints)
        self._services = services
        self._conclusion = conclusion

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        started_s = time.perf_counter()
        call = Call(request.method, request.headers, self._services, request)
        endpoint: Endpoint | None = None
        try:
            call.request_id = request_id(call.sent)
            name_for_logs(call)
            endpoint = self._endpoint(call)
            if endpoint is None:
                response = self._conclusion.response(call, HTTPStatus.NO_CONTENT, b"")
            else:
                response = await self._answer(endpoint, call)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            route = UNMATCHED if endpoint is None else endpoint.path
            response = self._conclusion.refusal(error, call, route)
        self._conclusion.conclude(call, endpoint, response.status, started_s)
        return response

    def _endpoint(self, call: Call) -> Endpoint | None:
        """The endpoint to run; None for OPTIONS, which only asks what there is."""
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
        admit(endpoint, call)
        if endpoint.access is Access.ADMIN:
            call.admin = await call.services.admin_auth.authenticate(request)
        call.params = canonical_ids(call.params)
        call.query = query_of(endpoint, request.raw_path, request.query)
        if endpoint.body is not None and (not endpoint.body_optional or request.body_exists):
            call.body = parse_body(endpoint.body, await read_bytes(request))
        answer = await endpoint.handler(call)
        if unchanged(call):
            return self._conclusion.response(call, HTTPStatus.NOT_MODIFIED, b"")
        if not isinstance(answer, Raw):
            answer = Raw(encode(answer))
        return self._conclusion.response(call, endpoint.status, answer.body, answer.content_type)


def _path_of_another_form(request: web.BaseRequest, target: str) -> str:
    """The path of a request target that is no path: a whole URL, `*`, or an authority."""
    if request.method == "CONNECT":
        message, headers = "This service is no proxy", {"Allow": "GET, POST, PUT, DELETE, OPTIONS"}
        raise ApiError(Code.METHOD_NOT_ALLOWED, message, headers=headers)
    return request.rel_url.raw_path if "://" in target else target


def _allowed(methods: Methods) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))
