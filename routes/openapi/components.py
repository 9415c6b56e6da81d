"""What operations refer to by name: parameters, headers, security schemes, example errors.

Rule: a component holds for every operation that refers to it.
"""

from collections.abc import Mapping

from routes.contract.deadline import WAIT_HEADER, WAIT_MS, WAIT_MS_MAX
from routes.contract.errors import STATUS, Code
from routes.openapi.error_table import ERRORS, FORBIDDEN
from routes.openapi.schemas import Schema

_EXAMPLE_TIME = "2030-01-15T10:30:00Z"


def error_examples() -> Schema:
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


def answer_header(description: str, schema: Schema, *, required: bool = True) -> Schema:
    """A header of an answer."""
    return {"description": description, "required": required, "schema": schema}


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


PARAMETERS: Mapping[str, Schema] = {
    "RequestId": _header(
        "X-Request-ID",
        "Identifies this request in the log and in its answer: 1 to 64 visible ASCII characters."
        " Otherwise the service generates one",
        {"type": "string", "examples": ["checkout-7f3a"]},
    ),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "Identifies this request: a repeated one is carried out once. Bare, or an RFC 8941 string",
        {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["booking-7f3a"]},
    ),
    "RequestTimeout": _header(
        WAIT_HEADER,
        "How long the change may wait in the queue, in milliseconds",
        {"type": "integer", "minimum": 1, "maximum": WAIT_MS_MAX, "default": WAIT_MS},
    ),
    "IfNoneMatch": _header(
        "If-None-Match",
        "The ETag that the caller has: 304 if it is still current",
        {"type": "string"},
    ),
}

HEADERS: Mapping[str, Schema] = {
    "X-Request-ID": answer_header("The request's id", {"type": "string", "maxLength": 64}),
    "ETag": answer_header("Identifies these bytes, for `If-None-Match`", {"type": "string"}),
    "Location": answer_header(
        "The path of what was created",
        {"type": "string", "format": "uri-reference"},
        required=False,
    ),
    "Idempotent-Replayed": answer_header(
        "This is the answer to the first request with this key",
        {"type": "string", "const": "true"},
        required=False,
    ),
    "Retry-After": answer_header(
        "Seconds to wait before the next try", {"type": "integer", "minimum": 0}
    ),
    "WWW-Authenticate": answer_header("How to authenticate", {"type": "string"}),
}

SECURITY_SCHEMES: Mapping[str, Schema] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An admin's `access_token`, from login, registration or refresh",
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
