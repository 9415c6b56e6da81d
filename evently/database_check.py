"""Checks that the service can work with its database: the schema, the encoding, the privileges.

Rule: a worker that finds the database away, or not fit, goes on asking and is not ready meanwhile.
It does not end: a restart would not bring the database back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from db.migrate import MigrationError, fold_database
from db.readiness import Unready
from db.serving import check_serving
from evently.background import in_background
from evently.domain.errors import Fault

log = logging.getLogger(__name__)

# An operator who has just run `evently migrate`, or started the database, waits no longer.
AGAIN_S = 1.0


class DatabaseCheck:
    """Asks until the answer is that all is well; `problem` says why it is not yet."""

    def __init__(
        self,
        dsn: str,
        commit_dsn: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._commit_dsn = commit_dsn
        self._sleep = sleep
        self.problem: Unready | None = Unready("unchecked", "The database was not asked yet")

    async def ask(self) -> None:
        """Ask once."""
        found = await self._found()
        if found is not None and found != self.problem:
            log.warning("not ready: %s", found.message)
        self.problem = found

    async def run(self) -> None:
        """Ask until all is well, and then fold what was written meanwhile without this release."""
        while self.problem is not None:
            await self._sleep(AGAIN_S)
            await self.ask()
        log.info("the database is there and fits")

    async def _found(self) -> Unready | None:
        try:
            await check_serving(self._dsn, self._commit_dsn)
            if self.problem is not None and self.problem.reason != "unchecked":
                await fold_database(self._dsn)
        except MigrationError as error:
            return Unready("not fit", str(error))
        except Fault as fault:
            return Unready("unreachable", f"The database does not answer: {fault}")
        # Whatever it is: a check that ended unnoticed would leave the worker not ready for ever.
        except Exception as error:
            log.exception("checking the database failed and starts again")
            return Unready("unchecked", f"The database could not be checked: {error!r}")
        return None


@asynccontextmanager
async def checking_database(dsn: str, commit_dsn: str) -> AsyncIterator[DatabaseCheck]:
    """Ask once, and go on in the background unless all is well."""
    check = DatabaseCheck(dsn, commit_dsn)
    await check.ask()
    if check.problem is None:
        yield check
    else:
        async with in_background(database_check=check.run()):
            yield check
