"""What the operations refer to by name: parameters, headers, ways to identify, errors by example.

Rule: what is said here once is true of every operation that refers to it.
"""

from collections.abc import Mapping

from routes.contract.deadline import WAIT_HEADER, WAIT_MS, WAIT_MS_MAX
from routes.contract.errors import STATUS, Code
from routes.openapi.prose import ERRORS
from routes.openapi.schemas import Schema

# `UNAUTHORIZED` has two statuses; `STATUS` tells the other.
FORBIDDEN = 403
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

HEADERS: Mapping[str, Schema] = {
    "X-Request-ID": answer_header("The request's id", {"type": "string", "maxLength": 64}),
    "ETag": answer_header("Names these bytes, for `If-None-Match`", {"type": "string"}),
    "Location": answer_header(
        "Where it is", {"type": "string", "format": "uri-reference"}, required=False
    ),
    "Idempotent-Replayed": answer_header(
        "This is the answer of the first request with this key",
        {"type": "string", "const": "true"},
        required=False,
    ),
    "Retry-After": answer_header(
        "Seconds after which another try makes sense", {"type": "integer", "minimum": 0}
    ),
    "WWW-Authenticate": answer_header("How to make oneself known", {"type": "string"}),
    "Allow": answer_header("The methods that the path answers", {"type": "string"}),
}

SECURITY_SCHEMES: Mapping[str, Schema] = {
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
