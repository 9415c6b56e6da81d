"""What callers give, checked and as it is sent.

Rule: a value of a wrong type is a TypeError and one out of range a ValueError, before anything is
sent: `True` is not the version 1, and 1.5 seats are not one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

OnConflict: TypeAlias = Literal["retry", "current", "fail"]
# What a stale version means to an admin's change: with "retry" only another admin's is a conflict.
OnEditConflict: TypeAlias = Literal["retry", "fail"]
Version: TypeAlias = int | Literal["*"]
Id: TypeAlias = str | UUID

ANY: Literal["*"] = "*"
KEY_MAX = 255
INT32_MAX = 2**31 - 1
IDS_MAX = 100
VERSION_MAX = 2**63 - 1
# A hold of less makes buyers fail; one may be prolonged to as much in all.
HOLD_S_MIN, HOLD_S_MAX = 30, 7200
# A quarter of an hour, as the service gives it.
HOLD_S = 900
PRICE_MAX = Decimal("9999999999.99")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._:~/+=-]+")


class Unchanged(Enum):
    """The type of UNCHANGED."""

    UNCHANGED = "unchanged"


# The default of what a change may leave as it is, where None would remove it.
UNCHANGED: Final = Unchanged.UNCHANGED


def new_key() -> str:
    """A key for a call, for callers that keep it before they call."""
    return uuid4().hex


def key_or_new(key: str | None) -> str:
    """`key`, or a new one. Raises TypeError or ValueError for what no header can carry."""
    if key is None:
        return new_key()
    if not isinstance(key, str):
        raise TypeError(f"key must be a string, not {key!r}")
    if not 1 <= len(key) <= KEY_MAX or not (key.isascii() and key.isprintable()):
        raise ValueError(f"key must be 1 to {KEY_MAX} printable ASCII characters")
    return key


def key_header(key: str) -> str:
    """`key` bare, or as an RFC 8941 string if its characters could be misread."""
    if _PLAIN_KEY.fullmatch(key):
        return key
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def segment(name: str, given: Id) -> str:
    """An id as part of a path, in which it cannot lead to another one."""
    if not isinstance(given, str | UUID):
        raise TypeError(f"{name} must be a string or a UUID, not {given!r}")
    return quote(str(given), safe="")


def ids_of(given: Sequence[Id]) -> str:
    """1 to 100 ids between commas."""
    whole("the number of event_ids", len(given), IDS_MAX)
    return ",".join(segment("event_id", event_id) for event_id in given)


def whole(name: str, given: int, most: int, least: int = 1) -> int:
    """`given`, if it is an integer from `least` to `most`."""
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"{name} must be an int, not {given!r}")
    if not least <= given <= most:
        raise ValueError(f"{name} must be {least} or more and at most {most}, not {given}")
    return given


def seats_of(given: int) -> int:
    """A number of seats."""
    return whole("seats", given, INT32_MAX)


def duration_of(given: int) -> int:
    """The seconds of a hold."""
    return whole("duration_s", given, HOLD_S_MAX, HOLD_S_MIN)


def text_or_none(name: str, given: str | None) -> str | None:
    """A text, or None."""
    if given is not None and not isinstance(given, str):
        raise TypeError(f"{name} must be a string, not {given!r}")
    return given


def version_of(given: Version) -> Version:
    """A version of an event, or "*" for any."""
    if isinstance(given, str) and given == ANY:
        return given
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f'version must be an int or "*", not {given!r}')
    return whole("version", given, VERSION_MAX)


def on_conflict_of(given: OnConflict) -> OnConflict:
    """What to do about a stale version."""
    if given not in {"retry", "current", "fail"}:
        raise ValueError(f'on_conflict must be "retry", "current" or "fail", not {given!r}')
    return given


def price_of(given: Decimal | int) -> float:
    """A price as a JSON number; with two decimals at most, it is exact."""
    if isinstance(given, bool) or not isinstance(given, Decimal | int):
        raise TypeError(f"a price must be a Decimal or an int, not {given!r}")
    price = Decimal(given)
    if not (price.is_finite() and 0 <= price <= PRICE_MAX and price == round(price, 2)):
        raise ValueError(f"a price must be 0 to {PRICE_MAX} with at most two decimals, not {given}")
    return float(price)


def amount_of(given: Decimal | int | None) -> float | None:
    """The money of a move, or None for what the service makes of it."""
    return None if given is None else price_of(given)


def instant_of(name: str, given: datetime) -> str:
    """A time as RFC 3339."""
    if not isinstance(given, datetime):
        raise TypeError(f"{name} must be a datetime, not {given!r}")
    if given.utcoffset() is None:
        raise ValueError(f"{name} must have a time zone, and {given!r} has none")
    return given.isoformat()


def query(**given: str | int | date | None) -> str:
    """A query string of what is not None, with its question mark."""
    said = {name: _parameter(name, value) for name, value in given.items() if value is not None}
    return f"?{urlencode(said)}" if said else ""


def _parameter(name: str, given: str | int | date) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int | date):
        raise TypeError(f"{name} must be a string, an int or a date, not {given!r}")
    if isinstance(given, datetime):
        return instant_of(name, given)
    return given.isoformat() if isinstance(given, date) else str(given)


def body_of(fields: Mapping[str, Any]) -> bytes:
    """A body of all fields but those that are UNCHANGED. Raises TypeError for what is not JSON."""
    said = {name: value for name, value in fields.items() if value is not UNCHANGED}
    return json.dumps(said, separators=(",", ":"), allow_nan=False).encode()
