"""The metrics, for Prometheus.

Rule: every label has few values, all known beforehand, and any worker returns the metrics of all.
PROMETHEUS_MULTIPROC_DIR selects the client library's multiprocess mode when it is imported: the
supervisor sets that for its workers, and only workers import this module.
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from evently.domain.holds import HoldStatus
from evently.domain.outcomes import (
    AmountExceedsRevenue,
    Answer,
    Done,
    HoldbackNotFound,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    KeyReused,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    NotOnSale,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.exposition import EVERY_S, Exposition

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
# A second on a warm event, seven on a cold one.
EXPIRY_DELAY_S = (0.1, 0.5, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
BATCH_MOVES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_OUTCOMES: dict[type, str] = {
    NotFound: "not_found",
    NotModifiable: "not_modifiable",
    NotOnSale: "not_on_sale",
    InsufficientSeats: "insufficient_seats",
    SeatsExceedCapacity: "exceeds_capacity",
    AmountExceedsRevenue: "exceeds_revenue",
    StaleVersion: "conflict",
    MaxTicketsExceeded: "too_many_tickets",
    HoldNotFound: "hold_not_found",
    HoldbackNotFound: "holdback_not_found",
    HoldNotActive: "hold_not_active",
    HoldExpired: "hold_expired",
    HoldPriceChanged: "hold_price_changed",
    KeyReused: "key_reused",
}


class _Observations:
    """What one histogram observed, counted here and passed on once a second.

    The library's own `observe` takes 4.4 us in multiprocess mode, a tenth of what a seat move
    costs; this takes 0.3 us. The library has no public way to add many at once, so this relies on
    how the pinned version stores a histogram: a sum, and a counter for each bucket.
    """

    __slots__ = ("_bounds", "_child", "_counts", "_sum")

    def __init__(self, child: Histogram, bounds: Sequence[float]) -> None:
        self._child = child
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, amount: float) -> None:
        """Count `amount`."""
        self._sum += amount
        self._counts[bisect_left(self._bounds, amount)] += 1

    def pass_on(self) -> None:
        """Add what was counted to the library's histogram."""
        child: Any = self._child
        counts, self._counts = self._counts, [0] * len(self._counts)
        total, self._sum = self._sum, 0.0
        for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001
            if count:
                bucket.inc(count)
        if total:
            child._sum.inc(total)  # noqa: SLF001


class _Count:
    """What one counter counted, passed on once a second as well."""

    __slots__ = ("_child", "_count")

    def __init__(self, child: Counter) -> None:
        self._child = child
        self._count = 0

    def add(self, number: int = 1) -> None:
        """Count `number` more."""
        self._count += number

    def pass_on(self) -> None:
        """Add what was counted to the library's counter."""
        count, self._count = self._count, 0
        if count:
            self._child.inc(count)


