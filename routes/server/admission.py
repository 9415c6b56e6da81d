"""The steps that every request passes before its handler runs, whichever path it takes.

Rules:

1. The order is: endpoint, duplicate headers, caller, ids, query, body. A request that fails at
   one step hears of that step alone.
2. Every step raises ApiError; `conclusion` turns it into the response.

The dispatcher and the fast path call the same functions; they differ only in how they wait.
"""

import re
from collections.abc import Mapping

from multidict import MultiMapping, istr

from routes.call import Call
from routes.contract.errors import invalid
from routes.contract.fields import NoQuery, read_query
from routes.contract.headers import refuse_duplicates
from routes.contract.ids import random_id
from routes.endpoint import Access, Endpoint
from routes.request_context import request_id_now, traceparent_now

_REQUEST_ID_HEADER = istr("X-Request-ID")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,64}")
# W3C Trace Context, section 3.2: version 00, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def request_id(sent: MultiMapping[str]) -> str:
    """The client's own id for its request if it can be logged as it is, or a new one."""
    given = sent.get(_REQUEST_ID_HEADER)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return random_id()


def name_for_logs(call: Call) -> None:
    """Make log lines and spans from here on carry the request's id, and its trace if any."""
    request_id_now.set(call.request_id)
    given = call.sent.get("traceparent")
    known = given is not None and _TRACEPARENT.fullmatch(given) is not None
    traceparent_now.set(given if given is not None and known else "")


def decides_by_headers(endpoint: Endpoint) -> bool:
    """Whether a header of the request decides who calls or what is done."""
    return endpoint.access is not Access.PUBLIC or endpoint.idempotent


def admit(endpoint: Endpoint, call: Call) -> None:
    """Refuse duplicate headers and, where only services may call, unknown callers.

    Sets `call.caller` for services. An admin's token may have to be verified elsewhere, so the
    dispatcher does that itself. Raises ApiError 400, 401 or 403.
    """
    if decides_by_headers(endpoint):
        refuse_duplicates(call.sent)
    if endpoint.access is Access.INTERNAL:
        call.caller = call.services.internal_keys.authenticate(call.sent)


def query_of(endpoint: Endpoint, target: str, query: MultiMapping[str]) -> object | None:
    """The query of a request to `target`, as the endpoint's model. Raises ApiError 400."""
    if endpoint.query is NoQuery:
        return None
    return read_query(endpoint.query, _given_once(target, query))


def _given_once(target: str, query: MultiMapping[str]) -> Mapping[str, str]:
    if "?" not in target:
        return {}
    found = dict(query)
    if len(found) != len(query):
        twice = sorted({name for name in query if len(query.getall(name)) > 1})
        raise invalid(*((f"query.{name}", f"{name} must be given once") for name in twice))
    return found
