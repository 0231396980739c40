"""Captures: recorded clips (contract, 6.14)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from api.auth import Caller
from api.gateway import Gate, Gateway, Refused
from api.iot import plain
from api.iot.answers import Answer, Paged, PageOf, Shown, moment, path_id, present, stamp, told
from api.iot.auth import Admin, Member
from api.iot.devices import named
from api.iot.firmware import soon
from api.iot.problems import Problem
from api.iot.readings import From, To
from infra.objects import Objects
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.records import queries as records

router = APIRouter(prefix="/v1/captures", tags=["Captures"])
CAPTURE = "capture"
WATCHED = timedelta(minutes=15)
MOST = 1_000
CaptureId = Annotated[str, path_id("captureId")]
CaptureStatus = Literal["PENDING", "RECORDING", "UPLOADING", "READY", "FAILED", "EXPIRED"]
Trigger = Literal["RULE", "DVR_REQUEST", "MANUAL"]


class MediaCapture(Shown):
    """Recorded clip."""

    id: str
    camera_id: str
    trigger: Trigger
    event_id: str | None = None
    media_capture_rule_id: str | None = None
    dvr_clip_request_id: str | None = None
    status: CaptureStatus
    start_at: datetime
    end_at: datetime
    duration_seconds: float | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    thumbnail_url: str | None = None
    failure_reason: str | None = None
    created_at: datetime
    expires_at: datetime | None = None


class PresignedUrl(Shown):
    """Time-limited link."""

    url: str
    expires_at: datetime


CAPTURE_MEMBERS = (
    "cameraId", "trigger", "eventId", "mediaCaptureRuleId", "dvrClipRequestId", "status", "startAt", "endAt",
    "durationSeconds", "contentType", "sizeBytes", "failureReason", "expiresAt",
)  # fmt: skip


Clip = Row | dict[str, Any]
UPLOADING = {"in_progress": "UPLOADING"}
"""What the order to fetch a clip says of it while it runs; before, it is PENDING."""


def key_of(organisation: str, id: str, part: str) -> str:
    return f"captures/{organisation}/{id}/{part}"


async def shown(objects: Objects, row: Clip) -> dict[str, Any]:
    body = row["body"]
    said = present(id=row["id"], **{name: body.get(name) for name in CAPTURE_MEMBERS})
    thumbnail = body.get("thumbnailKey")
    picture = await objects.link(thumbnail, WATCHED) if thumbnail else None
    return said | present(thumbnailUrl=picture, createdAt=stamp(row["created_at"]))


async def settled(request: Request, gate: Gateway, caller: Caller, rows: Sequence[Row]) -> list[Clip]:
    """The clips as they are now: those whose device has answered are looked at once, and that is kept."""
    asked = {row["body"]["dvrClipRequestId"]: row for row in rows if waits(row)}
    async with gate.reading(caller) as db:
        orders = await fleet.actions_of(db, list(asked)) if asked else {}
    found = {asked[id]["id"]: await settle(request, gate, caller, asked[id], order) for id, order in orders.items()}
    return [found.get(row["id"], row) for row in rows]


def waits(row: Row) -> bool:
    return row["body"]["status"] == "PENDING" and "dvrClipRequestId" in row["body"]


async def settle(request: Request, gate: Gateway, caller: Caller, row: Row, order: Row) -> Clip:
    if order["completed_at"] is None:
        return {**row, "body": {**row["body"], "status": UPLOADING.get(order["status"], "PENDING")}}
    objects: Objects = request.app.state.objects
    told = await landed(objects, row["body"]) if order["status"] == "completed" else failed(order["message"])
    with suppress(Refused):  # somebody else has looked, or deleted it
        await plain.replaced(gate, caller, CAPTURE, row["id"], {**row["body"], **told}, row["version"])
    return {**row, "body": {**row["body"], **told}}


async def landed(objects: Objects, body: dict[str, Any]) -> dict[str, Any]:
    """What was uploaded; a thumbnail may lack."""
    if not await objects.exists(body["key"]):
        return failed("The device has uploaded nothing.")
    seconds = (datetime.fromisoformat(body["endAt"]) - datetime.fromisoformat(body["startAt"])).total_seconds()
    thumbnail = body["pictureKey"] if await objects.exists(body["pictureKey"]) else None
    size = await objects.size(body["key"])
    return present(status="READY", sizeBytes=size, durationSeconds=seconds, thumbnailKey=thumbnail)


def failed(reason: str | None) -> dict[str, Any]:
    return {"status": "FAILED", "failureReason": reason or "The device has not answered in time."}


@router.get("", **told(PageOf[MediaCapture], 400))
async def list_captures(
    request: Request,
    caller: Member,
    page: Paged,
    gate: Gate,
    camera_id: Annotated[str | None, Query(alias="cameraId")] = None,
    event_id: Annotated[str | None, Query(alias="eventId")] = None,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    trigger: Trigger | None = None,
    status: CaptureStatus | None = None,
    start: From = None,
    to: To = None,
) -> Answer:
    """List clips"""
    where = present(
        cameraId=named(camera_id, "cameraId"),
        eventId=named(event_id, "eventId"),
        deviceId=named(device_id, "deviceId"),
        trigger=trigger,
        status=status,
    )
    also = [records.since("startAt", moment(start))] if start else []
    also += [records.before("startAt", moment(to))] if to else []
    if status is not None:
        async with gate.reading(caller) as db:
            waiting, _ = await records.page(db, CAPTURE, where={"status": "PENDING"}, limit=MOST)
        await settled(request, gate, caller, waiting)
    rows, total = await plain.listed(gate, caller, CAPTURE, page, where=where, also=also)
    clips = await settled(request, gate, caller, rows)
    return page.answer([await shown(request.app.state.objects, clip) for clip in clips], total)


async def one(request: Request, gate: Gateway, caller: Caller, id: str) -> Clip:
    """Errors: Problem 404."""
    (clip,) = await settled(request, gate, caller, [await plain.fetched(gate, caller, CAPTURE, id)])
    return clip


@router.get("/{captureId}", **told(MediaCapture, 404))
async def get_capture(request: Request, id: CaptureId, caller: Member, gate: Gate) -> Answer:
    """Read one clip record"""
    return Answer(await shown(request.app.state.objects, await one(request, gate, caller, id)))


@router.get("/{captureId}/download", **told(PresignedUrl, 404, 409, 410))
async def download_capture(request: Request, id: CaptureId, caller: Member, gate: Gate) -> Answer:
    """Presigned download link"""
    row = await one(request, gate, caller, id)
    state = row["body"]["status"]
    if state == "EXPIRED":
        raise Problem(410, "EXPIRED", "The clip is not kept any more.")
    if state != "READY":
        raise Problem(409, "INVALID_STATE", f"The clip is {state}.")
    link = await request.app.state.objects.link(row["body"]["key"], WATCHED)
    return Answer({"url": link, "expiresAt": stamp(soon())})


@router.delete("/{captureId}", **told(None, 403, 404, status=204))
async def delete_capture(request: Request, id: CaptureId, caller: Admin, gate: Gate) -> Answer:
    """Delete a clip and its objects"""
    row = await plain.fetched(gate, caller, CAPTURE, id)
    await plain.retired(gate, caller, CAPTURE, row["id"])
    for key in (row["body"].get("key"), row["body"].get("pictureKey")):
        if key:
            await request.app.state.objects.delete(key)
    return Answer(None, 204)
