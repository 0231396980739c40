"""IoT v1: a registration token, a virtual device, a year of real weather through Kafka and HTTP, and the same sums."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import httpx
import numpy as np
import orjson
import polars as pl
from aiokafka import AIOKafkaProducer

from infra import pictures as draw
from infra.assets import Assets
from infra.demo.journal import Journal
from schemas.ids import new_id

MISSING = -9900
STEP = timedelta(minutes=4)
"""An hour of the year is told as four minutes: devices may not send what is older than 30 days."""
CHUNK = 500
OVER_HTTP = 200


async def run(
    client: httpx.AsyncClient, stack: dict[str, Any], media: Assets, journal: Journal, pictures: Path
) -> None:
    organisation = stack["organisations"]["acme"]
    key = {"Authorization": f"Bearer {organisation['iot']['api_key']}"}
    answer = await client.post(
        "/api/v1/devices/registration/tokens", headers=key, json={"deviceName": f"gateway-{new_id()}"}
    )
    journal.answered("mint a registration token", answer, 201)
    minted = answer.json()
    journal.held("its second part is the device", minted["token"].split(".")[1] == minted["deviceId"])
    answer = await client.post(
        "/api/v1/devices", headers=key, json={"name": f"Sand Point {new_id()}", "tags": ["weather"]}
    )
    journal.answered("create a virtual device", answer, 201)
    device = answer.json()["id"]
    weather = table(media.readings_csv)
    sent = await produced(client, stack, organisation["id"], device, weather, journal)
    sent += await posted(client, key, device, weather, journal)
    sensors = await arrived(client, key, device, weather, sent, journal)
    await compared(client, key, sensors, weather, journal)
    plotted(weather, pictures, journal)


def table(path: Path) -> pl.DataFrame:
    """The year as columns of numbers, `ts` in milliseconds ending two minutes ago; missing values are null.

    TMY3 format: a line about the station, a header, then measured columns each followed by its source and uncertainty.
    """
    raw = pl.read_csv(path, skip_rows=1, infer_schema_length=None)
    measured = [name for name in raw.columns[2:] if not name.rsplit("(", 1)[0].rstrip().endswith(("source", "uncert"))]
    measured = [name for name in measured if not name.endswith((" source", " uncert"))]
    end = datetime.now(UTC) - timedelta(minutes=2)
    first = int((end - STEP * (len(raw) - 1)).timestamp() * 1000)
    step = int(STEP.total_seconds() * 1000)
    values = [
        pl.col(name).cast(pl.Float64, strict=False).replace(MISSING, None).alias(key_of(name)) for name in measured
    ]
    known = raw.select(pl.int_range(pl.len()).mul(step).add(first).alias("ts"), *values)
    return known.select("ts", *(name for name in known.columns[1:] if known[name].count() > len(raw) // 2))


def key_of(column: str) -> str:
    """`Dry-bulb (C)` -> `dry-bulb`: the sensor's key."""
    return column.rsplit(" (", 1)[0].strip().lower().replace(" ", "-")


