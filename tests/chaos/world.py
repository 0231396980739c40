"""What is true on the log and in both stores, counted without the code that wrote it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.exceptions import OperationalError

from infra import clickhouse, postgres, worker
from infra.history import history
from infra.settings import Settings
from schemas import registry

CONTEXTS = ("records", "fleet", "tenancy")
"""Contexts that the load touches."""


def pid_of(settings: Settings, process: str) -> int:
    return int(json.loads((Path(settings.var) / "stack.json").read_text())["processes"][process])


def kill(settings: Settings, process: str) -> int:
    """SIGKILL to a process of the stack this test started; its pid."""
    pid = pid_of(settings, process)
    os.kill(pid, signal.SIGKILL)
    return pid


async def restarted(settings: Settings, process: str, old: int, seconds: float = 20) -> float:
    """Waits for another living pid in `stack.json`; when that was, on the loop's clock."""
    async with asyncio.timeout(seconds):
        while True:
            await asyncio.sleep(0.05)
            try:
                pid = pid_of(settings, process)
                if pid != old:
                    os.kill(pid, 0)
                    return asyncio.get_running_loop().time()
            except (ProcessLookupError, KeyError, ValueError):
                continue


async def on_the_log(settings: Settings, organisation: str, contexts: tuple[str, ...]) -> dict[str, Counter[int]]:
    """stream -> how often each version stands on the log (a repeat by the outbox is allowed; a gap is not)."""
    found: dict[str, Counter[int]] = {}
    async for batch in history(settings, [f"{c}.events" for c in contexts]):
        if not batch:
            return found
        for message in batch:
            envelope = registry.decode(message.value).envelope
            if envelope.organisation == organisation:
                found.setdefault(envelope.stream, Counter())[envelope.version] += 1
    return found


async def in_postgres(settings: Settings, organisation: str, contexts: tuple[str, ...]) -> dict[str, int]:
    """stream -> version, as the projections have it."""
    db = await postgres.connect(settings.postgres.service)
    try:
        rows: list[Any] = []
        for context in contexts:
            rows += await db.fetch(
                f"select stream, version from {context}.versions where organisation = $1", organisation
            )
        return {row["stream"]: row["version"] for row in rows}
    finally:
        await db.close()


async def in_clickhouse(settings: Settings, organisation: str, contexts: tuple[str, ...]) -> dict[str, int]:
    """stream -> number of distinct events."""
    link = await worker.patiently(lambda: clickhouse.async_client(settings), (OperationalError,), "clickhouse")
    try:
        found = await link.query(
            """select stream, count() from events final
               where organisation = {o:String} and context in {c:Array(String)} group by stream""",
            parameters={"o": organisation, "c": list(contexts)},
        )
        return {row[0]: row[1] for row in found.result_rows}
    finally:
        await link.close()


async def agreed(
    settings: Settings, organisation: str, contexts: tuple[str, ...], seconds: float = 40
) -> dict[str, int]:
    """Waits until log, Postgres and ClickHouse say the same; stream -> version.

    Errors: AssertionError naming the first differences.
    """
    deadline = time.monotonic() + seconds
    while True:
        log = {s: max(v) for s, v in (await on_the_log(settings, organisation, contexts)).items()}
        rows, columns = (
            await in_postgres(settings, organisation, contexts),
            await in_clickhouse(settings, organisation, contexts),
        )
        if log == rows == columns:
            return log
        if time.monotonic() > deadline:
            wrong = {s: (log.get(s), rows.get(s), columns.get(s)) for s in {*log, *rows, *columns}}
            bad = {s: said for s, said in wrong.items() if len(set(said)) > 1}
            raise AssertionError(
                f"{len(bad)} streams differ (log, postgres, clickhouse): {dict(list(bad.items())[:5])}"
            )
        await asyncio.sleep(0.5)
