"""Stops sending to a service that does not answer, which spares it and saves waiting for it.

Rule: after a few failures in a row nothing is sent for a while. Then one request tries; if it
succeeds the circuit closes, if it fails the wait starts again.
"""

import time
from collections.abc import Callable

# One failure may be chance; five in a row, 10 s of waiting at most, are not.
FAILURES_MAX = 5
# Long enough for a restart, short enough that nobody is paged for it.
OPEN_S = 10.0


class CircuitBreaker:
    """Counts failures in a row; requests are sent while the circuit is closed."""

    def __init__(
        self,
        *,
        failures_max: int = FAILURES_MAX,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._next_try_at = 0.0

    def __repr__(self) -> str:
        return f"<CircuitBreaker failures={self._failures} retry_after_s={self.retry_after_s:.0f}>"

    @property
    def retry_after_s(self) -> float:
        """Seconds until the next try; 0 while requests may be sent."""
        if self._failures < self._failures_max:
            return 0.0
        return max(0.0, self._next_try_at - self._clock())

    def admits(self) -> bool:
        """Whether a request may be sent now; while one tries, the others may not."""
        if self._failures < self._failures_max:
            return True
        if self._clock() < self._next_try_at:
            return False
        self._next_try_at = self._clock() + self._open_s
        return True

    def succeeded(self) -> None:
        """The service answered."""
        self._failures = 0

    def failed(self) -> None:
        """The service did not answer."""
        self._failures += 1
        self._next_try_at = self._clock() + self._open_s
