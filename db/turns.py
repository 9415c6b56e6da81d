"""A bound on how many statements of one kind a worker has running at once.

Rule: whatever many clients ask for together, sales keep most of the database's processors and of
the pool's connections; what does not get its turn soon is refused before any work is done.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evently.domain.errors import Overloaded

# Long enough for a burst of tabs; a client that waits longer is better served by `Retry-After`.
WAIT_S = 0.5
# Far more than get their turn in WAIT_S; the others would wait for nothing.
WAITING_MAX = 256


class Turns:
    """Lets `at_once` go on together; the others wait, in order."""

    def __init__(
        self, what: str, at_once: int, *, wait_s: float = WAIT_S, waiting_max: int = WAITING_MAX
    ) -> None:
        self._what = what
        self._at_once = at_once
        self._wait_s = wait_s
        self._waiting_max = waiting_max
        self._free = asyncio.Semaphore(at_once)
        self._inside = 0

    def __repr__(self) -> str:
        running = min(self._inside, self._at_once)
        return f"<Turns {self._what}: {running} of {self._at_once}, {self._inside - running} wait>"

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Within it, it is the caller's turn. Raises Overloaded."""
        if self._inside >= self._at_once + self._waiting_max:
            raise Overloaded(f"too many {self._what} are waiting")
        self._inside += 1
        try:
            await self._come()
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._inside -= 1

    async def _come(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(f"too many {self._what} are being read") from None
