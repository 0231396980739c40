"""Live sessions: an order to the camera's device to stream, and brief credentials to watch (contract, 6.14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Gate, Gateway, asked
from api.iot import cameras, orders, plain
from api.iot.answers import Answer, Body, Shown, of, path_id, present, sent, stamp, told
from api.iot.auth import Member
from api.iot.cameras import CameraId
from api.iot.devices import named
from api.iot.labels import utc
from api.iot.problems import Problem
from infra.identity import Identity
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.records import queries as records
from schemas.ids import derived_id
from schemas.records.messages import PutRecord

router = APIRouter(prefix="/v1", tags=["Live sessions"])
KIND = "live"
SessionId = Annotated[str, path_id("sessionId")]
Status = Literal["REQUESTED", "ACTIVE", "STOPPING", "STOPPED", "EXPIRED"]
Transport = Literal["LAN", "REMOTE"]
UNANSWERED, UNHEARD, STOPS = timedelta(seconds=60), timedelta(seconds=90), timedelta(seconds=30)
LONGEST = timedelta(minutes=60)
TOKEN = 300
OPEN = ("REQUESTED", "ACTIVE", "STOPPING")


class LiveSessionCreate(Body):
    duration_seconds: int = Field(default=600, ge=60, le=3600)


class LiveHeartbeat(Body):
    active_transport: Transport | None = None


class LiveSession(Shown):
    """One live viewing of a camera."""

    id: str
    camera_id: str
    status: Status
    requested_by: str
    lan_playlist_url: str | None = None
    remote_playlist_url: str | None = None
    access_token: str | None = None
    access_token_expires_at: datetime | None = None
    active_transport: Transport | None = None
    created_at: datetime
    activated_at: datetime | None = None
    expires_at: datetime
    stopped_at: datetime | None = None


def status(row: Row, order: Row | None, now: datetime) -> str:
    """What follows from the clock and from what the device answered: nobody has to end a forgotten session."""
    body = row["body"]
    if "stoppedAt" in body:
        return "STOPPING" if now < at(body["stoppedAt"]) + STOPS else "STOPPED"
    begun = order["acknowledged_at"] if order else None
    heard = max(at(body["heardAt"]), begun or at(body["heardAt"]))
    if (
        now >= at(body["expiresAt"])
        or (begun is None and now >= row["created_at"] + UNANSWERED)
        or now >= heard + UNHEARD
    ):
        return "EXPIRED"
    return "ACTIVE" if begun else "REQUESTED"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def found(gate: Gateway, caller: Caller, row: Row) -> tuple[dict[str, Any], str]:
    """A session as lists show it, and its status."""
    async with gate.reading(caller) as db:
        rows, _ = await fleet.orders(db, fleet.Orders(id=derived_id(row["id"], "start")))
    order, body = rows[0] if rows else None, row["body"]
    now = status(row, order, datetime.now(UTC))
    said = present(
        id=row["id"],
        cameraId=body["cameraId"],
        status=now,
        requestedBy=row["created_by"],
        activeTransport=body.get("activeTransport"),
        createdAt=stamp(row["created_at"]),
        activatedAt=stamp(order["acknowledged_at"]) if order else None,
        expiresAt=body["expiresAt"],
        stoppedAt=body.get("stoppedAt"),
    )
    return said, now


async def shown(request: Request, gate: Gateway, caller: Caller, row: Row) -> dict[str, Any]:
    """With a fresh token while the session can be watched; it opens nothing else."""
    said, now = await found(gate, caller, row)
    if now not in ("REQUESTED", "ACTIVE"):
        return said
    identity: Identity = request.app.state.identity
    token = identity.issue("iot", row["id"], TOKEN, use="live", camera=row["body"]["cameraId"])
    until = datetime.now(UTC) + timedelta(seconds=TOKEN)
    base = row["body"].get("lanBaseUrl")
    lan = {"lanPlaylistUrl": f"{base.rstrip('/')}/{row['id']}/index.m3u8"} if base else {}
    return {**said, **lan, "accessToken": token, "accessTokenExpiresAt": stamp(until)}


async def open_sessions(gate: Gateway, caller: Caller, where: dict[str, Any]) -> list[tuple[Row, dict[str, Any]]]:
    async with gate.reading(caller) as db:
        rows, _ = await records.page(db, KIND, where=where, limit=1000)
    return [(row, said) for row in rows for said, now in [await found(gate, caller, row)] if now in OPEN]


START = told(LiveSession, 400, 404, 409, 413, status=201, body=LiveSessionCreate, keyed=False)
START["responses"][200] = {"model": LiveSession}


@router.post("/cameras/{cameraId}/live", **START)
async def start_live(
    request: Request,
    id: CameraId,
    caller: Member,
    body: Annotated[LiveSessionCreate, Depends(sent(LiveSessionCreate, needed=False))],
    gate: Gate,
) -> Answer:
    """Start a live session: 201 a new one, 200 the caller's own that is open"""
    camera = await cameras.fetched(gate, caller, id)
    if not camera["liveEnabled"]:
        raise Problem(409, "LIVE_DISABLED", "The camera is not shown live.")
    for row, said in await open_sessions(gate, caller, {"cameraId": camera["id"]}):
        if row["created_by"] == caller.actor and said["status"] != "STOPPING":
            return Answer(await shown(request, gate, caller, row))
    if camera["status"] == "OFFLINE":
        raise Problem(409, "CAMERA_OFFLINE", "The camera is offline.")
    ask, now = asked(request, caller, request.state.raw), datetime.now(UTC)
    session = ask.entity()
    times = {"heardAt": utc(now), "expiresAt": stamp(now + timedelta(seconds=body.duration_seconds))}
    kept = {"cameraId": camera["id"], "deviceId": camera["deviceId"], **times}
    put = PutRecord(kind=KIND, body={**kept, **present(lanBaseUrl=camera.get("lanBaseUrl"))})
    await gate.ask(put, stream=session, caller=caller, ask=ask)
    await ordered(gate, caller, session, kept, "START_LIVE", "start")
    return Answer(await shown(request, gate, caller, await plain.fetched(gate, caller, KIND, session)), 201)


