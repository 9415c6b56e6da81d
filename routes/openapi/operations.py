"""Describes one endpoint as an operation: its parameters, its access and its answers.

Rule: the document follows from the same declarations as the dispatcher: what an endpoint's access,
ids, query and body imply there, they imply here, and nothing is written twice.
"""

import re
from collections.abc import Iterable
from typing import get_type_hints

from routes.contract.account_bodies import Registration
from routes.contract.errors import STATUS, Code
from routes.contract.fields import NoQuery
from routes.contract.raw import Raw
from routes.endpoint import Access, Endpoint, SplitHandler
from routes.openapi.components import answer_header
from routes.openapi.error_table import FORBIDDEN
from routes.openapi.examples import BODIES
from routes.openapi.schemas import Schema, query_schemas

CREATED, SEE_OTHER, NOT_MODIFIED = 201, 303, 304

_ID = re.compile(r"\{(\w+)\}")
_ENVELOPE = {"$ref": "#/components/schemas/ErrorEnvelope"}
# The header that explains an error of this status.
_TELLING = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def operation(endpoint: Endpoint) -> Schema:
    """An endpoint's parameters and body, and each of its answers."""
    described: Schema = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "operationId": endpoint.handler.__name__,
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        schema = {"$ref": f"#/components/schemas/{endpoint.body.__name__}"}
        described["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {
                "application/json": {"schema": schema, "examples": _sent_examples(endpoint)}
            },
        }
    return described


def _sent_examples(endpoint: Endpoint) -> Schema:
    assert endpoint.body is not None, "only a body has examples"
    return {
        name: {"summary": sent.summary, "value": dict(sent.body)}
        for name, sent in BODIES[endpoint.body.__name__].items()
    }


def _ids(endpoint: Endpoint) -> list[str]:
    return _ID.findall(endpoint.path)


def _asks_for_role(endpoint: Endpoint) -> bool:
    return endpoint.body is Registration


def has_etag(endpoint: Endpoint) -> bool:
    """Whether answers carry an ETag: if declared so, or encoded once and open to caches."""
    if endpoint.etag:
        return True
    handler = endpoint.handler
    answers = handler.finish if isinstance(handler, SplitHandler) else handler
    encoded_once = get_type_hints(answers).get("return") is Raw
    return encoded_once and endpoint.cache_control != "no-store"


def _security(endpoint: Endpoint) -> list[Schema]:
    match endpoint.access:
        case Access.ADMIN:
            return [{"accessToken": []}]
        case Access.INTERNAL:
            return [{"internalKey": []}, {"internalAuthorization": []}]
        case Access.PUBLIC if _asks_for_role(endpoint):
            return [{}, {"accessToken": []}]
        case Access.PUBLIC:
            return []


