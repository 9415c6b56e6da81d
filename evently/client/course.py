"""The course of one call: whether and when it is retried, and the error that ends it.

Rule: tries, conflicts and the time of a call are bounded, and no call ends in a certainty that one
of its tries has left unknown.
"""

import random
import time
from dataclasses import dataclass

from .errors import REFUSALS, EventServiceError, Failure, OutcomeUnknown, Refused, Unavailable

# The service gives these only after it has looked for the key: no earlier try moved the seats.
# A 401, which a rotated key may get, does not prove that.
PROOFS = frozenset(
    {
        "EVENT_NOT_FOUND",
        "EVENT_NOT_MODIFIABLE",
        "INSUFFICIENT_SEATS",
        "SEATS_EXCEED_CAPACITY",
        "CONCURRENT_UPDATE",
    }
)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """The bounds of a call. Waits between tries are drawn from 0 to `backoff_s` * 2^n."""

    # Eight tries wait 3.5 s on average, 7 s at most: longer than the restart of a worker.
    tries_max: int = 8
    # A conflict costs a round trip; a caller that loses ten in a row should opt for `retry`.
    conflicts_max: int = 10
    # Over the longest wait in the service itself: 2 s in the queue, 3 s to commit.
    try_s: float = 8.0
    connect_s: float = 2.0
    # For all tries of one call; nobody waits longer for a booking.
    call_s: float = 30.0
    backoff_s: float = 0.1
    backoff_max_s: float = 2.0
    # A conflict ends with the other move's commit, after milliseconds.
    conflict_backoff_s: float = 0.002
    conflict_backoff_max_s: float = 0.05
    connections_max: int = 100


class Course:
    """The state of one call: whether there is another try, and when."""

    __slots__ = ("_deadline_s", "_limits", "conflicts", "key", "tries", "unknown")

    def __init__(self, limits: ClientLimits, key: str | None) -> None:
        self._limits = limits
        self._deadline_s = time.monotonic() + limits.call_s
        self.key = key
        self.tries = 0
        self.conflicts = 0
        self.unknown = False

    def wait_s(self, failure: Failure) -> float:
        """How long to wait before the next try. Raises the call's error if there is none."""
        self.unknown = self.unknown or failure.unknown
        if not failure.again:
            raise self._final(failure)
        limits = self._limits
        most_s = min(limits.backoff_max_s, limits.backoff_s * 2.0 ** (self.tries - 1))
        return self._within(failure, self.tries - self.conflicts, limits.tries_max, most_s)

    def conflict_wait_s(self, failure: Failure) -> float:
        """The same after a conflict that the caller lets us resolve."""
        self.conflicts += 1
        limits = self._limits
        backoff_s = limits.conflict_backoff_s * 2.0 ** (self.conflicts - 1)
        most_s = min(limits.conflict_backoff_max_s, backoff_s)
        return self._within(failure, self.conflicts, limits.conflicts_max, most_s)

    def left_s(self) -> float:
        """Seconds until the call times out."""
        return self._deadline_s - time.monotonic()

    def _within(self, failure: Failure, count: int, count_max: int, most_s: float) -> float:
        # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        wait_s = failure.wait_s + random.uniform(0.0, most_s)  # noqa: S311 - spreads load only
        if count >= count_max or wait_s >= self.left_s():
            raise self._final(failure)
        return wait_s

    def _final(self, failure: Failure) -> EventServiceError:
        return self._certain(failure)(failure, self.key, self.tries, self.conflicts)

    def _certain(self, failure: Failure) -> type[EventServiceError]:
        if self.unknown and self.key is not None and failure.code not in PROOFS:
            return OutcomeUnknown
        if failure.again:
            return Unavailable
        return REFUSALS.get(failure.code, Refused)
