"""The course of one call: whether and when it is retried, and the error that ends it.

Rule: tries, conflicts and the time of a call are bounded, and no call ends in a certainty that one
of its tries has left unknown.
"""

import random
import time
from dataclasses import dataclass
from enum import Enum

from .errors import REFUSALS, EventServiceError, Failure, OutcomeUnknown, Refused, Unavailable

# After these nothing is carried out under the key any more: they are final, or rest on a version
# that is gone for good. Others may be granted later, also to a try that is still on its way.
PROOFS = frozenset(
    {
        "CONCURRENT_UPDATE",
        "EVENT_NOT_MODIFIABLE",
        "HOLD_EXPIRED",
        "HOLD_NOT_ACTIVE",
        "INSUFFICIENT_SEATS",
        "SEATS_EXCEED_CAPACITY",
    }
)


class Safety(Enum):
    """Why a call may be sent again after a try whose outcome is unknown, or that it may not."""

    READ = "it changes nothing"
    KEYED = "its key makes the service carry it out once"
    ONCE = "it may not: a second try might do it twice, or be refused because of the first"


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
    # Of a session of the client's own; a session that was given has its own limit.
    connections_max: int = 100


class Course:
    """The state of one call: whether there is another try, and when."""

    __slots__ = ("_deadline_s", "_limits", "_safety", "conflicts", "key", "tries", "unknown")

    def __init__(
        self, limits: ClientLimits, safety: Safety, key: str | None, call_s: float | None
    ) -> None:
        self._limits = limits
        self._safety = safety
        self._deadline_s = time.monotonic() + (limits.call_s if call_s is None else call_s)
        self.key = key
        self.tries = 0
        self.conflicts = 0
        self.unknown = False

    def wait_s(self, failure: Failure) -> float:
        """How long to wait before the next try. Raises the call's error if there is none."""
        self.unknown = self.unknown or failure.unknown
        if not failure.again or (self.unknown and self._safety is Safety.ONCE):
            raise self._final(failure)
        limits = self._limits
        most_s = min(limits.backoff_max_s, limits.backoff_s * 2.0 ** (self.tries - 1))
        return self._within(failure, self.tries - self.conflicts, limits.tries_max, most_s)

    def conflict_wait_s(self, failure: Failure) -> float:
        """The same after a conflict that the caller lets us resolve."""
        self.conflicts += 1
        # The refused version can never be current again, so no earlier try can still act.
        self.unknown = False
        limits = self._limits
        backoff_s = limits.conflict_backoff_s * 2.0 ** (self.conflicts - 1)
        most_s = min(limits.conflict_backoff_max_s, backoff_s)
        return self._within(failure, self.conflicts, limits.conflicts_max, most_s)

    def try_s(self, waits_s: float) -> float:
        """Seconds for the next try; not positive if the call's time is over.

        The service may wait for `waits_s` of them.
        """
        return min(self._limits.try_s + waits_s, self._left_s())

    def _left_s(self) -> float:
        return self._deadline_s - time.monotonic()

    def _within(self, failure: Failure, count: int, count_max: int, most_s: float) -> float:
        # Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        jitter_s = random.uniform(0.0, most_s)  # noqa: S311 - spreads load only
        wait_s = (failure.wait_s or 0.0) + jitter_s
        if count >= count_max or wait_s >= self._left_s():
            raise self._final(failure)
        return wait_s

    def _final(self, failure: Failure) -> EventServiceError:
        return self._certain(failure)(failure, self.key, self.tries, self.conflicts)

    def _certain(self, failure: Failure) -> type[EventServiceError]:
        changes = self._safety is not Safety.READ
        proven = self._safety is Safety.KEYED and failure.code in PROOFS
        if self.unknown and changes and not proven:
            return OutcomeUnknown
        if failure.again:
            return Unavailable
        return REFUSALS.get(failure.code, Refused)
