"""The timeline of events (contract, 6.11)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain, wire
from api.iot.answers import (
    Answer,
    Body,
    Id,
    Paged,
    PageOf,
    QueryText,
    Shown,
    Text,
    moment,
    path_id,
    present,
    sent,
    told,
)
from api.iot.auth import Member
from api.iot.devices import named, row_of
from api.iot.labels import utc
from api.iot.problems import Problem, invalid
from api.iot.readings import From, To
from api.iot.sensors import sensor_row
from infra.postgres import Row
from projections.records import queries as records

router = APIRouter(prefix="/v1", tags=["Events"])
KIND = "event"
EventSource = Literal["ALERT_RULE", "DEVICE", "SYSTEM", "ANALYTICS", "MEDIA", "MANUAL", "EXTERNAL"]
Severity = Literal["INFO", "WARNING", "CRITICAL"]
LifecycleStatus = Literal["ACTIVE", "ACKNOWLEDGED", "RESOLVED"]
Resolution = Literal["MANUAL", "AUTO", "SUPERSEDED"]
EventId = Annotated[str, path_id("eventId")]
MEMBERS = (
    "source", "type", "severity", "title", "message", "siteId", "deviceId", "componentId", "sensorId", "data",
    "occurredAt", "lifecycle",
)  # fmt: skip


class EventCreate(Body):
    type: str = Field(pattern=r"^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$", max_length=120)
    severity: Severity
    title: Annotated[Text, Field(min_length=1, max_length=200)]
    message: Text | None = None
    device_id: Id | None = None
    sensor_id: Id | None = None
    data: wire.Metadata | None = None
    occurred_at: datetime | None = None
    source: Literal["MANUAL", "EXTERNAL"] = "MANUAL"
    lifecycle: bool = False


class EventLifecycle(Shown):
    """Workflow state attached to events that need handling."""

    status: LifecycleStatus
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: Resolution | None = None
    note: str | None = None


class Event(Shown):
    """One timeline entry."""

    id: str
    source: EventSource
    type: str
    severity: Severity
    title: str
    message: str | None = None
    site_id: str | None = None
    device_id: str | None = None
    component_id: str | None = None
    sensor_id: str | None = None
    data: dict[str, Any] | None = None
    occurred_at: datetime
    created_at: datetime
    lifecycle: EventLifecycle | None = None


def shown(row: Row) -> dict[str, Any]:
    said = plain.shown(row, *MEMBERS)
    said.pop("updatedAt")
    return said


async def placed(gate: Gateway, caller: Caller, body: EventCreate) -> dict[str, Any]:
    """Where an event belongs: a sensor brings its component and device, a device its site.

    Errors: Problem 404, 422 with the field.
    """
    found: dict[str, Any] = {}
    try:
        if body.sensor_id is not None:
            sensor = (await sensor_row(gate, caller, body.sensor_id))["body"]
            found = {"sensorId": body.sensor_id, "componentId": sensor["component"], "deviceId": sensor["device"]}
    except Problem:
        raise invalid("sensorId", "NOT_FOUND", "There is no such sensor.", 404, "NOT_FOUND") from None
    if body.device_id is not None and found.setdefault("deviceId", body.device_id) != body.device_id:
        raise invalid("deviceId", "CONFLICT", "The sensor is another device's.", 422, "INVALID_REFERENCE")
    try:
        site = (await row_of(gate, caller, found["deviceId"]))["site"] if found else None
    except Problem:
        raise invalid("deviceId", "NOT_FOUND", "There is no such device.", 404, "NOT_FOUND") from None
    return {**found, **present(siteId=site)}


Sources = Annotated[list[EventSource] | None, Query()]
Severities = Annotated[list[Severity] | None, Query()]
DeviceFilter = Annotated[str | None, Query(alias="deviceId")]
SensorFilter = Annotated[str | None, Query(alias="sensorId")]
SiteFilter = Annotated[str | None, Query(alias="siteId")]


def span(start: datetime | None, to: datetime | None) -> list[records.Also]:
    also = [records.since("occurredAt", moment(start))] if start else []
    return [*also, records.before("occurredAt", moment(to))] if to else also


def at(device: str | None, sensor: str | None, site: str | None) -> dict[str, Any]:
    return present(deviceId=named(device, "deviceId"), sensorId=named(sensor, "sensorId"), siteId=named(site, "siteId"))


@router.get("/events", **told(PageOf[Event], 400))
async def list_events(
    caller: Member,
    page: Paged,
    gate: Gate,
    source: Sources = None,
    type: Annotated[QueryText | None, Query(description="prefix")] = None,
    severity: Severities = None,
    device_id: DeviceFilter = None,
    sensor_id: SensorFilter = None,
    site_id: SiteFilter = None,
    status: Annotated[LifecycleStatus | None, Query(alias="lifecycleStatus")] = None,
    start: From = None,
    to: To = None,
) -> Answer:
    """Event timeline"""
    where = at(device_id, sensor_id, site_id) | ({"lifecycle": {"status": status}} if status else {})
    also = span(start, to)
    also += [records.among("source", source)] if source else []
    also += [records.among("severity", severity)] if severity else []
    also += [records.beginning("type", type)] if type else []
    rows, total = await plain.listed(gate, caller, KIND, page, where=where, also=also)
    return page.answer([shown(row) for row in rows], total)


@router.post("/events", **told(Event, 400, 404, 409, 413, 422, status=201, body=EventCreate))
async def create_event(
    request: Request, caller: Member, body: Annotated[EventCreate, Depends(sent(EventCreate))], gate: Gate
) -> Answer:
    """Record an event"""
    place = await placed(gate, caller, body)
    kept = {**plain.members(body), **place, "occurredAt": utc(body.occurred_at or datetime.now(UTC))}
    del kept["lifecycle"]
    lifecycle = {"lifecycle": {"status": "ACTIVE"}} if body.lifecycle else {}
    id = await plain.created(request, gate, caller, KIND, {**kept, **lifecycle})
    return Answer(shown(await plain.fetched(gate, caller, KIND, id)), 201)


@router.get("/events/{eventId}", **told(Event, 404))
async def get_event(id: EventId, caller: Member, gate: Gate) -> Answer:
    """Read one event"""
    return Answer(shown(await plain.fetched(gate, caller, KIND, id)))
