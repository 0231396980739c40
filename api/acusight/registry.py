"""Models in the registry: renamed, moved, removed, fetched (contract 8.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from api.acusight import ml_wire as wire
from api.acusight.answers import Answer, Success, good, told
from api.acusight.auth import BEARER, DEVICE_KEY, Admin, Member, admitted, needs
from api.acusight.body import PathNumber, sent
from api.acusight.data import LINK
from api.acusight.ml import CHECKED, model_row
from api.acusight.problems import Problem, absent
from api.acusight.wire import Deleted
from api.auth import Caller, Credential
from api.gateway import Gate
from infra.objects import Objects
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.models import queries as models
from schemas.models.messages import ChangeModel, RemoveModel, StageModel
from streams.models.stages import stream_of

READER = needs("viewer")
OR_DEVICE: dict[str, Any] = {"security": [{DEVICE_KEY.scheme_name: []}]}
router = APIRouter(prefix="/ml/models")


async def kept_model(caller: Member, id: PathNumber, gate: Gate) -> Row:
    return await model_row(gate, caller, id)


async def dropped_model(caller: Admin, id: PathNumber, gate: Gate) -> Row:
    return await model_row(gate, caller, id)


@router.patch("/{id}", **told(Success[wire.ModelVersion], 400, 401, 403, 404, 409, body=wire.ModelVersionUpdate))
async def update_model(
    caller: Member,
    row: Annotated[Row, Depends(kept_model)],
    body: Annotated[wire.ModelVersionUpdate, Depends(sent(wire.ModelVersionUpdate))],
    gate: Gate,
) -> Answer:
    """Another name or stage; what goes into production takes the place of what is there."""
    changes = body.changes()
    if stage := changes.pop("stage", None):
        if stage == "production" and row["status"] != "ok":
            raise Problem(
                "INVALID_STATE", "The model is not ready.", "stage: only a checked model goes into production"
            )
        command = StageModel(model=row["id"], stage=stage)
        await gate.ask(command, stream=stream_of(row["id"], row["project"]), caller=caller)
    if changes:
        await gate.ask(ChangeModel(changes=changes), stream=row["id"], caller=caller)
    return good(wire.model(await model_row(gate, caller, row["number"])))


@router.delete("/{id}", **told(Success[Deleted], 400, 401, 403, 404, 409))
async def delete_model(caller: Admin, row: Annotated[Row, Depends(dropped_model)], gate: Gate) -> Answer:
    """The model goes, unless a device runs it or it is in production."""
    if row["deployed"] or row["stage"] == "production":
        said = f"{row['deployed']} devices run the model." if row["deployed"] else "The model is in production."
        raise Problem("INVALID_STATE", said)
    async with gate.reading(caller) as db:
        runs = await models.runs(db, row["id"])
    await gate.ask(RemoveModel(devices=tuple(run["device"] for run in runs)), stream=row["id"], caller=caller)
    return good({"id": row["number"], "deleted": True})


async def fetcher(request: Request) -> Caller:
    """A person who may read, or a device."""
    if DEVICE_KEY.model.name in request.headers:
        return (await admitted(request)).caller
    return await READER(request)


async def fetched(caller: Annotated[Caller, Depends(Credential(BEARER, fetcher))], id: PathNumber, gate: Gate) -> Row:
    """A device may fetch only what it has an action about."""
    if caller.device is not None:
        async with gate.reading(caller) as db:
            if not await fleet.told_of(db, caller.device, id):
                raise absent("model version")
    return await model_row(gate, caller, id)


@router.get("/{id}/download", **told(Success[wire.DownloadLink], 400, 401, 403, 404, 409), openapi_extra=OR_DEVICE)
async def download_model(request: Request, row: Annotated[Row, Depends(fetched)]) -> Answer:
    """A link to the weights that works for a while without headers."""
    if row["media_type"] != CHECKED:
        raise Problem(
            "INVALID_STATE", "The model has no file to fetch.", f"id: the model is {wire.model(row)['status']}"
        )
    objects: Objects = request.app.state.objects
    file = {name: wire.model(row)[name] for name in ("size_bytes", "sha256", "file_ext")}
    return good({"download_url": await objects.link(row["key"], LINK), "expires_at": datetime.now(UTC) + LINK, **file})
