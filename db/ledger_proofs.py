"""Compares events with their ledgers little by little, and keeps what was found right.

Rules:

1. What an event's row says and how long its ledger is are read as of one moment, each time. What
   the ledger comes to is replayed from its last proof on: its rows never change.
2. A statement replays up to `versions_max` versions, however many an event has.
3. Only what is right is kept. A proof is as old as the replay that began at version 1; when it is
   too old the event is replayed from there again.
4. One connection of all nodes leads. It holds the lock until it ends, and a server that hears
   nothing of it for half a minute ends it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Self
from uuid import UUID

import asyncpg

from db.connect import PRIMARY, SERVER_SETTINGS, close, connect
from db.database import Session, prepare_connection
from db.event_check import EventRow, Ledger, Replayed, row_of
from db.failures import translated
from db.ledger_rows import columns
from db.statements import Statement
from evently.domain.value import value

# Some 60 ms of one processor on a busy machine, and 100 KB.
SLICE_EVENTS = 500
# Some 120 ms of one processor on a busy machine.
VERSIONS_MAX = 20_000
# A whole replay of all ledgers is spread over so long.
WHOLE_EVERY_S = 7 * 86_400.0
# Over what slice and versions take on a busy database.
STATEMENT_S = 20.0
# Any constant will do, as long as every version of this code uses the same.
LEAD_LOCK_ID = 0x4556444B

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_NOTHING = Ledger(0, 0, 0, 0, 0, 0, Decimal(0), "")
_SETTINGS = {
    **SERVER_SETTINGS,
    "application_name": "evently-drift",
    "statement_timeout": f"{STATEMENT_S * 1000:.0f}",
    # The first page and the last are ranges of very different sizes to a generic plan.
    "plan_cache_mode": "force_custom_plan",
    "max_parallel_workers_per_gather": "0",
}


@value
class Standing:
    """An event, how long its ledger is, and what that comes to as far as it was replayed.

    `from_start` is set where this replay began at version 1. `in_holds` are the seats of its holds,
    `in_blocks` those of its blocks.
    """

    event_id: str
    row: EventRow | None
    last_version: int | None
    replayed: Ledger
    from_start: bool
    in_holds: int
    in_blocks: int

    @property
    def left(self) -> int:
        """How many versions are still to be replayed."""
        return (self.last_version or 0) - self.replayed.last_version

    def whole(self) -> Replayed:
        """The event and its ledger, once nothing is left."""
        ledger = None if self.last_version is None else self.replayed
        return Replayed(self.event_id, self.row, ledger, self.in_holds, self.in_blocks)


class LedgerProofs:
    """Reads events slice by slice, and replays. Use it as an asynchronous context manager."""

    def __init__(
        self,
        dsn: str,
        *,
        slice_events: int = SLICE_EVENTS,
        versions_max: int = VERSIONS_MAX,
        whole_every_s: float = WHOLE_EVERY_S,
    ) -> None:
        self._dsn = dsn
        self._slice_events = slice_events
        self._versions_max = versions_max
        self._whole_every_s = whole_every_s
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def lead(self) -> bool:
        """Whether the check is this connection's; it is until the connection ends."""
        row = await self._session.fetchrow(Statement.LEAD_CHECK, LEAD_LOCK_ID)
        return row is not None and row["leads"]

    async def slices(self) -> AsyncIterator[Sequence[Standing]]:
        """Every event and every ledger, in the order of their ids."""
        first = _FIRST
        while True:
            end = await self._session.fetchrow(
                Statement.FIND_PAGE_END, first, self._slice_events - 1
            )
            last = _LAST if end is None else UUID(bytes=end["event_id"].bytes)
            rows = await self._session.fetch(
                Statement.COMPARE_EVENTS, first, last, self._whole_every_s
            )
            yield [_standing(row) for row in rows]
            if last == _LAST:
                return
            first = UUID(int=last.int + 1)

    async def final(self, event_ids: Sequence[UUID]) -> Sequence[Standing]:
        """Those of the events that can be archived, with all of their ledgers left to replay."""
        rows = await self._session.fetch(Statement.FIND_FINAL_EVENTS, event_ids)
        return [_standing(row) for row in rows]

    async def advance(
        self, standings: Sequence[Standing]
    ) -> tuple[Sequence[Replayed], Sequence[Standing]]:
        """Replay as many versions as are allowed at once; those that are whole, and the others."""
        budget = self._versions_max
        taken: list[tuple[Standing, int]] = []
        after: list[Standing] = []
        for standing in standings:
            steps = min(standing.left, budget)
            budget -= steps
            if steps:
                taken.append((standing, standing.replayed.last_version + steps))
            else:
                after.append(standing)
        if taken:
            moved = await self._unless_archived(await self._replay(taken))
            await self._keep([one for one in moved if one.replayed.is_right])
            after += moved
        return [one.whole() for one in after if not one.left], [one for one in after if one.left]

    async def _replay(self, taken: Sequence[tuple[Standing, int]]) -> list[Standing]:
        asked = []
        for one, upto in taken:
            known = one.replayed
            asked.append(
                (
                    *(one.event_id, known.last_version, upto),
                    *(known.versions, known.seats, known.held, known.held_back, known.capacity),
                )
            )
        rows = await self._session.fetch(Statement.REPLAY_VERSIONS, *columns(asked))
        found = {str(row["event_id"]): row for row in rows}
        return [
            replace(one, replayed=_further(one.replayed, upto, found.get(one.event_id)))
            for one, upto in taken
        ]

    async def _unless_archived(self, moved: Sequence[Standing]) -> list[Standing]:
        """The same, but for those whose ledgers were archived while they were replayed."""
        found = []
        for one in moved:
            if not one.replayed.is_right:
                rows = await self._session.fetch(
                    Statement.COMPARE_EVENTS, one.event_id, one.event_id, self._whole_every_s
                )
                now = [_standing(row) for row in rows]
                found.append(next((each for each in now if not each.left), one))
            else:
                found.append(one)
        return found

    async def _keep(self, right: Sequence[Standing]) -> None:
        if not right:
            return
        proofs = []
        for one in right:
            known = one.replayed
            proofs.append(
                (
                    *(one.event_id, known.last_version, known.capacity),
                    *(known.seats, known.held, known.held_back, known.money, known.status),
                )
            )
        begun = [one.event_id for one in right if one.from_start]
        await self._session.execute(Statement.KEEP_PROOFS, *columns(proofs), begun)

    @property
    def _session(self) -> Session:
        assert self._connection is not None, "the proofs are not open"
        return Session(self._connection)

    async def __aenter__(self) -> Self:
        with translated():
            self._connection = await connect(
                self._dsn,
                command_timeout=STATEMENT_S,
                server_settings=_SETTINGS,
                target_session_attrs=PRIMARY,
            )
            await prepare_connection(self._connection)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._connection is not None:
            await close(self._connection)


