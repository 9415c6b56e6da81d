"""The events in PostgreSQL: reads for the actors, and lanes that commit their batches.

Rule: a lane reports only what is certain (`db.failures` has the table); after an error with an
unknown outcome its connection is dropped and never used again.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import asyncpg

from db.batch_rows import batch_row
from db.change_rows import change_rows
from db.connect import PRIMARY, SERVER_SETTINGS, close, connect
from db.creations import note_creation, taken
from db.database import Database
from db.event_rows import state_of
from db.failures import DRIVER_ERRORS, Meaning, meaning
from db.hold_rows import hold_in, hold_of, hold_row
from db.ledger_rows import columns, ledger_row
from db.lineage import Lineage
from db.new_events import create_events
from db.refusal_rows import refusal_in, refusal_rows
from db.sql import load
from db.standby import CUT_SHORT, StandbyWait
from db.statements import Statement
from evently.domain.commits import (
    Batch,
    Broken,
    Committed,
    DueHolds,
    EventHold,
    EventKey,
    FateUnknown,
    FoundHolds,
    HeldRows,
    KeyTaken,
    Loaded,
    Locked,
    NotDone,
    Noted,
    Record,
    StoreError,
)
from evently.domain.creations import CreatedBefore, Creation
from evently.domain.errors import Fault
from evently.domain.holds import EXPIRED_MAX, HoldStatus
from evently.domain.outcomes import Done, KeyReused
from evently.domain.state import EventState, Status

log = logging.getLogger(__name__)

# The server stops a commit that takes this long, and says so: certainly not done.
COMMIT_STATEMENT_MS = 2000
# How long another transaction may hold an event's row before 503. The other events of
# the statement wait as long.
COMMIT_LOCK_MS = 250
# After the server's own limit: when this strikes, the network is the problem.
COMMIT_S = 3.0
# A worker's events wait for its reads of them, which take a millisecond and hold no lock: when
# this strikes, it is the network again.
READ_S = 2.0

_LANE_SETTINGS = {
    **SERVER_SETTINGS,
    "application_name": "evently-committer",
    "statement_timeout": str(COMMIT_STATEMENT_MS),
    "lock_timeout": str(COMMIT_LOCK_MS),
    # The statement's arguments differ in length only: one plan fits, and planning costs more.
    "plan_cache_mode": "force_generic_plan",
    # It finds every row by its key: a plan made while a table is small must not read all of it.
    "enable_seqscan": "off",
}

_ERRORS: Mapping[Meaning, type[StoreError]] = {
    Meaning.NOT_SENT: NotDone,
    Meaning.KEY_TAKEN: KeyTaken,
    Meaning.LOCKED: Locked,
    Meaning.NOT_DONE: NotDone,
    Meaning.NOT_PRIMARY: NotDone,
    Meaning.BROKEN: Broken,
    Meaning.UNKNOWN: FateUnknown,
}
# After these the connection is as good as before; after any other it is dropped. (A bug may lie
# in what the connection has prepared.)
_HARMLESS = frozenset({Meaning.KEY_TAKEN, Meaning.LOCKED, Meaning.NOT_DONE})
# Where COMMIT_BATCHES takes what the feed of changes tells.
_TOLD = 4
_COMMITS = (Statement.COMMIT_MOVES, Statement.COMMIT_HOLDS, Statement.COMMIT_BATCHES)
_Prepared: TypeAlias = "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]"
# Of the server's message, in whatever language:
# (event_id, request_key, caller)=(<event>, <key>, <caller>).
_TAKEN = re.compile(r"=\(([0-9a-f-]{36}), ")


class EventStore:
    """Reads events through `reads`, which nothing else uses; opens lanes of their own at `dsn`.

    What is not for the actors goes through `database`, which is also read where there is no other.
    """

    def __init__(self, database: Database, dsn: str, *, reads: Database | None = None) -> None:
        self._database = database
        self._reads = reads or database
        self._dsn = dsn
        self._losses = 0
        self._proven = (0, 0)
        self._lineage = Lineage(self._expire)
        self._when_changed: list[Callable[[], None]] = []
        if dsn != database.dsn:
            # A pooler stands before the pool, and keeps its connections when the primary is lost.
            self._lineage.when_lost(self._lost)

    def lane(self) -> "CommitLane":
        """A new connection to commit on, made when it is first used."""
        return CommitLane(self._dsn, self._lineage, self._changed)

    def when_lost(self, forget: Callable[[], None]) -> None:
        """Call `forget` whenever what was read or committed here may be gone."""
        self._lineage.when_lost(forget)

    def when_changed(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever a change that the feed tells of was committed here."""
        self._when_changed.append(tell)

    def _changed(self) -> None:
        for tell in self._when_changed:
            tell()

    async def _expire(self) -> None:
        """Read nothing through a connection to the history that was left."""
        for database in {self._database, self._reads}:
            await database.expire()

    async def load(self, event_ids: Sequence[str]) -> Loaded:
        """The committed states of these events, and the database's time.

        After a connection was lost or made anew, what is read first may be what a primary that
        crashed had not sent to its synchronous standby yet: it is given once a commit has come
        back. (Behind a pooler, it is the lanes that notice.)
        """
        rows = await self._reads.fetch(Statement.LOAD_EVENTS, event_ids, timeout_s=READ_S)
        unproven = (self._reads.connections, self._losses)
        if unproven != self._proven:
            if rows[0]["replicated"]:
                await self._database.witness.prove(READ_S)
            self._proven = unproven
        states = {}
        for row in rows:
            if row["event_id"] is not None:
                states[str(row["event_id"])] = state_of(row)
        return Loaded(rows[0]["clock"], states)

    def _lost(self) -> None:
        self._losses += 1

    async def recall(self, keys: Sequence[EventKey]) -> Mapping[EventKey, Noted]:
        """What ledger and refusals hold under these keys.

        Where a synchronous standby is named, none of it is proven until a commit has come back that
        was sent after it was read.
        """
        asked = columns(keys) if keys else [[], [], []]
        rows = await self._reads.fetch(Statement.RECALL_REQUESTS, *asked, timeout_s=READ_S)
        proven = not rows or not rows[0]["replicated"] or await self._on_standby()
        return {
            (str(row["event_id"]), row["caller"], row["request_key"]): _noted(row, proven)
            for row in rows
        }

    async def find_holds(self, holds: Sequence[EventHold]) -> FoundHolds:
        """The rows of these holds, as of one moment.

        What has ended is told to those who ask again: where a synchronous standby is named, it is
        given once a commit has come back that was sent after it was read. Raises domain faults.
        """
        rows = await self._reads.fetch(Statement.FIND_HOLDS, *columns(holds), timeout_s=READ_S)
        there = [row for row in rows if row["status"] is not None]
        if any(row["replicated"] and row["status"] != HoldStatus.HELD for row in there):
            await self._database.witness.prove(READ_S)
        found = {(row["event_id"], row["hold_id"]): hold_of(row) for row in there}
        return FoundHolds(found, {row["event_id"]: row["version"] for row in rows})

    async def due_holds(self, event_ids: Sequence[str]) -> Mapping[str, DueHolds]:
        """Those of each event whose time has passed, by the database's clock."""
        rows = await self._reads.fetch(
            Statement.FIND_DUE_HOLDS, event_ids, EXPIRED_MAX, timeout_s=READ_S
        )
        found: dict[str, list[asyncpg.Record]] = {event_id: [] for event_id in event_ids}
        for row in rows:
            found[str(row["event_id"])].append(row)
        return {event_id: _due(its) for event_id, its in found.items()}

    async def _on_standby(self) -> bool:
        """Whether all that was read until now is on the synchronous standby."""
        try:
            await self._database.witness.prove(READ_S)
        except Fault as fault:
            log.warning("what the ledger holds is not proven to outlive a failover: %s", fault)
            return False
        return True

    async def create(self, state: EventState, record: Record) -> bool:
        """Commit an event's first version; False when its venue is gone or too small by now."""
        return bool(await create_events(self._database, [(state, [record])]))

    async def create_once(
        self, state: EventState, record: Record, creation: Creation
    ) -> bool | CreatedBefore | KeyReused:
        """The same under a key of the admin's own, or what that key has created before."""
        try:
            async with self._database.transaction() as session:
                if await note_creation(session, creation, state.details.event_id):
                    if not await create_events(session, [(state, [record])]):
                        raise _NotCreatedError
                    return True
        except _NotCreatedError:
            return False
        return await taken(self._database, creation)


