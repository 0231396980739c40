"""Checks and converts uploaded models: the queue's next one, in child processes, and what came of it as a command."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from obstore.exceptions import BaseError

from inference.check import Checked, CheckLimits, Rejected, check_model
from inference.optimise import optimised
from inference.store import MODELS, Files
from infra.commands import Commands, Pending, Refused, Unavailable
from infra.postgres import AWAY, Row
from projections.models import queries
from schemas.base import Command, asking
from schemas.ids import derived_id, new_id
from schemas.models.messages import Conversion, ModelFile, ReportModelChecked, StartModelCheck

log = structlog.get_logger()
PLAIN = "application/x-onnx"
SERVED = ("cpu", "intel", "nvidia")
"""Targets that take the validated ONNX file as it is."""
LIMITS = CheckLimits(wall_seconds=120.0)
LOOK = 5.0
"""Seconds after which the queue is asked even if no notice came."""
PAUSE = 0.5
OFFERED = 8


class Converter:
    """Takes one model after the other."""

    def __init__(self, commands: Commands, files: Files, worker: str) -> None:
        self.commands = commands
        self.files = files
        self.worker = worker

    async def run(self) -> None:
        """Works until cancelled. A check that is cut off is taken up again: by this worker after its restart, by
        another when the lease lapses."""
        changed = asyncio.Event()
        self.commands.changes.add(changed)
        while True:
            changed.clear()
            for row in await self.waiting():
                await self.convert(row)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await changed.wait()
            await asyncio.sleep(PAUSE)

    async def waiting(self) -> list[Row]:
        try:
            async with self.commands.pool.acquire() as db:
                return await queries.waiting(db, self.worker, OFFERED)
        except AWAY:
            return []

    async def convert(self, row: Row) -> None:
        """One model under a lease of its own; what fails for want of a part is tried again."""
        lease = new_id()
        if not await self.say(row, StartModelCheck(lease=lease, worker=self.worker)) or not await self.ours(row, lease):
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

    async def ours(self, row: Row, lease: str) -> bool:
        """Whether the lease was granted: a model that was lost too often is failed instead."""
        try:
            async with self.commands.pool.acquire() as db:
                return await queries.leased(db, row["id"], lease)
        except AWAY:
            return False

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

    async def say(self, row: Row, command: Command) -> bool:
        """Sends a command until it is decided; False when it was refused."""
        meta = asking(row["id"], organisation=row["organisation"], actor=self.worker)
        while True:
            try:
                await self.commands.submit(command, meta)
                return True
            except Refused as refused:
                log.info("not ours", model=row["id"], code=refused.code)
                return False
            except (Pending, Unavailable, *AWAY):
                await asyncio.sleep(PAUSE)


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
