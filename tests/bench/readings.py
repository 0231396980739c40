"""Readings a second through the columnar lane: `python -m tests.bench.readings [thousands]`.

A stack must be up (`SIGHTLOG_VAR`). Messages are made before the clock starts; it stops when ClickHouse has the last
row. Broker, database and lane share this machine.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from infra import clickhouse
from infra.settings import load
from schemas import registry
from schemas.base import asking
from schemas.ids import new_id
from schemas.telemetry.messages import Reading, Readings

DEVICES, SENSORS, EACH = 20, 10, 500


async def devices(stack: dict[str, Any]) -> list[str]:
    headers = {"Authorization": f"Bearer {stack['organisations']['acme']['iot']['api_key']}"}
    async with httpx.AsyncClient(base_url=stack["api"], headers=headers, timeout=30) as client:
        made = [await client.post("/api/v1/devices", json={"name": f"bench {new_id()}"}) for _ in range(DEVICES)]
    return [answer.json()["id"] for answer in made]


def message(organisation: str, device: str, start: int) -> tuple[bytes, bytes]:
    """Key and framed payload of `EACH` readings."""
    told = tuple(
        Reading(
            sensor=f"s{n % SENSORS}", ts=start + n // SENSORS, d=n * 0.25 if n % 2 else None, i=None if n % 2 else n
        )
        for n in range(EACH)
    )
    meta = asking(device, organisation=organisation)
    return device.encode(), registry.encode(meta, Readings(device=device, readings=told))


async def main(total: int) -> None:
    settings = load()
    stack = json.loads((settings.var / "stack.json").read_text())
    organisation = stack["organisations"]["acme"]["id"]
    made = await devices(stack)
    now = int(datetime.now(UTC).timestamp() * 1000)
    warm = [message(organisation, device, now - 20 * 86_400_000) for device in made]
    step = EACH // SENSORS
    messages = [
        message(organisation, made[n % DEVICES], now - 10 * 86_400_000 + n // DEVICES * step)
        for n in range(total // EACH)
    ]
    reader = clickhouse.Reader(settings)
    producer = AIOKafkaProducer(bootstrap_servers=stack["kafka"], acks="all", linger_ms=5, max_batch_size=1 << 20)
    await producer.start()
    try:
        await send(producer, warm)
        await arrived(reader, organisation, made, len(warm) * EACH)
        start = time.perf_counter()
        await send(producer, messages)
        sent = time.perf_counter() - start
        await arrived(reader, organisation, made, (len(warm) + len(messages)) * EACH)
        seconds = time.perf_counter() - start
    finally:
        await producer.stop()
        await reader.close()
    count = len(messages) * EACH
    print(f"{count:,} readings in {seconds:.1f} s ({sent:.1f} s to send): {count / seconds:,.0f} readings/s")


async def send(producer: AIOKafkaProducer, messages: list[tuple[bytes, bytes]]) -> None:
    sent = [await producer.send("telemetry.readings", value, key=key) for key, value in messages]
    await asyncio.gather(*sent)


async def arrived(reader: clickhouse.Reader, organisation: str, made: list[str], count: int) -> None:
    sql = "select count() as n from readings where device in {devices:Array(String)}"
    while (await reader.rows(sql, organisation, devices=made))[0]["n"] < count:
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) * 1000 if len(sys.argv) > 1 else 2_000_000))
