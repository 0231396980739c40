"""Reading readings: raw, window, aggregated, stats, latest, many at once (contract, 6.10)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import values
from api.iot.answers import Answer, QueryText, present, sent, stamp, told
from api.iot.auth import Member
from api.iot.devices import DeviceId, row_of
from api.iot.problems import Problem, absent, invalid
from api.iot.ranges import Place, functions_of, placed, ranged, sized, windowed, zone_of
from api.iot.sensors import SensorId, sensor_row
from infra.clickhouse import Reader
from infra.postgres import Row
from projections.telemetry import queries as telemetry
from projections.telemetry.buckets import Buckets, duration, filled
from projections.telemetry.queries import Range, when

router = APIRouter(prefix="/v1/readings", tags=["Readings"])
SENSOR = "/sensor/{sensorId}"
From = Annotated[datetime | None, Query(alias="from", description="inclusive")]
To = Annotated[datetime | None, Query(description="exclusive, default now")]
Limit = Annotated[int, Query(ge=1, le=10_000)]
Cursor = Annotated[QueryText | None, Query(description="opaque")]
WithMetadata = Annotated[bool, Query(alias="includeMetadata")]


async def stores_of(request: Request) -> Reader:
    found: Reader = request.app.state.columns
    return found


Stores = Annotated[Reader, Depends(stores_of)]


def of(caller: Caller, row: Row, start: datetime, end: datetime) -> Range:
    return Range(caller.organisation, row["id"], row["body"]["value_type"], start, end)


def told_of(row: Row, wanted: Range) -> dict[str, Any]:
    """What every series says first."""
    return {
        "sensorId": row["id"],
        "valueType": wanted.type,
        **present(unit={**(row["field"] or {}), **row["body"]}.get("unit")),
        "from": stamp(wanted.start, "milliseconds"),
        "to": stamp(wanted.end, "milliseconds"),
    }


async def series(
    stores: Reader, row: Row, wanted: Range, limit: int, descending: bool, metadata: bool, after: int | None = None
) -> dict[str, Any]:
    found = await telemetry.raw(stores, wanted, limit=limit + 1, descending=descending, after=after)
    points = [values.point(when(r["ms"]), r["v"], r["metadata"] if metadata else None) for r in found[:limit]]
    said: dict[str, Any] = {**told_of(row, wanted), "points": points}
    if len(found) > limit:
        place = Place(found[limit - 1]["ms"], descending, telemetry.ms(wanted.start), telemetry.ms(wanted.end))
        said["nextCursor"] = place.text()
    return said


@router.get(SENSOR, **told(values.ReadingSeries, 400, 404))
async def get_raw_readings(
    id: SensorId,
    caller: Member,
    gate: Gate,
    stores: Stores,
    start: From = None,
    to: To = None,
    limit: Limit = 1000,
    order: values.Order = "ASC",
    cursor: Cursor = None,
    include_metadata: WithMetadata = False,
) -> Answer:
    """Raw readings; `from` is required unless a cursor is given"""
    row = await sensor_row(gate, caller, id)
    if cursor is not None:
        at = placed(cursor)
        wanted = of(caller, row, when(at.low), when(at.high))
        return Answer(await series(stores, row, wanted, limit, at.descending, include_metadata, at.after))
    if start is None:
        raise invalid("from", "REQUIRED", "Give from or a cursor.")
    wanted = of(caller, row, *ranged(start, to))
    return Answer(await series(stores, row, wanted, limit, order == "DESC", include_metadata))


@router.get(f"{SENSOR}/window", **told(values.ReadingSeries, 400, 404))
async def get_window_readings(
    id: SensorId,
    caller: Member,
    gate: Gate,
    stores: Stores,
    window: Annotated[values.Duration, Query(description="ISO-8601 duration ending now")],
    limit: Limit = 1000,
    order: values.Order = "ASC",
    cursor: Cursor = None,
    include_metadata: WithMetadata = False,
) -> Answer:
    """Raw readings of a relative range"""
    row = await sensor_row(gate, caller, id)
    if cursor is not None:
        at = placed(cursor)
        wanted = of(caller, row, when(at.low), when(at.high))
        return Answer(await series(stores, row, wanted, limit, at.descending, include_metadata, at.after))
    wanted = of(caller, row, *windowed(window))
    return Answer(await series(stores, row, wanted, limit, order == "DESC", include_metadata))


async def aggregates(
    stores: Reader, row: Row, wanted: Range, sizes: Buckets, functions: list[str], fill: str
) -> dict[str, Any]:
    found = await telemetry.aggregated(stores, wanted, sizes, functions)
    last = wanted.end - duration("PT1S") / 1_000_000 if wanted.end > wanted.start else wanted.end
    numbers = range(sizes.number(wanted.start), sizes.number(last) + 1) if wanted.end > wanted.start else range(0)
    shown = [{"bucketStart": stamp(sizes.start(number)), **said} for number, said in filled(found, numbers, fill)]
    return {**told_of(row, wanted), "bucket": sizes.text, "timezone": sizes.zone, "buckets": shown}


@router.get(f"{SENSOR}/aggregated", **told(values.AggregatedSeries, 400, 404, 422))
async def get_aggregated_readings(
    id: SensorId,
    caller: Member,
    gate: Gate,
    stores: Stores,
    start: From = None,
    to: To = None,
    bucket: Annotated[values.Duration | None, Query(description="default: for 500 or fewer")] = None,
    functions: Annotated[list[str] | None, Query(description="default AVG,MIN,MAX,COUNT")] = None,
    fill: values.Fill = "NONE",
    timezone: Annotated[QueryText | None, Query(description="IANA, default the organisation's")] = None,
) -> Answer:
    """Bucketed aggregates"""
    row = await sensor_row(gate, caller, id)
    wanted = of(caller, row, *ranged(start, to))
    sizes = sized(bucket, await zone_of(gate, caller, timezone), wanted.start, wanted.end)
    return Answer(await aggregates(stores, row, wanted, sizes, functions_of(functions, wanted.type), fill))


async def summary(stores: Reader, row: Row, wanted: Range) -> dict[str, Any]:
    found = await telemetry.stats(stores, wanted)
    ends: dict[str, Any] = {
        name: values.point(when(found[name][0]), found[name][1]) for name in ("first", "last") if name in found
    }
    said = told_of(row, wanted)
    return {"sensorId": said["sensorId"], "from": said["from"], "to": said["to"], **found, **ends}


@router.get(f"{SENSOR}/stats", **told(values.ReadingStats, 400, 404))
async def get_reading_stats(
    id: SensorId, caller: Member, gate: Gate, stores: Stores, start: From = None, to: To = None
) -> Answer:
    """Summary statistics"""
    row = await sensor_row(gate, caller, id)
    return Answer(await summary(stores, row, of(caller, row, *ranged(start, to))))


@router.get(f"{SENSOR}/latest", **told(values.ReadingPoint, 404))
async def get_latest_reading(id: SensorId, caller: Member, gate: Gate) -> Answer:
    """Newest reading"""
    row = await sensor_row(gate, caller, id)
    async with gate.reading(caller) as db:
        found = (await telemetry.latest(db, [row["id"]])).get(row["id"])
    if found is None:
        raise absent()
    return Answer(newest(found, row))


def newest(found: Row, sensor: Row) -> dict[str, Any]:
    return values.point(found["ts"], values.newest(found, sensor["body"]["value_type"]), found["metadata"])


@router.get("/device/{deviceId}/latest", **told(values.LatestReadings, 404))
async def get_device_latest_readings(id: DeviceId, caller: Member, gate: Gate) -> Answer:
    """Newest reading of every sensor of a device"""
    device = await row_of(gate, caller, id)
    async with gate.reading(caller) as db:
        sensors, _ = await telemetry.sensors(
            db, {"device": device["id"]}, order="createdAt,asc", limit=10_000, offset=0
        )
        found = await telemetry.latest(db, [row["id"] for row in sensors])
    readings = [{"sensorId": row["id"], **newest(found[row["id"]], row)} for row in sensors if row["id"] in found]
    return Answer({"deviceId": device["id"], "readings": readings})


@router.post("/batch", **told(values.BatchResult, 400, 413, 422, body=values.BatchQuery))
async def query_readings_batch(
    request: Request,
    caller: Member,
    body: Annotated[values.BatchQuery, Depends(sent(values.BatchQuery))],
    gate: Gate,
    stores: Stores,
) -> Answer:
    """Many sensors in one query; what is wrong with one leaves the others"""
    span = windowed(body.window) if body.window else ranged(body.start, body.to)
    zone = await zone_of(gate, caller, body.timezone)
    sizes = sized(body.bucket, zone, *span) if body.mode == "AGGREGATED" else None

    async def item(id: str) -> dict[str, Any]:
        try:
            row = await sensor_row(gate, caller, id)
            return {"sensorId": id, **await one(gate, caller, stores, row, body, span, sizes)}
        except Problem as problem:
            return {"sensorId": id, "error": problem.body(request)}

    return Answer({"items": await asyncio.gather(*(item(id) for id in body.sensor_ids))})


async def one(
    gate: Gateway,
    caller: Caller,
    stores: Reader,
    row: Row,
    body: values.BatchQuery,
    span: tuple[datetime, datetime],
    sizes: Buckets | None,
) -> dict[str, Any]:
    wanted = of(caller, row, *span)
    if body.mode == "RAW":
        return {"raw": await series(stores, row, wanted, body.limit, False, False)}
    if body.mode == "STATS":
        return {"stats": await summary(stores, row, wanted)}
    if sizes is not None:
        functions = functions_of(list(body.functions or ()), wanted.type)
        return {"aggregated": await aggregates(stores, row, wanted, sizes, functions, body.fill)}
    async with gate.reading(caller) as db:
        found = (await telemetry.latest(db, [row["id"]])).get(row["id"])
    return {"latest": newest(found, row)} if found is not None else {}
