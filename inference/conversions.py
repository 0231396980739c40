"""Checks and converts uploaded models: the queue's next one, in child processes, and what came of it as a command."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import structlog
from obstore.exceptions import BaseError

from inference.check import Checked, CheckLimits, Rejected, check_model
from inference.optimise import optimised
from inference.pulling import OFFERED, PAUSE, Puller
from inference.store import MODELS, Files
from infra.commands import Commands
from infra.postgres import Connection, Row
from projections.models import queries
from schemas.ids import derived_id, new_id
from schemas.models.messages import Conversion, ModelFile, ReportModelChecked, StartModelCheck

log = structlog.get_logger()
PLAIN = "application/x-onnx"
SERVED = ("cpu", "intel", "nvidia")
"""Targets that take the validated ONNX file as it is."""
LIMITS = CheckLimits(wall_seconds=120.0)


class Converter(Puller):
    """Takes one model after the other."""

    def __init__(self, commands: Commands, files: Files, worker: str) -> None:
        super().__init__(commands, worker)
        self.files = files

    async def queue(self, db: Connection) -> list[Row]:
        return await queries.waiting(db, self.worker, OFFERED)

    async def leased(self, db: Connection, id: str, lease: str) -> bool:
        return await queries.leased(db, id, lease)

    async def work(self, row: Row) -> None:
        """One model under a lease of its own; what fails for want of a part is tried again."""
        lease = new_id()
        if not await self.take(row, lease, StartModelCheck(lease=lease, worker=self.worker)):
            return
        while True:
            try:
                report = await self.report(row, lease)
                break
            except FileNotFoundError:
                report = ReportModelChecked(lease=lease, ok=False, message="The file is not in the store any more.")
                break
            except (BaseError, OSError) as problem:
                log.warning("waiting for the object store", model=row["id"], problem=type(problem).__name__)
                await asyncio.sleep(PAUSE)
        await self.say(row, report)
        log.info("model checked", model=row["id"], ok=report.ok)

    async def report(self, row: Row, lease: str) -> ReportModelChecked:
        """What the checks find.

        Errors: FileNotFoundError; BaseError, OSError when the store is away.
        """
        file = msgspec.convert(row["pending"], ModelFile)
        path = await self.files.fetched(file.key, MODELS)
        found = await asyncio.to_thread(check_model, path, LIMITS)
        if isinstance(found, Rejected):
            return ReportModelChecked(lease=lease, ok=False, message=found.message)
        made = file if file.target else await self.made(row, path, found)
        conversions = tuple(converted(target, made) for target in row["wanted"])
        ok = any(each.status == "ok" for each in conversions)
        message = "; ".join(found.warnings) or None if ok else "No target that was asked for can be made here."
        artefacts = (made,) if ok else ()
        return ReportModelChecked(lease=lease, ok=ok, message=message, conversions=conversions, artefacts=artefacts)

    async def made(self, row: Row, path: Path, found: Checked) -> ModelFile:
        """The validated file in the store, simplified where that goes; its name follows from its bytes."""
        with tempfile.TemporaryDirectory(prefix="sightlog-convert-") as folder:
            target = Path(folder) / "model.onnx"
            best = target if await asyncio.to_thread(optimised, path, target, found, LIMITS) else path
            digest = await asyncio.to_thread(digest_of, best)
            key = f"models/{row['organisation']}/{row['id']}/{digest}.onnx"
            stored = await self.files.objects.put_stream(key, chunks(best), LIMITS.file_bytes * 2)
        id = derived_id(row["id"], f"{digest}/{PLAIN}")
        return ModelFile(id=id, key=key, digest=digest, size=stored.size, media_type=PLAIN)


def converted(target: str, made: ModelFile) -> Conversion:
    """What a target comes to with this file."""
    if target == made.target or (made.target is None and target in SERVED):
        return Conversion(target=target, status="ok", file=made.id)
    return Conversion(target=target, status="error", message="Upload a file that was compiled for this chip.")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while data := await asyncio.to_thread(file.read, 8 << 20):
            yield data
