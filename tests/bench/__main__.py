"""`make bench`: figures of the running stack beside a bare server in the same run. Loopback only; ends by itself."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvloop
from rich.console import Console
from rich.table import Table

from infra import kafka
from infra.history import history
from infra.settings import Settings, load
from projections.rebuild import rebuild
from schemas.ids import new_id

ONE_BY_ONE = 300
TOGETHER = 4_000
IN_FLIGHT = 64
WARM = 50
Call = Callable[[aiohttp.ClientSession], Awaitable[None]]


@dataclass
class Figure:
    """Latency in milliseconds one at a time, and how many a second with 64 in flight."""

    p50: float
    p95: float
    rate: float


async def measured(session: aiohttp.ClientSession, call: Call, many: int = TOGETHER) -> Figure:
    for _ in range(WARM):
        await call(session)
    times = sorted([await timed(session, call) for _ in range(ONE_BY_ONE)])
    gate, start = asyncio.Semaphore(IN_FLIGHT), time.perf_counter()

    async def one() -> None:
        async with gate:
            await call(session)

    await asyncio.gather(*(one() for _ in range(many)))
    rate = many / (time.perf_counter() - start)
    return Figure(statistics.median(times) * 1e3, times[int(len(times) * 0.95)] * 1e3, rate)


async def timed(session: aiohttp.ClientSession, call: Call) -> float:
    start = time.perf_counter()
    await call(session)
    return time.perf_counter() - start


def posting(url: str, headers: dict[str, str]) -> Call:
    """A POST that makes something new and answers with it."""

    async def call(session: aiohttp.ClientSession) -> None:
        async with session.post(url, json={"name": f"bench {new_id()}"}, headers=headers) as answer:
            body = await answer.read()
            assert answer.status == 201, body

    return call


def getting(url: str, headers: dict[str, str]) -> Call:
    async def call(session: aiohttp.ClientSession) -> None:
        async with session.get(url, headers=headers) as answer:
            body = await answer.read()
            assert answer.status == 200, body

    return call


@asynccontextmanager
async def bare(settings: Settings) -> AsyncIterator[str]:
    """The yardstick server, on the same Postgres."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen(  # noqa: ASYNC220
        [
            sys.executable,
            "-m",
            "tests.bench.bare",
            str(port),
            settings.postgres.owner,
        ]
    )
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/nothing"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def replayed(settings: Settings, name: str, topics: list[str]) -> tuple[int, float]:
    """Events (or fact messages) on the log, and seconds that a rebuild from it takes."""
    count = 0
    async for batch in history(settings, topics):
        if not batch:
            break
        count += len(batch)
    start = time.perf_counter()
    await rebuild(name, settings)
    return count, time.perf_counter() - start


async def main() -> None:
    settings = load()
    stack: dict[str, Any] = json.loads((settings.var / "stack.json").read_text())
    headers = {"Authorization": f"Bearer {stack['organisations']['acme']['iot']['api_key']}"}
    console = Console(width=110, highlight=False)
    writes, reads = (
        Table("", "p50 ms", "p95 ms", "64 in flight, a second"),
        Table("", "p50 ms", "p95 ms", "64 in flight, a second"),
    )
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session, bare(settings) as yardstick:
        await compare(
            session,
            writes,
            posting(f"{stack['api']}/api/v1/sites", headers),
            posting(f"{yardstick}/sites", {}),
            ("command to readable row, over HTTP", "bare FastAPI + Postgres insert"),
        )
        async with session.post(
            f"{stack['api']}/api/v1/sites", json={"name": f"read {new_id()}"}, headers=headers
        ) as answer:
            site = (await answer.json())["id"]
        await compare(
            session,
            reads,
            getting(f"{stack['api']}/api/v1/sites/{site}", headers),
            getting(f"{yardstick}/nothing", {}),
            ("point read", "bare FastAPI answer"),
        )
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    console.print(writes, reads)
    replay = Table("replay", "messages", "seconds", "a second")
    for name, topics in (("records", ["records.events"]), ("events", kafka.names("events"))):
        count, seconds = await replayed(settings, name, topics)
        replay.add_row(
            f"{'Postgres' if name == 'records' else 'ClickHouse'}: {name}",
            f"{count:,}",
            f"{seconds:.1f}",
            f"{count / seconds:,.0f}",
        )
    console.print(replay)


async def compare(
    session: aiohttp.ClientSession, table: Table, ours: Call, theirs: Call, names: tuple[str, str]
) -> None:
    """A row for each, and their ratio."""
    first, second = await measured(session, ours), await measured(session, theirs)
    for name, figure in zip(names, (first, second), strict=True):
        table.add_row(name, f"{figure.p50:.1f}", f"{figure.p95:.1f}", f"{figure.rate:,.0f}")
    table.add_row(
        "ratio", f"{first.p50 / second.p50:.1f}", f"{first.p95 / second.p95:.1f}", f"{first.rate / second.rate:.2f}"
    )


if __name__ == "__main__":
    uvloop.run(main())
