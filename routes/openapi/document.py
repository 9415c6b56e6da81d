"""Describes the API as an OpenAPI 3.1 document, from the endpoints' declarations.

Rule: every endpoint is described unless its declaration opts out; this module only assembles what
`operations`, `schemas` and `components` provide.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from routes.contract.answers import encode
from routes.endpoint import Endpoint
from routes.openapi.components import HEADERS, PARAMETERS, SECURITY_SCHEMES, error_examples
from routes.openapi.operations import operation, unrouted
from routes.openapi.prose import TAGS, TITLE, about
from routes.openapi.schemas import Schema, all_schemas

OPENAPI_VERSION = "3.1.0"
DISTRIBUTION = "evently-event-service"


def encoded_document(endpoints: Sequence[Endpoint]) -> Callable[[], bytes]:
    """A function that returns the document as JSON, encoded on its first call."""

    @cache
    def encoded() -> bytes:
        return encode(document(endpoints))

    return encoded


def document(endpoints: Iterable[Endpoint]) -> Schema:
    """The whole document, ready to be encoded; `extra={"documented": False}` leaves one out."""
    shown = [endpoint for endpoint in endpoints if endpoint.extra.get("documented", True)]
    paths: Schema = {}
    for endpoint in shown:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation(endpoint)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": TITLE,
            "version": service_version(),
            "summary": "Events, venues and seats, each seat sold once.",
            "description": about(),
            "contact": {"name": "The Evently platform"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": _tags(shown),
        "paths": paths,
        "components": _components(shown),
    }


def service_version() -> str:
    """The installed distribution's version; `0+source` if it is not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"


def _tags(endpoints: Iterable[Endpoint]) -> list[Schema]:
    names = dict.fromkeys(endpoint.tag for endpoint in endpoints)
    return [{"name": name, "description": TAGS.get(name, "")} for name in names]


def _components(endpoints: list[Endpoint]) -> Schema:
    return {
        "schemas": all_schemas(endpoints),
        "examples": error_examples(),
        "responses": {"Unrouted": unrouted()},
        "parameters": PARAMETERS,
        "headers": HEADERS,
        "securitySchemes": SECURITY_SCHEMES,
    }
