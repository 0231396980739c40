"""Firmware on many devices: an order to each, and what became of them (contract, 6.17).

How a rollout stands is read off its orders and off what the devices have reported since: nothing else is kept of it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, asked
from api.iot import orders, plain
from api.iot.answers import Answer, Body, Id, Shown, path_id, present, sent, stamp, told
from api.iot.auth import Admin, Member
from api.iot.bindings import TARGETS
from api.iot.desired import reached
from api.iot.devices import PROFILE
from api.iot.firmware import KIND, FirmwareId, available, instructions, key_of
from api.iot.problems import Problem, invalid
from api.iot.readings import Stores
from infra.clickhouse import Reader
from infra.postgres import Connection, Row
from projections.fleet import queries as fleet
from projections.records import queries as records
from schemas.ids import derived_id
from schemas.records.messages import PutRecord

router = APIRouter(prefix="/v1/firmware", tags=["Firmware"])
DEPLOYMENT, TYPE = "deployment", "UPDATE_FIRMWARE"
DeploymentId = Annotated[str, path_id("deploymentId")]
Target = Literal["DEVICE", "DEVICE_GROUP", "DEVICE_PROFILE"]
Status = Literal["IN_PROGRESS", "COMPLETED", "PARTIAL", "FAILED"]
CONFIRMED = timedelta(minutes=10)
"""So soon after its success a device must have reported the new version."""
AT_ONCE, ALL = 16, 1_000


class FirmwareDeploymentCreate(Body):
    target_type: Target
    target_id: Id
    timeout_seconds: int = Field(default=1800, ge=60, le=86_400)


class FirmwareDeployment(Shown):
    """Fan-out of UPDATE_FIRMWARE commands."""

    id: str
    firmware_id: str
    target_type: Target
    target_id: str
    status: Status
    total: int
    succeeded: int
    failed: int
    command_ids: list[str] | None = None
    created_by: str
    created_at: datetime
    completed_at: datetime | None = None


class End(msgspec.Struct, frozen=True):
    """How the order to one device ended, and when."""

    good: bool
    at: datetime


@router.post(
    "/{firmwareId}/deployments",
    **told(FirmwareDeployment, 400, 403, 404, 409, 413, 422, status=201, body=FirmwareDeploymentCreate),
)
async def create_firmware_deployment(
    request: Request,
    id: FirmwareId,
    caller: Admin,
    body: Annotated[FirmwareDeploymentCreate, Depends(sent(FirmwareDeploymentCreate))],
    gate: Gate,
    stores: Stores,
) -> Answer:
    """Roll out to a target"""
    row = await available(gate, caller, id)
    devices = await fitting(gate, caller, body, row["body"].get("deviceProfileName"))
    ask = asked(request, caller, request.state.raw)
    own = ask.entity()
    commands = {derived_id(own, device): device for device in devices}
    kept = {**plain.members(body), "firmwareId": row["id"], "version": row["body"]["version"], "orders": commands}
    await gate.ask(PutRecord(kind=DEPLOYMENT, body=kept), stream=own, caller=caller, ask=ask)
    until = datetime.now(UTC) + timedelta(seconds=body.timeout_seconds)

    async def order(command: str, device: str) -> None:
        params = instructions(request, caller.organisation, row, device, until)
        payload = {"params": params, "timeoutSeconds": body.timeout_seconds}
        step = ask.step(command) if ask.keyed else Ask(command)
        await orders.queued(gate, caller, command, device, TYPE, payload, ask=step, seconds=body.timeout_seconds)

    pairs = list(commands.items())
    for n in range(0, len(pairs), AT_ONCE):
        await asyncio.gather(*(order(*pair) for pair in pairs[n : n + AT_ONCE]))
    return Answer(await shown(gate, caller, stores, await plain.fetched(gate, caller, DEPLOYMENT, own)), 201)


async def fitting(gate: Gateway, caller: Caller, body: FirmwareDeploymentCreate, profile: str | None) -> list[str]:
    """The devices of the target that an order can be sent to.

    Errors: Problem 404 for the target, 409 for one device that nothing can be sent to, 422 where no device fits.
    """
    target = {"targetType": body.target_type, "targetId": body.target_id}
    if body.target_type != "DEVICE":
        await plain.needed(gate, caller, TARGETS[body.target_type], body.target_id, "targetId")
    async with gate.reading(caller) as db:
        ids = await reached(db, target)
        if body.target_type == "DEVICE" and not ids:
            raise invalid("targetId", "NOT_FOUND", "There is no such device.", 404, "NOT_FOUND")
        rows, _ = await fleet.devices(db, fleet.Filter(ids=tuple(ids)), limit=ALL)
        if body.target_type == "DEVICE":
            orders.connectable(rows[0])
        same = await of_profile(db, profile)
    there = [row for row in rows if not row["virtual"] and row["status"] not in ("PENDING", "REJECTED")]
    fit = [row["id"] for row in there if same is None or row["profile"] in same]
    if not fit:
        raise invalid("targetId", "CONFLICT", "No device of the target can take it.", 422, "INVALID_REFERENCE")
    return fit


async def of_profile(db: Connection, name: str | None) -> set[str] | None:
    """Every version of a device profile; None where any device will do."""
    if name is None:
        return None
    rows, _ = await records.page(db, PROFILE, where={"name": name}, limit=ALL)
    return {row["id"] for row in rows}


@router.get("/deployments/{deploymentId}", **told(FirmwareDeployment, 404))
async def get_firmware_deployment(id: DeploymentId, caller: Member, gate: Gate, stores: Stores) -> Answer:
    """Track a rollout"""
    return Answer(await shown(gate, caller, stores, await plain.fetched(gate, caller, DEPLOYMENT, id)))


async def shown(gate: Gateway, caller: Caller, stores: Reader, row: Row) -> dict[str, Any]:
    body = row["body"]
    ends = await ended(gate, caller, stores, row)
    good, over = sum(end.good for end in ends), len(ends) == len(body["orders"])
    return present(
        id=row["id"],
        firmwareId=body["firmwareId"],
        targetType=body["targetType"],
        targetId=body["targetId"],
        status=standing(good, len(body["orders"])) if over else "IN_PROGRESS",
        total=len(body["orders"]),
        succeeded=good,
        failed=len(ends) - good,
        commandIds=sorted(body["orders"]),
        createdBy=row["created_by"],
        createdAt=stamp(row["created_at"]),
        completedAt=stamp(max(end.at for end in ends)) if over else None,
    )


def standing(good: int, total: int) -> Status:
    return "COMPLETED" if good == total else "PARTIAL" if good else "FAILED"


async def ended(gate: Gateway, caller: Caller, stores: Reader, row: Row) -> list[End]:
    """The orders of a rollout that have ended."""
    body, since = row["body"], row["created_at"]
    async with gate.reading(caller) as db:
        actions = await fleet.actions_of(db, list(body["orders"]))
    devices = list(body["orders"].values())
    said = await fleet.running(stores, caller.organisation, devices, body["version"], since)
    lapse, now = since + timedelta(seconds=body["timeoutSeconds"]), datetime.now(UTC)
    ends = (end(actions.get(id), said.get(device, []), lapse, now) for id, device in body["orders"].items())
    return [one for one in ends if one is not None]


def end(action: Any, reports: list[datetime], lapse: datetime, now: datetime) -> End | None:
    """A device has succeeded when it says so and then reports the new version in time."""
    if action is None:
        return End(False, lapse) if lapse <= now else None
    at = action["completed_at"]
    if at is None or action["status"] != "completed":
        return End(False, at) if at is not None else None
    confirmed = [report for report in reports if report <= at + CONFIRMED]
    if confirmed:
        return End(True, max(at, min(confirmed)))
    return End(False, at + CONFIRMED) if at + CONFIRMED <= now else None


@router.delete("/{firmwareId}", **told(None, 403, 404, 409, status=204))
async def delete_firmware(request: Request, id: FirmwareId, caller: Admin, gate: Gate, stores: Stores) -> Answer:
    """Delete a version; not while it is rolled out"""
    row = await plain.fetched(gate, caller, KIND, id)
    async with gate.reading(caller) as db:
        rollouts, _ = await records.page(db, DEPLOYMENT, where={"firmwareId": row["id"]}, limit=ALL)
    for one in rollouts:
        if len(await ended(gate, caller, stores, one)) < len(one["body"]["orders"]):
            raise Problem(409, "INVALID_STATE", "The firmware is being rolled out.")
    await plain.retired(gate, caller, KIND, row["id"])
    await request.app.state.objects.delete(key_of(caller, row["id"]))
    return Answer(None, 204)
