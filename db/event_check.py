"""Checks every event's row against what its ledger replays to.

Rule: a row and its ledger are read by one statement, so as of one moment: seats may move while
the check runs, and it still reports nothing that is not so. It reads only.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Self
from uuid import UUID

import asyncpg

from db.connect import ANY_SERVER, SERVER_SETTINGS, close, connect
from db.database import Session, prepare_connection
from db.failures import translated
from db.statements import Statement
from evently.domain.state import ON_SALE, Status
from evently.domain.value import value

# Enough to make the round trip cheap; a page's rows are some 300 KB here.
PAGE_EVENTS = 1000
# A page whose events have tens of millions of versions takes minutes; longer is a stuck one.
PAGE_S = 600.0

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_SETTINGS = {
    **SERVER_SETTINGS,
    "application_name": "evently-verify",
    "statement_timeout": f"{PAGE_S * 1000:.0f}",
    "default_transaction_read_only": "on",
    # The first page and the last are ranges of very different sizes to a generic plan.
    "plan_cache_mode": "force_custom_plan",
}


@value
class EventRow:
    """What an event's row says."""

    version: int
    total_capacity: int
    available_seats: int
    held_seats: int
    held_back_seats: int
    revenue: Decimal
    status: str


@value
class Ledger:
    """What an event's ledger replays to.

    `gap_at` is the first version whose predecessor is missing, `wrong_at` the first that notes
    other seats than the sum up to it, `impossible_at` the first whose sum is below 0 or, with the
    seats in holds and in blocks, over the capacity.
    """

    versions: int
    last_version: int
    capacity: int
    seats: int
    held: int
    held_back: int
    money: Decimal
    status: str
    gap_at: int | None = None
    wrong_at: int | None = None
    impossible_at: int | None = None

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong with it in itself."""
        return not _ledger_faults(self)


@value
class Replayed:
    """One event, as its row and as its ledger tell it; either may be missing.

    `in_holds` are the seats of its holds that are stored as held, `in_blocks` those of its blocks.
    """

    event_id: str
    row: EventRow | None
    ledger: Ledger | None
    in_holds: int = 0
    in_blocks: int = 0

    def differences(self) -> list[str]:
        """What does not agree, each as a phrase; empty for an event that is right."""
        row, ledger = self.row, self.ledger
        if row is None:
            assert ledger is not None, "an event has a row or a ledger"
            return [f"the ledger has {ledger.versions} versions of it, and there is no such event"]
        if ledger is None:
            return [f"version is {row.version}, and it has no ledger"]
        return [*_disagreements(row, ledger), *_ledger_faults(ledger), *self._sum_faults(row)]

    def _sum_faults(self, row: EventRow) -> list[str]:
        found = []
        if row.held_seats != self.in_holds:
            found.append(f"held_seats is {row.held_seats} in the row, {self.in_holds} in its holds")
        if row.held_back_seats != self.in_blocks:
            found.append(
                f"held_back_seats is {row.held_back_seats} in the row,"
                f" {self.in_blocks} in its holdbacks"
            )
        return found


def _disagreements(row: EventRow, ledger: Ledger) -> list[str]:
    pairs = (
        ("version", row.version, ledger.last_version),
        ("total_capacity", row.total_capacity, ledger.capacity),
        ("available_seats", row.available_seats, ledger.seats),
        ("held_seats", row.held_seats, ledger.held),
        ("held_back_seats", row.held_back_seats, ledger.held_back),
        ("revenue", row.revenue, ledger.money),
        ("status", row.status, _stored(ledger.status, row.status)),
    )
    found = [
        f"{name} is {told} in the row, {replayed} in the ledger"
        for name, told, replayed in pairs
        if told != replayed
    ]
    if not 0 <= row.available_seats <= row.total_capacity - row.held_seats - row.held_back_seats:
        held = f" with {row.held_seats} held" if row.held_seats else ""
        held += f" with {row.held_back_seats} kept back" if row.held_back_seats else ""
        found.append(f"available_seats is {row.available_seats} of {row.total_capacity}{held}")
    return found


def _stored(noted: str, row_status: str) -> str:
    """What is stored of an event that the clock had completed when it was noted."""
    return row_status if noted == Status.COMPLETED and row_status in ON_SALE else noted


def _ledger_faults(ledger: Ledger) -> list[str]:
    found = []
    if ledger.versions != ledger.last_version or ledger.gap_at is not None:
        at = f", the first gap before version {ledger.gap_at}" if ledger.gap_at else ""
        found.append(f"the ledger has {ledger.versions} of {ledger.last_version} versions{at}")
    if ledger.wrong_at is not None:
        found.append(f"the ledger's available_seats is not the sum up to version {ledger.wrong_at}")
    if ledger.impossible_at is not None:
        found.append(f"the ledger leaves 0 to capacity at version {ledger.impossible_at}")
    return found


class EventCheck:
    """Reads events and their ledgers page by page. Use it as an asynchronous context manager."""

    def __init__(self, dsn: str, *, page_events: int = PAGE_EVENTS) -> None:
        self._dsn = dsn
        self._page_events = page_events
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def count(self) -> int:
        """How many events there are."""
        row = await self._session.fetchrow(Statement.COUNT_EVENTS)
        return row["events"] if row is not None else 0

    async def find(self, event_id: UUID) -> Replayed | None:
        """One event and its ledger; None if there is neither."""
        row = await self._session.fetchrow(Statement.REPLAY_EVENTS, event_id, event_id)
        return None if row is None else _replayed(row)

    async def pages(self) -> AsyncIterator[list[Replayed]]:
        """Every event and every ledger, in the order of their ids."""
        first = _FIRST
        while True:
            end = await self._session.fetchrow(
                Statement.FIND_PAGE_END, first, self._page_events - 1
            )
            last = _LAST if end is None else UUID(bytes=end["event_id"].bytes)
            rows = await self._session.fetch(Statement.REPLAY_EVENTS, first, last)
            yield [_replayed(row) for row in rows]
            if last == _LAST:
                return
            first = UUID(int=last.int + 1)

    @property
    def _session(self) -> Session:
        assert self._connection is not None, "the check is not open"
        return Session(self._connection)

    async def __aenter__(self) -> Self:
        with translated():
            self._connection = await connect(
                self._dsn,
                command_timeout=PAGE_S,
                server_settings=_SETTINGS,
                target_session_attrs=ANY_SERVER,
            )
            await prepare_connection(self._connection)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._connection is not None:
            await close(self._connection)


def _replayed(row: asyncpg.Record) -> Replayed:
    ledger = _ledger(row)
    return Replayed(str(row["event_id"]), row_of(row), ledger, row["in_holds"], row["in_blocks"])


def row_of(row: asyncpg.Record) -> EventRow | None:
    """What the event's row says, or None where there is none."""
    if row["version"] is None:
        return None
    return EventRow(
        version=row["version"],
        total_capacity=row["total_capacity"],
        available_seats=row["available_seats"],
        held_seats=row["held_seats"],
        held_back_seats=row["held_back_seats"],
        revenue=row["revenue"],
        status=row["status"],
    )


def _ledger(row: asyncpg.Record) -> Ledger | None:
    if row["versions"] is None:
        return None
    return Ledger(
        versions=row["versions"],
        last_version=row["last_version"],
        capacity=row["capacity"],
        seats=row["seats"],
        held=row["held"],
        held_back=row["held_back"],
        money=row["money"],
        status=row["last_status"],
        gap_at=row["gap_at"],
        wrong_at=row["wrong_at"],
        impossible_at=row["impossible_at"],
    )
