"""What the database holds in the end: the events' rows, and their ledgers as they replay.

Rule: it is read from the server itself, not through the service and not through the proxy.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import Any, Self

import asyncpg

from evently.domain.event import TERMS
from tests.chaos.history import Wish
from tests.chaos.terms import Terms

FOREIGN = "foreign"
# A row bears the time at which its statement began; its commit came up to this much later, after
# a wait for a lock, say.
COMMIT_S = 2.5


@dataclass(frozen=True, slots=True)
class Row:
    """One version of an event, as its ledger has it; `recorded_s` by the wall clock."""

    version: int
    kind: str
    seat_delta: int
    capacity_delta: int
    available_seats: int
    status: str
    key: str
    request_id: str
    caller: str
    recorded_s: float
    description: str | None = None
    # The terms of the offer that changed.
    terms: Sequence[str] = ()
    held_delta: int = 0
    held_back_delta: int = 0
    money_delta: Decimal = Decimal(0)
    # What it changes beside that, by name.
    changes: Mapping[str, Any] = field(default_factory=dict)
    # The hold that it is about, or all that expired.
    holds: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event's own row."""

    version: int
    total_capacity: int
    available_seats: int
    status: str
    held_seats: int = 0
    held_back_seats: int = 0
    revenue: Decimal = Decimal(0)

    @property
    def sold(self) -> int:
        """Seats that were sold and not returned."""
        kept = self.held_seats + self.held_back_seats
        return self.total_capacity - self.available_seats - kept


@dataclass
class EventLedger:
    """One event: its row, and all of its versions in order."""

    event_id: str
    event: EventRow
    rows: Sequence[Row]
    by_version: Mapping[int, Row] = field(init=False)
    by_key: Mapping[str, Row] = field(init=False)
    by_request_id: Mapping[str, Row] = field(init=False)
    _versions: Sequence[int] = field(init=False)
    _latest_s: Sequence[float] = field(init=False)
    _capacities: Mapping[int, int] = field(init=False)
    # In holds and in blocks.
    _kept: Mapping[int, int] = field(init=False)
    _revenues: Mapping[int, Decimal] = field(init=False)
    _terms: Mapping[int, Terms] = field(init=False)

    def __post_init__(self) -> None:
        self._versions = [row.version for row in self.rows]
        self._latest_s = list(accumulate((row.recorded_s for row in self.rows), max))
        capacities = accumulate(row.capacity_delta for row in self.rows)
        self._capacities = dict(zip(self._versions, capacities, strict=True))
        kept = accumulate(row.held_delta + row.held_back_delta for row in self.rows)
        self._kept = dict(zip(self._versions, kept, strict=True))
        revenues = accumulate(row.money_delta for row in self.rows)
        self._revenues = dict(zip(self._versions, revenues, strict=True))
        terms = accumulate((row.changes for row in self.rows), Terms.after, initial=Terms())
        self._terms = dict(zip([0, *self._versions], terms, strict=True))
        self.by_version = {row.version: row for row in self.rows}
        self.by_key = {row.key: row for row in self.rows}
        self.by_request_id = {row.request_id: row for row in self.rows}

    @classmethod
    async def read(cls, connection: "asyncpg.Connection[asyncpg.Record]", event_id: str) -> Self:
        """Both as of one moment."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            event = await connection.fetchrow(_EVENT, event_id)
            rows = await connection.fetch(_LEDGER, event_id, sorted(TERMS))
        assert event is not None, f"{event_id} is gone"
        return cls(event_id, EventRow(**event), [_row(record) for record in rows])

    def capacity_at(self, version: int) -> int:
        """How many seats the event had in all at this version."""
        return self._capacities[version]

    def sold_at(self, version: int) -> int:
        """How many seats were sold and not returned at this version."""
        row = self.by_version[version]
        return self._capacities[version] - row.available_seats - self._kept[version]

    def revenue_at(self, version: int) -> Decimal:
        """What the seats that are out had brought in at this version."""
        return self._revenues[version]

    def terms_at(self, version: int) -> Terms:
        """What the organiser says of the event at this version."""
        return self._terms[version]

    def terms_before(self, row: Row) -> Terms:
        """What the organiser said of it when this version was decided on."""
        return self._terms.get(row.version - 1, Terms())

    def row_of(self, wish: Wish) -> Row | None:
        """The version that a wish has led to, if it has to any."""
        if wish.key is not None:
            return self.by_key.get(wish.key)
        found = (self.by_request_id.get(attempt.request_id) for attempt in wish.attempts)
        return next((row for row in found if row is not None), None)

    def between(self, after: int, until: int) -> Sequence[Row]:
        """The versions after `after`, up to `until`."""
        first, last = (bisect_right(self._versions, version) for version in (after, until))
        return self.rows[first:last]

    def current(self, from_s: float, to_s: float) -> list[Row]:
        """The versions that were current at some time between, by the wall clock."""
        first = max(0, bisect_left(self._latest_s, from_s - COMMIT_S) - 1)
        last = bisect_right(self._latest_s, to_s + COMMIT_S)
        ends_s = [*(row.recorded_s + COMMIT_S for row in self.rows[first + 1 : last]), to_s]
        return [
            row
            for row, end_s in zip(self.rows[first:last], ends_s, strict=False)
            if row.recorded_s <= to_s and end_s >= from_s
        ]


def _row(record: asyncpg.Record) -> Row:
    changes = json.loads(record["changes"], parse_float=Decimal)
    return Row(**{**record, "changes": changes})


_EVENT = """
SELECT version, total_capacity, available_seats, held_seats, held_back_seats, status, revenue
  FROM events WHERE event_id = $1
"""
_LEDGER = """
SELECT version, kind, seat_delta, held_delta, held_back_delta, capacity_delta,
       available_seats, status, money_delta, coalesce(changes::text, '{}') AS changes,
       request_key AS key, request_id, caller,
       extract(epoch FROM recorded_at)::float8 AS recorded_s,
       ARRAY (SELECT jsonb_path_query(hold, '$.hold_id') #>> '{}') AS holds,
       changes::jsonb ->> 'description' AS description,
       ARRAY (SELECT jsonb_object_keys(changes::jsonb) INTERSECT SELECT unnest($2::text[])) AS terms
  FROM event_ledger WHERE event_id = $1 ORDER BY version
"""
