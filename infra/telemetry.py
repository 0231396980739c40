"""Logs (structlog), metrics (Prometheus), traces (OpenTelemetry), and the small server that shows health."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
import psutil
import structlog
from aiohttp import web
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from infra import reach
from infra.settings import Settings

COMMANDS = Counter("sightlog_commands_total", "Commands decided", ["context", "outcome"])
EVENTS = Counter("sightlog_events_total", "Events recorded", ["projection"])
BATCH = Histogram(
    "sightlog_batch_seconds", "Time of one batch", ["process"], buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2)
)
TASKS = Counter("sightlog_analysis_tasks_total", "Analysis tasks ended", ["kind", "ended"])
TASK_SECONDS = Histogram("sightlog_analysis_task_seconds", "Time of one analysis task", ["kind"])
DEAD_LETTERS = Counter("sightlog_dead_letters_total", "Messages put aside", ["topic", "reason"])
REQUEST = Histogram(
    "sightlog_request_seconds",
    "Time until a request was answered",
    ["dialect", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
LASTING = Counter("sightlog_lasting_answers_total", "Answers that hold for a while, by how they came", ["came"])
STOPPED = Gauge("sightlog_projection_stopped", "1 while a projection stands still", ["projection"])

TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client finds the directory in which several processes count together."""
Ready = Callable[[], Mapping[str, str]]
"""Part -> `ok` or what is unwell with it."""


def set_up(settings: Settings, process: str) -> None:
    """Logs as JSON lines (or for a person) on stderr, with process and correlation; traces when an endpoint is set."""
    level = getattr(logging, settings.logs.level.upper())
    logging.basicConfig(stream=sys.stderr, level=max(level, logging.WARNING), format="%(message)s", force=True)
    logging.disable(logging.INFO)  # libraries build records of what nobody reads, some for every message
    as_json = structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            as_json if settings.logs.as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    if settings.tracing.endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # slow to import

        provider = TracerProvider(resource=Resource.create({"service.name": f"sightlog-{process}"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.tracing.endpoint)))
        trace.set_tracer_provider(provider)
    else:
        trace.set_tracer_provider(trace.NoOpTracerProvider())  # with none, each question for it reads the environment


def tracing() -> bool:
    return isinstance(trace.get_tracer_provider(), TracerProvider)


def span(name: str, parent: Mapping[str, str] | None = None) -> AbstractContextManager[Any]:
    """A span under the trace that `parent` carries (`traceparent`); free while tracing is off."""
    if not tracing():
        return nullcontext()
    context = propagate.extract(dict(parent)) if parent else None
    return trace.get_tracer("sightlog").start_as_current_span(name, context=context)


def trace_headers() -> dict[str, str]:
    """`traceparent` of the current span, to put on a message or a request."""
    carrier: dict[str, str] = {}
    if tracing():
        propagate.inject(carrier)
    return carrier


def count_together(settings: Settings) -> None:
    """The processes that this one starts count together, from nothing; to be called before it starts them."""
    folder = settings.var / "metrics" / settings.process
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[TOGETHER] = str(folder)


def metrics() -> bytes:
    """What `/metrics` says: of all that count together, whichever of them is asked, else of this process."""
    if TOGETHER not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(Family())
    return generate_latest(registry)


class Family(Collector):
    """What `process_*` says of one process, for this one, its siblings and their parent."""

    def collect(self) -> Iterator[Metric]:
        parent = psutil.Process(os.getppid())
        memory, seconds, files = map(sum, zip(*map(used, (parent, *parent.children(recursive=True))), strict=True))
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory", memory)
        yield CounterMetricFamily("process_cpu_seconds", "Processor time, of the user and the system", seconds)
        yield GaugeMetricFamily("process_open_fds", "Open files", files)


def used(process: psutil.Process) -> tuple[float, float, float]:
    """Memory, processor time and files; nothing of one that has just ended."""
    try:
        with process.oneshot():
            return process.memory_info().rss, sum(process.cpu_times()[:2]), process.num_fds()
    except psutil.NoSuchProcess:
        return 0, 0, 0


def traceparent() -> str:
    """The same as text, for a command and the rows that come of it; empty while tracing is off."""
    return trace_headers().get("traceparent", "")


def past(name: str, begin: float, seconds: float) -> None:
    """A span of the current one that is over: it began at `begin` (Unix time) and took so many seconds."""
    if tracing():
        start = int(begin * 1e9)
        trace.get_tracer("sightlog").start_span(name, start_time=start).end(start + int(seconds * 1e9))


async def serve_metrics(
    settings: Settings, process: str, ready: Ready, needs: Collection[str] = ("kafka", "postgres")
) -> web.AppRunner:
    """`/metrics`, `/healthz` and `/readyz` (503 while a part is unwell, naming it) on the process's own port. `needs`:
    servers without which it only waits."""

    async def shown(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def readyz(_: web.Request) -> web.Response:
        parts = {**await reach.parts(settings, needs), **ready()}
        well = all(state == "ok" for state in parts.values())
        return web.json_response({"ready": well, "parts": parts}, status=200 if well else 503)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    app = web.Application()
    app.add_routes([web.get("/metrics", shown), web.get("/readyz", readyz), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.metrics.host, getattr(settings.metrics, process)).start()
    return runner
