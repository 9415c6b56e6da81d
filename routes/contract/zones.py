"""Time zones: the names that venues may have, and the hours that clocks there show.

Rule: a name that is stored is always answered for. Where a release does not know it any more, its
hours are told in UTC, which the answer says.
"""

from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from routes.contract.refusal import refusal
from routes.contract.texts import BLANK_IS_ABSENT

UTC_NAME = "UTC"
# More than the IANA has zones.
ZONES_MAX = 1024


@cache
def _names() -> frozenset[str]:
    """Every name, the same at each node of a release: the package `tzdata` lists them.

    To ask the system for its own means to open each of 600 files, on the event loop.
    """
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


def _zone(given: Any) -> Any:
    if isinstance(given, str) and given not in _names():
        raise refusal("must be a time zone of the IANA, like Europe/Rome")
    return given


OptionalZone = Annotated[
    Annotated[
        str,
        BeforeValidator(_zone),
        Field(
            description="A time zone of the IANA; UTC if it is left out",
            examples=["Europe/Rome"],
        ),
    ]
    | None,
    BLANK_IS_ABSENT,
]


@lru_cache(ZONES_MAX)
def zone_of(name: str | None) -> tuple[str, tzinfo]:
    """The zone and the name to answer for it."""
    if name is not None and name in _names():
        return name, ZoneInfo(name)
    return UTC_NAME, UTC


def local(moment: datetime, zone: tzinfo) -> datetime:
    """`moment`, which is in UTC, as clocks in `zone` show it."""
    return moment if zone is UTC else moment.astimezone(zone)
