"""Spans, as a collector gets them from a running service."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from evently.tracing import asked_for
from tests.acceptance.service import Service, running
from tests.acceptance.service_process import ROOT
from tests.surroundings import free_port
from tests.until import until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MOVES = "POST /internal/events/{event_id}/update-availability"
LIST = "GET /api/v1/events"


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP, as a real one does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: list[Span] = []
        self.services: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.services.add(attributes(resource.resource)["service.name"])
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Stay silent."""


def attributes(of: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in of.attributes
    }


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def sending(database_url: str, url: str, **more: str) -> Iterator[Service]:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50", **more}
    with running(Service(database_url, 1, settings=settings)) as service:
        yield service


async def test_a_request_is_a_child_of_its_callers_span(
    collector: Collector, database_url: str
) -> None:
    with sending(database_url, collector.url) as service:
        async with service.connected():
            event_id = (await service.clients.published_event())["event_id"]
            given = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "traced"}
            path = f"/internal/events/{event_id}/update-availability"
            body = {"quantity": -1, "version": "*"}
            answer = await service.api.send(
                "POST", path, headers=service.api.internal | given, body=body
            )
            assert answer.status == 200
            await service.api.send("GET", "/api/v1/events")
            await until(lambda: collector.named(LIST), 20, "the last request's span")
            await until(lambda: collector.named(MOVES), 20, "the move's span")
    (span,) = collector.named(MOVES)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": MOVES.removeprefix("POST "),
        "http.response.status_code": 200,
        "evently.request_id": "traced",
    }
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 30e9
    # What came after it on the same connection, and without a parent, has none.
    (listed,) = collector.named(LIST)
    assert listed.parent_span_id == b""
    assert listed.trace_id.hex() != TRACE
    commits = collector.named("commit")
    assert {commit.kind for commit in commits} == {Span.SPAN_KIND_CLIENT}
    assert [attributes(commit)["evently.commit.moves"] for commit in commits][-1] == 1
    assert collector.services == {"evently-event-service"}


async def test_what_is_left_at_the_end_is_sent(collector: Collector, database_url: str) -> None:
    late = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_SERVICE_NAME": "another-name"}
    with sending(database_url, collector.url, **late) as service:
        async with service.connected():
            await service.api.send("GET", "/api/v1/events")
        assert collector.named(LIST) == []
        service.process.stop()
    assert len(collector.named(LIST)) == 1
    assert collector.services == {"another-name"}


async def test_a_collector_that_is_away_costs_no_answer_and_no_clean_end(database_url: str) -> None:
    with sending(database_url, f"http://127.0.0.1:{free_port()}") as service:
        async with service.connected():
            assert (await service.api.send("GET", "/api/v1/events")).status == 200
        service.process.stop()


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
    ],
)
def test_spans_are_made_for_who_names_a_collector(environ: dict[str, str], asked: bool) -> None:
    assert asked_for(environ) is asked


def test_who_does_not_ask_imports_nothing_of_it() -> None:
    look = "import evently.worker, sys; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
