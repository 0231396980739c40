"""The main job on real input, as an outside client: one true path through each dialect, over HTTP and Kafka only."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import orjson

from infra import assets
from infra.demo import acusight, iot, noxovision, nx
from infra.demo.journal import Failed, Journal
from infra.settings import load

PATHS = (("Nx AI Cloud", nx.run), ("AcuSight", acusight.run), ("IoT v1", iot.run), ("Noxovision", noxovision.run))


def main() -> int:
    """Runs every path and prints what happened; 0 only when every check held."""
    return asyncio.run(demonstrate())


async def demonstrate() -> int:
    settings = load()
    stack: dict[str, Any] = orjson.loads((settings.var / "stack.json").read_bytes())
    media = assets.fetch(Path("var") / "assets")
    pictures = Path("var") / "demo"
    pictures.mkdir(parents=True, exist_ok=True)
    journal = Journal(started=time.perf_counter())
    async with httpx.AsyncClient(base_url=stack["api"], timeout=60, trust_env=False) as client:
        for dialect, run in PATHS:
            journal.begin(dialect)
            try:
                await run(client, stack, media, journal, pictures)
            except (Failed, httpx.HTTPError, KeyError, OSError, TimeoutError) as problem:
                journal.broke(problem)
    journal.show()
    for picture in sorted(pictures.glob("*.png")):
        sys.stdout.write(f"picture: {picture}\n")
    return 0 if journal.whole else 1
