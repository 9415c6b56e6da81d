"""Bounds what is read in one turn of the loop, so that everything else has its turn too.

uvloop hands over what all sockets have brought before it runs anything else. With 8000 clients on a
slow machine that took longer than two seconds: no commit was sent meanwhile, and no heartbeat, so
the supervisor took the worker for dead and killed it.

Rules:

1. About READS_MAX pieces are read in a turn. What comes beyond them waits, in the order in which it
   came, and is read in the next turns, before anything newer.
2. No more than WAITING_BYTES_MAX wait: what comes beyond them is read at once, by whatever bounds
   requests otherwise.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

# A piece is mostly a request, and these take some 5 ms.
READS_MAX = 128
# Requests of 8000 clients at 1 KB each: uvloop's pieces have up to 256 KB.
WAITING_BYTES_MAX = 8 << 20

Read = Callable[[bytes], None]


class LoopTurns:
    """The turns of one server's loop."""

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_half",
        "_left",
        "_loop",
        "_max",
        "_waiting",
        "came_s",
    )

    def __init__(
        self, reads_max: int = READS_MAX, waiting_bytes_max: int = WAITING_BYTES_MAX
    ) -> None:
        self._bytes, self._bytes_max = 0, waiting_bytes_max
        self._loop = asyncio.get_running_loop()
        self._max, self._half = reads_max, reads_max // 2
        self._left = reads_max
        self._waiting: deque[tuple[Read, bytes, float]] = deque()
        # When the piece came that is being read, by the monotonic clock; None: just now.
        self.came_s: float | None = None

    @property
    def waiting(self) -> int:
        """Pieces that came and were not read yet."""
        return len(self._waiting)

    def take(self, size: int) -> bool:
        """Whether a piece of `size` bytes that has come is to be read in this turn."""
        if (self._left <= 0 or self._waiting) and self._bytes + size <= self._bytes_max:
            return False
        self._count()
        return True

    def put_off(self, read: Read, piece: bytes) -> None:
        """Call `read` with `piece` in one of the next turns."""
        self._waiting.append((read, piece, time.monotonic()))
        self._bytes += len(piece)

    def _count(self) -> None:
        """One more is read; a new turn is asked for once half of them are, not at every one."""
        self._left -= 1
        if self._left == self._half:
            self._loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._left = self._max
        try:
            while self._waiting and self._left > 0:
                read, piece, self.came_s = self._waiting.popleft()
                self._bytes -= len(piece)
                self._count()
                read(piece)
        except Exception:
            log.exception("what a client sent could not be read")
            # The others are still to be read.
            self._loop.call_soon(self._next_turn)
        finally:
            self.came_s = None
