"""The `inference` process: `python -m inference.app`. A Faust worker for control; child processes do the work."""

from __future__ import annotations

from typing import Any

import structlog
from faust.types import StreamT
from obstore.exceptions import BaseError

from inference.conversions import Converter
from inference.exporting import Exporter
from inference.worker import Analyst
from infra import settings, telemetry, worker
from infra.commands import Awake
from infra.objects import Objects
from schemas import registry
from schemas.analysis import keys
from schemas.analysis.messages import AnalysisErased, AnalysisFailed, AnalysisFinished
from schemas.exports.messages import ExportDeleted, ExportExpired, ExportFailed

log = structlog.get_logger()
AWAY = (BaseError, OSError)


class Process:
    """What the process holds while it runs."""

    def __init__(self, config: settings.Settings) -> None:
        self.config = config
        self.objects = Objects(config)
        self.commands = Awake(config, "analysis")
        self.analyst = Analyst(config, self.commands, self.objects)
        self.converter = Converter(self.commands, self.analyst.files, self.analyst.name)
        self.exporter = Exporter(config, self.commands, self.objects, self.analyst.name)
        self.started = False

    async def open(self) -> None:
        await telemetry.serve_metrics(self.config, "inference", self.parts)
        await self.commands.start()

    async def assigned(self, *_: Any, **__: Any) -> None:
        self.started = True

    def parts(self) -> dict[str, str]:
        """What `/readyz` says."""
        return {"worker": "ok" if self.started else "starting", **self.commands.parts()}

    async def erase(self, raw: bytes | None) -> None:
        """Media and findings go when a job has ended, the result when it is erased (contract, section 8); a bundle goes
        with its export."""
        try:
            received = registry.decode(raw)
        except registry.Poison:
            return  # projections of the same event have put it aside
        organisation, job = received.envelope.organisation, received.envelope.stream
        match received.body:
            case AnalysisFinished() | AnalysisFailed():
                await worker.patiently(lambda: self.drop(*keys.passing(organisation, job)), AWAY, "objects")
            case AnalysisErased():
                await worker.patiently(lambda: self.drop(keys.folder(organisation, job)), AWAY, "objects")
            case ExportExpired() | ExportDeleted() | ExportFailed():
                await worker.patiently(lambda: self.drop(f"exports/{organisation}/{job}"), AWAY, "objects")

    async def drop(self, *prefixes: str) -> None:
        for prefix in prefixes:
            await self.objects.delete(*[key async for key, _ in self.objects.list(prefix)])


def build(config: settings.Settings) -> worker.App:
    """One agent that erases what jobs leave; beside it what analyses media, and what checks models."""
    app, process = worker.app(config, "inference"), Process(config)
    app.begin = process.open
    app.on_partitions_assigned.connect(process.assigned, weak=False)

    @app.agent(worker.raw_topic(app, ["analysis.events", "exports.events"]), concurrency=1, name="erase")
    async def erase(stream: StreamT[Any]) -> None:
        async for batch in worker.batches(stream):
            for event in batch:
                await process.erase(event.message.value)
                await stream.ack(event)

    app.task(process.analyst.run)
    app.task(process.converter.run)
    app.task(process.exporter.run)
    return app


if __name__ == "__main__":
    loaded = settings.load()
    worker.run(build(loaded), loaded, "inference")
