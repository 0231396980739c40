"""The `projections` process: `python -m projections.app`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import EventT, StreamT

from infra import kafka, postgres, settings, telemetry, worker
from infra.telemetry import BATCH, DEAD_LETTERS, STOPPED
from projections import lane, runner
from projections.rows import Projection
from projections.runner import Record
from projections.table import PROJECTIONS
from schemas import registry

log = structlog.get_logger()
BUDGET = 1000
"""Dead letters of one projection and process life before it stops: by then something else is wrong."""


class Process:
    """What the process holds while it runs. A projection that cannot go on stops alone; the others go on."""

    def __init__(self, config: settings.Settings) -> None:
        self.config = config
        self.started = False
        self.stopped: dict[str, str] = {}
        self.spent: dict[str, int] = {}
        self.pool: postgres.Pool
        self.producer: AIOKafkaProducer

    async def open(self) -> None:
        await telemetry.serve_metrics(self.config, "projections", self.parts, ("kafka", "postgres", "clickhouse"))
        self.producer = kafka.producer(self.config)
        await worker.patiently(self.producer.start, (KafkaError, OSError), "kafka")
        self.pool = await postgres.pool(self.config.postgres.service, size=8)

    async def assigned(self, *_: Any, **__: Any) -> None:
        self.started = True

    def parts(self) -> dict[str, str]:
        """What `/readyz` says."""
        states = {name: self.stopped.get(name, "ok") for name in PROJECTIONS}
        return {"worker": "ok" if self.started else "starting", **states, **lane.states()}

    async def handle(self, batch: Sequence[EventT[Any]]) -> list[EventT[Any]]:
        """Records a batch; returns the messages that are done with."""
        work: dict[str, list[EventT[Any]]] = {}
        for event in batch:
            work.setdefault(event.message.topic.split(".")[0], []).append(event)
        done = await asyncio.gather(*(self.record(name, events) for name, events in work.items()))
        return [event for events in done for event in events]

    async def record(self, name: str, events: list[EventT[Any]]) -> list[EventT[Any]]:
        projection = PROJECTIONS.get(name)
        if projection is None:
            return events
        if name in self.stopped:
            return []
        try:
            records = [record for event in events if (record := await self.readable(name, event)) is not None]
            if records:
                await worker.patiently(lambda: self.write(projection, records), postgres.AWAY, "postgres")
        except Exception as problem:
            self.stop(name, type(problem).__name__)
            log.exception("projection stopped", projection=name)
            return []
        return events

    async def write(self, projection: Projection, records: list[Record]) -> None:
        async with self.pool.acquire() as db, db.transaction():
            await runner.write(db, projection, records)

    async def readable(self, name: str, event: EventT[Any]) -> Record | None:
        message = event.message
        try:
            return Record(message.topic, message.partition, message.offset, registry.decode(message.value))
        except registry.Poison as poison:
            reason = str(poison)
        log.error(
            "message put aside", topic=message.topic, partition=message.partition, offset=message.offset, reason=reason
        )
        DEAD_LETTERS.labels(message.topic, reason.split(":")[0]).inc()
        self.spent[name] = self.spent.get(name, 0) + 1
        if self.spent[name] > BUDGET:
            raise RuntimeError("too many messages that cannot be read")
        await worker.patiently(lambda: kafka.dead_letter(self.producer, message, reason), (KafkaError,), "kafka")
        return None

    def stop(self, name: str, why: str) -> None:
        self.stopped[name] = f"stopped: {why}"
        STOPPED.labels(name).set(1)


def build(config: settings.Settings) -> worker.App:
    """One agent over all events; the columnar lanes run beside it as services."""
    app, process = worker.app(config, "projections"), Process(config)
    app.begin = process.open
    app.when_assigned(process.assigned)

    @app.agent(worker.raw_topic(app, kafka.names("events")), concurrency=1, name="events")
    async def events(stream: StreamT[Any]) -> None:
        async for batch in worker.batches(stream):
            start = time.perf_counter()
            for event in await process.handle(batch):
                await stream.ack(event)
            BATCH.labels("projections").observe(time.perf_counter() - start)

    for service in lane.services(config):
        app.alongside(service)
    return app


if __name__ == "__main__":
    loaded = settings.load()
    worker.run(build(loaded), loaded, "projections")
