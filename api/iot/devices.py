"""Devices and their health (contract, 6.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Depends, Query, Request

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, asked
from api.iot import leaving, wire
from api.iot.answers import Answer, Page, Paged, PageOf, QueryText, moment, of, path_id, sent, told
from api.iot.auth import Admin, Member
from api.iot.problems import Problem, absent, invalid
from infra.postgres import Connection, Row
from projections.fleet import queries as fleet
from projections.provisioning import queries as provisioning
from projections.records import queries as records
from schemas.fleet.messages import ChangeDevice, RegisterDevice, RetireDevice
from schemas.ids import derived_id
from schemas.records.messages import PutRecord

PROFILE = "device-profile"
DeviceId = Annotated[str, path_id("deviceId")]
router = APIRouter(prefix="/v1/devices", tags=["Devices"])
ORDERS = {
    "createdAt,desc": "newest", "createdAt,asc": "oldest", "name,asc": "name", "name,desc": "-name",
    "updatedAt,asc": "updated", "updatedAt,desc": "-updated",
}  # fmt: skip


@router.get("", **told(PageOf[wire.Device], 400))
async def list_devices(
    caller: Member,
    page: Paged,
    gate: Gate,
    q: Annotated[QueryText | None, Query(description="name or serial substring")] = None,
    status: Annotated[list[wire.DeviceStatus] | None, Query(description="repeatable, OR")] = None,
    online: bool | None = None,
    site_id: Annotated[str | None, Query(alias="siteId")] = None,
    group_id: Annotated[str | None, Query(alias="groupId")] = None,
    tag: Annotated[list[QueryText] | None, Query(description="repeatable, AND")] = None,
    device_profile_id: Annotated[str | None, Query(alias="deviceProfileId")] = None,
) -> Answer:
    """List devices"""
    wanted = fleet.Filter(
        named=q,
        statuses=standing_for(status) if status else None,
        online=online,
        site=named(site_id, "siteId"),
        profile=named(device_profile_id, "deviceProfileId"),
        tags=tuple(t.lower() for t in tag) if tag else None,
    )
    if group_id is not None:
        wanted = await within(gate, caller, named(group_id, "groupId") or "", wanted)
    return await listed(gate, caller, page, wanted)


def standing_for(statuses: list[wire.DeviceStatus]) -> tuple[str, ...]:
    """The fleet's statuses: what another dialect turned away is inactive here."""
    return (*statuses, "REJECTED") if "INACTIVE" in statuses else tuple(statuses)


def named(id: str | None, field: str) -> str | None:
    """An id in a query.

    Errors: Problem 400 for what is no UUID.
    """
    try:
        return of(id) if id is not None else None
    except Problem:
        raise invalid(field, "INVALID_FORMAT", "is not a UUID") from None


async def within(gate: Gateway, caller: Caller, group: str, wanted: fleet.Filter) -> fleet.Filter:
    """Narrowed to a group; an unknown group has no devices."""
    async with gate.reading(caller) as db:
        row = await records.one(db, "group", group)
    if row is None:
        return msgspec.structs.replace(wanted, ids=())
    return selecting(wanted, row["body"].get("selector") or {})


def selecting(wanted: fleet.Filter, selector: dict[str, Any]) -> fleet.Filter:
    """A filter narrowed by a tag predicate."""
    every = (*(wanted.tags or ()), *(selector.get("allOf") or ()))
    return msgspec.structs.replace(
        wanted,
        tags=every or None,
        any_tags=tuple(selector.get("anyOf") or ()) or None,
        no_tags=tuple(selector.get("noneOf") or ()) or None,
    )


async def listed(gate: Gateway, caller: Caller, page: Page, wanted: fleet.Filter) -> Answer:
    async with gate.reading(caller) as db:
        rows, total = await fleet.devices(db, wanted, limit=page.size, offset=page.offset, order=ORDERS[page.sort])
        return page.answer(await wired(db, rows), total)


