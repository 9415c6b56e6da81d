"""What the clients did and heard, as they saw it; nothing here knows the ledger.

Rule: whatever a client sent is here before it is sent, so that nothing in the ledger is unknown
to the history. Times are seconds of the monotonic clock.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypeAlias


class End(Enum):
    """How one try ended."""

    OPEN = "open"
    OK = "ok"
    FAILED = "failed"
    NOTHING_DONE = "nothing done"
    # Nothing was done either: the same key gets its seats once sales go on.
    CLOSED = "not on sale"
    UNKNOWN = "unknown"
    HUNG_UP = "hung up"


# These codes promise that nothing was done, and that the same key may be tried again.
NOTHING_DONE = frozenset({"OVERLOADED", "DATABASE_UNAVAILABLE", "RATE_LIMITED"})
NOT_ON_SALE = "EVENT_NOT_ON_SALE"
# These refuse what may be granted later, under the same key: of a try that has not arrived yet, or
# was not decided on, they say nothing.
NOT_FINAL = frozenset({NOT_ON_SALE, "HOLDBACK_NOT_FOUND", "AMOUNT_EXCEEDS_REVENUE"})
# Of these the client does not know whether the seats moved.
IN_DOUBT = frozenset({End.OPEN, End.UNKNOWN, End.HUNG_UP})
FINAL = frozenset({End.OK, End.FAILED})


# What a shopper does with a hold, as the ledger calls it.
Kind: TypeAlias = Literal["held", "confirmed", "released"]


@dataclass(eq=False, slots=True)
class Attempt:
    """One request of a move; `told` is the answer's body, or what an error says beside its code."""

    request_id: str
    sent_s: float
    heard_s: float = 0.0
    end: End = End.OPEN
    code: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False

    @property
    def took_s(self) -> float:
        """From the request to its answer."""
        return self.heard_s - self.sent_s


@dataclass(eq=False, slots=True)
class Wish:
    """What a client wants done once, however often it asks; `key` is None where it has none."""

    event_id: str
    key: str | None
    attempts: list[Attempt] = field(default_factory=list, kw_only=True)

    def ended(self, end: End) -> list[Attempt]:
        """The attempts that ended so."""
        return [attempt for attempt in self.attempts if attempt.end is end]

    @property
    def in_doubt(self) -> bool:
        """Whether some try left its client in doubt."""
        return any(attempt.end in IN_DOUBT for attempt in self.attempts)

    @property
    def resolved(self) -> bool:
        """Whether the client knows in the end."""
        return any(attempt.end in FINAL for attempt in self.attempts)


@dataclass(eq=False, slots=True)
class Move(Wish):
    """To reserve (quantity below 0) or return seats.

    `retry` tells that the service may take a conflict on itself, `amount` what is paid or paid
    back if the client says so, `holdback` of which block the seats are, if of one.
    """

    quantity: int
    version: int | Literal["*"]
    retry: bool = False
    amount: Decimal | None = None
    holdback: str | None = None


@dataclass(eq=False, slots=True)
class HoldStep(Wish):
    """To place, confirm or release a hold."""

    kind: Kind


@dataclass(eq=False, slots=True)
class Purchase:
    """A hold from its placing on; `hold_id` is None until an answer has named it.

    `amount` is what a confirm says was paid, if it says that.
    """

    event_id: str
    quantity: int
    steps: list[HoldStep] = field(default_factory=list)
    hold_id: str | None = None
    amount: Decimal | None = None


@dataclass(slots=True)
class Read:
    """An event as a read answered it."""

    event_id: str
    sent_s: float
    heard_s: float
    version: int
    available_seats: int
    status: str


@dataclass(slots=True)
class AdminChange:
    """A change of an event under an admin's hand; its description is like no other.

    `wanted` are the other fields that it changes, as they were sent.
    """

    event_id: str
    description: str
    sent_s: float
    heard_s: float = 0.0
    end: End = End.OPEN
    version: int | None = None
    wanted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """A change as a consumer of the feed has heard of it."""

    event_id: str
    version: int
    kind: str
    available_seats: int


@dataclass
class History:
    """All of it. `doubled` holds the spans in which an event may have had two owners."""

    moves: list[Move] = field(default_factory=list)
    purchases: list[Purchase] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    changes: list[AdminChange] = field(default_factory=list)
    doubled: list[tuple[float, float]] = field(default_factory=list)
    # What the wall clock said when the monotonic clock said 0.
    epoch_s: float = field(default_factory=lambda: time.time() - time.monotonic())
    # Per event, when each OK was sent and heard, in the order in which they were heard.
    oks: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    # When each try that was not answered was sent: those that heard 503, or nothing at all.
    unanswered_s: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def now(self) -> float:
        """The time that everything here is told in."""
        return time.monotonic()

    def ended(self, wish: Wish, attempt: Attempt, end: End) -> None:
        """Note how a try ended, now."""
        attempt.end, attempt.heard_s = end, self.now()
        self.counts[end.value] += 1
        if end is End.OK:
            self.oks.setdefault(wish.event_id, []).append((attempt.sent_s, attempt.heard_s))
        elif end in {End.NOTHING_DONE, End.UNKNOWN}:
            self.unanswered_s.append(attempt.sent_s)

    def first_ok(self, event_id: str, since_s: float) -> float | None:
        """When the first OK was heard of a try that was sent after `since_s`."""
        first = None
        for sent_s, heard_s in reversed(self.oks.get(event_id, ())):
            if heard_s < since_s:
                break
            if sent_s >= since_s:
                first = heard_s
        return first

    def two_owners(self, from_s: float, to_s: float) -> bool:
        """Whether an event may have had two owners at some time between."""
        return any(start <= to_s and from_s <= end for start, end in self.doubled)

    @property
    def attempts(self) -> Iterator[tuple[Move, Attempt]]:
        """Every try with its move."""
        return ((move, attempt) for move in self.moves for attempt in move.attempts)