def _standing(row: asyncpg.Record) -> Standing:
    replayed = _NOTHING
    if row["proven"] is not None:
        replayed = Ledger(
            versions=row["proven"],
            last_version=row["proven"],
            capacity=row["capacity"],
            seats=row["seats"],
            held=row["held"],
            held_back=row["held_back"],
            money=row["money"],
            status=row["last_status"],
        )
    return Standing(
        event_id=str(row["event_id"]),
        row=row_of(row),
        last_version=row["last_version"],
        replayed=replayed,
        from_start=row["proven"] is None,
        in_holds=row["in_holds"],
        in_blocks=row["in_blocks"],
    )


def _further(before: Ledger, upto: int, row: asyncpg.Record | None) -> Ledger:
    """What the ledger comes to at version `upto`; of its faults, the first of each kind."""
    if row is None:
        return replace(before, last_version=upto)
    return Ledger(
        versions=before.versions + row["versions"],
        last_version=upto,
        capacity=row["capacity"],
        seats=row["seats"],
        held=row["held"],
        held_back=row["held_back"],
        money=before.money + row["money"],
        status=row["last_status"] or before.status,
        gap_at=before.gap_at or row["gap_at"],
        wrong_at=before.wrong_at or row["wrong_at"],
        impossible_at=before.impossible_at or row["impossible_at"],
    )
