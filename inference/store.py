"""Objects as files: fetched once for a job, models once for good. A store on this machine is read in place."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from infra.objects import Objects

MODELS = "models"
"""Where models go: they are never swept, since the next job wants them too."""
KEPT = 900
"""Seconds that a job's files stay after they were last needed."""


class Files:
    """The worker's files below `folder`."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self.objects = objects
        self.folder = folder
        self.locks: dict[str, asyncio.Lock] = {}

    async def fetched(self, key: str, where: str) -> Path:
        """The object's file; `where` groups files that go together.

        Errors: FileNotFoundError; BaseError when the store is away.
        """
        here = self.objects.path(key)
        if here is not None:
            if not here.exists():
                raise FileNotFoundError(key)
            return here
        path = self.folder / where / key.replace("/", "_")
        async with self.locks.setdefault(str(path), asyncio.Lock()):
            if not path.exists():
                await self.download(key, path)
        path.touch()
        return path

    async def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            async for chunk in self.objects.stream(key):
                file.write(chunk)
        part.replace(path)

    def target(self, job: str, lease: str) -> Path:
        """Where a task writes."""
        path = self.folder / job / f"{lease}.out"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def sweep(self, busy: Collection[str]) -> None:
        """Drops the files of jobs that nothing has been needed of for a while."""
        for folder in self.folder.glob("*/"):
            if folder.name not in (*busy, MODELS) and time.time() - newest(folder) > KEPT:
                shutil.rmtree(folder, ignore_errors=True)


def newest(folder: Path) -> float:
    return max((path.stat().st_mtime for path in (folder, *folder.iterdir())), default=0.0)
