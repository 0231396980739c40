"""DVR clip requests: an order to the camera's device to fetch what its recorder has (contract, 6.14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from api.gateway import Gate, asked
from api.iot import cameras, orders, plain
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
from infra.postgres import Row
from projections.fleet import queries as fleet
from schemas.ids import derived_id

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


def shown(row: Row) -> dict[str, Any]:
    payload, status = row["payload"], STATUSES[row["status"]]
    params = payload["params"]
    said = present(
        id=row["id"],
        cameraId=params["camera_id"],
        to=stamp(datetime.fromisoformat(params["to"])),
        reason=payload.get("reason"),
        status=status,
        captureId=params["capture_id"] if status == "READY" else None,
        failureReason=row["message"] if status in ("FAILED", "TIMEOUT") else None,
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
    times = {"from": utc(start), "to": utc(end)}
    params = {"camera_id": body.camera_id, **times, "capture_id": derived_id(ask.id, "capture")}
    payload = present(params=params, reason=body.reason)
    id = await orders.queued(gate, caller, ask.entity(), camera["deviceId"], TYPE, payload, ask=ask, seconds=TIMEOUT)
    return Answer(shown(await orders.one(gate, caller, fleet.Orders(id=id))), 201)


@router.get("", **told(PageOf[DvrClipRequest], 400))
async def list_dvr_clip_requests(
    caller: Member,
    page: Paged,
    gate: Gate,
    camera_id: Annotated[str | None, Query(alias="cameraId")] = None,
    status: Status | None = None,
) -> Answer:
    """List requests"""
    wanted = fleet.Orders(types=(TYPE,), camera=named(camera_id, "cameraId"), statuses=orders.named(STATUSES, status))
    rows, total = await orders.listed(gate, caller, wanted, page)
    return page.answer([shown(row) for row in rows], total)


@router.get("/{requestId}", **told(DvrClipRequest, 404))
async def get_dvr_clip_request(id: RequestId, caller: Member, gate: Gate) -> Answer:
    """Track one request"""
    return Answer(shown(await orders.one(gate, caller, fleet.Orders(id=of(id), types=(TYPE,)))))
