"""Takes tasks, has them done in child processes, reports. Never on the Faust event loop for long."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Any

import structlog

from inference.leases import Held, Leases
from inference.pool import Child, Crashed
from inference.speed import figures
from inference.store import MODELS, Files
from inference.work import Figures, File, Work
from infra.commands import Awake, Pending, Refused, Unavailable
from infra.objects import Objects
from infra.postgres import AWAY
from infra.settings import Settings
from infra.telemetry import TASK_SECONDS, TASKS, past, traceparent
from schemas.analysis import keys
from schemas.analysis.messages import ReportWorker, RetireWorker
from schemas.base import Command, asking

log = structlog.get_logger()
REPORT = 300.0
"""Seconds between reports of a worker."""
LOOK = 5.0
"""Seconds after which the queue is asked even if no notice came."""


def name_of(settings: Settings) -> str:
    """The same after a restart, so that a worker takes up what it lost when it was killed."""
    return f"{settings.process}@{socket.gethostname()}"


class Analyst:
    """The worker of one process: so many slots, each with a child."""

    def __init__(self, settings: Settings, commands: Awake, objects: Objects) -> None:
        self.settings = settings.inference
        self.name = name_of(settings)
        self.commands = commands
        self.objects = objects
        self.leases = Leases(commands, self.name)
        self.folder = settings.var / "inference" / settings.process
        self.files = Files(objects, self.folder / "files")
        threads = self.settings.threads or max(1, (os.cpu_count() or 1) // self.settings.slots)
        self.children = [Child(threads) for _ in range(self.settings.slots)]

    async def run(self) -> None:
        """Works until cancelled; then gives back what it holds."""
        try:
            async with asyncio.TaskGroup() as group:
                for child in self.children:
                    group.create_task(self.slot(child))
                group.create_task(self.leases.renew())
                group.create_task(self.leases.watch())
                group.create_task(self.report())
                group.create_task(self.tidy())
        finally:
            await asyncio.shield(self.leave())

    async def leave(self) -> None:
        """What is at hand may be started by others at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.gather(*(child.kill() for child in self.children))
                await asyncio.gather(*(self.leases.release(held) for held in list(self.leases.held.values())))
                await self.tell(RetireWorker())

    async def slot(self, child: Child) -> None:
        """One task after the other."""
        while True:
            self.commands.news.clear()
            held = await self.leases.take()
            if held is not None:
                await self.work(held, child)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self.commands.news.wait()

    async def work(self, held: Held, child: Child) -> None:
        with TASK_SECONDS.labels(held.kind).time(), held.span(f"task {held.kind}"):
            held.traceparent = traceparent() or held.traceparent
            ended = await self.attempt(held, child)
        TASKS.labels(held.kind, ended).inc()
        log.info("task ended", job=held.job, task=held.task, ended=ended)

    async def attempt(self, held: Held, child: Child) -> str:
        """Fetches, does, stores and reports one task; says how it ended."""
        try:
            work = await self.leases.patiently(held, lambda: self.prepared(held))
            said = None if work is None else await self.done(held, work, child)
        except FileNotFoundError:
            said = {"failed": {"code": "internal_error", "message": "", "retryable": True}}
        except Crashed:
            await self.leases.release(held, lost=True)
            return "crashed"
        if said is None or "stopped" in said:
            self.leases.drop(held)
            return "stopped"
        if "failed" in said:
            bad = said["failed"]
            message = bad["message"] or f"internal error, request {held.request_id}"
            await self.leases.fail(held, bad["code"], message, bad["retryable"])
            return "failed"
        output = await self.leases.patiently(held, lambda: self.stored(held, said["done"]))
        if output is None:
            self.leases.drop(held)
            return "stopped"
        await self.leases.complete(held, output)
        return "done"

    async def done(self, held: Held, work: Work, child: Child) -> dict[str, Any] | None:
        """What the child says; None when the lease went and it was stopped."""
        begin = time.time()
        doing = asyncio.create_task(child.perform(work))
        ending = asyncio.create_task(held.gone.wait())
        try:
            await asyncio.wait((doing, ending), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                said = doing.result()
                for part, seconds in said.get("done", {}).get("spent", {}).items():
                    past(part, begin, seconds)
                return said
            await child.stop()
            with suppress(Crashed):
                await doing
            return None
        finally:
            ending.cancel()
            doing.cancel()

    async def prepared(self, held: Held) -> Work:
        """The task with its files on this machine."""
        sources = [key for key in sources_of(held.input) if key]
        files = [File(str(await self.files.fetched(key, held.job))) for key in sources]
        needed = held.models if held.kind in ("segment", "image") else []
        models = [File(str(await self.files.fetched(one["key"], MODELS)), one["digest"]) for one in needed]
        return Work(
            id=held.lease,
            kind=held.kind,
            files=tuple(files),
            models=tuple(models),
            target=str(self.files.target(held.job, held.lease)),
            input=held.input,
            options=held.options,
        )

    async def stored(self, held: Held, done: dict[str, Any]) -> dict[str, Any]:
        """The task's output; what lies in the target file goes to the object store."""
        if not done["stored"]:
            return dict(done["output"])
        target = self.files.target(held.job, held.lease)
        key = (
            keys.result(held.organisation, held.job, held.lease)
            if held.kind == "merge"
            else keys.findings(held.organisation, held.job, held.task, held.lease)
        )
        await self.objects.put(key, target.read_bytes())
        target.unlink()
        return {"key": key, "units": done["units"], **done["output"]}

    async def report(self) -> None:
        """Says how many slots there are and how fast they are: capacity and latency are figures, not guesses."""
        known = await figures(self.folder, self.children[0].threads)
        while True:
            said = await self.tell(report_of(self.settings.slots, known))
            await asyncio.sleep(REPORT if said else 1.0)

    async def tell(self, command: Command) -> bool:
        try:
            await self.commands.submit(command, asking(f"worker:{self.name}", actor=self.name))
        except (Refused, Pending, Unavailable, *AWAY):
            return False
        return True

    async def tidy(self) -> None:
        """Gives back memory and disk that nothing needs."""
        while True:
            await asyncio.sleep(10)
            for child in self.children:
                await child.rest(self.settings.idle_seconds)
            self.files.sweep({held.job for held in self.leases.held.values()})


def report_of(slots: int, known: Figures) -> ReportWorker:
    return ReportWorker(slots=slots, video_ms=known.video_ms, image_ms=known.image_ms)


def sources_of(given: dict[str, Any]) -> list[str | None]:
    """Keys of the objects that a task reads: its media, its segments' findings, or its items' results in order."""
    if "items" in given:
        return [item["output"] and item["output"]["key"] for item in given["items"]]
    if "segments" in given:
        return [one["key"] for one in given["segments"]]
    return [given["key"]]
