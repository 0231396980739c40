"""At rest the whole stack costs next to nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.slow]
SECONDS = 20.0
SETTLE = 5.0
CORE = 0.15
MEMORY = 1.5 * (1 << 30)
SERVERS = {"kafka", "clickhouse"}


def processes(settings: Settings) -> dict[str, list[psutil.Process]]:
    """Every part of the stack with its children."""
    pids: dict[str, int] = json.loads((Path(settings.var) / "stack.json").read_text())["processes"]
    parts = {name: psutil.Process(pid) for name, pid in pids.items()}
    return {name: [part, *part.children(recursive=True)] for name, part in parts.items()}


def seconds(parts: dict[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: sum(sum(p.cpu_times()[:2]) for p in found) for name, found in parts.items()}


def memory(found: list[psutil.Process]) -> int:
    """Bytes of its own: shared pages count once for all (USS)."""
    return sum(p.memory_full_info().uss for p in found)


async def test_idle(settings: Settings, stack: dict[str, Any]) -> None:
    await asyncio.sleep(SETTLE)
    parts = processes(settings)
    before = seconds(parts)
    await asyncio.sleep(SECONDS)
    shares = {name: (used - before[name]) / SECONDS for name, used in seconds(parts).items()}
    own = {name: memory(found) for name, found in parts.items() if name not in SERVERS}
    assert sum(shares.values()) < CORE, {name: f"{share:.1%}" for name, share in shares.items()}
    assert sum(own.values()) < MEMORY, {name: f"{size >> 20} MiB" for name, size in own.items()}