def readings(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a reading: sensor, ts, d."""
    return rows.unpivot(index="ts", variable_name="sensor", value_name="d").drop_nulls("d").sort("ts", "sensor")


async def produced(
    client: httpx.AsyncClient,
    stack: dict[str, Any],
    organisation: str,
    device: str,
    weather: pl.DataFrame,
    journal: Journal,
) -> int:
    """Publishes all but the last rows as a producer inside the trust boundary would: schema from the registry, Avro."""
    subject = (await client.get("/api/schemas/subjects/telemetry.readings-value/versions/latest")).json()
    schema = fastavro.parse_schema(orjson.loads(subject["schema"]))
    producer = AIOKafkaProducer(bootstrap_servers=stack["kafka"], acks="all", linger_ms=5)
    told = readings(weather.head(len(weather) - OVER_HTTP)).select("sensor", "ts", "d").to_dicts()
    await producer.start()
    try:
        sent = [
            await producer.send(
                "telemetry.readings",
                message(subject["id"], schema, organisation, device, told[n : n + CHUNK]),
                key=device.encode(),
            )
            for n in range(0, len(told), CHUNK)
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    journal.held(f"produce {len(told):,} readings to Kafka", len(told) >= 100_000, f"{len(sent)} messages")
    return len(told)


def message(id: int, schema: Any, organisation: str, device: str, told: list[dict[str, Any]]) -> bytes:
    """A framed `Readings` (Confluent wire format)."""
    unique = new_id()
    envelope = {
        "id": unique,
        "stream": device,
        "organisation": organisation,
        "actor": "producer",
        "correlation": unique,
        "time": datetime.now(UTC),
    }
    out = io.BytesIO(b"")
    out.write(b"\x00" + id.to_bytes(4))
    fastavro.schemaless_writer(out, schema, {"envelope": envelope, "device": device, "readings": told})
    return out.getvalue()


async def posted(
    client: httpx.AsyncClient, key: dict[str, str], device: str, weather: pl.DataFrame, journal: Journal
) -> int:
    """The last rows through `POST /readings`, 1000 at a time."""
    told = readings(weather.tail(OVER_HTTP))
    items = [{"sensorId": r["sensor"], "timestamp": iso(r["ts"]), "value": float(r["d"])} for r in told.to_dicts()]
    for n in range(0, len(items), 1000):
        answer = await client.post(
            "/api/v1/readings", headers=key, json={"deviceId": device, "readings": items[n : n + 1000]}
        )
        if answer.status_code != 202 or answer.json()["quarantined"]:
            journal.held("send readings over HTTP", False, answer.text[:300])
    journal.held(f"send {len(items):,} readings over HTTP", True)
    return len(items)


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def arrived(
    client: httpx.AsyncClient, key: dict[str, str], device: str, weather: pl.DataFrame, sent: int, journal: Journal
) -> dict[str, str]:
    """Waits until every sensor has its last value and count; ids of the sensors by key."""
    names = weather.columns[1:]
    sensors: dict[str, str] = {}
    counts: dict[str, int] = {}
    span = {"from": iso(weather["ts"][0]), "to": iso(weather["ts"][-1] + 1)}
    async with asyncio.timeout(120):
        while sum(counts.values()) != sent:
            await asyncio.sleep(0.3)
            found = (await client.get(f"/api/v1/devices/{device}/components", headers=key)).json()
            sensors = await sensors_of(client, key, found)
            if len(sensors) == len(names):
                stats = {"sensorIds": list(sensors.values()), "mode": "STATS", **span}
                batch = (await client.post("/api/v1/readings/batch", headers=key, json=stats)).json()
                counts = {item["sensorId"]: item.get("stats", {}).get("count", 0) for item in batch["items"]}
    journal.held(f"all {sent:,} are readable", True, f"{len(sensors)} sensors appeared by themselves")
    return sensors


async def sensors_of(
    client: httpx.AsyncClient, key: dict[str, str], components: list[dict[str, Any]]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for component in components:
        answer = await client.get("/api/v1/sensors", headers=key, params={"componentId": component["id"], "size": 200})
        found |= {sensor["key"]: sensor["id"] for sensor in answer.json()["content"]}
    return found


async def compared(
    client: httpx.AsyncClient, key: dict[str, str], sensors: dict[str, str], weather: pl.DataFrame, journal: Journal
) -> None:
    """Aggregates and statistics as the service gives them, and as polars computes them from the file."""
    span = {"from": iso(weather["ts"][0]), "to": iso(weather["ts"][-1] + 1)}
    for name in ("dry-bulb", "rhum", "ghi"):
        own = weather.select("ts", pl.col(name).alias("v")).drop_nulls()
        stats = (await client.get(f"/api/v1/readings/sensor/{sensors[name]}/stats", headers=key, params=span)).json()
        expected = {
            "count": len(own),
            "min": own["v"].min(),
            "max": own["v"].max(),
            "avg": own["v"].mean(),
            "sum": own["v"].sum(),
        }
        journal.held(
            f"{name}: statistics are the file's",
            close(stats, expected),
            f"mean {stats['avg']:.2f} of {stats['count']:,}",
        )
        asked = {**span, "bucket": "PT6H", "functions": ["AVG", "MIN", "MAX", "COUNT"]}
        answer = await client.get(f"/api/v1/readings/sensor/{sensors[name]}/aggregated", headers=key, params=asked)
        buckets = answer.json()["buckets"]
        grouped = bucketed(own)
        same = len(buckets) == len(grouped) and all(close(b, g) for b, g in zip(buckets, grouped, strict=True))
        journal.held(f"{name}: six-hour buckets are the file's", same, f"{len(buckets)} buckets")


def bucketed(own: pl.DataFrame) -> list[dict[str, Any]]:
    """Six-hour buckets from the Unix epoch, as polars computes them."""
    value, width = pl.col("v"), 6 * 3_600_000
    found = own.group_by((pl.col("ts") // width * width).alias("start")).agg(
        value.mean().alias("avg"), value.min().alias("min"), value.max().alias("max"), pl.len().alias("count")
    )
    return found.sort("start").drop("start").to_dicts()


def close(said: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(bool(np.isclose(said[name], value, rtol=1e-9, atol=1e-9)) for name, value in expected.items())


def plotted(weather: pl.DataFrame, pictures: Path, journal: Journal) -> None:
    times = [datetime.fromtimestamp(ms / 1000, UTC) for ms in weather["ts"]]
    series = [
        draw.Series(name, unit, times, weather[name].to_list())
        for name, unit in (("dry-bulb", "°C"), ("rhum", "%"), ("ghi", "W/m²"), ("wspd", "m/s"))
    ]
    draw.readings(series, pictures / "readings.png")
    journal.held("the readings are drawn", (pictures / "readings.png").stat().st_size > 10_000)
