"""DVR clip requests: an order to the camera's device to fetch what its recorder has (contract, 6.14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, asked
from api.iot import cameras, captures, orders, plain
from api.iot.answers import (
    Answer,
    Body,
    Id,
    Paged,
    PageOf,
    Shown,
    Text,
    moment,
    of,
    path_id,
    present,
    sent,
    stamp,
    told,
)
from api.iot.auth import Member
from api.iot.devices import named
from api.iot.labels import utc
from api.iot.problems import Problem, invalid
from infra.objects import Objects
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.records import queries as records
from schemas.ids import derived_id
from schemas.records.messages import PutRecord

router = APIRouter(prefix="/v1/dvr-clip-requests", tags=["DVR clip requests"])
RequestId = Annotated[str, path_id("requestId")]
Status = Literal["PENDING", "SENT", "UPLOADING", "READY", "FAILED", "TIMEOUT"]
TYPE = "FETCH_DVR_CLIP"
STATUSES = {**orders.STATUSES, "in_progress": "UPLOADING", "completed": "READY"}
LONGEST = timedelta(minutes=10)
TIMEOUT = 15 * 60


class DvrClipRequestCreate(Body):
    camera_id: Id
    start: datetime = Field(alias="from")
    to: datetime
    reason: Annotated[Text, Field(max_length=1000)] | None = None


class DvrClipRequest(Shown):
    """Pull of already recorded footage."""

    id: str
    camera_id: str
    start: datetime = Field(alias="from")
    to: datetime
    reason: str | None = None
    status: Status
    capture_id: str | None = None
    failure_reason: str | None = None
    requested_by: str
    created_at: datetime
    completed_at: datetime | None = None


async def shown(request: Request, gate: Gateway, caller: Caller, rows: list[Row]) -> list[dict[str, Any]]:
    """Requests as their clips have come."""
    wanted = [row["payload"]["params"]["capture_id"] for row in rows]
    async with gate.reading(caller) as db:
        found, _ = await records.page(db, captures.CAPTURE, also=[records.only(wanted)], limit=len(wanted))
    clips = {clip["id"]: clip["body"] for clip in await captures.settled(request, gate, caller, found)}
    return [told_of(row, clips.get(id)) for row, id in zip(rows, wanted, strict=True)]


def told_of(row: Row, clip: dict[str, Any] | None) -> dict[str, Any]:
    """A request is READY when its clip is there; `clip` is None for one that was deleted."""
    payload, status = row["payload"], STATUSES[row["status"]]
    params, reason = payload["params"], row["message"]
    if status == "READY" and clip is not None and clip["status"] == "FAILED":
        status, reason = "FAILED", clip["failureReason"]
    said = present(
        id=row["id"],
        cameraId=params["camera_id"],
        to=stamp(datetime.fromisoformat(params["to"])),
        reason=payload.get("reason"),
        status=status,
        captureId=params["capture_id"] if status == "READY" and clip is not None else None,
        failureReason=reason if status in ("FAILED", "TIMEOUT") else None,
        requestedBy=row["requested_by"],
        createdAt=stamp(row["created_at"]),
        completedAt=stamp(row["completed_at"]),
    )
    return {**said, "from": stamp(datetime.fromisoformat(params["from"]))}


def ranged(body: DvrClipRequestCreate, camera: dict[str, Any]) -> tuple[datetime, datetime]:
    """Errors: Problem 400; 409 DVR_DISABLED, CAMERA_OFFLINE; 422 RANGE_NOT_RETAINED."""
    start, end, now = moment(body.start), moment(body.to), datetime.now(UTC)
    if not timedelta() < end - start <= LONGEST:
        raise invalid("to", "OUT_OF_RANGE", "to comes after from, by ten minutes at most.")
    if end > now:
        raise invalid("to", "OUT_OF_RANGE", "to lies in the future.")
    if not camera["dvrEnabled"]:
        raise Problem(409, "DVR_DISABLED", "The camera keeps no footage.")
    hours = camera.get("dvrRetentionHours")
    if hours is not None and start < now - timedelta(hours=hours):
        raise invalid("from", "OUT_OF_RANGE", "That is not kept any more.", 422, "RANGE_NOT_RETAINED")
    if camera["status"] == "OFFLINE":
        raise Problem(409, "CAMERA_OFFLINE", "The camera is offline.")
    return start, end


@router.post("", **told(DvrClipRequest, 400, 404, 409, 413, 422, status=201, body=DvrClipRequestCreate))
async def create_dvr_clip_request(
    request: Request,
    caller: Member,
    body: Annotated[DvrClipRequestCreate, Depends(sent(DvrClipRequestCreate))],
    gate: Gate,
) -> Answer:
    """Pull footage for a time range"""
    await plain.needed(gate, caller, cameras.CAMERA, body.camera_id, "cameraId")
    camera = await cameras.fetched(gate, caller, body.camera_id)
    start, end = ranged(body, camera)
    ask = asked(request, caller, request.state.raw)
    id, clip = ask.entity(), derived_id(ask.id, "capture")
    times = {"from": utc(start), "to": utc(end)}
    links = await expected(request, gate, caller, ask, {**times, "camera": camera, "clip": clip, "request": id})
    payload = present(params={"camera_id": body.camera_id, **times, "capture_id": clip, **links}, reason=body.reason)
    await orders.queued(gate, caller, id, camera["deviceId"], TYPE, payload, ask=ask, seconds=TIMEOUT)
    (said,) = await shown(request, gate, caller, [await orders.one(gate, caller, fleet.Orders(id=id))])
    return Answer(said, 201)


async def expected(request: Request, gate: Gateway, caller: Caller, ask: Ask, wanted: dict[str, Any]) -> dict[str, str]:
    """A clip that is to come, and where the device puts it and its picture."""
    objects: Objects = request.app.state.objects
    keys = [captures.key_of(caller.organisation, wanted["clip"], part) for part in ("clip.mp4", "thumbnail.jpg")]
    body = {
        "cameraId": wanted["camera"]["id"],
        "deviceId": wanted["camera"]["deviceId"],
        "trigger": "DVR_REQUEST",
        "dvrClipRequestId": wanted["request"],
        "status": "PENDING",
        "startAt": wanted["from"],
        "endAt": wanted["to"],
        "contentType": "video/mp4",
        "key": keys[0],
        "pictureKey": keys[1],
    }
    put = PutRecord(kind=captures.CAPTURE, body=body)
    await gate.ask(put, stream=wanted["clip"], caller=caller, ask=ask.step("capture"))
    links = [await objects.link(key, timedelta(seconds=TIMEOUT), "PUT") for key in keys]
    return {"upload_url": links[0], "thumbnail_upload_url": links[1]}


@router.get("", **told(PageOf[DvrClipRequest], 400))
async def list_dvr_clip_requests(
    request: Request,
    caller: Member,
    page: Paged,
    gate: Gate,
    camera_id: Annotated[str | None, Query(alias="cameraId")] = None,
    status: Status | None = None,
) -> Answer:
    """List requests"""
    wanted = fleet.Orders(types=(TYPE,), camera=named(camera_id, "cameraId"), statuses=orders.named(STATUSES, status))
    rows, total = await orders.listed(gate, caller, wanted, page)
    return page.answer(await shown(request, gate, caller, rows), total)


@router.get("/{requestId}", **told(DvrClipRequest, 404))
async def get_dvr_clip_request(request: Request, id: RequestId, caller: Member, gate: Gate) -> Answer:
    """Track one request"""
    row = await orders.one(gate, caller, fleet.Orders(id=of(id), types=(TYPE,)))
    (said,) = await shown(request, gate, caller, [row])
    return Answer(said)
