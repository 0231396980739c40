"""The Faust worker that `streams`, `projections`, `inference` and `deliveries` are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import faust
import structlog
import uvloop
from faust.types import EventT, StreamT
from mode import CrashingSupervisor, Service

from infra import garbage, kafka, telemetry
from infra.consumer import Consumer
from infra.settings import Settings

log = structlog.get_logger()
Result = TypeVar("Result")
UNASSIGNED = 60.0
"""Seconds that a worker waits for its partitions."""
BATCH = 200
GATHER = 0.005
"""Seconds that a batch under load waits for more."""


class App(faust.App):
    """A Faust app that opens what it needs before its agents start."""

    begin: Callable[[], Awaitable[None]] | None = None

    async def on_start(self) -> None:
        if self.begin is not None:
            opened, self.begin = self.begin, None
            await opened()
        await super().on_start()

    def _crash(self, reason: BaseException) -> None:
        """A bug ends the process at once, for supervision to start it again; Faust would wait for its children."""
        log.error("worker crashed", exc_info=reason)
        os._exit(1)

    def alongside(self, service: Service) -> None:
        """Starts and stops `service` with the app (Faust takes an instance as well as a class)."""
        self._extra_services.append(service)  # type: ignore[arg-type]

    def background(self, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` while the app lives; when it fails, the worker stops."""
        self.task(work)

    def when_assigned(self, call: Callable[..., Awaitable[None]]) -> None:
        """Calls when partitions have been assigned to this worker. One that has none in time ends, for supervision to
        start it again: on a busy machine aiokafka's coordinator can die at the start, and nothing tells of it."""
        assigned = asyncio.Event()

        async def receive(*args: Any, **kwargs: Any) -> None:
            assigned.set()
            await call(*args, **kwargs)

        async def watch() -> None:
            try:
                async with asyncio.timeout(UNASSIGNED):
                    await assigned.wait()
            except TimeoutError:
                log.error("no partitions were assigned", seconds=UNASSIGNED)
                os._exit(1)

        self.on_partitions_assigned.connect(receive, weak=False)
        self.background(watch)


def app(settings: Settings, process: str) -> App:
    """A Faust app with the settings that this design needs; set `begin` to open pools and producers.

    Static membership and a 10 s session: a killed worker goes on within 2 s of its restart (else about a minute).
    """
    datadir = settings.var / "faust" / process
    datadir.mkdir(parents=True, exist_ok=True)
    made = App(
        f"sightlog-{process}",
        broker=f"aiokafka://{settings.kafka.bootstrap}",
        broker_credentials=credentials(settings),
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        consumer_group_instance_id=f"{process}-{settings.process}",
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger=0,
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=4,
        stream_wait_empty=False,
        stream_buffer_maxsize=16_384,
        web_enabled=False,
        agent_supervisor=CrashingSupervisor,
        datadir=str(datadir),
    )
    made.transport.Consumer = Consumer  # type: ignore[misc]
    return made


def credentials(settings: Settings) -> Any:
    k = settings.kafka
    if k.security.startswith("SASL"):
        password = k.password.get_secret_value() if k.password else None
        return faust.SASLCredentials(
            username=k.username, password=password, mechanism=k.mechanism, ssl_context=kafka.tls(settings)
        )
    context = kafka.tls(settings)
    return faust.SSLCredentials(context) if context else None


def raw_topic(app: faust.App, names: list[str]) -> Any:
    """Several topics as bytes, decoded by nobody on the way."""
    return app.topic(*names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


async def batches(stream: StreamT[Any], limit: int = BATCH) -> AsyncIterator[list[EventT[Any]]]:
    """What has arrived, in batches that grow under load; nothing is acknowledged.

    A message that comes alone waits for nothing. After several in one batch more are on their way, and a moment's wait
    makes one transaction of what would have been many.
    """
    batch: list[EventT[Any]] = []
    drained = stream.channel.empty  # type: ignore[attr-defined]
    gathering = False
    async for event in stream.noack().events():  # type: ignore[attr-defined]
        batch.append(event)
        if gathering:
            gathering = False
            await asyncio.sleep(GATHER)
        if len(batch) < limit and not drained():
            continue
        yield batch
        batch, gathering = [], len(batch) > 1


async def patiently(work: Callable[[], Awaitable[Result]], away: tuple[type[BaseException], ...], what: str) -> Result:
    """Does `work` until what it needs is there again: order holds, nothing is skipped."""
    delay = 0.1
    while True:
        try:
            return await work()
        except away as problem:
            log.warning("waiting for a part that is away", what=what, problem=type(problem).__name__)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)


def run(app: faust.App, settings: Settings, process: str) -> None:
    """Runs the worker until it is told to stop."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    telemetry.set_up(settings, process)
    garbage.collect_seldom()
    faust.Worker(app, loglevel="warn", redirect_stdouts=False).execute_from_commandline()
