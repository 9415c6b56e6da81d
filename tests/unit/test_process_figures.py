"""What is exported of processes, builds, services and tables, as the library would export it."""

import os

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from evently.metrics import Metrics
from evently.process_figures import release, watch_process


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), every_s=0.0)


async def figures(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of one name by their labels."""
    families = text_string_to_metric_families((await metrics.exposition()).decode())
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


async def test_a_total_grows_by_what_was_read_since_the_last_poll(metrics: Metrics) -> None:
    readings = iter([3.0, 3.0, 7.5])
    metrics.watch_total("evently_things_total", "Things", lambda: next(readings))
    assert await figures(metrics, "evently_things_total") == {(): 3.0}
    assert await figures(metrics, "evently_things_total") == {(): 3.0}
    assert await figures(metrics, "evently_things_total") == {(): 7.5}


async def test_a_reading_that_falls_does_not_take_anything_back(metrics: Metrics) -> None:
    readings = iter([5.0, 2.0, 4.0])
    metrics.watch_total("evently_things_total", "Things", lambda: next(readings))
    totals = [(await figures(metrics, "evently_things_total"))[()] for _ in range(3)]
    assert totals == [5.0, 5.0, 7.0]


async def test_each_value_of_a_label_has_a_figure(metrics: Metrics) -> None:
    sizes = {"events": 1.0}
    metrics.watch_each("evently_table_bytes", "Bytes", "table", lambda: sizes)
    assert await figures(metrics, "evently_table_bytes") == {(("table", "events"),): 1.0}
    sizes |= {"events": 2.0, "venues": 3.0}
    assert await figures(metrics, "evently_table_bytes") == {
        (("table", "events"),): 2.0,
        (("table", "venues"),): 3.0,
    }


async def test_calls_are_counted_by_service_and_class_of_status(metrics: Metrics) -> None:
    for service, status in (("booking", 200), ("booking", 201), ("booking", 409), ("refunds", 503)):
        metrics.served(service, status)
    assert await figures(metrics, "evently_internal_calls_total") == {
        (("service", "booking"), ("status", "2xx")): 2,
        (("service", "booking"), ("status", "4xx")): 1,
        (("service", "refunds"), ("status", "5xx")): 1,
    }


async def test_the_build_and_the_process_are_told(metrics: Metrics) -> None:
    watch_process(metrics)
    ((labels, one),) = (await figures(metrics, "evently_build_info")).items()
    assert (dict(labels)["version"], one) == (release(), 1.0)
    assert dict(labels)["python"].startswith("3.")
    assert (await figures(metrics, "evently_process_cpu_seconds_total"))[()] > 0
    assert (await figures(metrics, "evently_process_resident_memory_bytes"))[()] > 10_000_000
    before = (await figures(metrics, "evently_process_open_fds"))[()]
    held = os.open(os.devnull, os.O_RDONLY)
    assert (await figures(metrics, "evently_process_open_fds"))[()] == before + 1
    os.close(held)
