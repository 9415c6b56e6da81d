"""The database's clock, carried forward by this machine's monotonic one.

Rules:

1. Whether an event has started is a question to the database's clock; the local wall clock is
   never asked, so a worker on a machine whose clock is wrong sells no started event.
2. This clock is never behind the database's: a time that it told counts from when it was asked,
   not from when its answer came. It is ahead by as little as the fastest answer allows, and what
   it lets pass is checked again by the statement that commits it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class DatabaseClock:
    """Tells the database's time, as of its answers plus what has passed since."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        # The database's time when `monotonic` was 0; None until it has told.
        self._zero: datetime | None = None
        self._own_zero = datetime.now(UTC) - timedelta(seconds=monotonic())

    def tell(self, now: datetime, asked_at_s: float) -> None:
        """Take over the database's time from an answer that has just come.

        `asked_at_s` is the monotonic time when the statement was sent. The database read its clock
        between then and now, so what is known already stays if it lies between these two.
        """
        latest = now - timedelta(seconds=asked_at_s)
        earliest = now - timedelta(seconds=self.monotonic())
        if self._zero is None or not earliest <= self._zero <= latest:
            self._zero = latest

    def now(self) -> datetime:
        """The database's time now, aware."""
        return (self._zero or self._own_zero) + timedelta(seconds=self.monotonic())
