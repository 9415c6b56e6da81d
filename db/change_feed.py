"""Reads the feed of changes, and the events that it is about.

Rules:

1. A page ends where the oldest open transaction stands: nothing is committed in front of that any
   more, so whatever a reader has passed was complete. (Neither a sequence nor a clock can tell, for
   neither rises in the order of the commits.)
2. What is read is on the synchronous standby, where there is one, before it is answered: a failover
   takes back nothing that a reader has seen.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from db.database import Database
from db.event_rows import ListedEvent, listed
from db.statements import Statement
from evently.domain.notices import ChangeKind
from evently.domain.state import Status
from evently.domain.value import value

# Readers wait for it, and it holds no lock: when this strikes, the network is the problem.
READ_S = 2.0
_NO_EVENT = "00000000-0000-0000-0000-000000000000"


class Mark(NamedTuple):
    """A place in the feed, which is in the order of these; `event_id` is a canonical UUID."""

    position: int
    event_id: str
    version: int


# In front of all changes.
BEGINNING = Mark(0, _NO_EVENT, 0)


@value
class Change:
    """One change: `kinds` in the order of what they say about seats; `data` is a JSON text."""

    mark: Mark
    kinds: tuple[ChangeKind, ...]
    at: datetime
    status: Status
    available_seats: int
    data: str


@value
class ChangePage:
    """Changes in their order, and the place after them.

    There are more to read now if it `has_more`. What was before `begins_at` is archived, and is not
    in the feed any more. Of what is committed, the oldest change that cannot
    be read yet, because a transaction before it is still open, has waited for `waits_s`, which is 0
    where there is none.
    """

    feed_id: str
    changes: Sequence[Change]
    next: Mark
    has_more: bool
    waits_s: float
    begins_at: Mark


class ChangeReader:
    """Reads changes and snapshots from the primary."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(self, after: Mark, limit: int) -> ChangePage:
        """Up to `limit` changes after `after`. Raises a fault when nothing answers."""
        rows = await self._database.fetch(
            Statement.LIST_CHANGES, *after, limit + 1, timeout_s=READ_S
        )
        first = rows[0]
        found = [_change(row) for row in rows if row["position"] is not None][:limit]
        if found and first["replicated"]:
            await self._database.witness.prove(READ_S)
        has_more = bool(found) and first["found"] > len(found)
        end = found[-1].mark if has_more else max(after, _place(first["horizon"]))
        return _page(first, found, end, has_more=has_more)

    async def latest(self) -> ChangePage:
        """No changes, only the place after all that are complete by now."""
        rows = await self._database.fetch(Statement.LIST_CHANGES, *_END, 1, timeout_s=READ_S)
        first = rows[0]
        end = _place(first["horizon"])
        return _page(first, (), end, has_more=False)

    async def snapshot(self, after: str | None, limit: int) -> Sequence[ListedEvent]:
        """Up to `limit` events that were ever published, by id, from the one after `after` on."""
        rows = await self._database.fetch(Statement.SNAPSHOT_EVENTS, after or _NO_EVENT, limit)
        return tuple(map(listed, rows))

    async def pick(self, event_ids: Sequence[str]) -> Sequence[ListedEvent]:
        """Those of these events that were ever published, by id."""
        rows = await self._database.fetch(Statement.PICK_EVENTS, event_ids)
        return tuple(map(listed, rows))


# After all changes there can be.
_END = Mark(2**63 - 1, _NO_EVENT, 0)


def _place(position: int) -> Mark:
    return Mark(position, _NO_EVENT, 0)


def _page(
    row: asyncpg.Record, changes: Sequence[Change], end: Mark, *, has_more: bool
) -> ChangePage:
    feed_id, begins_at = str(row["feed_id"]), _place(row["begins_at"])
    return ChangePage(feed_id, changes, end, has_more, _waits_s(row), begins_at)


def _waits_s(row: asyncpg.Record) -> float:
    since: Any = row["waiting_since"]
    return 0.0 if since is None else max(0.0, (row["clock"] - since).total_seconds())


def _change(row: asyncpg.Record) -> Change:
    return Change(
        Mark(row["position"], str(row["event_id"]), row["version"]),
        tuple(map(ChangeKind, row["kinds"])),
        row["recorded_at"],
        Status(row["status"]),
        row["available_seats"],
        row["data"],
    )
