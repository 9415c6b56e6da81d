"""The text of the metrics, however many ask for it.

Rule: an answer was made after its request came, and no more often than once a second: all who ask
meanwhile share the next one. It is made in a thread, for with many labels it takes a tenth of a
second, in which the loop must go on selling.
"""

import asyncio
from collections.abc import Callable

# From one to the next; Prometheus asks every 15 s, so it never waits.
EVERY_S = 1.0


class Exposition:
    """Shares what `make` returns."""

    def __init__(self, make: Callable[[], bytes], *, every_s: float = EVERY_S) -> None:
        self._make = make
        self._every_s = every_s
        self._made_at_s = float("-inf")
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """The text, made from now on."""
        if self._next is None:
            self._next = asyncio.create_task(self._made(), name="exposition")
        return await asyncio.shield(self._next)

    async def _made(self) -> bytes:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(max(0.0, self._made_at_s + self._every_s - loop.time()))
            # Who comes from now on may have seen what this one does not count yet.
            self._next = None
            try:
                return await asyncio.to_thread(self._make)
            finally:
                self._made_at_s = loop.time()
