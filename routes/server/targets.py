"""What a plain request asks of a hot endpoint, and a cache of the targets that came before.

Rule: a target found here has passed the checks that its text alone decides (path, ids, query).
Any other target is None, and `dispatch` tells the client what is wrong with it.
"""

from collections.abc import Iterable
from typing import Any

from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage

from routes.contract.errors import ApiError
from routes.endpoint import Access, Endpoint, SplitHandler
from routes.server.admission import query_of
from routes.server.router import Router, canonical_ids

# Cached targets of each method, and their greatest length; 1 MB at most. The cache saves 3 us of a
# request. An event in memory takes 3 KB: many more targets would show beside that.
TARGETS_MAX, CACHED_TARGET_BYTES_MAX = 1024, 256


class Target:
    """One endpoint with the ids and the query that a request target names."""

    __slots__ = ("endpoint", "handler", "params", "query")

    def __init__(self, endpoint: Endpoint, params: dict[str, str], query: Any) -> None:
        assert isinstance(endpoint.handler, SplitHandler), "only split handlers are hot"
        self.endpoint = endpoint
        self.handler: SplitHandler[Any] = endpoint.handler
        self.params = params
        self.query = query


class Targets:
    """The targets of all endpoints whose handler is split."""

    def __init__(self, endpoints: Iterable[Endpoint], targets_max: int = TARGETS_MAX) -> None:
        hot = [one for one in endpoints if isinstance(one.handler, SplitHandler)]
        for one in hot:
            assert one.access is not Access.ADMIN, "an admin's token is checked with an await"
        self._router = Router(hot)
        self._targets_max = targets_max
        self._cached: dict[str, dict[str, Target]] = {one.method: {} for one in hot}

    def find(self, message: RawRequestMessage) -> Target | None:
        """What a plain request asks for; None if anything about the request is special."""
        cached = self._cached.get(message.method)
        if (
            cached is None
            or message.version is not HttpVersion11
            or message.should_close
            or message.upgrade
            or message.chunked
        ):
            return None
        return cached.get(message.path) or self._resolve(message, cached)

    def _resolve(self, message: RawRequestMessage, cached: dict[str, Target]) -> Target | None:
        target = message.path
        try:
            methods, params = self._router.find(target.partition("?")[0])
            endpoint = methods.get(message.method)
            if endpoint is None:
                return None
            found = Target(endpoint, canonical_ids(params), query_of(endpoint, target, message.url))
        except ApiError:
            return None
        # A hold is confirmed once: its target would only push out those that come again.
        if len(target) <= CACHED_TARGET_BYTES_MAX and "hold_id" not in params:
            if len(cached) >= self._targets_max:
                cached.clear()
            cached[target] = found
        return found
