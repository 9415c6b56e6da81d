"""How an admin asks for an event's sales: by day, hour or minute, and of which time.

Rule: a question names at most so many buckets that its answer stays a page of numbers.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from routes.contract.errors import invalid
from routes.contract.fields import DateFrom, DateTo, Query
from routes.contract.refusal import refusal
from routes.contract.texts import BLANK_IS_ABSENT

Bucket: TypeAlias = Literal["day", "hour", "minute"]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# A month of hours and a day of minutes: some 100 KB of JSON, and a thousand points to draw.
LONGEST: Mapping[Bucket, timedelta] = {"hour": timedelta(days=31), "minute": timedelta(days=1)}
# What is asked for where `from` is left out.
USUAL: Mapping[Bucket, timedelta] = {"hour": timedelta(days=7), "minute": HOUR}
STEP: Mapping[Bucket, timedelta] = {"hour": HOUR, "minute": MINUTE}


class AnalyticsQuery(Query):
    """How sales are summed, and the time they are wanted of."""

    bucket: Annotated[
        Bucket,
        Field(
            description="What `booking_trends` has a row for. Hours are those of 31 days at most,"
            " minutes those of one day; where `from` is left out, of 7 days and of one hour"
        ),
    ] = "day"
    since: Annotated[
        DateFrom | None,
        BLANK_IS_ABSENT,
        Field(alias="from", description="Sold at this time or later"),
    ] = None
    to: Annotated[
        DateTo | None,
        BLANK_IS_ABSENT,
        Field(description="Sold at this time or earlier; now, if left out"),
    ] = None

    @field_validator("to")
    @classmethod
    def _ends_after_it_begins(cls, to: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if since is not None and to is not None and since >= to:
            raise refusal("must not be before from")
        return to

    def has(self, day: date) -> bool:
        """Whether a UTC day has any of the time that is wanted."""
        begins = midnight(day)
        over = self.since is not None and begins + timedelta(days=1) <= self.since
        to_come = self.to is not None and begins >= self.to
        return not over and not to_come

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """The [from, to) of hours or minutes that are meant, rounded to whole ones.

        Raises ApiError where they are too many.
        """
        assert self.bucket != "day", "days are kept whole"
        step, longest = STEP[self.bucket], LONGEST[self.bucket]
        until = _rounded(self.to or now, step, up=True)
        if self.since is None:
            return until - USUAL[self.bucket], until
        # A bucket more, because a client that leaves out `to` has reckoned with an earlier now.
        if (self.to or now) - self.since > longest + step:
            hours = longest // HOUR
            raise invalid(
                ("query.from", f"from must be at most {hours} hours before to, for this bucket")
            )
        return _rounded(self.since, step), until


def _rounded(at: datetime, step: timedelta, *, up: bool = False) -> datetime:
    over = (at - datetime(1970, 1, 1, tzinfo=UTC)) % step
    if not over:
        return at
    return at - over + (step if up else timedelta(0))


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
