"""Child processes that do tasks: started when needed, one task each at a time, gone when idle or when one hangs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import orjson
import structlog

from inference.work import Work

log = structlog.get_logger()
ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 0.8
"""Seconds that a task has to stop by itself; then its process is killed."""
LINE = 16 << 20
"""Bytes of the longest answer."""


class Crashed(Exception):
    """The process died of the task."""


class Child:
    """One process. It is started by its first task."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.process: asyncio.subprocess.Process | None = None
        self.used = time.monotonic()
        self.work: str | None = None

    async def perform(self, work: Work) -> dict[str, Any]:
        """What became of the task: `done`, `failed` or `stopped`.

        Errors: Crashed.
        """
        process = await self.started()
        assert process.stdin is not None
        assert process.stdout is not None
        self.work = work.id
        try:
            process.stdin.write(orjson.dumps({"work": msgspec.to_builtins(work)}) + b"\n")
            await process.stdin.drain()
            answer = await process.stdout.readline()
        except (ConnectionError, ValueError) as problem:
            await self.kill()
            raise Crashed from problem
        finally:
            self.work, self.used = None, time.monotonic()
        if not answer:
            await self.kill()
            raise Crashed
        found: dict[str, Any] = orjson.loads(answer)
        return found

    async def stop(self) -> None:
        """Ends the task at hand, with the process if it must be."""
        work, process = self.work, self.process
        if work is None or process is None or process.stdin is None:
            return
        try:
            process.stdin.write(orjson.dumps({"stop": work}) + b"\n")
        except ConnectionError:
            return
        await asyncio.sleep(PATIENCE)
        if self.work == work:
            log.warning("task did not stop in time", task=work)
            process.kill()

    async def started(self) -> asyncio.subprocess.Process:
        if self.process is None or self.process.returncode is not None:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "inference.child",
                str(self.threads),
                cwd=ROOT,
                env=surroundings(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE,
            )
        return self.process

    async def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def rest(self, idle: float) -> None:
        """Gives the memory back when it was idle for so many seconds."""
        if self.work is None and self.process is not None and time.monotonic() - self.used > idle:
            await self.kill()


def surroundings() -> dict[str, str]:
    """The environment of a child: nothing of our settings, which may hold credentials."""

    return {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLOG_")} | {
        "PYTHONPATH": str(ROOT)
    }
