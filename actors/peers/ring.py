"""Says which worker owns an event: consistent hashing, the same in every process and at any time.

Rule: an event's owner depends on its id and the set of workers alone; when a worker goes, only
its events move. (Rendezvous hashing: every worker draws a number for the event, the highest
owns it. Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", 1996.)
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

# Event ids whose order is remembered: a lookup takes 0.1 us instead of 1.3 us for each worker, and
# every request makes one.
MEMO_MAX = 65_536


class Ring:
    """The workers `0 .. workers - 1`, in the order in which they would own an event."""

    def __init__(self, workers: int, memo_max: int = MEMO_MAX) -> None:
        if workers < 1:
            raise ValueError("a ring needs at least one worker")
        self._seeds = [f"worker-{index}".encode() for index in range(workers)]
        self.order = lru_cache(memo_max)(self._order)

    def owner(self, event_id: str) -> int:
        """The worker that owns the event."""
        return self.order(event_id)[0]

    def _order(self, event_id: str) -> Sequence[int]:
        key = event_id.encode()
        drawn = [blake2b(key, key=seed, digest_size=8).digest() for seed in self._seeds]
        return tuple(sorted(range(len(drawn)), key=drawn.__getitem__, reverse=True))
