"""The results of a run, as saved in results.json: all the data of a report.

Rule: every run of every row is kept, in the order of the rounds, so that a ratio is the median over
rounds measured next to each other, and no error is averaged away.
"""

import statistics
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import msgspec

Side: TypeAlias = Literal["bare", "database", "ours"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one row.

    `per_second` counts good answers; `conflicts` are answers 409 that the row asks for, `errors`
    all other bad ones and broken connections. `cpu_us` is what the service's processes (or the
    bare server's) took for a request, `postgres_us` what PostgreSQL's took.
    """

    per_second: float
    asked: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    conflicts: int = 0
    errors: int = 0
    cpu_us: float | None = None
    postgres_us: float | None = None
    batch: float | None = None
    commit_p99_ms: float | None = None
    peak_mb: float | None = None
    retried: float = 0.0
    rejected: float = 0.0


class Figure(msgspec.Struct, frozen=True):
    """All runs of a row, on a database with so many `events`."""

    key: str
    title: str
    side: Side
    connections: int
    events: int
    runs: tuple[Sample, ...]

    def median(self, read: Callable[[Sample], float | None]) -> float | None:
        """The median of the values that `read` finds in the runs, or None if there are none."""
        found = [value for value in map(read, self.runs) if value is not None]
        return statistics.median(found) if found else None

    def mid(self, read: Callable[[Sample], float]) -> float:
        """The median of a value that every run has."""
        return statistics.median(map(read, self.runs))

    @property
    def per_second(self) -> float:
        """Good answers a second: the median."""
        return self.mid(lambda run: run.per_second)

    @property
    def p99_ms(self) -> float:
        """The median of the runs' 99th percentiles."""
        return self.mid(lambda run: run.p99_ms)

    @property
    def errors(self) -> int:
        """The errors of all runs."""
        return sum(run.errors for run in self.runs)


def ratio(figure: Figure, to: Figure) -> float:
    """How many times the throughput of `to` this one has: the median over the rounds."""
    pairs = zip(figure.runs, to.runs, strict=True)
    return statistics.median(run.per_second / other.per_second for run, other in pairs)


class UncachedList(msgspec.Struct, frozen=True):
    """The time of an uncached page: the first one, and one in the middle."""

    events: int
    first_ms: float
    first_worst_ms: float
    middle_ms: float
    middle_worst_ms: float


class ActiveMemory(msgspec.Struct, frozen=True):
    """The memory of `active` events, of which `alive` had an actor."""

    active: int
    alive: int
    bytes_each: float


class Bookings(msgspec.Struct, frozen=True):
    """`asked` bookings by `clients` at once for `seats` seats, and their results."""

    clients: int
    asked: int
    seats: int
    sold: int
    refused: int
    otherwise: int
    left: int
    sold_by_ledger: int

    @property
    def exact(self) -> bool:
        """Whether every seat was sold, and none twice."""
        return (
            self.sold == self.sold_by_ledger == self.seats
            and self.left == 0
            and self.refused == self.asked - self.seats
        )


class Overload(msgspec.Struct, frozen=True):
    """One event that was offered `times` its `peak`; all rates are per second.

    `answered` and `refused` count refusals, `broken` requests without an answer; `broken_how` names
    what wrk calls them.
    `accepted_p99_ms` is the latency of accepted bookings, measured by the service.
    """

    times: int
    connections: int
    peak: float
    answered: float
    accepted: float
    refused: int
    broken: int
    accepted_p99_ms: float | None
    broken_how: str = ""


class Storm(msgspec.Struct, frozen=True):
    """`holds` of one event that expired at once, while its free seats were sold.

    `free_after_s` is how long after that instant no seat was held; the percentiles are of all
    commits and of the reserves meanwhile.
    """

    holds: int
    free_after_s: float
    commit_p99_ms: float | None
    reserve_p99_ms: float
    errors: int


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """One run of single moves of one event, beside so many other moves a second."""

    per_second: float
    p50_ms: float
    p99_ms: float
    beside_per_second: float
    errors: int


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """Single moves beside single ones (`ones`) and beside requests for many, at one pace.

    `times` is how many times their p99 is beside requests for many: the median over the rounds.
    """

    pace: str
    ones: tuple[Beside, ...]
    many: tuple[Beside, ...]
    times: float

    @property
    def errors(self) -> int:
        """The errors of all runs."""
        return sum(run.errors for run in (*self.ones, *self.many))


class Checked(msgspec.Struct, frozen=True):
    """The comparison of every event with its ledger after the load."""

    events: int
    versions: int
    differing: int


class Machine(msgspec.Struct, frozen=True):
    """The machine of a run."""

    processor: str
    processors: int
    memory_gb: float
    system: str
    flush_ms: float
    load_before: float
    workers: int
    versions: dict[str, str]


class Results(msgspec.Struct, frozen=True):
    """A whole run; the profile says how long each measurement took, and how often it was done."""

    at: str
    commit: str | None
    profile: str
    seconds: int
    rounds: int
    took_s: float
    machine: Machine
    figures: tuple[Figure, ...]
    lists: tuple[UncachedList, ...]
    memory: tuple[ActiveMemory, ...]
    bookings: Bookings | None
    overload: tuple[Overload, ...]
    checked: tuple[Checked, ...]
    storm: Storm | None = None
    fairness: tuple[Fairness, ...] = ()

    def find(self, key: str, connections: int = 64, events: int | None = None) -> Figure | None:
        """The figure of a row; of several databases the one with 1000 events, or else the last."""
        found = [f for f in self.all(key) if f.connections == connections]
        if events is not None:
            found = [figure for figure in found if figure.events == events]
        return max(found, key=lambda figure: figure.events == 1000, default=None)  # noqa: PLR2004

    def all(self, *keys: str) -> Iterable[Figure]:
        """Every figure of these rows, in the order of measurement."""
        return (figure for figure in self.figures if figure.key in keys)