class _NotCreatedError(Exception):
    """Rolls back the key of an event that was not created."""


class CommitLane:
    """One connection that commits, one statement at a time; made anew when it was dropped."""

    def __init__(
        self,
        dsn: str,
        lineage: Lineage | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._dsn = dsn
        self._lineage = lineage or Lineage()
        self._changed = changed
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._prepared: dict[Statement, _Prepared] = {}
        self._wait = StandbyWait()

    async def commit(self, batches: Sequence[Batch]) -> Committed:
        """Commit all batches whose base version and fence still stand, in one statement.

        Raises NotDone, Locked, KeyTaken or Broken (nothing was committed), or FateUnknown.
        """
        try:
            wanted, arguments = _statement(batches)
        except (TypeError, ValueError) as error:
            raise Broken(f"{type(error).__name__}: {error}") from error
        if not self._prepared or self._connection is None or self._connection.is_closed():
            # A connection that broke while idle (a restart, a firewall) costs no caller anything.
            await self._connect()
        try:
            row = await self._prepared[wanted].fetchrow(*arguments, timeout=COMMIT_S)
        except BaseException as error:
            found = meaning(error)
            if found not in _HARMLESS:
                self._drop()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise _named(error, found) from error
        if self._wait.was_cut_short():
            raise FateUnknown(CUT_SHORT)
        assert row is not None, "the statement returns one row, always"
        if wanted is Statement.COMMIT_BATCHES and arguments[_TOLD]:
            self._changed()
        moved = row["event_ids"]
        if moved is None:
            moved = [batch.event_id for batch in batches]
        return Committed(row["committed_at"], frozenset(moved), row["no_room"] or ())

    async def held(self, batches: Sequence[Batch]) -> HeldRows:
        """What these batches would have to wait for. Raises NotDone."""
        venues = [batch.after.details.venue_id if batch.needs_room else None for batch in batches]
        arguments = ([batch.event_id for batch in batches], venues)
        if self._connection is None or self._connection.is_closed():
            await self._connect()
        assert self._connection is not None, "it was connected just now"
        query = load(Statement.FIND_HELD_EVENTS)
        try:
            # Rolled back, it neither waits for the disk nor for a standby.
            transaction = self._connection.transaction()
            await transaction.start()
            rows = await self._connection.fetch(query, *arguments, timeout=COMMIT_S)
            await transaction.rollback()
        except BaseException as error:
            self._drop()
            if isinstance(error, DRIVER_ERRORS):
                raise NotDone(f"{type(error).__name__}: {error}") from error
            raise
        return HeldRows(
            {row["event_id"] for row in rows if row["event_held"]},
            {row["event_id"] for row in rows if row["venue_held"]},
        )

    async def close(self) -> None:
        """Close the connection, politely if that succeeds in time."""
        connection, self._connection, self._prepared = self._connection, None, {}
        if connection is not None:
            await close(connection)

    async def _connect(self) -> None:
        try:
            self._connection = connection = await connect(
                self._dsn,
                command_timeout=COMMIT_S,
                server_settings=_LANE_SETTINGS,
                target_session_attrs=PRIMARY,
            )
            connection.add_log_listener(self._wait.note)
            connection.add_termination_listener(self._ended)
            await self._lineage.check(connection)
            self._prepared = {wanted: await connection.prepare(load(wanted)) for wanted in _COMMITS}
        except DRIVER_ERRORS as error:
            self._drop()
            raise NotDone(f"{type(error).__name__}: {error}") from error

    def _ended(self, connection: object) -> None:
        """Drop a connection that was closed from the other end, even while it was idle."""
        if connection is self._connection:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._prepared = self._connection, None, {}
        if connection is not None:
            connection.terminate()
            self._lineage.lost()


def _named(error: BaseException, found: Meaning) -> StoreError:
    message = f"{type(error).__name__}: {error}"
    if found is not Meaning.KEY_TAKEN:
        return _ERRORS[found](message)
    whose = _TAKEN.search(getattr(error, "detail", None) or "")
    return KeyTaken(message, whose[1] if whose else None)


def _due(rows: Sequence[asyncpg.Record]) -> DueHolds:
    """The first rows that are due, and when the one after them expires."""
    rows = sorted(rows, key=itemgetter("expires_at"))
    due = [row for row in rows if row["expires_at"] <= row["clock"]][:EXPIRED_MAX]
    after = rows[len(due) :]
    return DueHolds(tuple(map(hold_of, due)), after[0]["expires_at"] if after else None)


def _noted(row: asyncpg.Record, proven: bool) -> Noted:
    if row["refusal"] is not None:
        return Noted(row["request"], refusal_in(row["refusal"]), proven)
    done = Done(
        row["version"],
        row["available_seats"],
        Status(row["status"]),
        row["recorded_at"],
        hold=hold_in(row["hold"]),
        unit_price=row["unit_price"],
    )
    return Noted(row["request"], done, proven)


def _statement(batches: Sequence[Batch]) -> tuple[Statement, list[list[tuple[Any, ...]]]]:
    """The statement that commits `batches`, and the rows it takes.

    These are of the events, of their ledgers, and where there may be any, of holds, of refusals and
    of what the feed of changes tells.
    """
    moved = [batch_row(batch) for batch in batches]
    noted = [ledger_row(batch.event_id, record) for batch in batches for record in batch.records]
    kept = [hold_row(batch.event_id, hold) for batch in batches for hold in batch.holds]
    told = [row for batch in batches for row in change_rows(batch.event_id, batch.records)]
    if told or any(batch.after.fence or batch.edits for batch in batches):
        refused = [row for batch in batches for row in refusal_rows(batch)]
        return Statement.COMMIT_BATCHES, [moved, noted, kept, refused, told]
    if kept:
        return Statement.COMMIT_HOLDS, [moved, noted, kept]
    return Statement.COMMIT_MOVES, [moved, noted]
