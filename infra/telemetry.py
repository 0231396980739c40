"""Logs (structlog), metrics (Prometheus), traces (OpenTelemetry), and the small server that shows health."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
import structlog
from aiohttp import web
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from infra.settings import Settings

COMMANDS = Counter("sightlog_commands_total", "Commands decided", ["context", "outcome"])
EVENTS = Counter("sightlog_events_total", "Events recorded", ["projection"])
BATCH = Histogram(
    "sightlog_batch_seconds", "Time of one batch", ["process"], buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2)
)
TASKS = Counter("sightlog_analysis_tasks_total", "Analysis tasks ended", ["kind", "ended"])
TASK_SECONDS = Histogram("sightlog_analysis_task_seconds", "Time of one analysis task", ["kind"])
DEAD_LETTERS = Counter("sightlog_dead_letters_total", "Messages put aside", ["topic", "reason"])
STOPPED = Gauge("sightlog_projection_stopped", "1 while a projection stands still", ["projection"])

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


def traceparent() -> str:
    """The same as text, for a command and the rows that come of it; empty while tracing is off."""
    return trace_headers().get("traceparent", "")


def past(name: str, begin: float, seconds: float) -> None:
    """A span of the current one that is over: it began at `begin` (Unix time) and took so many seconds."""
    if tracing():
        start = int(begin * 1e9)
        trace.get_tracer("sightlog").start_span(name, start_time=start).end(start + int(seconds * 1e9))


async def serve_metrics(settings: Settings, process: str, ready: Ready) -> web.AppRunner:
    """`/metrics`, `/healthz` and `/readyz` (503 while a part is unwell, naming it) on the process's own port."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def readyz(_: web.Request) -> web.Response:
        parts = dict(ready())
        well = all(state == "ok" for state in parts.values())
        return web.json_response({"ready": well, "parts": parts}, status=200 if well else 503)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/readyz", readyz), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.metrics.host, getattr(settings.metrics, process)).start()
    return runner
