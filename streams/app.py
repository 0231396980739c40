"""The `streams` process: `python -m streams.app`."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP, StreamT

from infra import kafka, postgres, settings, telemetry, worker
from streams import agents, timers
from streams.runtime import Runtime
from streams.table import DECIDERS, REACTIONS


class Process:
    """What the process holds while it runs."""

    def __init__(self, config: settings.Settings) -> None:
        self.config = config
        self.state = "starting"
        self.runtime: Runtime

    async def open(self) -> None:
        """Waits for its servers, then publishes what an earlier life left in the outbox."""
        config = self.config
        await telemetry.serve_metrics(config, "streams", lambda: {"streams": self.state})
        producer = kafka.producer(config)
        await worker.patiently(producer.start, (KafkaError, OSError), "kafka")
        self.runtime = Runtime(await postgres.pool(config.postgres.service), producer, DECIDERS)

    async def tick(self) -> None:
        await timers.tick(self.runtime.pool, self.runtime.producer)

    async def forget(self) -> None:
        await timers.forget_outcomes(self.runtime.pool)

    async def assigned(self, _app: Any, partitions: set[TP], **_: Any) -> None:
        await self.runtime.publish_leftovers([(tp.topic, tp.partition) for tp in partitions])
        self.state = "ok"


def build(config: settings.Settings) -> worker.App:
    """One agent over all commands, one over the events that anything follows from, timers beside them."""
    app, process = worker.app(config, "streams"), Process(config)
    app.begin = process.open
    app.when_assigned(process.assigned)

    @app.agent(worker.raw_topic(app, kafka.names("commands")), concurrency=1, name="commands")
    async def commands(stream: StreamT[Any]) -> None:
        await agents.decide(stream, process.runtime)

    reacted_to = sorted({event.TOPIC for event in REACTIONS})

    @app.agent(worker.raw_topic(app, reacted_to), concurrency=1, name="events")
    async def events(stream: StreamT[Any]) -> None:
        await agents.react(stream, process.runtime.producer, REACTIONS)

    app.background(process.tick)
    app.background(process.forget)
    return app


if __name__ == "__main__":
    loaded = settings.load()
    worker.run(build(loaded), loaded, "streams")
