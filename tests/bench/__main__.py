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
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
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
MADE = 100
"""Sites and devices that reads go through in turn."""
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


def getting(urls: Sequence[str], headers: dict[str, str]) -> Call:
    """A GET of one of these after the other."""
    turn = cycle(urls)

    async def call(session: aiohttp.ClientSession) -> None:
        async with session.get(next(turn), headers=headers) as answer:
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


async def made(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> list[str]:
    """URLs of new things of this kind."""
    found = []
    for _ in range(MADE):
        async with session.post(url, json={"name": f"bench {new_id()}"}, headers=headers) as answer:
            found.append(f"{url}/{(await answer.json())['id']}")
    return found


async def compared(session: aiohttp.ClientSession, title: str, bare: tuple[str, Call], ours: dict[str, Call]) -> Table:
    """A row for each, measured in turn, and its rate beside that of the bare one."""
    table = Table(title, "p50 ms", "p95 ms", "64 in flight, a second", "of the bare one")
    yardstick = await measured(session, bare[1])
    for name, figure in [(bare[0], yardstick)] + [(name, await measured(session, call)) for name, call in ours.items()]:
        row = f"{figure.p50:.1f}", f"{figure.p95:.1f}", f"{figure.rate:,.0f}", f"{figure.rate / yardstick.rate:.2f}"
        table.add_row(name, *row)
    return table


async def replays(settings: Settings) -> Table:
    table = Table("replay", "messages", "seconds", "a second")
    for name, topics in (("records", ["records.events"]), ("events", kafka.names("events"))):
        count, seconds = await replayed(settings, name, topics)
        store = "Postgres" if name == "records" else "ClickHouse"
        table.add_row(f"{store}: {name}", f"{count:,}", f"{seconds:.1f}", f"{count / seconds:,.0f}")
    return table


async def main() -> None:
    settings = load()
    stack: dict[str, Any] = json.loads((settings.var / "stack.json").read_text())
    headers = {"Authorization": f"Bearer {stack['organisations']['acme']['iot']['api_key']}"}
    sites, devices = (f"{stack['api']}/api/v1/{many}" for many in ("sites", "devices"))
    console = Console(width=110, highlight=False)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector) as session, bare(settings) as yardstick:
        writes = await compared(
            session,
            "writes",
            ("bare FastAPI + Postgres insert", posting(f"{yardstick}/sites", {})),
            {"command to readable row": posting(sites, headers)},
        )
        some_sites, some_devices = await made(session, sites, headers), await made(session, devices, headers)
        reads = await compared(
            session,
            "reads, one API worker",
            ("bare FastAPI answer", getting([f"{yardstick}/nothing"], {})),
            {
                "point read: a site": getting(some_sites, headers),
                "point read: a device, from Postgres": getting(some_devices, headers),
                "list read: 20 sites": getting([f"{sites}?size=20"], headers),
                "list read: 20 devices, from Postgres": getting([f"{devices}?size=20"], headers),
            },
        )
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    console.print(writes, reads, await replays(settings))


if __name__ == "__main__":
    uvloop.run(main())
