"""Counts of attempts in PostgreSQL, where every worker and node sees them.

Rule: windows are timed by the database's clock, so that nodes whose clocks differ agree. A bucket
whose window has ended counts as empty, whether or not it has been pruned.
"""

from collections.abc import Mapping, Sequence

import asyncpg

from db.database import Database
from db.statements import Statement
from evently.domain.value import value


@value
class Attempts:
    """The attempts counted in a bucket's current window, and the seconds until it ends."""

    count: int
    ends_in_s: float


class ThrottleStore:
    """Counts attempts in buckets, each 32 bytes of digests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_attempts(self, buckets: Sequence[bytes]) -> dict[bytes, Attempts]:
        """The current counts; an empty bucket is left out."""
        return _by_bucket(await self._database.fetch(Statement.READ_ATTEMPTS, list(buckets)))

    async def count_attempts(self, windows_s: Mapping[bytes, float]) -> dict[bytes, Attempts]:
        """Count one attempt in every bucket; a new window lasts the given seconds."""
        buckets, seconds = list(windows_s), list(windows_s.values())
        found = _by_bucket(await self._database.fetch(Statement.COUNT_ATTEMPTS, buckets, seconds))
        if any(attempts.count == 1 for attempts in found.values()):
            # A window has started, so a row was added or reused: prune others that have ended.
            await self._database.execute(Statement.PRUNE_ATTEMPTS)
        return found

    async def forget_attempts(self, buckets: Sequence[bytes]) -> None:
        """Reset the buckets' counts to 0."""
        await self._database.execute(Statement.FORGET_ATTEMPTS, list(buckets))

    async def forget_account(self, account: bytes) -> None:
        """Reset the counts of every bucket that begins with `account`."""
        await self._database.execute(Statement.FORGET_ACCOUNT_ATTEMPTS, account)


def _by_bucket(rows: Sequence[asyncpg.Record]) -> dict[bytes, Attempts]:
    return {bytes(row["bucket"]): Attempts(row["attempts"], row["ends_in_s"]) for row in rows}