def _parameters(endpoint: Endpoint) -> list[Schema]:
    found: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": _uuid_schema()}
        for name in _ids(endpoint)
    ]
    found += _query_parameters(endpoint)
    names = ["RequestId"]
    if endpoint.idempotent:
        names.append("IdempotencyKey")
    if endpoint.waits:
        names.append("RequestTimeout")
    if has_etag(endpoint):
        names.append("IfNoneMatch")
    return found + [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _query_parameters(endpoint: Endpoint) -> list[Schema]:
    if endpoint.query is NoQuery:
        return []
    schemas = query_schemas(endpoint.query)
    return [_query_parameter(name, schema) for name, schema in schemas.items()]


def _query_parameter(name: str, schema: Schema) -> Schema:
    parameter = {"name": name, "in": "query", "required": False, "schema": schema}
    description = schema.pop("description", None)
    return parameter if description is None else {**parameter, "description": description}


def error_codes(endpoint: Endpoint) -> dict[int, list[Code]]:
    """Every error status of this endpoint, with its possible codes."""
    codes = [*_implied(endpoint), *endpoint.errors]
    found: dict[int, list[Code]] = {}
    for code in dict.fromkeys(codes):
        found.setdefault(STATUS[code], []).append(code)
    if _may_be_forbidden(endpoint):
        found[FORBIDDEN] = [Code.UNAUTHORIZED]
    return dict(sorted(found.items()))


def _implied(endpoint: Endpoint) -> list[Code]:
    """Errors before the handler runs, and of the database that it uses."""
    codes = [Code.INTERNAL_ERROR]
    restricted = endpoint.access is not Access.PUBLIC
    queried = endpoint.query is not NoQuery
    if restricted:
        codes.append(Code.UNAUTHORIZED)
    if endpoint.body is not None:
        codes += [Code.REQUEST_TIMEOUT, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE]
    if restricted or queried or endpoint.body is not None or _ids(endpoint):
        # An endpoint without input uses no database; all others do.
        codes += [Code.VALIDATION_ERROR, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE]
        if endpoint.method != "GET":
            codes.append(Code.OUTCOME_UNKNOWN)
    return codes


def _may_be_forbidden(endpoint: Endpoint) -> bool:
    """A wrong internal key, what another admin owns, or a role that the caller may not grant."""
    event = endpoint.access is Access.ADMIN and "event_id" in _ids(endpoint)
    venue = endpoint.access is Access.ADMIN and "venue_id" in _ids(endpoint)
    owned = event or (venue and endpoint.method != "GET")
    restricted = endpoint.forbids or endpoint.access is Access.INTERNAL
    return owned or restricted or _asks_for_role(endpoint)


def _responses(endpoint: Endpoint) -> Schema:
    found = {str(endpoint.status): _success(endpoint)}
    if has_etag(endpoint):
        headers = {**_headers("X-Request-ID", "ETag"), **_cache_control(endpoint)}
        found[str(NOT_MODIFIED)] = {
            "description": "The ETag in `If-None-Match` is current",
            "headers": headers,
        }
    if endpoint.redirects:
        headers = _headers("X-Request-ID", "Location")
        found[str(SEE_OTHER)] = {"description": endpoint.redirects, "headers": headers}
    for status, codes in error_codes(endpoint).items():
        found[str(status)] = failure(status, codes)
    if not any(status.startswith("4") for status in found):
        # An operation that refuses nobody; its path refuses other methods.
        found["4XX"] = {"$ref": "#/components/responses/Unrouted"}
    return found


def _success(endpoint: Endpoint) -> Schema:
    names = ["X-Request-ID"]
    if endpoint.idempotent:
        names.append("Idempotent-Replayed")
    if has_etag(endpoint):
        names.append("ETag")
    if endpoint.status == CREATED and endpoint.access is not Access.PUBLIC:
        names.append("Location")
    return {
        "description": _success_description(endpoint),
        "headers": {**_headers(*names), **_cache_control(endpoint)},
        "content": _content(endpoint),
    }


def _success_description(endpoint: Endpoint) -> str:
    if isinstance(endpoint.answer, str):
        return endpoint.summary
    return (endpoint.answer.__doc__ or endpoint.summary).strip()


def _content(endpoint: Endpoint) -> Schema:
    if not isinstance(endpoint.answer, str):
        schema: Schema = {"$ref": f"#/components/schemas/{endpoint.answer.__name__}"}
        return {"application/json": {"schema": schema}}
    kind = "object" if endpoint.answer == "application/json" else "string"
    return {endpoint.answer: {"schema": {"type": kind}}}


def failure(status: int, codes: list[Code]) -> Schema:
    """The answers of one error status."""
    names = ["X-Request-ID"]
    if status in _TELLING:
        names.append(_TELLING[status])
    return {
        "description": "; ".join(f"`{code}`" for code in codes),
        "headers": _headers(*names),
        "content": {
            "application/json": {"schema": _ENVELOPE, "examples": _examples(codes, status)}
        },
    }


def unrouted() -> Schema:
    """The answers where no operation is: 404 for a path, 405 for a method."""
    codes = (Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED)
    allow = answer_header("The methods of this path, with 405", {"type": "string"}, required=False)
    return {
        "description": "`NOT_FOUND` for another path; `METHOD_NOT_ALLOWED` for another method",
        "headers": {**_headers("X-Request-ID"), "Allow": allow},
        "content": {"application/json": {"schema": _ENVELOPE, "examples": _examples(codes)}},
    }


def _examples(codes: Iterable[Code], status: int | None = None) -> Schema:
    return {
        code.value: {"$ref": f"#/components/examples/{code}_{status or STATUS[code]}"}
        for code in codes
    }


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _cache_control(endpoint: Endpoint) -> Schema:
    schema = {"type": "string", "const": endpoint.cache_control}
    described = answer_header("Who may cache this answer, and for how many seconds", schema)
    return {"Cache-Control": described}


def _uuid_schema() -> Schema:
    return {"type": "string", "format": "uuid"}
