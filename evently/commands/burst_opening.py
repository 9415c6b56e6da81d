"""The instant at which all clients of a burst begin, as at the opening of a sale.

Rule: the instant is by the clock of this machine; the service opens by that of its database.
"""

import asyncio
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from evently.commands.burst_play import OnSale

_DURATION = re.compile(r"([0-9]{1,6})(s|m|h)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
# One who waits longer starts the burst later.
OPENS_IN_MAX_S = 86_400


class Seconds(click.ParamType[int]):
    """A duration such as 30, 30s or 2m, in whole seconds within a range."""

    name = "duration"

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds that are meant."""
        if isinstance(value, int):
            return value
        found = _DURATION.fullmatch(value)
        seconds = int(found[1]) * _SECONDS[found[2] or "s"] if found else -1
        if not self._least <= seconds <= self._most:
            self.fail(
                f"{value!r} is no duration of {self._least} s to {self._most} s, such as 30s or 2m",
                param,
                ctx,
            )
        return seconds


async def wait_until(at: datetime) -> None:
    """Return at that instant."""
    await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


def opening_at(now: datetime, opens_in_s: int, sales_starts: Iterable[datetime | None]) -> datetime:
    """So many seconds from now, or at the last `sales_start` if that is later."""
    return max([now + timedelta(seconds=opens_in_s), *filter(None, sales_starts)])


def report_opening(began_s: float, events: Iterable[OnSale]) -> str:
    """When the first success was answered, after the clients began by time.perf_counter()."""
    oks_s = [event.first_ok_s for event in events if event.first_ok_s is not None]
    when = f"{(min(oks_s) - began_s) * 1000:.1f} ms after the opening" if oks_s else "none"
    return f"  first OK    {when}"
