"""Describes the API as an OpenAPI 3.1 document, from the endpoints' declarations.

Rule: the document says what the dispatcher does, for the same reason that it does it: what an
endpoint's access, ids, query and body imply is implied here as well, and nothing is written twice.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias, get_type_hints

import msgspec
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from routes.answers import encode
from routes.endpoint import Access, Endpoint, Raw, SplitHandler
from routes.errors import STATUS, Code, ErrorEnvelope
from routes.fields import NoQuery
from routes.openapi_examples import BODIES, field_example
from routes.openapi_prose import ERRORS, TAGS, TITLE, about
from routes.waiting import WAIT_HEADER, WAIT_MS, WAIT_MS_MAX

OPENAPI_VERSION = "3.1.0"
DISTRIBUTION = "evently-event-service"

Schema: TypeAlias = dict[str, Any]

_ID = re.compile(r"\{(\w+)\}")
# What names an event, venue or admin in an answer is a UUID, as it is in a path.
_UUID_FIELDS = frozenset({"event_id", "venue_id", "admin_id", "created_by"})
# Of the integers in answers, those that may outgrow 32 bits.
_INT64_FIELDS = frozenset({"version", "total"})
_ENVELOPE = {"$ref": "#/components/schemas/ErrorEnvelope"}
_EXAMPLE_TIME = "2030-01-15T10:30:00Z"

CREATED, NOT_MODIFIED = 201, 304
# `UNAUTHORIZED` has two statuses; `STATUS` tells the other.
FORBIDDEN = 403


class OpenApi:
    """The document of all endpoints, made when it is first asked for."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints

    @cached_property
    def encoded(self) -> bytes:
        """The document as JSON."""
        return encode(document(self._endpoints))


def document(endpoints: Iterable[Endpoint]) -> Schema:
    """The whole document, ready to be encoded; `extra={"documented": False}` leaves one out."""
    shown = [endpoint for endpoint in endpoints if endpoint.extra.get("documented", True)]
    paths: Schema = {}
    for endpoint in shown:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": TITLE,
            "version": service_version(),
            "summary": "Events, venues and seats: sold once, counted right, fast.",
            "description": about(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(shown),
        "paths": paths,
        "components": _components(shown),
    }


def service_version() -> str:
    """The installed distribution's version; `0+source` where only the source is there."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"


def _tags(endpoints: Iterable[Endpoint]) -> list[Schema]:
    names = dict.fromkeys(endpoint.tag for endpoint in endpoints)
    return [{"name": name, "description": TAGS.get(name, "")} for name in names]


def _operation(endpoint: Endpoint) -> Schema:
    operation: Schema = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "operationId": endpoint.handler.__name__,
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        schema = {"$ref": f"#/components/schemas/{endpoint.body.__name__}"}
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {
                "application/json": {"schema": schema, "examples": _sent_examples(endpoint)}
            },
        }
    return operation


def _sent_examples(endpoint: Endpoint) -> Schema:
    assert endpoint.body is not None, "only a body has examples"
    return {
        name: {"summary": sent.summary, "value": dict(sent.body)}
        for name, sent in BODIES[endpoint.body.__name__].items()
    }


def _ids(endpoint: Endpoint) -> list[str]:
    return _ID.findall(endpoint.path)


def _asks_for_role(endpoint: Endpoint) -> bool:
    return endpoint.body is not None and "role" in endpoint.body.model_fields


def has_etag(endpoint: Endpoint) -> bool:
    """Whether answers carry an ETag: those do that are encoded once and may be kept."""
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
    properties = endpoint.query.model_json_schema(schema_generator=_Untitled)["properties"]
    return [_query_parameter(name, _never_null(schema)) for name, schema in properties.items()]


def _query_parameter(name: str, schema: Schema) -> Schema:
    parameter = {"name": name, "in": "query", "required": False, "schema": schema}
    description = schema.pop("description", None)
    return parameter if description is None else {**parameter, "description": description}


def error_codes(endpoint: Endpoint) -> dict[int, list[Code]]:
    """Every status that is an error of this endpoint, with the codes that it can have."""
    codes = [*_implied(endpoint), *endpoint.errors]
    found: dict[int, list[Code]] = {}
    for code in dict.fromkeys(codes):
        found.setdefault(STATUS[code], []).append(code)
    if _may_be_forbidden(endpoint):
        found[FORBIDDEN] = [Code.UNAUTHORIZED]
    return dict(sorted(found.items()))


def _implied(endpoint: Endpoint) -> list[Code]:
    """What may go wrong on the way to the handler, and with whatever the handler asks."""
    codes = [Code.INTERNAL_ERROR]
    restricted = endpoint.access is not Access.PUBLIC
    queried = endpoint.query is not NoQuery
    if restricted:
        codes.append(Code.UNAUTHORIZED)
    if endpoint.body is not None:
        codes += [Code.REQUEST_TIMEOUT, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE]
    if restricted or queried or endpoint.body is not None or _ids(endpoint):
        # One that takes nothing from its caller asks nobody; all others ask the database.
        codes += [Code.VALIDATION_ERROR, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE]
        if endpoint.method != "GET":
            codes.append(Code.OUTCOME_UNKNOWN)
    return codes


def _may_be_forbidden(endpoint: Endpoint) -> bool:
    """A wrong internal key, another admin's event, a role that one may not take."""
    owned = endpoint.access is Access.ADMIN and "event_id" in _ids(endpoint)
    return owned or endpoint.access is Access.INTERNAL or _asks_for_role(endpoint)


