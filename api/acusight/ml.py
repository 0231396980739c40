"""Trainings, models and exports (contract 8.1, 8.2, 8.5). Models are those of every dialect."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.acusight import ml_wire as wire
from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Member, Viewer
from api.acusight.body import Number, PathNumber, sent
from api.acusight.data import LINK
from api.acusight.datasets import version_row
from api.acusight.problems import Problem, absent, invalid
from api.auth import Caller
from api.gateway import Gate, Gateway, asked
from infra.objects import Objects
from infra.postgres import Row
from projections.models import queries as models
from schemas.models.messages import CancelTraining, ExportModel, ModelFile, RequestTraining
from streams.models.export import CONVERTERS, stream_of

CHECKED = "application/x-onnx"
router = APIRouter(prefix="/ml")
Project = Annotated[Number | None, Query(description="project")]


@router.get("/training-jobs", **told(List[wire.TrainingJob], 400, 401, 403))
async def list_training_jobs(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    project_id: Project = None,
    status: Annotated[wire.TrainingStatus | None, Query(description="job state")] = None,
) -> Answer:
    """Trainings, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await models.trainings(db, project_id, status, limit=page.limit, offset=page.offset)
    return page.answer([wire.training(row) for row in rows], total)


@router.post(
    "/training-jobs",
    **told(Success[wire.TrainingJob], 400, 401, 403, 404, 409, status=201, body=wire.TrainingJobCreate),
)
async def create_training_job(
    request: Request,
    caller: Member,
    body: Annotated[wire.TrainingJobCreate, Depends(sent(wire.TrainingJobCreate))],
    gate: Gate,
) -> Answer:
    """Queues a training on a frozen dataset version."""
    version = await version_row(gate, caller, number=body.dataset_version_id)
    if body.project_id not in (None, version["project_number"]):
        raise invalid("project_id", "the dataset version is of another project")
    base = body.base_model_version_id
    command = RequestTraining(
        dataset=version["id"],
        project=version["project"],
        name=body.name or f"{body.architecture} on {version['name']}"[:255],
        architecture=body.architecture,
        base=(await model_row(gate, caller, base))["id"] if base is not None else None,
        hyperparameters=body.hyperparameters.model_dump(),
        epochs=body.hyperparameters.epochs,
        splits=version["split_counts"],
    )
    ask = asked(request, caller, request.state.raw)
    id = ask.entity("training")
    await gate.ask(command, stream=id, caller=caller, ask=ask)
    return good(wire.training(await training_row(gate, caller, id=id)), 201)


async def training_row(gate: Gateway, caller: Caller, *, number: int | None = None, id: str | None = None) -> Row:
    async with gate.reading(caller) as db:
        row = await models.training(db, number=number, id=id)
    if row is None:
        raise absent("training job")
    return row


