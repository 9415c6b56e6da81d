"""Reads a body: from bytes to a validated model, and nothing but JSON in between.

Rule: the bytes decide, not what the client says about them: UTF-8 only, no compression, no key
twice, no NaN, no text that UTF-8 or PostgreSQL cannot store. Numbers with a point or an exponent
are Decimal, so that no price passes through binary floating point. (aiohttp's own `request.json()`
decodes with whatever charset the client names, which takes seconds with some.)
"""

import json
from codecs import BOM_UTF8
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from multidict import MultiMapping, istr

from routes.contract.errors import ApiError, Code, invalid
from routes.contract.fields import Body
from routes.contract.validation import read_body

# Four times the largest body the API can use (a layout of 16 KiB).
BODY_BYTES_MAX = 64 * 1024
# Cached bodies, and their greatest length; 2 MB at most.
CACHED_BODIES_MAX, CACHED_BODY_BYTES_MAX = 4096, 128

_CONTENT_LENGTH = istr("Content-Length")
_CONTENT_TYPE = istr("Content-Type")
_CONTENT_ENCODING = istr("Content-Encoding")


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


def read_json(model: type[Body], raw: bytes) -> Body:
    """A whole body as `model`. Raises ApiError 400 or 413."""
    if model.cacheable and len(raw) <= CACHED_BODY_BYTES_MAX:
        return cached_body(model, raw)
    return _read(model, raw)


def _read(model: type[Body], raw: bytes) -> Body:
    if len(raw) > BODY_BYTES_MAX:
        raise too_large()
    return read_body(model, parse_json(raw, allow_nul=model.allow_nul))


# Bookings differ little: most bodies are one of a few hundred, and a lookup takes a tenth of the
# 5 us that it takes to parse and validate one. Those that name their booking come once and are the
# first to go. A body that is refused is not cached.
cached_body = lru_cache(CACHED_BODIES_MAX)(_read)


def parse_json(raw: bytes, *, allow_nul: bool = False) -> Any:
    """The value that `raw` holds. Raises ApiError 400 `Invalid JSON`.

    NUL is valid in JSON but not in PostgreSQL's text; `allow_nul` is for what is never stored.
    """
    if raw.startswith(BOM_UTF8):
        raise invalid(("body", "Invalid JSON: it must not begin with a byte order mark"))
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if b"\\u" in raw:
            _refuse_unstorable(value, allow_nul=allow_nul)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise invalid(("body", "Invalid JSON")) from error
    return value


def _is_json_in_utf8(media_type: str) -> bool:
    """Whether it is JSON in UTF-8; a charset must say so, any other parameter is ignored."""
    kind, *parameters = (part.strip().lower() for part in media_type.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip('"') for name, _, value in pairs if name == "charset"]
    return kind == "application/json" and set(charsets) <= {"utf-8"}


def too_large() -> ApiError:
    """413; the rest of the body is not read, so the connection closes."""
    message = f"The body must not exceed {BODY_BYTES_MAX} bytes"
    headers = {"Connection": "close"}
    return ApiError(Code.PAYLOAD_TOO_LARGE, message, headers=headers)


def _unsupported(message: str) -> ApiError:
    return ApiError(Code.UNSUPPORTED_MEDIA_TYPE, message)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
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
