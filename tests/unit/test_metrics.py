"""What is counted here arrives in the exposition as the library would have counted it."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from evently.domain.outcomes import Done, HoldbackNotFound, InsufficientSeats, StaleVersion
from evently.domain.state import Status
from evently.metrics import LATENCY_S, Metrics


async def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = (await metrics.exposition()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def bucket(le: str) -> tuple[str, frozenset[tuple[str, str]]]:
    labels = {"method": "GET", "route": "/healthz", "status": "200", "le": le}
    return "evently_request_seconds_bucket", frozenset(labels.items())


async def test_latencies_fall_into_the_buckets_that_hold_them() -> None:
    metrics = Metrics(CollectorRegistry(), every_s=0.0)
    for seconds in (0.0, LATENCY_S[0], LATENCY_S[0] * 1.01, LATENCY_S[-1], 60.0):
        metrics.answered("GET", "/healthz", 200, seconds)
    found = await samples(metrics)
    assert found[bucket(str(LATENCY_S[0]))] == 2
    assert found[bucket(str(LATENCY_S[1]))] == 3
    assert found[bucket(str(LATENCY_S[-1]))] == 4
    assert found[bucket("+Inf")] == 5


async def test_what_was_handed_over_is_not_handed_over_again() -> None:
    metrics = Metrics(CollectorRegistry(), every_s=0.0)
    metrics.answered("GET", "/healthz", 200, 0.5)
    await samples(metrics)
    metrics.answered("GET", "/healthz", 200, 0.25)
    found = await samples(metrics)
    labels = frozenset({"method": "GET", "route": "/healthz", "status": "200"}.items())
    assert found["evently_request_seconds_sum", labels] == 0.75
    assert found["evently_request_seconds_count", labels] == 2


async def test_moves_and_conflicts_are_counted_by_outcome() -> None:
    metrics = Metrics(CollectorRegistry(), every_s=0.0)
    now = datetime.now(UTC)
    metrics.moved("reserve", Done(2, 5, Status.PUBLISHED, now, retried=True))
    metrics.moved("reserve", Done(2, 5, Status.PUBLISHED, now, retried=True, replayed=True))
    metrics.moved("reserve", InsufficientSeats(2, 1))
    metrics.moved("return", StaleVersion(1, 2, 3, Status.PUBLISHED))
    metrics.moved("reserve", HoldbackNotFound("Press"))
    metrics.blocks_freed(20)
    found = await samples(metrics)

    def moves(kind: str, outcome: str) -> float:
        labels = frozenset({"kind": kind, "outcome": outcome}.items())
        return found["evently_seat_moves_total", labels]

    assert moves("reserve", "done") == moves("reserve", "replayed") == 1
    assert moves("reserve", "insufficient_seats") == moves("return", "conflict") == 1
    assert moves("reserve", "holdback_not_found") == 1
    assert found["evently_holdback_seats_freed_total", frozenset()] == 20
    for resolution in ("retried", "rejected"):
        labels = frozenset({("resolution", resolution)})
        assert found["evently_version_conflicts_total", labels] == 1


async def test_commits_are_counted_with_their_events_and_moves() -> None:
    metrics = Metrics(CollectorRegistry(), every_s=0.0)
    metrics.committed(2, 3, 0.001)
    metrics.committed(1, 30, 0.002)
    found = await samples(metrics)

    assert found["evently_commit_events_total", frozenset()] == 3
    assert found["evently_commit_moves_sum", frozenset()] == 33
    assert found["evently_commit_moves_bucket", frozenset({("le", "4.0")})] == 1
    assert found["evently_commit_moves_bucket", frozenset({("le", "32.0")})] == 2
    assert found["evently_commit_seconds_count", frozenset()] == 2
    assert found["evently_commit_seconds_bucket", frozenset({("le", "0.001")})] == 1