def _responses(endpoint: Endpoint) -> Schema:
    found = {str(endpoint.status): _success(endpoint)}
    if has_etag(endpoint):
        headers = {**_headers("X-Request-ID", "ETag"), **_cache_control(endpoint)}
        found[str(NOT_MODIFIED)] = {
            "description": "What `If-None-Match` names is current",
            "headers": headers,
        }
    for status, codes in error_codes(endpoint).items():
        found[str(status)] = _failure(status, codes)
    return found


def _success(endpoint: Endpoint) -> Schema:
    names = ["X-Request-ID"]
    if endpoint.idempotent:
        names.append("Idempotent-Replayed")
    if has_etag(endpoint):
        names.append("ETag")
    if endpoint.status == CREATED and endpoint.access is Access.ADMIN:
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


# The header that tells more about an error of this status.
_TELLING = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}


def _failure(status: int, codes: list[Code]) -> Schema:
    names = ["X-Request-ID"]
    if status in _TELLING:
        names.append(_TELLING[status])
    examples = {code.value: {"$ref": f"#/components/examples/{code}_{status}"} for code in codes}
    return {
        "description": "; ".join(f"`{code}`" for code in codes),
        "headers": _headers(*names),
        "content": {"application/json": {"schema": _ENVELOPE, "examples": examples}},
    }


def _examples() -> Schema:
    """An example of every code, by its name and status."""
    found = {f"{code}_{status}": _example(code) for code, status in STATUS.items()}
    forbidden = _example(Code.UNAUTHORIZED)
    forbidden["value"]["error"]["message"] = "This event belongs to another admin"
    return found | {f"{Code.UNAUTHORIZED}_{FORBIDDEN}": forbidden}


def _example(code: Code) -> Schema:
    explained = ERRORS[code]
    error = {
        "code": code.value,
        "message": explained.message,
        "details": dict(explained.details),
        "timestamp": _EXAMPLE_TIME,
    }
    return {"summary": explained.meaning.replace("`", ""), "value": {"error": error}}


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _cache_control(endpoint: Endpoint) -> Schema:
    schema = {"type": "string", "const": endpoint.cache_control}
    described = _answer_header("Who may keep this answer, and how many seconds", schema)
    return {"Cache-Control": described}


def _components(endpoints: list[Endpoint]) -> Schema:
    sent, answered = _sent(endpoints), _answered(endpoints)
    assert not sent.keys() & answered.keys(), "a body and an answer have the same name"
    for endpoint in endpoints:
        if endpoint.body is not None and not isinstance(endpoint.answer, str):
            body, answer = sent[endpoint.body.__name__], answered[endpoint.answer.__name__]
            _null_as_answered(body["properties"], answer["properties"])
    unrouted = {"NotFound": Code.NOT_FOUND, "MethodNotAllowed": Code.METHOD_NOT_ALLOWED}
    return {
        "schemas": dict(sorted({**sent, **answered}.items())),
        "examples": _examples(),
        "responses": {name: _failure(STATUS[code], [code]) for name, code in unrouted.items()},
        "parameters": _PARAMETERS,
        "headers": _HEADERS,
        "securitySchemes": _SECURITY_SCHEMES,
    }


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def _sent(endpoints: Iterable[Endpoint]) -> dict[str, Schema]:
    """The schemas of all bodies, by name."""
    bodies = dict.fromkeys(endpoint.body for endpoint in endpoints if endpoint.body is not None)
    _, found = models_json_schema(
        [(body, "validation") for body in bodies],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Untitled,
    )
    schemas: dict[str, Schema] = found.get("$defs", {})
    for schema in schemas.values():
        schema["properties"] = {
            name: found for name, found in schema["properties"].items() if _writable(found)
        }
    return schemas


