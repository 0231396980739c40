"""Components and sensors (contract, 6.5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, model_validator

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import leaving, plain, values, wire
from api.iot.answers import (
    Answer,
    Body,
    Id,
    Name,
    Paged,
    PageOf,
    QueryText,
    Shown,
    Text,
    of,
    path_id,
    present,
    sent,
    stamp,
    told,
)
from api.iot.auth import Admin, Member
from api.iot.devices import DeviceId, named, row_of
from api.iot.problems import absent, invalid
from infra.postgres import Row
from projections.records import queries as records
from projections.telemetry import queries as telemetry

router = APIRouter(prefix="/v1", tags=["Components and sensors"])
COMPONENT, SENSOR = "component", "sensor"
ComponentId = Annotated[str, path_id("componentId")]
SensorId = Annotated[str, path_id("sensorId")]


class ComponentUpdate(Body):
    name: Name
    sensor_profile_id: Id | None = None
    metadata: wire.Metadata | None = None


class ComponentCreate(Body):
    device_id: Id
    key: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,35}$")
    name: Name | None = None
    sensor_profile_id: Id | None = None
    metadata: wire.Metadata | None = None


class Component(Shown):
    """Part of a device with its own address and profile."""

    id: str
    device_id: str
    key: str
    name: str
    sensor_profile: wire.ProfileRef | None = None
    metadata: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime


class Ranged(Body):
    unit: Annotated[Text, Field(max_length=64)] | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class SensorUpdate(Ranged):
    name: Name


class SensorCreate(Ranged):
    component_id: Id
    key: Annotated[Text, Field(min_length=1, max_length=36)]
    name: Name | None = None
    value_type: values.ValueType


class Sensor(Shown):
    """One stream of values of one type."""

    id: str
    device_id: str
    component_id: str
    key: str
    name: str
    value_type: values.ValueType
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    auto_created: bool
    last_timestamp: datetime | None = None
    last_value: Any | None = None
    created_at: datetime


def component(row: Row) -> dict[str, Any]:
    body = row["body"]
    profile = None
    if row["profile_name"] is not None:
        profile = {"id": body["profile"], "name": row["profile_name"], "version": row["profile_version"]}
    more = {"deviceId": body["device"], "sensorProfile": profile, "name": body.get("name") or body["key"]}
    return plain.shown(row, "key", "metadata", **more)


def sensor(row: Row) -> dict[str, Any]:
    body, told = row["body"], {**(row["field"] or {}), **row["body"]}
    return present(
        id=row["id"],
        deviceId=body["device"],
        componentId=body["component"],
        key=body["key"],
        name=body.get("name") or body["key"],
        valueType=body["value_type"],
        unit=told.get("unit"),
        min=told.get("min"),
        max=told.get("max"),
        autoCreated=body.get("auto_created", False),
        lastTimestamp=stamp(row["ts"], "milliseconds"),
        lastValue=values.newest(row, body["value_type"]),
        createdAt=stamp(row["created_at"]),
    )


async def component_row(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404."""
    async with gate.reading(caller) as db:
        row = await telemetry.component(db, of(id))
    if row is None:
        raise absent()
    return row


