"""What devices call with their own key (contract 5.6 to 5.8, 6)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request

from api.acusight import wire
from api.acusight.actions import delivered, heard, runs
from api.acusight.answers import Answer, Success, good, taking, told
from api.acusight.auth import Admitted, Device, Known
from api.acusight.body import sent
from api.acusight.problems import Problem
from api.acusight.storing import of_same_bytes, stored
from api.acusight.upload import Received, discard, received
from api.gateway import Ask, Gate, Gateway, Pending, Refused, asked
from infra.objects import Objects
from infra.postgres import Row
from projections.datasets import queries as datasets
from projections.tenancy import queries as tenancy
from schemas.fleet.messages import CheckIn
from schemas.ids import new_id
from schemas.media.messages import StoreImage

router = APIRouter()
uploads = APIRouter()
agent = APIRouter()


@router.get("/device/self", **told(Success[wire.DeviceSelf], 401))
async def get_device_self(known: Known) -> Answer:
    """Who the calling device is."""
    id = wire.device_id(known.row)
    own = {"organization_id": known.caller.organisation, "name": known.row["name"]}
    return good({"device_id": id, "endpoint_id": id, "status": wire.admission(known.row["status"]), **own})


@router.post("/device/checkin", **told(Success[wire.Actions], 400, 401, 403, body=wire.CheckIn))
async def device_checkin(
    request: Request, device: Admitted, body: Annotated[wire.CheckIn, Depends(sent(wire.CheckIn))], gate: Gate
) -> Answer:
    """Health in, actions out."""
    await gate.tell(CheckIn(status=body.status, metrics=body.metrics or {}), stream=device.id, caller=device.caller)
    await heard(gate, device, body.action_results)
    return good({"actions": await delivered(request, gate, device)})


@agent.post("/agent/checkin", **told(wire.AgentActions, 400, 401, 403, body=wire.AgentCheckIn))
async def agent_checkin(
    request: Request, device: Admitted, body: Annotated[wire.AgentCheckIn, Depends(sent(wire.AgentCheckIn))], gate: Gate
) -> Answer:
    """The heartbeat that also says which model is loaded."""
    if body.device_id != wire.device_id(device.row):
        raise Problem("FORBIDDEN", "The key is another device's.", "device_id: not the device of this key")
    fact = CheckIn(status=body.status, model=body.current_model_id, ip_address=body.ip_address)
    await gate.tell(fact, stream=device.id, caller=device.caller)
    await runs(gate, device, body.current_model_id)
    return Answer({"success": True, "pending_actions": await delivered(request, gate, device)})


FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "JPEG or PNG, at most 50 MB",
        },
        "metadata": {"type": "string", "contentMediaType": "application/json", "description": "JSON text"},
    },
}
ANSWERS = told(Success[wire.Uploaded], 400, 401, 403, 409, 413, 415, status=201)
ANSWERS["responses"][200] = {"model": Success[wire.Uploaded]}


@uploads.post("/device/images/upload", **ANSWERS, openapi_extra=taking("multipart/form-data", FORM))
async def upload_device_image(request: Request, device: Admitted, gate: Gate) -> Answer:
    """One frame; kept unless its bytes are here already or it is too much like the last."""
    objects: Objects = request.app.state.objects
    form = await received(request, objects)
    ask = asked(request, device.caller, form.fingerprint)
    image = await stored_of(gate, device, form, ask, objects)
    row = await gate.shown(device.caller, lambda db: datasets.taken(db, image))
    if row is None:
        raise Pending(ask.id, image)
    await gate.tell(CheckIn(), stream=device.id, caller=device.caller)
    if row["dropped"] is not None:
        await discard(objects, form.picture.storage_key)
        none = dict.fromkeys(("image_id", "batch_id", "storage_key"))
        return good({**none, "accepted": False, "reason": row["dropped"]})
    key = row["storage_key"]
    if key != form.picture.storage_key:
        await discard(objects, form.picture.storage_key)
    said = {"image_id": row["image_number"], "batch_id": row["batch_number"], "storage_key": key}
    return good({**said, "accepted": True, "reason": None}, 201)


async def stored_of(gate: Gateway, device: Device, form: Received, ask: Ask, objects: Objects) -> str:
    """Id of the picture that is asked for.

    Errors: Refused, Problem; for known bytes, Problem CONFLICT with the number of that picture.
    """
    async with gate.reading(device.caller) as db:
        rules = wire.settings_of(await tenancy.organisation(db))
    try:
        return await stored(gate, device.caller, storing(device.row, form, rules), ask, objects)
    except Refused as refused:
        if refused.code != "image.duplicate":
            raise
        number = await of_same_bytes(gate, device.caller, form.picture.sha256)
        told = None if number is None else str(number)
        raise Problem("CONFLICT", "An image with the same bytes is stored already.", told) from None


def storing(device: Row, form: Received, rules: dict[str, Any]) -> StoreImage:
    told = form.metadata
    return StoreImage(
        **msgspec.structs.asdict(form.picture),
        device=device["id"],
        device_name=device["name"],
        source=told.source,
        captured_at=told.timestamp,
        model=told.model_id,
        model_version=told.model_version,
        batch=new_id(),
        force=told.force,
        annotations=[annotation.label("edge") for annotation in told.annotations],
        rules=rules,
    )
