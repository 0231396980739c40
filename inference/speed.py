"""How fast this worker is: asked of a process of its own once, and kept."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import structlog

from inference.pool import ROOT, surroundings
from inference.work import Figures

log = structlog.get_logger()
GUESS = Figures(1000.0, 1000.0)
"""Where the test itself failed: work shows the true figures soon enough."""


async def figures(folder: Path, threads: int) -> Figures:
    """The figures of an earlier start; else a test in a process of its own, once."""
    kept = folder / f"selftest-{threads}.json"
    if (known := read(kept)) is not None:
        return known
    found = await tested(threads)
    if found is None:
        return GUESS
    kept.write_bytes(msgspec.json.encode(found))
    log.info("self-test done", video_ms=found.video_ms, image_ms=found.image_ms)
    return found


def read(kept: Path) -> Figures | None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        return msgspec.json.decode(kept.read_bytes(), type=Figures)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


async def tested(threads: int) -> Figures | None:
    """None when the test did not come to its end."""
    command = (sys.executable, "-m", "inference.selftest", str(threads))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=surroundings(), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    try:
        return msgspec.json.decode(said.splitlines()[-1], type=Figures)
    except (IndexError, msgspec.DecodeError):
        log.warning("self-test failed", status=process.returncode)
        return None