async def sensor_row(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404."""
    async with gate.reading(caller) as db:
        row = await telemetry.sensor(db, of(id))
    if row is None:
        raise absent()
    return row


@router.get("/components", **told(PageOf[Component], 400))
async def list_components(
    caller: Member,
    page: Paged,
    gate: Gate,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    sensor_profile_id: Annotated[str | None, Query(alias="sensorProfileId")] = None,
    sensor_profile_name: Annotated[QueryText | None, Query(alias="sensorProfileName")] = None,
) -> Answer:
    """List components"""
    where = present(device=named(device_id, "deviceId"), profile=named(sensor_profile_id, "sensorProfileId"))
    async with gate.reading(caller) as db:
        rows, total = await telemetry.components(
            db, where, sensor_profile_name, order=page.sort, limit=page.size, offset=page.offset
        )
    return page.answer([component(row) for row in rows], total)


@router.get("/devices/{deviceId}/components", **told(list[Component], 404))
async def list_device_components(id: DeviceId, caller: Member, gate: Gate) -> Answer:
    """Components of a device"""
    device = await row_of(gate, caller, id)
    async with gate.reading(caller) as db:
        rows, _ = await telemetry.components(
            db, {"device": device["id"]}, order="createdAt,asc", limit=10_000, offset=0
        )
    return Answer([component(row) for row in rows])


async def profiled(gate: Gateway, caller: Caller, profile: str | None) -> dict[str, Any]:
    """Errors: Problem 422 for a sensor profile that is not installed."""
    if profile is None:
        return {}
    async with gate.reading(caller) as db:
        if await records.one(db, "sensor-profile", profile) is None:
            raise invalid("sensorProfileId", "NOT_FOUND", "There is no such profile.", 422, "INVALID_REFERENCE")
    return {"profile": profile}


@router.post("/components", **told(Component, 400, 403, 409, 413, 422, status=201, body=ComponentCreate))
async def create_component(
    request: Request, caller: Admin, body: Annotated[ComponentCreate, Depends(sent(ComponentCreate))], gate: Gate
) -> Answer:
    """Create a component"""
    profile = await profiled(gate, caller, body.sensor_profile_id)
    kept = present(device=body.device_id, key=body.key, name=body.name or body.key, metadata=body.metadata, **profile)
    id = await plain.created(request, gate, caller, COMPONENT, kept)
    return Answer(component(await component_row(gate, caller, id)), 201)


@router.get("/components/{componentId}", **told(Component, 404))
async def get_component(id: ComponentId, caller: Member, gate: Gate) -> Answer:
    """Read a component"""
    return Answer(component(await component_row(gate, caller, id)))


@router.put("/components/{componentId}", **told(Component, 400, 403, 404, 409, 413, 422, body=ComponentUpdate))
async def update_component(
    id: ComponentId, caller: Admin, body: Annotated[ComponentUpdate, Depends(sent(ComponentUpdate))], gate: Gate
) -> Answer:
    """Replace a component"""
    row = await component_row(gate, caller, id)
    profile = await profiled(gate, caller, body.sensor_profile_id)
    fixed = {name: row["body"][name] for name in ("device", "key")}
    kept = present(**fixed, name=body.name, metadata=body.metadata, **profile)
    await plain.replaced(gate, caller, COMPONENT, row["id"], kept, row["version"])
    return Answer(component(await component_row(gate, caller, row["id"])))


@router.delete("/components/{componentId}", **told(None, 403, 404, 409, status=204))
async def delete_component(id: ComponentId, caller: Admin, gate: Gate) -> Answer:
    """Delete a component; its sensors go with it"""
    await leaving.with_component(gate, caller, (await component_row(gate, caller, id))["id"])
    return Answer(None, 204)


@router.get("/sensors", **told(PageOf[Sensor], 400))
async def list_sensors(
    caller: Member,
    page: Paged,
    gate: Gate,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    component_id: Annotated[str | None, Query(alias="componentId")] = None,
    key: QueryText | None = None,
    value_type: Annotated[values.ValueType | None, Query(alias="valueType")] = None,
) -> Answer:
    """List sensors"""
    device, component = named(device_id, "deviceId"), named(component_id, "componentId")
    where = present(device=device, component=component, key=key, value_type=value_type)
    async with gate.reading(caller) as db:
        rows, total = await telemetry.sensors(db, where, order=page.sort, limit=page.size, offset=page.offset)
    return page.answer([sensor(row) for row in rows], total)


@router.post("/sensors", **told(Sensor, 400, 403, 409, 413, 422, status=201, body=SensorCreate))
async def create_sensor(
    request: Request, caller: Admin, body: Annotated[SensorCreate, Depends(sent(SensorCreate))], gate: Gate
) -> Answer:
    """Create a sensor"""
    async with gate.reading(caller) as db:
        parent = await telemetry.component(db, body.component_id)
    if parent is None:
        raise invalid("componentId", "NOT_FOUND", "There is no such component.", 422, "INVALID_REFERENCE")
    kept = present(
        device=parent["body"]["device"],
        component=parent["id"],
        key=body.key,
        name=body.name or body.key,
        value_type=body.value_type,
        unit=body.unit,
        min=body.min,
        max=body.max,
        auto_created=False,
    )
    id = await plain.created(request, gate, caller, SENSOR, kept)
    return Answer(sensor(await sensor_row(gate, caller, id)), 201)


@router.get("/sensors/{sensorId}", **told(Sensor, 404))
async def get_sensor(id: SensorId, caller: Member, gate: Gate) -> Answer:
    """Read a sensor"""
    return Answer(sensor(await sensor_row(gate, caller, id)))


@router.put("/sensors/{sensorId}", **told(Sensor, 400, 403, 404, 409, 413, 422, body=SensorUpdate))
async def update_sensor(
    id: SensorId, caller: Admin, body: Annotated[SensorUpdate, Depends(sent(SensorUpdate))], gate: Gate
) -> Answer:
    """Replace a sensor; its type is fixed"""
    row = await sensor_row(gate, caller, id)
    fixed = ("device", "component", "key", "value_type", "auto_created")
    kept = {name: row["body"][name] for name in fixed if name in row["body"]}
    put = present(**kept, name=body.name, unit=body.unit, min=body.min, max=body.max)
    await plain.replaced(gate, caller, SENSOR, row["id"], put, row["version"])
    return Answer(sensor(await sensor_row(gate, caller, row["id"])))


@router.delete("/sensors/{sensorId}", **told(None, 403, 404, 409, status=204))
async def delete_sensor(id: SensorId, caller: Admin, gate: Gate) -> Answer:
    """Delete a sensor; its readings are gone with it"""
    await plain.retired(gate, caller, SENSOR, (await sensor_row(gate, caller, id))["id"])
    return Answer(None, 204)
