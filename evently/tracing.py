"""Spans for requests and commits, sent by OTLP if OpenTelemetry is installed and configured.

Rule: tracing that was not asked for costs nothing: without an `OTEL_*` variable that names a
collector, OpenTelemetry is not imported and the observer is the plain one. OpenTelemetry's own
variables alone set it up: endpoint, headers, sampler, resource, batching.

A span is created when its work is over, from what the metrics observe anyway. A thread sends the
spans; if the collector is down, spans are lost but no answer is delayed.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from evently.metrics import Metrics, make_metrics
from routes.request_context import request_id_now, traceparent_now

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

SERVICE = "evently-event-service"
NS = 1_000_000_000
# When a worker stops; spans not sent by then are lost. Well within the time that the supervisor
# gives a worker to stop.
FLUSH_S = 2.0


def asked_for(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables name a collector and do not disable tracing."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "")
    if exporter:
        return exporter == "otlp"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environ.get(name) for name in names)


class TracedMetrics(Metrics):
    """Counts as `Metrics` does, and creates a span for each request and each commit."""

    asks_for_names = True

    def __init__(self, registry: CollectorRegistry, provider: "TracerProvider") -> None:
        # Imported for as long as the service runs, and only here: see the rule.
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        super().__init__(registry)
        self._tracer = provider.get_tracer("evently")
        self._extract = TraceContextTextMapPropagator().extract
        self._no_parent = Context()
        self._server, self._client = SpanKind.SERVER, SpanKind.CLIENT
        self._error = Status(StatusCode.ERROR)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered: a child of the span that its `traceparent` names."""
        super().answered(method, route, status, seconds)
        ended_ns = time.time_ns()
        parent = traceparent_now.get()
        span = self._tracer.start_span(
            f"{method} {route}",
            self._extract({"traceparent": parent}) if parent else self._no_parent,
            self._server,
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "evently.request_id": request_id_now.get(),
            },
            start_time=ended_ns - int(seconds * NS),
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(self._error)
        span.end(ended_ns)

    def committed(self, events: int, moves: int, seconds: float) -> None:
        """A statement committed moves of many requests: a span without a parent."""
        super().committed(events, moves, seconds)
        ended_ns = time.time_ns()
        span = self._tracer.start_span(
            "commit",
            self._no_parent,
            self._client,
            {
                "db.system.name": "postgresql",
                "evently.commit.events": events,
                "evently.commit.moves": moves,
            },
            start_time=ended_ns - int(seconds * NS),
        )
        span.end(ended_ns)


@asynccontextmanager
async def counting(environ: Mapping[str, str]) -> AsyncIterator[Metrics]:
    """The metrics of this worker; they also create spans if `environ` configures that."""
    provider = _provider(environ) if asked_for(environ) else None
    if provider is None:
        yield make_metrics()
        return
    log.info("tracing: spans are sent to the collector")
    try:
        yield make_metrics(lambda registry: TracedMetrics(registry, provider))
    finally:
        await _flush(provider)


def _provider(environ: Mapping[str, str]) -> "TracerProvider | None":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning(
            "tracing: OTEL_* names a collector, but OpenTelemetry is not installed: "
            "pip install 'evently-event-service[otel]', or set OTEL_SDK_DISABLED=true"
        )
        return None
    named = "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    ours = {} if named or environ.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


async def _flush(provider: "TracerProvider") -> None:
    """Send what is left, outside the loop's executor, which waits for its threads without limit."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        # The loop may be closed by now, if the wait timed out.
        if not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=shut_down, name="spans-flush", daemon=True).start()
    try:
        async with asyncio.timeout(FLUSH_S):
            await done.wait()
    except TimeoutError:
        log.warning("tracing: the last spans were not sent within %.0f s", FLUSH_S)
