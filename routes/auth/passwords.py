"""Hashes and checks passwords with bcrypt.

Rule: bcrypt takes a quarter of a second at cost 12, so it never runs on the event loop: one
thread, a bounded number who wait for it, and 429 at once for everybody beyond. A check costs the
same whether there is a hash to check against or not, and whatever was typed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from routes.contract.errors import rate_limited

T = TypeVar("T")

COST = 12
# bcrypt's own bound; it raises beyond, and used to cut silently.
BYTES_MAX = 72
# At four a second the last one waits 8 s, which is as long as a person looks at a login form.
WAITING_MAX = 32
RETRY_AFTER_S = 5


class Passwords:
    """One thread that hashes, for all of this process."""

    def __init__(self, *, cost: int = COST, waiting_max: int = WAITING_MAX) -> None:
        self._cost = cost
        self._waiting_max = waiting_max
        self._waiting = 0
        self._nobodys = _hash_of_nothing(cost)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    async def hash(self, password: str) -> str:
        """The hash to store of 8 to 72 bytes. Raises ApiError 429 when too many wait."""
        raw = password.encode()
        assert len(raw) <= BYTES_MAX, "the body's model lets no longer password through"
        hashed = await self._run(lambda: bcrypt.hashpw(raw, bcrypt.gensalt(self._cost)))
        return hashed.decode("ascii")

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether `password` has the hash `stored`, never for None. Raises ApiError 429."""
        raw = password.encode("utf-8", "surrogatepass")
        tried = raw[:BYTES_MAX]
        against = self._nobodys if stored is None else stored.encode("ascii")
        same = await self._run(lambda: bcrypt.checkpw(tried, against))
        return same and stored is not None and len(raw) <= BYTES_MAX

    def close(self) -> None:
        """Stop the thread after what it is at; whoever still waits is cancelled."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise rate_limited("Too many logins are waiting; try again", RETRY_AFTER_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _hash_of_nothing(cost: int) -> bytes:
    """What looks like a hash and costs like one; that no password has it is not relied on."""
    return bcrypt.gensalt(cost) + b"." * 31
