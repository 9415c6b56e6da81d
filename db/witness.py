"""Proves that the primary commits, and that what was read there is on its synchronous standby.

Rules:

1. An answer comes from a commit that was sent after its question; all that wait share the next one.
   (A commit waits for the standby until everything before it is there as well.)
2. The connection is the witness's own, so that neither lists nor seat moves keep it waiting.
3. Its commit changes nothing, so unlike a seat move's it may be cancelled: a standby that is away
   leaves no row of waiting backends behind.
"""

import asyncio
from collections.abc import Sequence

from db.connect import SERVER_SETTINGS, Connection, close, connect
from db.failures import DRIVER_ERRORS, translated
from db.sql import load
from db.standby import CUT_SHORT, StandbyWait
from db.statements import Statement
from evently.domain.errors import AnswerLost, DatabaseUnavailable, Fault
from evently.domain.value import value

# A commit takes milliseconds; one that takes this long waits for something that is not there.
COMMIT_S = 2.0
# Nobody holds one of the tables for longer in passing.
LOCK_MS = 500

_SETTINGS = {
    **SERVER_SETTINGS,
    "application_name": "evently-witness",
    "lock_timeout": str(LOCK_MS),
}


@value
class Proof:
    """A commit came back, and this is what it is worth there."""

    flushes: bool
    synchronous_commit: str
    replicated: bool
    encoding: str


class Witness:
    """Commits when it is asked to, on a connection that is made when it is first needed."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waiting: list[asyncio.Future[Proof]] = []
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._wait = StandbyWait()
        self._sent = False

    async def prove(self, timeout_s: float) -> Proof:
        """What a commit that begins now is worth.

        Raises AnswerLost for one that does not come back within `timeout_s`, RowLocked for tables
        that somebody holds, DatabaseUnavailable for a primary that does not answer.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Proof] = loop.create_future()
        self._waiting.append(future)
        if self._task is None:
            self._task = loop.create_task(self._run(), name="witness")
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            if self._sent:
                raise AnswerLost(f"no commit comes back within {timeout_s} s") from error
            raise DatabaseUnavailable(f"no primary answers within {timeout_s} s") from error

    async def close(self) -> None:
        """Drop the connection; nobody may wait any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._drop()

    async def _run(self) -> None:
        try:
            while waiting := [future for future in self._waiting if not future.done()]:
                self._waiting = []
                await self._answer(waiting)
        finally:
            self._waiting = []
            self._task = None

    async def _answer(self, waiting: "Sequence[asyncio.Future[Proof]]") -> None:
        try:
            proof = await self._commit()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait hear of it
            fault = error if isinstance(error, Fault) else DatabaseUnavailable(repr(error))
            for future in waiting:
                if not future.done():
                    future.set_exception(fault)
            return
        for future in waiting:
            if not future.done():
                future.set_result(proof)

    async def _commit(self) -> Proof:
        connection = await self._connected()
        self._sent = True
        try:
            with translated():
                row = await connection.fetchrow(load(Statement.PROVE_COMMIT))
        except BaseException:
            await self._drop()
            raise
        finally:
            self._sent = False
        if self._wait.was_cut_short():
            raise AnswerLost(CUT_SHORT)
        assert row is not None, "the statement returns one row, always"
        return Proof(row["flushes"], row["synchronous_commit"], row["replicated"], row["encoding"])

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            try:
                connection = await connect(
                    self._dsn, command_timeout=COMMIT_S, server_settings=_SETTINGS
                )
            except DRIVER_ERRORS as error:
                raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
            connection.add_log_listener(self._wait.note)
            self._connection = connection
        return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)
