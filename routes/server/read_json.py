"""Reads a request's body as JSON, and nothing but JSON.

Rule: the bytes decide, not what the client calls them: UTF-8 only, no compression, no duplicate
key, no NaN, no text that UTF-8 or PostgreSQL could not store. Numbers with a point or an exponent
become Decimal, so that no price ever passes through binary floating point. (aiohttp's own
`request.json()` decodes with whatever charset the client names, which takes seconds with some.)

The dispatcher waits for the bytes (`read_bytes`), the fast path has them; both then call
`parse_body`.
"""

import asyncio
import json
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.http import HttpVersion11
from multidict import MultiMapping, istr

from routes.contract.errors import ApiError, Code, invalid
from routes.contract.fields import Body, read_body

# Four times the largest body the API can use (a layout of 16 KiB).
BODY_BYTES_MAX = 64 * 1024
# A client on a bad mobile line sends 64 KiB in less; a slow one on purpose is cut here.
BODY_READ_S = 5.0

_CONTENT_LENGTH = istr("Content-Length")
_CONTENT_TYPE = istr("Content-Type")
_CONTENT_ENCODING = istr("Content-Encoding")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

B = TypeVar("B", bound=Body)


async def read_bytes(request: web.BaseRequest) -> bytes:
    """The whole body of a request that announces JSON. Raises ApiError 408, 413 or 415."""
    expect_json(request.headers)
    content = request.content
    if content.is_eof():
        return content.read_nowait()
    _invite(request)
    try:
        async with asyncio.timeout(BODY_READ_S):
            return await _read_bounded(request)
    except TimeoutError as error:
        message = f"The body did not arrive within {BODY_READ_S:.0f} seconds"
        headers = {"Connection": "close"}
        raise ApiError(Code.REQUEST_TIMEOUT, message, headers=headers) from error


def parse_body(model: type[B], raw: bytes) -> B:
    """The body `raw` as `model`. Raises ApiError 413, or 400 that names every bad field."""
    if len(raw) > BODY_BYTES_MAX:
        raise too_large()
    return read_body(model, parse_json(raw, allow_nul=model.allow_nul))


def expect_json(headers: MultiMapping[str]) -> None:
    """Raise ApiError 413 or 415 unless the headers announce JSON that is not too long."""
    declared = headers.get(_CONTENT_LENGTH)
    if declared is not None and int(declared) > BODY_BYTES_MAX:
        raise too_large()
    media_type = headers.get(_CONTENT_TYPE, "")
    if media_type != "application/json" and not _is_json_in_utf8(media_type):
        raise _unsupported("Content-Type must be application/json in UTF-8")
    if headers.get(_CONTENT_ENCODING, "identity").lower() != "identity":
        raise _unsupported("A compressed body is not supported")
    if declared is None and headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise _unsupported("A body may be chunked, and coded in no other way")


def parse_json(raw: bytes, *, allow_nul: bool = False) -> Any:
    """The value that `raw` holds. Raises ApiError 400 `Invalid JSON`.

    NUL is fine in JSON and not in PostgreSQL's text; `allow_nul` is for what is never stored.
    """
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if b"\\u" in raw:
            _refuse_unstorable(value, allow_nul=allow_nul)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise invalid(("body", "Invalid JSON")) from error
    return value


async def _read_bounded(request: web.BaseRequest) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise too_large()
    return bytes(body)


def _invite(request: web.BaseRequest) -> None:
    """Send `100 Continue` to a client that waits for it (RFC 9110, section 10.1.1)."""
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    if expected and request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(_CONTINUE)


def _is_json_in_utf8(media_type: str) -> bool:
    """Whether JSON is meant; a charset says UTF-8, any other parameter says nothing to us."""
    kind, *parameters = (part.strip().lower() for part in media_type.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip('"') for name, _, value in pairs if name == "charset"]
    return kind == "application/json" and set(charsets) <= {"utf-8"}


def too_large() -> ApiError:
    """413; the rest of the body is not read, so the connection ends."""
    message = f"The body must not exceed {BODY_BYTES_MAX} bytes"
    headers = {"Connection": "close"}
    return ApiError(Code.PAYLOAD_TOO_LARGE, message, headers=headers)


def _unsupported(message: str) -> ApiError:
    return ApiError(Code.UNSUPPORTED_MEDIA_TYPE, message)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _refuse_unstorable(value: Any, *, allow_nul: bool) -> None:
    """Raise ValueError for text that holds NUL or half a surrogate pair."""
    if isinstance(value, str):
        if "\0" in value and not allow_nul:
            raise invalid(("body", "text must not hold a NUL character"))
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_unstorable(key, allow_nul=allow_nul)
            _refuse_unstorable(item, allow_nul=allow_nul)
    elif isinstance(value, list):
        for item in value:
            _refuse_unstorable(item, allow_nul=allow_nul)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=Decimal
)