class Metrics:
    """The metrics of one worker: the observer of its requests, commits and logins."""

    asks_for_names = False

    def __init__(self, registry: CollectorRegistry, *, every_s: float = EVERY_S) -> None:
        self._registry = registry
        self._exposition = Exposition(self._text, every_s=every_s)
        self._polls: list[Callable[[], None]] = []
        self._calls = Counter(
            "evently_internal_calls_total",
            "Answered calls by the name of the internal key, and by the class of their status",
            ("service", "status"),
            registry=registry,
        )
        self._call_counts: dict[tuple[str, int], _Count] = {}
        self._requests = Histogram(
            "evently_request_seconds",
            "Time from a request's headers to its answer",
            ("method", "route", "status"),
            buckets=LATENCY_S,
            registry=registry,
        )
        self._moves = Counter(
            "evently_seat_moves_total",
            "Seat moves by kind and outcome",
            ("kind", "outcome"),
            registry=registry,
        )
        conflicts = Counter(
            "evently_version_conflicts_total",
            "Seat moves whose version was no longer the current one",
            ("resolution",),
            registry=registry,
        )
        self._retried = _Count(conflicts.labels("retried"))
        self._rejected = _Count(conflicts.labels("rejected"))
        commit = Histogram(
            "evently_commit_seconds",
            "Time of the committing statement, which bounds how long a row is locked",
            buckets=COMMIT_S,
            registry=registry,
        )
        self._commit = _Observations(commit, COMMIT_S)
        batch = Histogram(
            "evently_commit_moves",
            "Ledger rows in one committing statement",
            buckets=BATCH_MOVES,
            registry=registry,
        )
        self._batch = _Observations(batch, BATCH_MOVES)
        events = Counter(
            "evently_commit_events_total",
            "Events moved by committing statements",
            registry=registry,
        )
        self._events = _Count(events)
        self._overtaken = Counter(
            "evently_commit_overtaken_total",
            "Events whose batch was overtaken by another writer or by their start",
            registry=registry,
        )
        self._went_back = Counter(
            "evently_database_went_back_total",
            "Events found without what had been committed",
            registry=registry,
        )
        self._failures = Counter(
            "evently_commit_failures_total",
            "Committing statements that failed",
            ("reason",),
            registry=registry,
        )
        self._holds = Counter(
            "evently_holds_total", "Holds that ended, by how", ("end",), registry=registry
        )
        self._freed = Counter(
            "evently_holdback_seats_freed_total",
            "Seats of blocks that became free ones at their time",
            registry=registry,
        )
        expiry_delay = Histogram(
            "evently_hold_expiry_delay_seconds",
            "Time from a hold's expiry to the commit that gives its seats back",
            buckets=EXPIRY_DELAY_S,
            registry=registry,
        )
        self._expiry_delay = _Observations(expiry_delay, EXPIRY_DELAY_S)
        self._refusals = Counter(
            "evently_refusals_total",
            "Answers that are errors, by code",
            ("code",),
            registry=registry,
        )
        self._logins = Counter(
            "evently_logins_total", "Logins by outcome", ("outcome",), registry=registry
        )
        self._changes_lag = Gauge(
            "evently_changes_lag_seconds",
            "How long the oldest change has been held back by an open transaction",
            registry=registry,
            multiprocess_mode="livemax",
        )
        starts = Counter(
            "evently_worker_starts_total", "Worker processes started", registry=registry
        )
        starts.inc()
        self._move_counts: dict[tuple[str, str], _Count] = {}
        self._hold_counts: dict[str, _Count] = {}
        self._refusal_counts: dict[str, _Count] = {}
        self._latencies: dict[tuple[str, str, int], _Observations] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        label = (method, route, status)
        latencies = self._latencies.get(label)
        if latencies is None:
            child = self._requests.labels(*label)
            latencies = self._latencies[label] = _Observations(child, LATENCY_S)
        latencies.observe(seconds)

    def served(self, service: str, status: int) -> None:
        """A call of the service with this key's name was answered."""
        label = (service, status // 100)
        count = self._call_counts.get(label)
        if count is None:
            child = self._calls.labels(service, f"{label[1]}xx")
            count = self._call_counts[label] = _Count(child)
        count.add()

    def moved(self, kind: str, answer: Answer) -> None:
        """A seat move was decided."""
        if isinstance(answer, Done):
            outcome = "replayed" if answer.replayed else "done"
            if answer.retried and not answer.replayed:
                self._retried.add()
        else:
            outcome = _OUTCOMES.get(type(answer), "refused")
            if isinstance(answer, StaleVersion):
                self._rejected.add()
        self._count_move(kind, outcome)

    def move_failed(self, kind: str, code: str) -> None:
        """A seat move of a large request met a fault, and was answered with the error `code`."""
        self._count_move(kind, code.lower())

    def _count_move(self, kind: str, outcome: str) -> None:
        label = (kind, outcome)
        count = self._move_counts.get(label)
        if count is None:
            count = self._move_counts[label] = _Count(self._moves.labels(*label))
        count.add()

    def committed(self, events: int, moves: int, seconds: float) -> None:
        """A statement committed `moves` versions of `events` events."""
        self._commit.observe(seconds)
        self._batch.observe(moves)
        self._events.add(events)

    def overtaken(self, events: int) -> None:
        """Another writer was ahead of the batches of `events` events."""
        self._overtaken.inc(events)

    def went_back(self) -> None:
        """An event was found to lack what had been committed."""
        self._went_back.inc()

    def failed(self, reason: str) -> None:
        """A committing statement failed."""
        self._failures.labels(reason).inc()

    def changes_waited(self, seconds: float) -> None:
        """The oldest change that no client can read yet was committed `seconds` ago."""
        self._changes_lag.set(seconds)

    def hold_ended(self, end: str, late_s: float) -> None:
        """A hold ended, this long after its time."""
        count = self._hold_counts.get(end)
        if count is None:
            count = self._hold_counts[end] = _Count(self._holds.labels(end))
        count.add()
        if end == HoldStatus.EXPIRED:
            self._expiry_delay.observe(late_s)

    def blocks_freed(self, seats: int) -> None:
        """Seats of blocks became free ones at their time."""
        self._freed.inc(seats)

    def refused(self, code: str) -> None:
        """A request was answered with an error."""
        count = self._refusal_counts.get(code)
        if count is None:
            count = self._refusal_counts[code] = _Count(self._refusals.labels(code))
        count.add()

    def login(self, outcome: str) -> None:
        """A login ended with `outcome`."""
        self._logins.labels(outcome).inc()

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Export a gauge that `read` gives at every poll; the sum over all workers is reported."""
        gauge = Gauge(name, what, registry=self._registry, multiprocess_mode="livesum")
        self._polls.append(lambda: gauge.set(read()))

    def watch_each(
        self, name: str, what: str, label: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Export a gauge for each value of a label that `read` gives, likewise."""
        gauge = Gauge(name, what, (label,), registry=self._registry, multiprocess_mode="livesum")

        def pass_on() -> None:
            for text, figure in read().items():
                gauge.labels(text).set(figure)

        self._polls.append(pass_on)

    def watch_total(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Export a counter that grows as what `read` gives does, over the ends of workers."""
        counter = Counter(name, what, registry=self._registry)
        last = 0.0

        def pass_on() -> None:
            nonlocal last
            now = read()
            counter.inc(max(now - last, 0.0))
            last = now

        self._polls.append(pass_on)

    def tell(self, name: str, what: str, **labels: str) -> None:
        """Export a gauge that is always 1 and says something by its labels, once for all."""
        gauge = Gauge(
            name, what, tuple(labels), registry=self._registry, multiprocess_mode="livemax"
        )
        gauge.labels(**labels).set(1.0)

    def poll(self) -> None:
        """Pass on what was counted since the last poll, and read all watched gauges."""
        for observed in (*self._latencies.values(), self._commit, self._batch, self._expiry_delay):
            observed.pass_on()
        by_label = (
            self._move_counts,
            self._call_counts,
            self._hold_counts,
            self._refusal_counts,
        )
        counts = [count for its in by_label for count in its.values()]
        for counted in (*counts, self._retried, self._rejected, self._events):
            counted.pass_on()
        for read in self._polls:
            read()

    async def exposition(self) -> bytes:
        """The metrics of all workers as Prometheus text."""
        self.poll()
        return await self._exposition.text()

    def _text(self) -> bytes:
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        multiprocess.MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
        return generate_latest(everyone)


def make_metrics(make: Callable[[CollectorRegistry], Metrics] = Metrics) -> Metrics:
    """The metrics of this worker."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return make(CollectorRegistry())
