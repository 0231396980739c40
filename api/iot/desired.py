"""What a device is to have in the end: the narrowest binding for each artefact name and component (contract, 6.8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Gate
from api.iot import devices
from api.iot.answers import Answer, Shown, present, stamp, told
from api.iot.artefacts import BINDING, KIND, key_of
from api.iot.auth import Member
from api.iot.devices import DeviceId, row_of
from api.iot.firmware import LINK
from api.iot.profiles import order
from infra.objects import Objects
from infra.postgres import Connection, Row
from projections.fleet import queries as fleet
from projections.records import queries as records

router = APIRouter(prefix="/v1", tags=["Desired state"])
TargetType = Literal["COMPONENT", "DEVICE", "DEVICE_GROUP", "DEVICE_PROFILE", "SENSOR_PROFILE"]
ReportedStatus = Literal["PENDING", "IN_PROGRESS", "ACCEPTED", "REJECTED", "FAILED"]
RANKS = {"COMPONENT": 0, "DEVICE": 1, "DEVICE_GROUP": 2, "DEVICE_PROFILE": 3, "SENSOR_PROFILE": 4}
"""A narrower target beats a broader one."""
ALL = 10_000


class ReportedState(Shown):
    """What one device says about one binding."""

    device_id: str
    component_id: str | None = None
    version: int | None = None
    status: ReportedStatus
    hash: str | None = None
    message: str | None = None
    in_sync: bool
    reported_at: datetime | None = None


class DesiredEntry(Shown):
    """One effective artefact for a device."""

    artefact_name: str
    config_artefact_id: str
    version: int
    hash: str
    component_key: str | None = None
    content_type: str
    content: Any | None = None
    download_url: str | None = None
    binding_id: str
    won_by: TargetType


class DesiredState(Shown):
    """Effective desired-state document of one device."""

    device_id: str
    revision: int = Field(ge=0)
    entries: list[DesiredEntry]
    generated_at: datetime


async def reached(db: Connection, body: dict[str, Any]) -> list[str]:
    """The live devices that a binding resolves to."""
    kind, id = body["targetType"], body["targetId"]
    if kind == "DEVICE":
        return [id] if await fleet.device(db, id) else []
    if kind == "DEVICE_GROUP":
        group = await records.one(db, "group", id)
        wanted = devices.selecting(fleet.Filter(), (group["body"].get("selector") or {}) if group else {})
        return [row["id"] for row in (await fleet.devices(db, wanted, limit=ALL))[0]] if group else []
    if kind == "DEVICE_PROFILE":
        return [row["id"] for row in (await fleet.devices(db, fleet.Filter(profile=id), limit=ALL))[0]]
    found = await records.one(db, "component", id) if kind == "COMPONENT" else None
    if found is not None:
        return [found["body"]["device"]]
    rows, _ = await records.page(db, "component", where={"profile": id}, limit=ALL)
    return sorted({row["body"]["device"] for row in rows}) if kind == "SENSOR_PROFILE" else []


async def entries(db: Connection, device: Row) -> list[dict[str, Any]]:
    """The binding that wins for each artefact name and component of a device, in order of name."""
    parts, _ = await records.page(db, "component", where={"device": device["id"]}, limit=ALL)
    groups, _ = await records.page(db, "group", limit=ALL)
    mine = {("DEVICE", device["id"]), ("DEVICE_PROFILE", device["profile"])}
    mine |= {("DEVICE_GROUP", one["id"]) for one in groups if member(device, one["body"].get("selector") or {})}
    bound, _ = await records.page(db, BINDING, limit=ALL)
    profiles = {row["id"]: kin(row) for row in (await records.page(db, "sensor-profile", limit=ALL))[0]}
    found: dict[tuple[str, str], tuple[Any, Row, str]] = {}
    for row in bound:
        for key in keys(row["body"], mine, parts, profiles):
            place = (row["body"]["artefactName"], key)
            rank = (RANKS[row["body"]["targetType"]], -row["updated_at"].timestamp(), row["id"])
            if place not in found or rank < found[place][0]:
                found[place] = (rank, row, key)
    return [effective(*found[place][1:]) for place in sorted(found)]


def kin(row: Row) -> tuple[str, int]:
    """What versions of a profile have in common while they fit each other."""
    return row["body"]["name"], order(row["body"]["version"])[0]


def keys(
    body: dict[str, Any], mine: set[tuple[str, str]], parts: list[Row], profiles: dict[str, tuple[str, int]]
) -> list[str]:
    """The places on a device that a binding reaches: the device itself (no key), or components. What is of a sensor
    profile goes from the device to each component that fits."""
    target = (body["targetType"], body["targetId"])
    if target in mine:
        if body["profileType"] == "DEVICE_PROFILE":
            return [""]
        wanted = profiles.get(body["profileId"])
        fit = [one for one in parts if wanted is not None and profiles.get(one["body"].get("profile", "")) == wanted]
    else:
        fit = [one for one in parts if target in of_component(one)]
    return [one["body"]["key"] for one in fit]


def of_component(row: Row) -> set[tuple[str, str | None]]:
    return {("COMPONENT", row["id"]), ("SENSOR_PROFILE", row["body"].get("profile"))}


def member(device: Row, selector: dict[str, Any]) -> bool:
    """Whether a tag predicate fits a device."""
    tags = set(device["tags"])
    some = set(selector.get("anyOf") or tags)
    return (
        set(selector.get("allOf") or ()) <= tags
        and (not some or bool(some & tags))
        and not tags & set(selector.get("noneOf") or ())
    )


def effective(row: Row, key: str) -> dict[str, Any]:
    body = row["body"]
    return present(
        artefactName=body["artefactName"],
        configArtefactId=body["configArtefactId"],
        version=body["desiredVersion"],
        hash=body["desiredHash"],
        componentKey=key or None,
        bindingId=row["id"],
        wonBy=body["targetType"],
    )


@router.get("/devices/{deviceId}/desired-state", **told(DesiredState, 404))
async def get_desired_state(request: Request, id: DeviceId, caller: Member, gate: Gate) -> Answer:
    """Effective desired-state document"""
    device = await row_of(gate, caller, id)
    async with gate.reading(caller) as db:
        found = await entries(db, device)
        held = {one["configArtefactId"]: await records.one(db, KIND, one["configArtefactId"]) for one in found}
        revision = await records.changes(db, (BINDING, "group", "component"))
    objects: Objects = request.app.state.objects
    whole = [{**one, **await told_of(objects, caller, held[one["configArtefactId"]])} for one in found]
    said = {"deviceId": device["id"], "revision": revision + device["version"], "entries": whole}
    return Answer({**said, "generatedAt": stamp(datetime.now(UTC))})


async def told_of(objects: Objects, caller: Caller, row: Row | None) -> dict[str, Any]:
    """What the artefact holds, or a link to it."""
    if row is None:
        return {"contentType": "application/json"}
    body = row["body"]
    if body["storage"] == "INLINE":
        return {"contentType": body["contentType"], "content": body["content"]}
    link = await objects.link(key_of(caller, body["uploadId"]), LINK)
    return {"contentType": body["contentType"], "downloadUrl": link}


@router.get("/devices/{deviceId}/reported-state", **told(list[ReportedState], 404))
async def get_reported_state(id: DeviceId, caller: Member, gate: Gate) -> Answer:
    """Last reported config state: what is desired and not reported is PENDING"""
    device = await row_of(gate, caller, id)
    async with gate.reading(caller) as db:
        found = await entries(db, device)
        parts, _ = await records.page(db, "component", where={"device": device["id"]}, limit=ALL)
    ids = {row["body"]["key"]: row["id"] for row in parts}
    return Answer([pending(device["id"], ids.get(one.get("componentKey", ""))) for one in found])


def pending(device: str, component: str | None = None) -> dict[str, Any]:
    return present(deviceId=device, componentId=component, status="PENDING", inSync=False)
