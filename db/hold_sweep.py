"""Finds the events with expired holds or blocks to free that nobody was busy with.

Rule: one session of all nodes has the turn, by a lock that it holds as long as its connection
lasts: when its node dies, another one gets it. The session only reads: seats are given back through
the events' own actors.
"""

from typing import Self

import asyncpg

from db.connect import SERVER_SETTINGS, close, connect
from db.database import Session
from db.failures import translated
from db.statements import Statement
from evently.domain.value import value

# Any constant will do, as long as every version of this code uses the same.
SWEEP_LOCK_ID = 0x45564E5348
# With an index entry to read for each event that has holds, ten thousand take some 50 ms.
SWEEP_S = 5.0


@value
class Swept:
    """Events with something to expire, and how many seats all events have in holds."""

    event_ids: tuple[str, ...]
    held_seats: int


class HoldSweep:
    """A connection of its own, made anew when it is lost. Use it as a context manager."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._has_turn = False

    async def sweep(self, overdue_s: float) -> Swept | None:
        """What has been due for `overdue_s`; None while another node has the turn.

        Raises domain faults.
        """
        try:
            with translated():
                session = Session(await self._connected())
                if not self._has_turn:
                    row = await session.fetchrow(Statement.TAKE_SWEEP_LOCK, SWEEP_LOCK_ID)
                    self._has_turn = row is not None and row["taken"]
                return await self._look(session, overdue_s) if self._has_turn else None
        except BaseException:
            await self._drop()
            raise

    async def _look(self, session: Session, overdue_s: float) -> Swept:
        due = await session.fetch(Statement.FIND_DUE_EVENTS, overdue_s)
        held = await session.fetchrow(Statement.SUM_HELD_SEATS)
        assert held is not None, "the statement returns one row, always"
        return Swept(tuple(str(row["event_id"]) for row in due), held["seats"])

    async def _connected(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._has_turn = False
            self._connection = await connect(
                self._dsn,
                command_timeout=SWEEP_S,
                server_settings={**SERVER_SETTINGS, "application_name": "evently-holds"},
            )
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection, self._has_turn = self._connection, None, False
        if connection is not None:
            await close(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._drop()
