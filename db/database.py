"""Connections to PostgreSQL for everything but seat moves, which have connections of their own.

Rule: every wait is bounded (connect, acquire, statement, lock, an idle transaction, bytes that
nobody acknowledges), so that a black hole costs seconds and the pool is usable when it heals.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import asyncpg

from db.connect import ANY_SERVER, CLOSE_S, PRIMARY, SERVER_SETTINGS, connect
from db.failures import DRIVER_ERRORS, translated
from db.sql import load
from db.standby import CUT_SHORT, StandbyWait
from db.statements import Statement
from db.witness import Witness
from evently.domain.errors import AnswerLost, DatabaseUnavailable, Overloaded

log = logging.getLogger(__name__)

# Lists, reports and admin calls of one worker. With the actors' own, two for commits and one for
# readiness that is eleven connections, so PostgreSQL's default of 100 serves eight workers.
POOL_MAX = 5
# What the actors of one worker read: the states of events, many in one statement, and keys. Nothing
# else runs on these, so that no list, report or login can hold up a seat move.
ACTOR_POOL_MAX = 3
# Waiting longer for a free connection means that the database is the bottleneck: say so.
ACQUIRE_S = 1.0
# Over the server's own statement_timeout, so that the server gets to say "certainly not done".
COMMAND_S = 6.0
# At the end of a worker, connections to a server that hangs are dropped after this.
POOL_CLOSE_S = 2.0

# A list or a report may take a processor for a while, never all of them: sales need the rest.
_POOL_SETTINGS = {**SERVER_SETTINGS, "max_parallel_workers_per_gather": "0"}


class Session:
    """Runs the statements of `db/queries` by name, on one connection or through a pool."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor

    async def fetch(
        self, name: Statement, *args: object, timeout_s: float | None = None
    ) -> list[asyncpg.Record]:
        """All rows of the statement `name`. Raises a domain fault when nothing answers.

        It is waited for as long as for any other, unless `timeout_s` says otherwise.
        """
        with translated():
            rows: list[asyncpg.Record] = await self._executor.fetch(
                load(name), *args, timeout=timeout_s
            )
            return rows

    async def fetchrow(self, name: Statement, *args: object) -> asyncpg.Record | None:
        """The first row of the statement `name`, or None."""
        with translated():
            row: asyncpg.Record | None = await self._executor.fetchrow(load(name), *args)
            return row

    async def execute(self, name: Statement, *args: object) -> None:
        """Run the statement `name` for its effect."""
        with translated():
            await self._executor.execute(load(name), *args)


# Only its stubs let the driver's class be subscripted.
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
if not TYPE_CHECKING:
    _Connection = asyncpg.Connection


class _Pooled(_Connection):
    """A connection whose end is nobody's concern."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as its base
        """Close it in time, or else let it go.

        The driver closes expired connections in tasks that nobody waits for: what is raised there
        would only be a traceback in the log.
        """
        with suppress(*DRIVER_ERRORS):
            await super().close(timeout=CLOSE_S)


class Database(Session):
    """A pool on one database. Use it as an asynchronous context manager, or `open` and `close`."""

    def __init__(
        self,
        dsn: str,
        *,
        commit_dsn: str | None = None,
        pool_max: int = POOL_MAX,
        writable: bool = True,
        acquire_s: float = ACQUIRE_S,
    ) -> None:
        super().__init__(None)
        self.dsn = dsn
        self._pool_max = pool_max
        self._writable = writable
        self._acquire_s = acquire_s
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.witness = Witness(commit_dsn or dsn)
        # Raised whenever a connection is made; see EventStore.load.
        self.connections = 0

    async def open(self) -> None:
        """Make the pool; connections are made when they are needed, so this needs no server."""
        self._pool = asyncpg.create_pool(
            self.dsn,
            connect=_connect,
            connection_class=_Pooled,
            min_size=0,
            max_size=self._pool_max,
            command_timeout=COMMAND_S,
            server_settings=_POOL_SETTINGS,
            init=self._made,
            reset=_keep_session,
            target_session_attrs=PRIMARY if self._writable else ANY_SERVER,
        )
        await self._pool
        self._executor = _Acquiring(self._pool, self._acquire_s)

    async def close(self) -> None:
        """Close every connection, the ones in use after their statement if that ends soon."""
        await self.witness.close()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                async with asyncio.timeout(POOL_CLOSE_S):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    @property
    def size(self) -> int:
        """Open connections."""
        return self._pool.get_size() if self._pool else 0

    @property
    def in_use(self) -> int:
        """Connections that run something now."""
        return self._pool.get_size() - self._pool.get_idle_size() if self._pool else 0

    async def expire(self) -> None:
        """Make every connection anew before its next use; those in use end their statement."""
        if self._pool is not None:
            await self._pool.expire_connections()

    async def _made(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connections += 1
        await prepare_connection(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """One transaction on one connection: committed at the end, rolled back when left early."""
        assert self._pool is not None, "the database is not open"
        with translated():
            async with (
                acquired(self._pool, self._acquire_s) as connection,
                connection.transaction(),
            ):
                yield Session(connection)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class _Acquiring:
    """Gives each statement a connection of the pool."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", acquire_s: float) -> None:
        self._pool = pool
        self._acquire_s = acquire_s

    async def fetch(
        self,
        sql: str,
        *args: object,
        timeout: float | None,  # noqa: ASYNC109 - a connection calls it so
    ) -> Any:
        async with acquired(self._pool, self._acquire_s) as connection:
            return await connection.fetch(sql, *args, timeout=timeout)

    async def fetchrow(self, sql: str, *args: object) -> Any:
        async with acquired(self._pool, self._acquire_s) as connection:
            return await connection.fetchrow(sql, *args)

    async def execute(self, sql: str, *args: object) -> Any:
        async with acquired(self._pool, self._acquire_s) as connection:
            return await connection.execute(sql, *args)


@asynccontextmanager
async def acquired(pool: "asyncpg.Pool[asyncpg.Record]", acquire_s: float) -> AsyncIterator[Any]:
    """A connection of the pool. Raises Overloaded or DatabaseUnavailable: nothing was sent.

    Raises AnswerLost at the end if something was committed without the synchronous standby.
    """
    try:
        connection = await pool.acquire(timeout=acquire_s)
    except TimeoutError as error:
        if pool.get_size() < pool.get_max_size():
            raise DatabaseUnavailable("no host of the database answers in time") from error
        raise Overloaded("no connection to the database is free") from error
    except DRIVER_ERRORS as error:
        raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
    wait = StandbyWait()
    connection.add_log_listener(wait.note)
    try:
        yield connection
        if wait.was_cut_short():
            raise AnswerLost(CUT_SHORT)
    finally:
        connection.remove_log_listener(wait.note)
        await asyncio.shield(asyncio.create_task(_give_back(pool, connection)))


async def _give_back(pool: "asyncpg.Pool[asyncpg.Record]", connection: Any) -> None:
    """Give a connection back to the pool, which closes one whose server does not answer.

    It is a task of its own, because whoever waits for it may be cancelled, and nobody would hear of
    what happens after that.
    """
    try:
        await pool.release(connection)
    except (TimeoutError, *DRIVER_ERRORS) as error:
        log.info("a connection was closed instead of given back: %r", error)


async def prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Let jsonb travel as Python values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_to_json, decoder=json.loads
    )


async def _connect(*args: Any, **options: Any) -> Any:
    """The pool's way to `connect`, as its types want it."""
    return await connect(*args, **options)


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


async def _keep_session(connection: object) -> None:
    """Nothing here leaves anything in a session, so giving one back costs no round trip."""
