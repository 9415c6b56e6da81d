"""Finds the endpoint of a path, segment by segment.

Rule: a path matches exactly as it is written: no trailing slash, no doubled one, no escapes.
(aiohttp's own router and middleware chain take a quarter to a half of a bare handler's throughput,
so the service runs on aiohttp's low-level server with this router instead.)
"""

from collections.abc import Iterable, Mapping

from routes.contract.errors import ApiError, Code
from routes.contract.fields import canonical_uuid
from routes.endpoint import Endpoint

Methods = Mapping[str, Endpoint]

_INVALID_ID = {
    "event_id": "Invalid event ID",
    "hold_id": "Invalid hold ID",
    "venue_id": "Invalid venue ID",
    "admin_id": "Invalid admin ID",
}


class _Node:
    __slots__ = ("inner", "methods", "parameter", "parameter_node")

    def __init__(self) -> None:
        self.inner: dict[str, _Node] = {}
        self.parameter = ""
        self.parameter_node: _Node | None = None
        self.methods: dict[str, Endpoint] = {}


class Router:
    """All endpoints, by path."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            self._add(endpoint)

    def _add(self, endpoint: Endpoint) -> None:
        node = self._root
        for segment in endpoint.path.split("/")[1:]:
            if segment.startswith("{"):
                node.parameter = segment[1:-1]
                node.parameter_node = node.parameter_node or _Node()
                node = node.parameter_node
            else:
                node = node.inner.setdefault(segment, _Node())
        assert endpoint.method not in node.methods, f"{endpoint.method} {endpoint.path} twice"
        node.methods[endpoint.method] = endpoint
        if endpoint.method == "GET":
            node.methods["HEAD"] = endpoint

    def find(self, path: str) -> tuple[Methods, dict[str, str]]:
        """The methods on `path`, and the ids in it. Raises ApiError 404, or 400 for a bad id."""
        node = self._root
        params: dict[str, str] = {}
        for segment in path.split("/")[1:]:
            inner = node.inner.get(segment)
            if inner is None:
                inner = node.parameter_node
                if inner is None or not segment:
                    raise ApiError(Code.NOT_FOUND, "There is nothing at this path")
                params[node.parameter] = segment
            node = inner
        if not node.methods:
            raise ApiError(Code.NOT_FOUND, "There is nothing at this path")
        return node.methods, params


def canonical_ids(params: dict[str, str]) -> dict[str, str]:
    """The ids of a path as lower-case UUIDs. Raises ApiError 400."""
    for name, text in params.items():
        found = canonical_uuid(text)
        if found is None:
            message = _INVALID_ID[name]
            fields = [{"field": f"path.{name}", "message": message}]
            raise ApiError(Code.VALIDATION_ERROR, message, {"fields": fields})
        params[name] = found
    return params
