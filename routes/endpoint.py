"""What an endpoint is: one declaration that routes, validates and documents it.

Rule: everything a client can be told about an endpoint stands in its declaration; the dispatcher
and the OpenAPI document read nothing else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import msgspec

from routes.call import Call
from routes.errors import Code
from routes.fields import Body, NoQuery, Query


class Access(Enum):
    """Who may call."""

    PUBLIC = "public"
    ADMIN = "admin"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON, or is encoded already."""

    body: bytes
    content_type: str = "application/json"


Handler: TypeAlias = Callable[[Call], Awaitable[msgspec.Struct | Raw]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method on one path; `{event_id}` and `{venue_id}` in the path are UUIDs.

    `answer` is the struct of a success, or a media type where the answer is no JSON; `errors` are
    the codes beyond those that `access`, `body` and `query` imply. `hot` endpoints are the ones
    that SPEC-level targets name; their access log is kept short.
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
    cache_control: str = "no-store"
    idempotent: bool = False
    hot: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
