"""What devices are asked to do: queued by their keepers, told at check-in (contract 5.7 to 5.10, 10.3)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.acusight import ml_wire, wire
from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Admitted, Device, Member, Viewer, device_row
from api.acusight.body import PathDevice, PathNumber, sent
from api.acusight.data import LINK
from api.acusight.devices import Seen
from api.acusight.ml import CHECKED, export_row, model_row
from api.acusight.problems import Problem, absent, invalid
from api.auth import Caller
from api.gateway import Gate, Gateway, Refused, asked
from infra.objects import Objects
from infra.postgres import Row
from projections.fleet import queries as fleet
from schemas.fleet.messages import CancelAction, DeliverActions, QueueAction, ReportAction, RunModel
from streams.fleet.actions import stream_of

router = APIRouter(prefix="/core/devices/{device_id}/actions")
reports = APIRouter()


async def kept(caller: Member, device_id: PathDevice, gate: Gate) -> Row:
    return await device_row(gate, caller, device_id)


Kept = Annotated[Row, Depends(kept)]


async def action_row(
    gate: Gateway, caller: Caller, device: str, *, number: int | None = None, id: str | None = None
) -> Row:
    async with gate.reading(caller) as db:
        row = await fleet.action(db, device, number=number, id=id)
    if row is None:
        raise absent("action")
    return row


@router.get("", **told(List[wire.DeviceAction], 400, 401, 403, 404))
async def list_device_actions(
    caller: Viewer,
    device: Seen,
    page: Paged,
    gate: Gate,
    status: Annotated[wire.ActionStatus | None, Query(description="action state")] = None,
) -> Answer:
    """What a device was asked to do, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await fleet.actions(db, device["id"], status, limit=page.limit, offset=page.offset)
    return page.answer([wire.action(row) for row in rows], total)


@router.post("", **told(Success[wire.DeviceAction], 400, 401, 403, 404, 409, status=201, body=wire.DeviceActionCreate))
async def create_device_action(
    request: Request,
    caller: Member,
    device: Kept,
    body: Annotated[wire.DeviceActionCreate, Depends(sent(wire.DeviceActionCreate))],
    gate: Gate,
) -> Answer:
    """Asks something of a device; it is told when it next checks in."""
    model, artefact = await deployed(gate, caller, body)
    ask = asked(request, caller, request.state.raw)
    id = ask.entity("action")
    command = QueueAction(
        action=id, device=device["id"], type=body.type, model=model, artefact=artefact, payload=body.payload
    )
    await gate.ask(command, stream=stream_of(device["id"]), caller=caller, ask=ask)
    return good(wire.action(await action_row(gate, caller, device["id"], id=id)), 201)


async def deployed(
    gate: Gateway, caller: Caller, body: wire.DeviceActionCreate
) -> tuple[str | None, dict[str, Any] | None]:
    """Id of the model that is meant, and its file: of an export, else the one that was checked.

    Errors: Problem NOT_FOUND, VALIDATION_ERROR, INVALID_STATE.
    """
    number, file, extension = body.model_version_id, None, "onnx"
    if body.export_job_id is not None:
        file = await export_row(gate, caller, number=body.export_job_id)
        if number not in (None, file["model_number"]):
            raise invalid("model_version_id", "the export is of another model")
        number, extension = file["model_number"], ml_wire.extension(file["format"])
    if number is None:
        return None, None
    model = await model_row(gate, caller, number)
    found = file or model
    if found["key"] is None or (file is None and model["media_type"] != CHECKED):
        raise Problem("INVALID_STATE", "The model has no file to deploy.", "model_version_id: no checked file")
    shown = ml_wire.model(model)
    about = {name: shown[name] for name in ("name", "version", "label_map")}
    fetched = {"key": found["key"], "sha256": found["digest"], "file_ext": extension}
    return model["id"], {"id": str(number), **about, **fetched}


@router.delete("/{id}", **told(Success[wire.DeviceAction], 400, 401, 403, 404, 409))
async def cancel_device_action(caller: Member, device: Kept, id: PathNumber, gate: Gate) -> Answer:
    """Takes back what the device has not begun."""
    row = await action_row(gate, caller, device["id"], number=id)
    await gate.ask(CancelAction(action=row["id"]), stream=stream_of(device["id"]), caller=caller)
    return good(wire.action(await action_row(gate, caller, device["id"], id=row["id"])))


async def own_action(device: Admitted, id: PathNumber, gate: Gate) -> Row:
    return await action_row(gate, device.caller, device.id, number=id)


@reports.patch(
    "/device/actions/{id}",
    **told(Success[wire.DeviceAction], 400, 401, 403, 404, 409, body=wire.ActionReport),
)
async def report_device_action(
    device: Admitted,
    row: Annotated[Row, Depends(own_action)],
    body: Annotated[wire.ActionReport, Depends(sent(wire.ActionReport))],
    gate: Gate,
) -> Answer:
    """How far the device is with an action."""
    await report(gate, device, row["id"], body)
    return good(wire.action(await action_row(gate, device.caller, device.id, id=row["id"])))


async def report(gate: Gateway, device: Device, action: str, said: wire.ActionReport) -> None:
    command = ReportAction(action=action, status=said.status, message=said.message)
    await gate.ask(command, stream=stream_of(device.id), caller=device.caller)


async def heard(gate: Gateway, device: Device, results: Sequence[wire.ActionResult]) -> None:
    """What a beat tells of actions. One that has ended meanwhile does not spoil the beat."""
    if not results:
        return
    async with gate.reading(device.caller) as db:
        known = {row["number"]: row["id"] for row in await fleet.open_actions(db, device.id)}
    for result in results:
        if result.id in known:
            with suppress(Refused):
                await report(gate, device, known[result.id], result)


async def runs(gate: Gateway, device: Device, model: str | None) -> None:
    """The model that a device runs ends the actions that asked for it."""
    async with gate.reading(device.caller) as db:
        rows = await fleet.open_actions(db, device.id)
    deploying = {row["artefact"]["id"] for row in rows if row["type"] == "deploy_model"}
    if model is not None and model in deploying:
        await gate.ask(RunModel(model=model), stream=stream_of(device.id), caller=device.caller)


async def delivered(request: Request, gate: Gateway, device: Device) -> list[dict[str, Any]]:
    """All that is open, oldest first, each link signed anew; what is new to the device counts as told."""
    async with gate.reading(device.caller) as db:
        rows = await fleet.open_actions(db, device.id)
    if new := tuple(row["id"] for row in rows if row["status"] == "pending"):
        await gate.ask(DeliverActions(actions=new), stream=stream_of(device.id), caller=device.caller)
        async with gate.reading(device.caller) as db:
            rows = await fleet.open_actions(db, device.id)
    objects: Objects = request.app.state.objects
    told = []
    for row in rows:
        linked = row["type"] == "deploy_model"
        told.append(wire.action(row, await objects.link(row["artefact"]["key"], LINK) if linked else None))
    return told