async def seen_training(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await training_row(gate, caller, number=id)


async def kept_training(caller: Member, id: PathNumber, gate: Gate) -> Row:
    return await training_row(gate, caller, number=id)


SeenTraining = Annotated[Row, Depends(seen_training)]


@router.get("/training-jobs/{id}", **told(Success[wire.TrainingJob], 400, 401, 403, 404))
async def get_training_job(row: SeenTraining) -> Answer:
    """One training."""
    return good(wire.training(row))


@router.post("/training-jobs/{id}/cancel", **told(Success[wire.TrainingJob], 400, 401, 403, 404, 409))
async def cancel_training_job(
    request: Request, caller: Member, row: Annotated[Row, Depends(kept_training)], gate: Gate
) -> Answer:
    """Ends a training that has not ended."""
    await gate.ask(CancelTraining(), stream=row["id"], caller=caller, ask=asked(request, caller))
    return good(wire.training(await training_row(gate, caller, id=row["id"])))


@router.get("/training-jobs/{id}/metrics", **told(Success[list[wire.TrainingMetricPoint]], 400, 401, 403, 404))
async def get_training_metrics(caller: Viewer, row: SeenTraining, gate: Gate) -> Answer:
    """What each epoch came to, in their order."""
    async with gate.reading(caller) as db:
        return good([wire.point(epoch) for epoch in await models.curve(db, row["id"])])


@router.get("/models", **told(List[wire.ModelVersion], 400, 401, 403))
async def list_models(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    project_id: Project = None,
    stage: Annotated[wire.Stage | None, Query(description="registry stage")] = None,
) -> Answer:
    """Model versions, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await models.versions(db, project_id, stage, limit=page.limit, offset=page.offset)
    return page.answer([wire.model(row) for row in rows], total)


async def model_row(gate: Gateway, caller: Caller, number: int) -> Row:
    async with gate.reading(caller) as db:
        row = await models.version(db, number)
    if row is None:
        raise absent("model version")
    return row


async def seen_model(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await model_row(gate, caller, id)


@router.get("/models/{id}", **told(Success[wire.ModelVersion], 400, 401, 403, 404))
async def get_model(row: Annotated[Row, Depends(seen_model)]) -> Answer:
    """One model version."""
    return good(wire.model(row))


@router.post(
    "/export-jobs",
    **told(Success[wire.ExportJob], 400, 401, 403, 404, 409, 501, status=201, body=wire.ExportJobCreate),
)
async def create_export_job(
    request: Request,
    caller: Member,
    body: Annotated[wire.ExportJobCreate, Depends(sent(wire.ExportJobCreate))],
    gate: Gate,
) -> Answer:
    """A file of a model for a runtime; the same asked again is the same job."""
    row = await model_row(gate, caller, body.model_version_id)
    if body.calibration_dataset_version_id is not None:
        await version_row(gate, caller, number=body.calibration_dataset_version_id)
    can_be_made(body, row)
    if row["media_type"] != CHECKED:
        raise Problem(
            "INVALID_STATE", f"The model is {wire.model(row)['status']}.", "model_version_id: no checked file"
        )
    file = ModelFile(
        id=row["file"], key=row["key"], digest=row["digest"], size=row["size"], media_type=row["media_type"]
    )
    command = ExportModel(model=row["id"], format=body.format, precision=body.precision, file=file)
    ask = asked(request, caller, request.state.raw)
    done = await gate.ask(command, stream=stream_of(command), caller=caller, ask=ask)
    return good(await shown(request, await export_row(gate, caller, id=done.stream)), 201)


def can_be_made(body: wire.ExportJobCreate, row: Row) -> None:
    """A checked file is passed on as it is: what would need another file has no converter.

    Errors: Problem NOT_IMPLEMENTED.
    """
    picture, batch = row["input_details"], [one["shape"][0] for one in row["named_input"] if one["shape"]]
    sides = {picture.get("width"), picture.get("height")}
    wrong = {
        "format": body.format not in {format for format, _ in CONVERTERS},
        "precision": (body.format, body.precision) not in CONVERTERS,
        "image_size": body.image_size is not None and sides != {body.image_size},
        "opset": body.opset != wire.OPSET,
        "dynamic_batch": body.dynamic_batch and batch[:1] != [-1],
    }
    for field, lacks in wrong.items():
        if lacks:
            raise Problem("NOT_IMPLEMENTED", "There is no converter for that.", f"{field}: cannot be made here")


async def shown(request: Request, row: Row) -> dict[str, Any]:
    """An export, its link signed anew."""
    objects: Objects = request.app.state.objects
    return wire.export(row, await objects.link(row["key"], LINK) if row["key"] else None)


@router.get("/export-jobs", **told(List[wire.ExportJob], 400, 401, 403))
async def list_export_jobs(
    request: Request,
    caller: Viewer,
    page: Paged,
    gate: Gate,
    model_version_id: Annotated[Number | None, Query(description="model version")] = None,
) -> Answer:
    """Exports, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await models.exports(db, model_version_id, limit=page.limit, offset=page.offset)
    return page.answer([await shown(request, row) for row in rows], total)


async def export_row(gate: Gateway, caller: Caller, *, number: int | None = None, id: str | None = None) -> Row:
    async with gate.reading(caller) as db:
        row = await models.export(db, number=number, id=id)
    if row is None:
        raise absent("export job")
    return row


async def seen_export(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await export_row(gate, caller, number=id)


@router.get("/export-jobs/{id}", **told(Success[wire.ExportJob], 400, 401, 403, 404))
async def get_export_job(request: Request, row: Annotated[Row, Depends(seen_export)]) -> Answer:
    """One export."""
    return good(await shown(request, row))