async def wired(db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    """With the profile that each declares, and when it got its first certificate."""
    since = await provisioning.provisioned(db, [row["id"] for row in rows])
    declared = list({row["profile"] for row in rows if row["profile"]})
    found, _ = await records.page(db, PROFILE, also=[records.only(declared)], limit=len(declared))
    profiles = {row["id"]: row for row in found}
    return [wire.device(row, since.get(row["id"]), profiles.get(row["profile"])) for row in rows]


async def row_of(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404."""
    async with gate.reading(caller) as db:
        row = await fleet.device(db, of(id))
    if row is None:
        raise absent()
    return row


async def shown(gate: Gateway, caller: Caller, id: str) -> dict[str, Any]:
    async with gate.reading(caller) as db:
        row = await fleet.device(db, id)
        if row is None:
            raise absent()
        (found,) = await wired(db, [row])
    return found


@router.post("", **told(wire.Device, 400, 403, 409, 413, 422, status=201, body=wire.DeviceCreate))
async def create_device(
    request: Request, caller: Admin, body: Annotated[wire.DeviceCreate, Depends(sent(wire.DeviceCreate))], gate: Gate
) -> Answer:
    """Create a virtual device"""
    profile = await fits(gate, caller, body.device_profile_id)
    ask = asked(request, caller, request.state.raw)
    id = ask.entity()
    members = body.members()
    command = RegisterDevice(virtual=True, unique_name=True, **{**members, "tags": tuple(members["tags"])})
    await gate.ask(command, stream=id, caller=caller, ask=ask)
    await equipped(gate, caller, id, profile, ask)
    return Answer(await shown(gate, caller, id), 201, {"Location": f"/api/v1/devices/{id}"})


async def fits(gate: Gateway, caller: Caller, profile: str | None) -> Row | None:
    """The device profile of that id.

    Errors: Problem 422 for one that is not installed.
    """
    if profile is None:
        return None
    async with gate.reading(caller) as db:
        row = await records.one(db, PROFILE, profile)
    if row is None:
        raise invalid("deviceProfileId", "NOT_FOUND", "There is no such profile.", 422, "INVALID_REFERENCE")
    return row


async def equipped(gate: Gateway, caller: Caller, device: str, profile: Row | None, ask: Ask) -> None:
    """A new device has the components that its profile lists."""
    for part in profile["body"].get("components") or () if profile else ():
        version = {"name": part["sensorProfileName"], "version": part["sensorProfileVersion"]}
        async with gate.reading(caller) as db:
            found, _ = await records.page(db, "sensor-profile", where=version, limit=1)
        body = {"device": device, "key": part["key"], "name": part.get("name") or part["key"]}
        put = PutRecord(kind="component", body=body | ({"profile": found[0]["id"]} if found else {}))
        step = ask.step(f"component/{part['key']}")
        await gate.ask(put, stream=derived_id(device, f"component/{part['key']}"), caller=caller, ask=step)


@router.get("/{deviceId}", **told(wire.Device, 404))
async def get_device(id: DeviceId, caller: Member, gate: Gate) -> Answer:
    """Read one device"""
    return Answer(await shown(gate, caller, of(id)))


@router.put("/{deviceId}", **told(wire.Device, 400, 403, 404, 409, 413, 422, body=wire.DeviceUpdate))
async def update_device(
    id: DeviceId,
    caller: Admin,
    body: Annotated[wire.DeviceUpdate, Depends(sent(wire.DeviceUpdate))],
    gate: Gate,
) -> Answer:
    """Replace mutable fields"""
    row = await row_of(gate, caller, id)
    await fits(gate, caller, body.device_profile_id)
    changes = body.members()
    if body.status is not None and body.status != wire.status(row):
        changes["status"] = settable(body.status)
    await gate.ask(ChangeDevice(changes=changes), stream=row["id"], caller=caller)
    return Answer(await shown(gate, caller, row["id"]))


def settable(status: str) -> str:
    """Errors: Problem 409 for what only the device's connection decides."""
    if status in ("PENDING", "OFFLINE"):
        detail = f"A device becomes {status} by itself."
        raise invalid("status", "CONFLICT", detail, 409, "INVALID_STATE")
    return status


@router.delete("/{deviceId}", **told(None, 403, 404, status=204))
async def delete_device(id: DeviceId, caller: Admin, gate: Gate) -> Answer:
    """Delete a device: certificates are revoked, all that is on it goes with it"""
    row = await row_of(gate, caller, id)
    await gate.ask(RetireDevice(), stream=row["id"], caller=caller)
    await leaving.with_device(gate, caller, row["id"])
    return Answer(None, 204)


@router.get("/{deviceId}/health", **told(wire.DeviceHealth, 404))
async def get_health(id: DeviceId, caller: Member, gate: Gate) -> Answer:
    """Latest health snapshot"""
    row = await row_of(gate, caller, id)
    if row["reported_at"] is None:
        raise Problem(404, "HEALTH_NOT_REPORTED", "The device has not reported its health.")
    metrics = {"firmwareVersion": row["firmware_version"], **(row["metrics"] or {})}
    return Answer(wire.health(row["id"], row["reported_at"], metrics, row["seen_ip_address"], row["online"]))


@router.get("/{deviceId}/health/history", **told(list[wire.DeviceHealth], 400, 404))
async def list_health(
    request: Request,
    id: DeviceId,
    caller: Member,
    gate: Gate,
    start: Annotated[datetime | None, Query(alias="from", description="inclusive")] = None,
    to: Annotated[datetime | None, Query(description="exclusive, default now")] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> Answer:
    """Health history, newest first"""
    row = await row_of(gate, caller, id)
    end = moment(to) if to else datetime.now(UTC)
    begin = moment(start) if start else end - timedelta(days=1)
    if begin > end:
        raise invalid("from", "OUT_OF_RANGE", "from comes before to.")
    said = await fleet.checkins(request.app.state.columns, caller.organisation, row["id"], begin, end, limit)
    return Answer(
        [wire.health(row["id"], s["ts"], orjson.loads(s["metrics"]), s["ip_address"], row["online"]) for s in said]
    )
