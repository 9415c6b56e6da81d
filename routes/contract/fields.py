"""The fields that bodies, queries and paths are made of, each strict in its own way.

Rule: what PostgreSQL or Python would quietly bend (True for 1, 1.005 for a price, a year that
overflows, fullwidth digits) is refused here, with a message that says what is expected.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from evently.domain.currencies import CURRENCIES
from routes.contract.refusal import refusal

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
PRICE_MAX = Decimal("9999999999.99")
LAYOUT_BYTES_MAX = 16 * 1024
LAYOUT_DEPTH_MAX = 20
LIMIT_DEFAULT = 20
LIMIT_MAX = 100

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_PAGE = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
PAGE_MAX = 999_999_999
_VERSION = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
# RFC 3339, section 5.6, with the offset that makes it an instant. People, and the inputs of
# browsers, leave out seconds that are 0.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    re.ASCII,
)
# Further out, an offset or PostgreSQL's own arithmetic could leave the calendar.
_YEAR_MIN, _YEAR_MAX = 1970, 9000


class Body(BaseModel):
    """A JSON object; what it does not know it ignores, so that answers may be sent back."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    # Whether its text may hold NUL, which PostgreSQL cannot store.
    allow_nul: ClassVar[bool] = False
    # Whether clients send the same bytes again and again, so that the parsed body is worth caching.
    # Never for a body that holds a secret: the cache would keep it in memory.
    cacheable: ClassVar[bool] = False
    # The fields that hold an array of bodies, and what each of these is.
    arrays: ClassVar[Mapping[str, "type[Body]"]] = {}


class Query(BaseModel):
    """The parameters after the `?`, each a string and given once."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NoQuery(Query):
    """No parameters."""


def _price(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, int | Decimal):
        raise refusal("must be a JSON number")
    price = Decimal(given)
    if not price.is_finite() or not 0 <= price <= PRICE_MAX:
        raise refusal(f"must be between 0 and {PRICE_MAX}")
    cents = price.quantize(Decimal("0.01"))
    if cents != price:
        raise refusal("must have at most two decimals")
    return abs(cents)


def _currency(given: Any) -> Any:
    if not isinstance(given, str) or given not in CURRENCIES:
        raise refusal("must be a currency of ISO 4217 with two decimals or none, like EUR")
    return given


def parse_instant(text: Any) -> datetime:
    """An RFC 3339 time with an offset, as an aware datetime in UTC; raises a validation error."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise refusal("must be an RFC 3339 time with an offset, like 2030-06-01T20:00:00Z")
    if not _YEAR_MIN <= int(text[:4]) <= _YEAR_MAX:
        raise refusal(f"must be between the years {_YEAR_MIN} and {_YEAR_MAX}")
    try:
        return _instant(text)
    except ValueError as error:
        raise refusal("must be a time that the calendar has") from error


def _instant(text: str) -> datetime:
    if text[16] != ":":
        text = f"{text[:16]}:00{text[16:]}"
    head, fraction = text[:19].upper().replace(" ", "T"), re.match(r"\.([0-9]+)", text[19:])
    micros = int(fraction[1][:6].ljust(6, "0")) if fraction else 0
    offset = text[-6:] if text[-1] not in "Zz" else "+00:00"
    return datetime.fromisoformat(head + offset).astimezone(UTC) + timedelta(microseconds=micros)


def _date_from(text: Any) -> datetime:
    if isinstance(text, str) and _DATE.fullmatch(text):
        return parse_instant(f"{text}T00:00:00Z")
    return _bound(text)


def _date_to(text: Any) -> datetime:
    """The first instant that is out: the day after a date, just after a time."""
    if isinstance(text, str) and _DATE.fullmatch(text):
        return parse_instant(f"{text}T00:00:00Z") + timedelta(days=1)
    return _bound(text) + timedelta(microseconds=1)


def _bound(text: Any) -> datetime:
    # An unescaped + in a query is a blank: 2030-01-01T00:00:00+02:00 arrives with one.
    if isinstance(text, str):
        text = re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text)
    try:
        return parse_instant(text)
    except PydanticCustomError as error:
        raise refusal("must be a date like 2030-06-01 or an RFC 3339 time") from error


def _layout(given: Any) -> Any:
    try:
        text = json.dumps(given, default=float, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, OverflowError) as error:
        raise refusal("must be a JSON object") from error
    if len(text.encode()) > LAYOUT_BYTES_MAX:
        raise refusal(f"must not exceed {LAYOUT_BYTES_MAX} bytes")
    if _depth(given) > LAYOUT_DEPTH_MAX:
        raise refusal(f"must not nest deeper than {LAYOUT_DEPTH_MAX} levels")
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise refusal(f"must not hold {name}")


