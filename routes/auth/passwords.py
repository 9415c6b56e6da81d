"""Hashes and checks passwords with bcrypt.

Rule: bcrypt takes a quarter of a second at cost 12, so it never runs on the event loop but on one
thread, with a bounded queue. A place in it is taken before anything else is done for the caller, so
whatever exceeds the bound is refused at once and costs the database nothing. A check takes the
same time whether or not there is a hash to check against, and whatever was typed.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import bcrypt

from evently.domain.errors import TooManyLogins
from evently.domain.text import normalized

T = TypeVar("T")

COST = 12
# bcrypt's own bound: longer input is an error today, and was silently truncated before.
BYTES_MAX = 72
# At four a second the last one waits 8 s, which is as long as a person looks at a login form.
WAITING_MAX = 32


class Passwords:
    """One thread that hashes passwords for the whole process."""

    def __init__(self, *, cost: int = COST, waiting_max: int = WAITING_MAX) -> None:
        self._cost = cost
        self._waiting_max = waiting_max
        self._waiting = 0
        self._decoy = _decoy_hash(cost)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, for one caller's hashes. Raises TooManyLogins if it is full."""
        if self._waiting >= self._waiting_max:
            raise TooManyLogins("too many passwords wait to be hashed")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """The hash to store for 8 to 72 bytes."""
        raw = password.encode()
        assert len(raw) <= BYTES_MAX, "the model of the body accepts no longer password"
        hashed = await self._run(lambda: bcrypt.hashpw(raw, bcrypt.gensalt(self._cost)))
        return hashed.decode("ascii")

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether `password` has the hash `stored`; never for None.

        Hashes are of the NFC form. Older ones are of what was typed, so that is tried as well.
        """
        same = await self._matches(normalized(password), stored)
        if normalized(password) != password:
            same = await self._matches(password, stored) or same
        return same

    async def _matches(self, password: str, stored: str | None) -> bool:
        raw = password.encode("utf-8", "surrogatepass")
        tried = raw[:BYTES_MAX]
        against = self._decoy if stored is None else stored.encode("ascii")
        same = await self._run(lambda: bcrypt.checkpw(tried, against))
        return same and stored is not None and len(raw) <= BYTES_MAX

    def close(self) -> None:
        """Stop the thread after its current hash; whoever is still queued is cancelled."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _decoy_hash(cost: int) -> bytes:
    """Something that looks and costs like a hash; no check relies on it matching no password."""
    return bcrypt.gensalt(cost) + b"." * 31
