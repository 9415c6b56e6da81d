"""A seat move as it is sent: its version, its body and its key.

Rule: a request that the service could misread, or would refuse as invalid, is never sent.
"""

import re
from typing import Literal, TypeAlias

OnConflict: TypeAlias = Literal["retry", "current", "fail"]
Version: TypeAlias = int | Literal["*"]

ANY: Literal["*"] = "*"
KEY_MAX = 255
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._:~/+=-]+")


def positive(seats: int) -> int:
    """`seats`, if that is 1 or more. Raises ValueError."""
    if seats < 1:
        raise ValueError(f"seats must be 1 or more, not {seats}")
    return seats


def key_header(key: str | None) -> str:
    """`key` bare, or as an RFC 8941 string if its characters could be misread.

    Raises ValueError.
    """
    if key is None or not 1 <= len(key) <= KEY_MAX or not (key.isascii() and key.isprintable()):
        raise ValueError(f"key must be 1 to {KEY_MAX} printable ASCII characters")
    if _PLAIN_KEY.fullmatch(key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def move_body(quantity: int, version: Version, on_conflict: OnConflict) -> bytes:
    """The move as JSON; written by hand, since nothing in it needs escaping."""
    if version == ANY:
        return b'{"quantity":%d,"version":"*"}' % quantity
    if on_conflict == "retry":
        return b'{"quantity":%d,"version":%d,"on_conflict":"retry"}' % (quantity, version)
    return b'{"quantity":%d,"version":%d}' % (quantity, version)
