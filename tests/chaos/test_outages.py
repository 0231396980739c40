"""Kafka, Postgres and ClickHouse go away and come back under load (architecture, section 11)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from infra.commands import Commands
from infra.local import supervisor
from infra.settings import LOOPBACK, Settings
from tests.chaos import load, world

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(300)]
OURS = ("streams", "projections", "inference", "deliveries", "api")
SERVERS = {"kafka", "postgres"}
AWAY = 6.0
"""Seconds that a part stays away."""


@asynccontextmanager
async def away(settings: Settings, part: str) -> AsyncIterator[None]:
    """The part is stopped inside, and started again after it."""
    running = supervisor.running(settings)
    assert running is not None
    await asyncio.to_thread(running.stopProcess, part, True)
    try:
        yield
    finally:
        await asyncio.to_thread(running.startProcess, part, False)


async def soon(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("part", ["kafka", "postgres", "clickhouse"])
async def test_it_waits_in_place_and_catches_up(
    log: Commands, settings: Settings, stack: dict[str, Any], organisation: tuple[str, dict[str, str]], part: str
) -> None:
    org, headers = organisation
    promises, stop = load.Promises(), asyncio.Event()
    work = [asyncio.create_task(load.through_the_log(log, org, promises, stop, n)) for n in range(4)]
    work += [asyncio.create_task(load.through_http(stack["api"], headers, promises, stop, n)) for n in range(2)]
    pids = {name: world.pid_of(settings, name) for name in OURS}
    await asyncio.sleep(2)
    async with httpx.AsyncClient(base_url=stack["api"], headers=headers, timeout=10, trust_env=False) as client:
        async with away(settings, part):
            await asyncio.sleep(AWAY / 2)
            await BEHAVIOUR[part](client)
            assert await unwell(settings) == {"streams": SERVERS & {part}, "projections": {part}}
            await asyncio.sleep(AWAY / 2)

        async def well() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await soon(well)
    known = sum(map(len, promises.times.values()))

    async def goes_on() -> bool:
        return sum(map(len, promises.times.values())) > known + 5

    await soon(goes_on)
    stop.set()
    await asyncio.gather(*work)
    truth = await world.agreed(settings, org, world.CONTEXTS)
    load.check(promises, truth, await world.on_the_log(settings, org, world.CONTEXTS))
    assert {name: world.pid_of(settings, name) for name in OURS} == pids, "no process had to be started again"


async def unwell(settings: Settings) -> dict[str, set[str]]:
    """What the workers say that they wait for."""
    found = {}
    async with httpx.AsyncClient(trust_env=False) as anybody:
        for process in ("streams", "projections"):
            answer = await anybody.get(f"http://{LOOPBACK}:{getattr(settings.metrics, process)}/readyz")
            found[process] = {name for name, state in answer.json()["parts"].items() if state != "ok"}
    return found


async def without_kafka(client: httpx.AsyncClient) -> None:
    """Reads go on; writes answer 503 with `Retry-After`; readiness names the part."""
    assert (await client.get("/api/v1/devices")).status_code == 200
    answer = await client.post("/api/v1/devices", json={"name": "while kafka is away"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["kafka"]) == (503, "away")


async def without_postgres(client: httpx.AsyncClient) -> None:
    """Nobody can be known without it: 503 in the dialect's form, never 500 or 401."""
    answer = await client.get("/api/v1/devices")
    assert answer.status_code == 503
    assert answer.json()["code"] == "DEPENDENCY_UNAVAILABLE"
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["postgres"]) == (503, "away")


async def without_clickhouse(client: httpx.AsyncClient) -> None:
    """What does not ask it goes on, writes too."""
    assert (await client.get("/api/v1/devices")).status_code == 200
    answer = await client.post("/api/v1/devices", json={"name": "while clickhouse is away"})
    assert answer.status_code == 201


BEHAVIOUR: dict[str, Callable[[httpx.AsyncClient], Awaitable[None]]] = {
    "kafka": without_kafka,
    "postgres": without_postgres,
    "clickhouse": without_clickhouse,
}
