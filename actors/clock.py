"""The database's clock, carried forward by this machine's monotonic one.

Rule: whether an event has started is a question to the database's clock; the local wall clock is
never asked, so a worker on a machine whose clock is wrong sells no started event.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class DatabaseClock:
    """Tells the database's time, as of its last answer plus what has passed since."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self._told = datetime.now(UTC)
        self._told_at_s = monotonic()

    def tell(self, now: datetime) -> None:
        """Take over the database's time, from an answer that has just come."""
        self._told = now
        self._told_at_s = self.monotonic()

    def now(self) -> datetime:
        """The database's time now, aware."""
        return self._told + timedelta(seconds=self.monotonic() - self._told_at_s)
