"""Captures: recorded clips (contract, 6.14)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from api.gateway import Gate
from api.iot import plain
from api.iot.answers import Answer, Paged, PageOf, Shown, moment, path_id, present, stamp, told
from api.iot.auth import Admin, Member
from api.iot.devices import named
from api.iot.exports import LINK
from api.iot.firmware import soon
from api.iot.problems import Problem
from api.iot.readings import From, To
from infra.postgres import Row
from projections.records import queries as records

router = APIRouter(prefix="/v1/captures", tags=["Captures"])
CAPTURE = "capture"
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


def capture(row: Row) -> dict[str, Any]:
    said = plain.shown(row, *CAPTURE_MEMBERS)
    said.pop("updatedAt")
    return said


@router.get("", **told(PageOf[MediaCapture], 400))
async def list_captures(
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
    rows, total = await plain.listed(gate, caller, CAPTURE, page, where=where, also=also)
    return page.answer([capture(row) for row in rows], total)


@router.get("/{captureId}", **told(MediaCapture, 404))
async def get_capture(id: CaptureId, caller: Member, gate: Gate) -> Answer:
    """Read one clip record"""
    return Answer(capture(await plain.fetched(gate, caller, CAPTURE, id)))


@router.get("/{captureId}/download", **told(PresignedUrl, 404, 409, 410))
async def download_capture(request: Request, id: CaptureId, caller: Member, gate: Gate) -> Answer:
    """Presigned download link"""
    row = await plain.fetched(gate, caller, CAPTURE, id)
    state = row["body"]["status"]
    if state == "EXPIRED":
        raise Problem(410, "EXPIRED", "The clip is not kept any more.")
    if state != "READY":
        raise Problem(409, "INVALID_STATE", f"The clip is {state}.")
    link = await request.app.state.objects.link(row["body"]["key"], min(LINK, timedelta(minutes=15)))
    return Answer({"url": link, "expiresAt": stamp(soon())})


@router.delete("/{captureId}", **told(None, 403, 404, status=204))
async def delete_capture(request: Request, id: CaptureId, caller: Admin, gate: Gate) -> Answer:
    """Delete a clip and its objects"""
    row = await plain.fetched(gate, caller, CAPTURE, id)
    await plain.retired(gate, caller, CAPTURE, row["id"])
    if key := row["body"].get("key"):
        await request.app.state.objects.delete(key)
    return Answer(None, 204)
