"""One request on its way through the service: what was sent, by whom, and what goes back.

Rule: a handler sees a `Call` and nothing of aiohttp but what it must. The handlers of the fast
path see no request at all: there is none.
"""

import time
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from evently.domain.admins import Admin
from evently.domain.origin import Origin
from routes.services import Services


class Call:
    """A request while it is answered.

    `params` holds the path's ids in canonical form, `body` and `query` instances of the
    endpoint's models, `caller` the name of the internal key or admin; `sent` are the request's
    headers, `headers` are sent with the answer. `received_s` is when it came, by the monotonic
    clock. `moves` counts the requests in this one, and `failed` those of them that met a fault. It
    was `shed` if there was no room for it, or no database.
    """

    __slots__ = (
        "_admin",
        "_request",
        "body",
        "caller",
        "failed",
        "headers",
        "method",
        "moves",
        "params",
        "query",
        "received_s",
        "request_id",
        "sent",
        "services",
        "shed",
    )

    def __init__(
        self,
        method: str,
        sent: MultiMapping[str],
        services: Services,
        request: web.BaseRequest | None = None,
        received_s: float | None = None,
    ) -> None:
        self.method = method
        self.received_s = time.monotonic() if received_s is None else received_s
        self.sent = sent
        self.services = services
        self._request = request
        self.params: dict[str, str] = {}
        self.request_id = ""
        self.caller = ""
        self.body: Any = None
        self.query: Any = None
        self.headers: dict[str, str] = {}
        self.moves = 1
        self.failed = 0
        self.shed = False
        self._admin: Admin | None = None

    @property
    def request(self) -> web.BaseRequest:
        """What aiohttp makes of the request."""
        if self._request is None:
            raise AssertionError("on the fast path there is no request")
        return self._request

    @property
    def origin(self) -> Origin:
        """Who asks, and in which request: what the ledger and the audit log record."""
        return Origin(self.caller, self.request_id)

    @property
    def event_id(self) -> str:
        """The event that the path names."""
        return self.params["event_id"]

    @property
    def venue_id(self) -> str:
        """The venue that the path names."""
        return self.params["venue_id"]

    @property
    def admin(self) -> Admin:
        """The calling admin; only endpoints with `Access.ADMIN` have one."""
        if self._admin is None:
            raise AssertionError("this endpoint admits callers other than admins")
        return self._admin

    @admin.setter
    def admin(self, admin: Admin) -> None:
        self._admin = admin
        self.caller = admin.caller
