"""What an endpoint is: one declaration that routes, validates and documents it.

Rule: everything a client can be told about an endpoint stands in its declaration; the dispatcher
and the OpenAPI document read nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from routes.call import Call
from routes.contract.errors import Code
from routes.contract.fields import Body, NoQuery, Query
from routes.contract.raw import Raw


class Access(Enum):
    """Who may call."""

    PUBLIC = "public"
    ADMIN = "admin"
    INTERNAL = "internal"


Answer: TypeAlias = msgspec.Struct | Raw
Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SplitHandler(Generic[T]):
    """A handler that awaits at most once, cut at that point, so that it needs no task.

    `begin` gives what the answer is made of, or a future of it; `finish` makes the answer. Both
    may raise ApiError and domain faults. An endpoint that has one takes the fast path. `name` is
    the operation's in the OpenAPI document.
    """

    name: str
    begin: Callable[[Call], "T | asyncio.Future[T]"]
    finish: Callable[[Call, T], Answer]

    @property
    def __name__(self) -> str:
        """The operation's name, as a function has one."""
        return self.name

    async def __call__(self, call: Call) -> Answer:
        """Handle a call that came the long way."""
        begun = self.begin(call)
        return self.finish(call, await begun if isinstance(begun, asyncio.Future) else begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path; ids like `{event_id}` in the path are UUIDs.

    `answer` is the struct of a success, or a media type where the answer is no JSON; `errors` are
    the codes beyond those that `access`, `body` and `query` imply. What `waits` takes its turn
    behind other changes of its event, for as long as its caller says. `hot` endpoints are the ones
    that SPEC-level targets name; their access log is kept short. What has an `etag` can be asked
    for again with `If-None-Match`, though no cache may keep it; what `forbids` is for some admins
    only; `redirects` says whom the endpoint sends elsewhere. `description` says in the document
    what the summary cannot.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    answer: type[msgspec.Struct] | str
    status: int = 200
    access: Access = Access.PUBLIC
    body: type[Body] | None = None
    body_optional: bool = False
    query: type[Query] = NoQuery
    errors: tuple[Code, ...] = ()
    description: str = ""
    cache_control: str = "no-store"
    idempotent: bool = False
    waits: bool = False
    hot: bool = False
    etag: bool = False
    forbids: bool = False
    redirects: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