def _writable(schema: Schema) -> bool:
    """A field that may only be null stands in its model to be refused."""
    return schema.get("type") != "null"


def _null_as_answered(sent: Schema, answered: Schema) -> None:
    """Let a field of a body be null only where the answer's may: the handlers refuse the others."""
    for name in sent.keys() & answered.keys():
        if not _nullable(answered[name]):
            sent[name] = _never_null(sent[name])


def _nullable(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _never_null(schema: Schema) -> Schema:
    if not _nullable(schema):
        return schema
    others = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    rest = {name: said for name, said in schema.items() if name not in {"anyOf", "default"}}
    return {**(others[0] if len(others) == 1 else {"anyOf": others}), **rest}


def _answered(endpoints: Iterable[Endpoint]) -> dict[str, Schema]:
    """The schemas of all answers and of the error envelope, by name."""
    structs = [endpoint.answer for endpoint in endpoints if not isinstance(endpoint.answer, str)]
    types: list[type[msgspec.Struct]] = list(dict.fromkeys([*structs, ErrorEnvelope]))
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for struct in _structs(types):
        _complete(schemas[struct.__name__], struct)
    for schema in schemas.values():
        if "enum" in schema:
            schema["type"] = "string"
    return schemas


def _structs(types: Iterable[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """`types` and every struct inside them."""
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(list(types)))
    while waiting:
        match waiting.pop():
            case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in found:
                found[cls] = None
                waiting += [field.type for field in fields]
            case msgspec.inspect.ListType(item_type=item):
                waiting.append(item)
            case msgspec.inspect.UnionType(types=union):
                waiting += union
            case _:
                pass
    return list(found)


def _complete(schema: Schema, struct: type[msgspec.Struct]) -> None:
    """Say what msgspec does not: every field is always there, times have a zone, ids are UUIDs."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, msgspec.inspect.StructType), "an answer is a struct"
    schema["required"] = [field.encode_name for field in info.fields]
    for field in info.fields:
        told = schema["properties"][field.encode_name]
        told.pop("default", None)
        if isinstance(field.type, msgspec.inspect.DateTimeType):
            told["format"] = "date-time"
        if isinstance(field.type, msgspec.inspect.IntType):
            told["format"] = "int64" if field.encode_name in _INT64_FIELDS else "int32"
        if field.encode_name in _UUID_FIELDS:
            told["format"] = "uuid"
        example = field_example(struct.__name__, field.encode_name)
        if example is not None:
            told["examples"] = [example]


def _uuid_schema() -> Schema:
    return {"type": "string", "format": "uuid"}


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


_PARAMETERS: Mapping[str, Schema] = {
    "RequestId": _header(
        "X-Request-ID",
        "Names this request in the log and in its answer. Without one of 1 to 64 visible ASCII"
        " characters the service makes one",
        {"type": "string", "examples": ["checkout-7f3a"]},
    ),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "Names this move: sent again, it is not done again. Bare, or a quoted string of RFC 8941",
        {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["booking-7f3a"]},
    ),
    "RequestTimeout": _header(
        WAIT_HEADER,
        "How long the change may wait for its turn, in milliseconds",
        {"type": "integer", "minimum": 1, "maximum": WAIT_MS_MAX, "default": WAIT_MS},
    ),
    "IfNoneMatch": _header(
        "If-None-Match",
        "The ETag of what the caller holds: 304 if it is current",
        {"type": "string"},
    ),
}


def _answer_header(description: str, schema: Schema, *, required: bool = True) -> Schema:
    return {"description": description, "required": required, "schema": schema}


_HEADERS: Mapping[str, Schema] = {
    "X-Request-ID": _answer_header("The request's id", {"type": "string", "maxLength": 64}),
    "ETag": _answer_header("Names these bytes, for `If-None-Match`", {"type": "string"}),
    "Location": _answer_header(
        "Where it is", {"type": "string", "format": "uri-reference"}, required=False
    ),
    "Idempotent-Replayed": _answer_header(
        "This is the answer of the first request with this key",
        {"type": "string", "const": "true"},
        required=False,
    ),
    "Retry-After": _answer_header(
        "Seconds after which another try makes sense", {"type": "integer", "minimum": 0}
    ),
    "WWW-Authenticate": _answer_header("How to make oneself known", {"type": "string"}),
    "Allow": _answer_header("The methods that the path answers", {"type": "string"}),
}

_SECURITY_SCHEMES: Mapping[str, Schema] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` that login, registration and refresh give to an admin",
    },
    "internalKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An internal key, for services: one of `EVENTLY_INTERNAL_API_KEYS`",
    },
    "internalAuthorization": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The same internal key, as `ApiKey <key>`",
    },
}