async def ordered(gate: Gateway, caller: Caller, session: str, body: dict[str, Any], type: str, step: str) -> None:
    """The order's id follows from the session, so that a repeat is one order."""
    params = {"camera_id": body["cameraId"], "session_id": session, "expires_at": body["expiresAt"]}
    seconds = int(UNANSWERED.total_seconds())
    id = derived_id(session, step)
    await orders.queued(gate, caller, id, body["deviceId"], type, {"params": params}, seconds=seconds)


@router.get("/live", **told(list[LiveSession], 400))
async def list_live(
    caller: Member, gate: Gate, camera_id: Annotated[str | None, Query(alias="cameraId")] = None
) -> Answer:
    """Active sessions"""
    where = present(cameraId=named(camera_id, "cameraId"))
    return Answer([said for _, said in await open_sessions(gate, caller, where)])


@router.get("/live/{sessionId}", **told(LiveSession, 404))
async def get_live(request: Request, id: SessionId, caller: Member, gate: Gate) -> Answer:
    """Poll a session"""
    return Answer(await shown(request, gate, caller, await plain.fetched(gate, caller, KIND, of(id))))


@router.post("/live/{sessionId}/heartbeat", **told(LiveSession, 400, 404, 409, 413, body=LiveHeartbeat))
async def heartbeat_live(
    request: Request,
    id: SessionId,
    caller: Member,
    body: Annotated[LiveHeartbeat, Depends(sent(LiveHeartbeat, needed=False))],
    gate: Gate,
) -> Answer:
    """Keep alive and refresh credentials; an hour at most"""
    row = await plain.fetched(gate, caller, KIND, id)
    said, now = await found(gate, caller, row)
    if now not in ("REQUESTED", "ACTIVE"):
        raise Problem(409, "INVALID_STATE", f"The session is {now}.")
    heard = datetime.now(UTC)
    until = min(max(at(said["expiresAt"]), heard + UNHEARD), row["created_at"] + LONGEST)
    kept = {**row["body"], "heardAt": utc(heard), "expiresAt": stamp(until)}
    kept |= present(activeTransport=body.active_transport)
    await plain.replaced(gate, caller, KIND, row["id"], kept)
    return Answer(await shown(request, gate, caller, await plain.fetched(gate, caller, KIND, row["id"])))


@router.delete("/live/{sessionId}", **told(LiveSession, 404, status=202))
async def stop_live(request: Request, id: SessionId, caller: Member, gate: Gate) -> Answer:
    """Stop a session; idempotent"""
    row = await plain.fetched(gate, caller, KIND, id)
    _, now = await found(gate, caller, row)
    if now in ("REQUESTED", "ACTIVE"):
        stopped = {**row["body"], "stoppedAt": stamp(datetime.now(UTC))}
        await plain.replaced(gate, caller, KIND, row["id"], stopped)
        await ordered(gate, caller, row["id"], row["body"], "STOP_LIVE", "stop")
    return Answer(await shown(request, gate, caller, await plain.fetched(gate, caller, KIND, row["id"])), 202)
