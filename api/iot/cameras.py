"""Cameras, and the rules by which they record (contract, 6.14)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain, wire
from api.iot.answers import Body, Id, Name, Shown, Text, path_id, present
from api.iot.auth import Member
from api.iot.devices import named, row_of
from api.iot.events import EventSource, Severity
from api.iot.groups import Asked, Group, Wanted, serve
from api.iot.problems import Problem, invalid
from infra.postgres import Connection, Row
from projections.fleet import queries as fleet
from projections.records import queries as records

router = APIRouter(prefix="/v1", tags=["Cameras"])
CAMERA, RULE = "camera", "capture-rule"
CameraId = Annotated[str, path_id("cameraId")]
CameraStatus = Literal["ONLINE", "OFFLINE", "DEGRADED"]
ALL = 10_000


def web(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("is not an http address")
    return url


class CameraWrite(Body):
    device_id: Id
    name: Name
    description: Text | None = None
    dvr_enabled: bool = False
    dvr_retention_hours: int | None = Field(default=None, ge=0, le=100_000)
    live_enabled: bool = True
    lan_base_url: Annotated[Text, Field(max_length=2000), AfterValidator(web)] | None = None
    metadata: wire.Metadata | None = None


class Camera(Shown):
    """Camera attached to a device."""

    id: str
    device_id: str
    name: str
    status: CameraStatus
    description: str | None = None
    dvr_enabled: bool
    dvr_retention_hours: int | None = None
    live_enabled: bool
    lan_base_url: str | None = None
    metadata: dict[str, Any] | None = None
    status_changed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class CaptureMatch(Body):
    """Event predicate; lists are OR inside, AND across; empty = any."""

    sources: list[EventSource] | None = None
    severities: list[Severity] | None = None
    device_ids: list[Id] | None = Field(default=None, max_length=200)
    sensor_ids: list[Id] | None = Field(default=None, max_length=200)


class MediaCaptureRuleWrite(Body):
    name: Name
    enabled: bool = True
    match: CaptureMatch
    camera_ids: list[Id] = Field(min_length=1, max_length=10)
    pre_roll_seconds: int = Field(default=10, ge=0, le=60)
    post_roll_seconds: int = Field(default=20, ge=1, le=300)
    cooldown_seconds: int = Field(default=60, ge=0, le=604_800)
    max_captures_per_hour: int = Field(default=12, ge=1, le=3600)


class MediaCaptureRule(Shown):
    """Which events make which cameras record."""

    id: str
    name: str
    enabled: bool
    match: CaptureMatch
    camera_ids: list[str]
    pre_roll_seconds: int
    post_roll_seconds: int
    cooldown_seconds: int
    max_captures_per_hour: int
    last_triggered_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


MEMBERS = (
    "deviceId",
    "name",
    "description",
    "dvrEnabled",
    "dvrRetentionHours",
    "liveEnabled",
    "lanBaseUrl",
    "metadata",
)
RULE_MEMBERS = (
    "name", "enabled", "match", "cameraIds", "preRollSeconds", "postRollSeconds", "cooldownSeconds",
    "maxCapturesPerHour",
)  # fmt: skip


async def cameras(db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    """With what their devices last said of them; the cameras of a device that is away are offline."""
    wanted = fleet.Filter(ids=tuple({row["body"]["deviceId"] for row in rows}), online=True)
    there, _ = await fleet.devices(db, wanted, limit=ALL)
    said = {device["id"]: reported(device["metrics"]) for device in there}
    return [
        plain.shown(row, *MEMBERS, status=said.get(row["body"]["deviceId"], {}).get(row["id"], "OFFLINE"))
        for row in rows
    ]


def reported(metrics: dict[str, Any] | None) -> dict[str, str]:
    """Camera -> status, of a device's health report."""
    listed = (metrics or {}).get("cameras")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    known = CameraStatus.__args__  # type: ignore[attr-defined]
    return {str(one.get("cameraId")): str(one["status"]) for one in found if one.get("status") in known}


async def fetched(gate: Gateway, caller: Caller, id: str) -> dict[str, Any]:
    """A camera as it is shown.

    Errors: Problem 404.
    """
    row = await plain.fetched(gate, caller, CAMERA, id)
    async with gate.reading(caller) as db:
        (found,) = await cameras(db, [row])
    return found


async def kept(asked: Asked) -> dict[str, Any]:
    """Errors: Problem 404 for the device, 422 when it is another."""
    body: CameraWrite = asked.body
    if asked.old is not None and asked.old["body"]["deviceId"] != body.device_id:
        raise invalid("deviceId", "CONFLICT", "A camera stays with its device.", 422, "INVALID_REFERENCE")
    try:
        await row_of(asked.gate, asked.caller, body.device_id)
    except Problem:
        raise invalid("deviceId", "NOT_FOUND", "There is no such device.", 404, "NOT_FOUND") from None
    return plain.members(body)


async def wanted(
    caller: Member,
    gate: Gate,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    site_id: Annotated[str | None, Query(alias="siteId")] = None,
    status: CameraStatus | None = None,
) -> Wanted:
    """Site and status are the device's: found there first."""
    also: list[records.Also] = []
    async with gate.reading(caller) as db:
        if site_id is not None:
            also.append(records.among("deviceId", await fleet.at_site(db, named(site_id, "siteId") or "")))
        if status is not None:
            rows, _ = await records.page(db, CAMERA, limit=ALL)
            also.append(records.only([one["id"] for one in await cameras(db, rows) if one["status"] == status]))
    return Wanted(where=present(deviceId=named(device_id, "deviceId")), also=tuple(also))


async def rules(_db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    return [plain.shown(row, *RULE_MEMBERS) for row in rows]


async def rule_kept(asked: Asked) -> dict[str, Any]:
    """Errors: Problem 404 for a camera."""
    for n, camera in enumerate(asked.body.camera_ids):
        await plain.needed(asked.gate, asked.caller, CAMERA, camera, f"cameraIds[{n}]")
    return plain.members(asked.body)


def rule_filters(
    camera_id: Annotated[str | None, Query(alias="cameraId")] = None, enabled: bool | None = None
) -> Wanted:
    camera = named(camera_id, "cameraId")
    return Wanted(where=present(enabled=enabled, cameraIds=[camera] if camera else None))


serve(
    router,
    Group(
        kind=CAMERA, one="camera", many="cameras", path="/cameras", parameter="cameraId", shape=Camera,
        write=CameraWrite, shown=cameras, kept=kept, wanted=wanted,
    ),
)  # fmt: skip
serve(
    router,
    Group(
        kind=RULE, one="media_capture_rule", many="media_capture_rules", path="/media-capture-rules",
        parameter="ruleId", shape=MediaCaptureRule, write=MediaCaptureRuleWrite, shown=rules, kept=rule_kept,
        wanted=rule_filters,
    ),
)  # fmt: skip