def _depth(given: Any) -> int:
    level, depth = [given], 0
    while level:
        depth += any(isinstance(item, dict | list) for item in level)
        inner = (item for item in level if isinstance(item, dict | list))
        level = [child for item in inner for child in _children(item)]
    return depth


def _children(item: Any) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else list(item)


def _counted(name: str, pattern: re.Pattern[str], at_most: int) -> Callable[[Any], int]:
    def parse(text: Any) -> int:
        if isinstance(text, int) and not isinstance(text, bool):
            return text
        if not isinstance(text, str) or not pattern.fullmatch(text) or int(text) > at_most:
            raise refusal(f"must be a whole number from 1 to {at_most}")
        return int(text)

    parse.__name__ = name
    return parse


def _limit(text: Any) -> int:
    return min(_counted("limit", _PAGE, PAGE_MAX)(text), LIMIT_MAX)


def canonical_uuid(text: str) -> str | None:
    """`text` as a lower-case UUID of 36 characters, or None where it is no such thing."""
    return text.lower() if UUID.fullmatch(text) else None


def _uuid(text: Any) -> str:
    found = canonical_uuid(text) if isinstance(text, str) else None
    if found is None:
        raise refusal("must be a UUID of 36 characters")
    return found


def after_text(moment: datetime, row_id: str) -> str:
    """Where a page ends, as its list gives it out and takes it again."""
    plain = f"{moment.isoformat()} {row_id}"
    return urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _after(text: Any) -> tuple[datetime, str]:
    try:
        plain = urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}").decode()
        moment, _, row_id = plain.partition(" ")
        return parse_instant(moment), _uuid(row_id)
    except (TypeError, ValueError, PydanticCustomError) as error:
        raise refusal("must be the `next` of the page before") from error


def _whole(at_most: int) -> dict[str, Any]:
    """The JSON schema of what `_counted` takes."""
    return {"type": "integer", "minimum": 1, "maximum": at_most}


_DATE_OR_TIME: dict[str, Any] = {
    "type": "string",
    "pattern": f"^(?:{_DATE.pattern}|{_INSTANT.pattern}|)$",
    "examples": ["2030-06-01"],
}

Positive = Annotated[int, Field(ge=1, le=INT32_MAX, json_schema_extra={"format": "int32"})]
Version = Annotated[int, Field(ge=1, le=INT64_MAX, json_schema_extra={"format": "int64"})]
Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant, json_schema_input_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": "An RFC 3339 time with an offset, stored and answered in UTC",
            "examples": ["2030-06-01T20:00:00Z"],
        }
    ),
]
Price = Annotated[
    Decimal,
    BeforeValidator(_price),
    WithJsonSchema(
        {
            "type": "number",
            "minimum": 0,
            "maximum": float(PRICE_MAX),
            "description": "At most two decimals",
            "examples": [25.5],
        }
    ),
]
Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema(
        {
            "type": "string",
            "enum": sorted(CURRENCIES),
            "description": "ISO 4217, with two decimals or none; the service has a default",
            "examples": ["EUR"],
        }
    ),
]
Amount = Annotated[
    Price | None,
    Field(
        description="The money of this move in total: what is paid, or on a return paid back."
        " Without it, a reserve counts the event's price for each seat, and a return the seats'"
        " share of the event's revenue"
    ),
]
Uuid = Annotated[str, BeforeValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
Layout = Annotated[
    dict[str, Any],
    AfterValidator(_layout),
    Field(description=f"At most {LAYOUT_BYTES_MAX} bytes and {LAYOUT_DEPTH_MAX} levels"),
]

Page = Annotated[
    int, BeforeValidator(_counted("page", _PAGE, PAGE_MAX)), WithJsonSchema(_whole(PAGE_MAX))
]
Limit = Annotated[
    int,
    BeforeValidator(_limit),
    WithJsonSchema(
        _whole(PAGE_MAX)
        | {"description": f"Over {LIMIT_MAX} counts as {LIMIT_MAX}, and the answer says so"}
    ),
]
VersionParameter = Annotated[
    int,
    BeforeValidator(_counted("version", _VERSION, INT64_MAX)),
    WithJsonSchema(_whole(INT64_MAX) | {"format": "int64"}),
]
DateFrom = Annotated[
    datetime,
    BeforeValidator(_date_from),
    WithJsonSchema(
        _DATE_OR_TIME
        | {"description": "On at this RFC 3339 time or later, or on this UTC day or later"}
    ),
]
DateTo = Annotated[
    datetime,
    BeforeValidator(_date_to),
    WithJsonSchema(
        _DATE_OR_TIME
        | {"description": "On at this RFC 3339 time or earlier, or on this UTC day or earlier"}
    ),
]

After = Annotated[
    tuple[datetime, str],
    BeforeValidator(_after),
    WithJsonSchema({"type": "string", "description": "The `next` of the page before"}),
]
