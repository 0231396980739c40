"""The columnar lane: what is killed, broken, repeated or rebuilt leaves the same rows (architecture, 5 and 11)."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra import clickhouse, kafka
from infra.local import record
from infra.settings import Settings
from projections import shadow
from projections.rebuild import rebuild
from schemas.ids import new_id
from tests.integration.iot.conftest import MS, Produce, good, iso, sensor_of, until, virtual

pytestmark = pytest.mark.stack
TOPIC = "telemetry.readings"


def told(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {"sensor": f"s{n % 4}", "ts": MS - 3_600_000 + (first + n) * 10, "d": float(first + n)} for n in range(count)
    ]


async def counted(of: httpx.AsyncClient, device: str) -> int:
    found = good(await of.get("/sensors", params={"deviceId": device}))["content"]
    asked = {"sensorIds": [s["id"] for s in found], "mode": "STATS", "window": "P1D"}
    if not found:
        return 0
    items = good(await of.post("/readings/batch", json=asked))["items"]
    return sum(item["stats"]["count"] for item in items)


async def test_a_kill_loses_and_doubles_nothing(
    stack: dict[str, Any], settings: Settings, acme: httpx.AsyncClient, produce: Produce
) -> None:
    device = await virtual(acme)
    for n in range(60):
        await produce(device, told(n * 500, 500))
        if n == 20:
            os.kill(record.read(settings.var)["processes"]["projections"], signal.SIGKILL)

    async def all_there() -> bool:
        return await counted(acme, device) == 30_000

    await until(all_there, 90)
    reader = clickhouse.Reader(settings)
    try:
        organisation = stack["organisations"]["acme"]["id"]
        (row,) = await reader.rows(
            "select count() as n, sum(d) as total from readings final where device = {device:String}",
            organisation,
            device=device,
        )
    finally:
        await reader.close()
    assert row == {"n": 30_000, "total": sum(range(30_000))}


async def test_what_cannot_be_read_is_put_aside(
    stack: dict[str, Any], acme: httpx.AsyncClient, produce: Produce
) -> None:
    device = await virtual(acme)
    poison = [b"garbage", b"\0\0\0\xff\xff1234", None]
    producer = AIOKafkaProducer(bootstrap_servers=stack["kafka"])
    await producer.start()
    letters = AIOKafkaConsumer(bootstrap_servers=stack["kafka"], auto_offset_reset="latest")
    await letters.start()
    letters.assign([TopicPartition("dead-letters", p) for p in range(4)])
    await letters.seek_to_end()
    try:
        places = [await producer.send_and_wait(TOPIC, value, key=device.encode()) for value in poison]
        await produce(device, told(0, 100))
        await sensor_of(acme, device, "s0")
        found: dict[int, dict[str, str]] = {}
        async with asyncio.timeout(20):
            while not {place.offset for place in places} <= found.keys():
                letter = await letters.getone()
                said = {name: value.decode() for name, value in letter.headers}
                if said["origin-topic"] == TOPIC and int(said["origin-partition"]) == places[0].partition:
                    found[int(said["origin-offset"])] = said
        assert found[places[0].offset]["reason"].startswith("not_framed")
        assert found[places[1].offset]["reason"].startswith("unknown_schema")
    finally:
        await producer.stop()
        await letters.stop()
    assert await counted(acme, device) == 100


async def test_a_rebuild_gives_the_same_rows(settings: Settings, acme: httpx.AsyncClient, produce: Produce) -> None:
    device = await virtual(acme)
    await produce(device, told(0, 1_000))
    await produce(device, [*told(0, 10), {"sensor": "s0", "ts": MS, "t": "text"}])
    sensor = await sensor_of(acme, device, "s3")
    reader = clickhouse.Reader(settings)

    async def rows() -> list[list[dict[str, Any]]]:
        readings = "select * from readings final where device = {device:String} order by sensor, ts"
        aside = "select * from quarantine final where device = {device:String} order by id"
        return [await reader.rows(sql, clickhouse.EVERYONE, device=device) for sql in (readings, aside)]

    async def settled() -> Any:
        found = await rows()
        return found if (len(found[0]), len(found[1])) == (1_000, 1) else None

    try:
        before = await until(settled)
        await rebuild("readings", settings)
        assert await rows() == before
        await produce(device, [{"sensor": "s3", "ts": MS + 1, "d": 1.0}])

        async def goes_on() -> bool:
            latest = good(await acme.get(f"/readings/sensor/{sensor}/latest"))
            return bool(latest["timestamp"] == iso(MS + 1))

        await until(goes_on)
        assert await counted(acme, device) == 1_001
    finally:
        await reader.close()


async def test_a_rebuild_judges_by_what_was_known_then(
    settings: Settings, acme: httpx.AsyncClient, produce: Produce
) -> None:
    """A device whose range, state and sensors change while it sends, and that is gone in the end."""
    name = f"virtual {new_id()}"
    device = await virtual(acme, name=name)
    reader = clickhouse.Reader(settings)
    tables = {"readings": "sensor, ts", "quarantine": "id"}

    async def rows() -> dict[str, list[dict[str, Any]]]:
        sql = "select * from {} final where device = {{device:String}} order by {}"
        return {t: await reader.rows(sql.format(t, o), clickhouse.EVERYONE, device=device) for t, o in tables.items()}

    async def sent(first: int, readings: int, aside: int) -> None:
        """Ten more, and how many rows there are then."""
        await produce(device, [{"sensor": "heat", "ts": MS + first + n, "d": float(n)} for n in range(10)])

        async def written() -> bool:
            return {t: len(found) for t, found in (await rows()).items()} == {"readings": readings, "quarantine": aside}

        await until(written)

    try:
        await sent(0, 10, 0)
        sensor = await sensor_of(acme, device, "heat")
        good(await acme.put(f"/sensors/{sensor}", json={"name": "heat", "max": 4.5}))
        await sent(100, 15, 5)
        good(await acme.put(f"/devices/{device}", json={"name": name, "status": "INACTIVE"}))
        await produce(device, [{"sensor": "heat", "ts": MS + 200, "d": 1.0}])
        await committed(settings)
        good(await acme.put(f"/devices/{device}", json={"name": name, "status": "ACTIVE"}))
        good(await acme.put(f"/sensors/{sensor}", json={"name": "heat", "max": 8.5}))
        await sent(300, 24, 6)
        assert (await acme.delete(f"/sensors/{sensor}")).status_code == 204
        await sent(400, 34, 6)
        assert (await acme.delete(f"/devices/{device}")).status_code == 204
        await produce(device, [{"sensor": "heat", "ts": MS + 500, "d": 1.0}])
        await committed(settings)
        before = await rows()
        await rebuild("readings", settings)
        assert await rows() == before
        assert {t: len(found) for t, found in before.items()} == {"readings": 34, "quarantine": 6}
    finally:
        await reader.close()


async def committed(settings: Settings) -> None:
    """Waits until the lane is through with all that there is."""
    source = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap)
    await source.start()
    places = [TopicPartition(TOPIC, p) for p in range(kafka.topics()[TOPIC].partitions)]
    begins, ends = await source.beginning_offsets(places), await source.end_offsets(places)
    await source.stop()

    async def through() -> bool:
        return bool(await shadow.written(settings, "readings", begins) == ends)

    await until(through)


async def test_every_event_is_in_the_history(
    stack: dict[str, Any], settings: Settings, acme: httpx.AsyncClient
) -> None:
    device = await virtual(acme)
    good(await acme.put(f"/devices/{device}", json={"name": f"renamed {device}"}))
    reader = clickhouse.Reader(settings)
    sql = "select version, type from events final where stream = {stream:String} order by version"

    async def told() -> Any:
        found = await reader.rows(sql, stack["organisations"]["acme"]["id"], stream=device)
        return found if len(found) == 2 else None

    try:
        found = await until(told)
        assert [(r["version"], r["type"]) for r in found] == [(1, "DeviceRegistered"), (2, "DeviceChanged")]
        assert await reader.rows(sql, stack["organisations"]["globex"]["id"], stream=device) == []
    finally:
        await reader.close()
