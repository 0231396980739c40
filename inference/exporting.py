"""Makes export bundles: the queue's next job, read under the organisation's row-level security, stored, reported."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from clickhouse_connect.driver.exceptions import OperationalError
from obstore.exceptions import BaseError

from inference import bundle
from inference.conversions import chunks
from inference.pulling import OFFERED, PAUSE, Puller
from infra import postgres
from infra.clickhouse import Reader
from infra.commands import Commands
from infra.objects import Objects
from infra.postgres import AWAY, Connection, Row
from infra.settings import Settings
from projections.exports import queries, series
from schemas.base import Command
from schemas.exports.messages import CompleteExport, FailExport, StartExport
from schemas.ids import new_id

log = structlog.get_logger()
WALL = 8 * 60.0
"""Seconds for one bundle: less than its lease."""
LARGEST = 64 << 30
FORMAT = 1
Sensors = list[dict[str, Any]]


class Exporter(Puller):
    """Makes one bundle after the other."""

    def __init__(self, settings: Settings, commands: Commands, objects: Objects, worker: str) -> None:
        super().__init__(commands, worker)
        self.settings = settings
        self.objects = objects
        self.stores = Reader(settings)

    async def queue(self, db: Connection) -> list[Row]:
        return await queries.waiting(db, self.worker, OFFERED)

    async def leased(self, db: Connection, id: str, lease: str) -> bool:
        return await queries.leased(db, id, lease)

    async def run(self) -> None:
        self.readers = await postgres.pool(self.settings.postgres.api, size=1)
        try:
            await super().run()
        finally:
            await self.readers.close()
            await self.stores.close()

    async def work(self, row: Row) -> None:
        """One job under a lease of its own. Parts that are away are waited for, while there is time."""
        lease = new_id()
        if not await self.take(row, lease, StartExport(lease=lease, worker=self.worker)):
            return
        report: Command = FailExport(lease=lease, code="TIMED_OUT", message="The bundle took too long.")
        with suppress(TimeoutError):
            async with asyncio.timeout(WALL):
                report = await self.patiently(row, lease)
        await self.say(row, report)
        log.info("export ended", export=row["id"], report=type(report).__name__)

    async def patiently(self, row: Row, lease: str) -> Command:
        while True:
            try:
                return await self.made(row, lease)
            except (BaseError, OperationalError, *AWAY) as problem:
                log.warning("waiting for a part that is away", export=row["id"], problem=type(problem).__name__)
                await asyncio.sleep(PAUSE)
            except Exception as problem:
                log.error("export failed", export=row["id"], problem=type(problem).__name__)
                return FailExport(lease=lease, code="INTERNAL_ERROR", message="The bundle could not be made.")

    async def made(self, row: Row, lease: str) -> Command:
        """The bundle in the store; its key holds the lease, so that a lost worker's bundle is never taken for ours."""
        async with postgres.Reading(self.readers, row["organisation"]) as db:
            scope = await queries.scope(db, row["scope_type"], row["scope_id"])
            if scope is None:
                return FailExport(lease=lease, code="SCOPE_GONE", message="What was to be exported has been deleted.")
            sensors = [dict(one) for one in await queries.sensors(db, row["scope_type"], row["scope_id"])]
            labels = await self.labels(db, row)
        with tempfile.TemporaryDirectory(prefix="sightlog-export-") as folder:
            return await self.bundled(row, lease, Path(folder), scope["name"], sensors, labels)

    async def labels(self, db: Connection, row: Row) -> list[dict[str, Any]]:
        if "ANNOTATIONS" not in row["includes"]:
            return []
        inside = await queries.below(db, row["scope_type"], row["scope_id"])
        return [dict(one) for one in await queries.labels(db, inside, row["start_at"], row["end_at"])]

    async def bundled(
        self, row: Row, lease: str, folder: Path, name: str, sensors: Sensors, labels: list[dict[str, Any]]
    ) -> CompleteExport:
        files, readings = [], 0
        if "READINGS" in row["includes"]:
            written = await self.readings(row, folder / bundle.READINGS, sensors)
            readings = written.values
            files.append(await asyncio.to_thread(written.close))
        if "ANNOTATIONS" in row["includes"]:
            files.append(await asyncio.to_thread(bundle.write_labels, folder / bundle.ANNOTATIONS, labels))
        counts = {"readings": readings, "annotations": len(labels), "sensors": len(sensors)}
        manifest = described(row, name, counts, files, sensors)
        path = folder / "bundle.zip"
        await asyncio.to_thread(bundle.zipped, path, [folder / file.name for file in files], manifest)
        key = f"exports/{row['organisation']}/{row['id']}/{lease}.zip"
        stored = await self.objects.put_stream(key, chunks(path), LARGEST)
        return CompleteExport(lease=lease, key=key, size=stored.size, readings=readings, annotations=len(labels))

    async def readings(self, row: Row, path: Path, sensors: Sensors) -> bundle.Readings:
        """Component by component, a piece of time after the other: memory holds one of them."""
        written, organisation = bundle.Readings(path, sensors), row["organisation"]
        for component in bundle.components(sensors):
            asked = [(sensor["id"], sensor["value_type"]) for sensor in component]
            ids = [sensor for sensor, _ in asked]
            for window in await series.windows(self.stores, organisation, ids, row["start_at"], row["end_at"]):
                found = await series.wide(self.stores, organisation, asked, window)
                await asyncio.to_thread(written.add, component, found)
        return written


def described(
    row: Row, name: str, counts: dict[str, int], files: list[bundle.File], sensors: Sensors
) -> dict[str, Any]:
    """`manifest.json`."""
    return {
        "formatVersion": FORMAT,
        "exportId": row["id"],
        "organizationId": row["organisation"],
        "scope": {"type": row["scope_type"], "id": row["scope_id"], "name": name},
        "from": moment(row["start_at"]),
        "to": moment(row["end_at"]),
        "includes": list(row["includes"]),
        "generatedAt": moment(datetime.now(UTC)),
        "counts": counts,
        "files": [msgspec.to_builtins(file) for file in files],
        "sensors": [bundle.told(sensor) for sensor in sensors],
    }


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
