"""Models (`/cpt`): upload, list, read, edit, remove, convert, download."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.gateway import Gate, Refused, asked
from api.nx import sharing, upload, wire
from api.nx.auth import Acting, acting, where, writing
from api.nx.problems import Problem, answers, unknown
from api.nx.wire import Json, answer, known_id
from infra.postgres import Row
from projections.models import queries
from projections.records import queries as records
from schemas.models.messages import (
    ChangeModel,
    RemoveModel,
    RemovePipelines,
    ReplaceModelFile,
    UploadModel,
)

LINKED = timedelta(hours=1)
BRAND = "metavms"
TARGETS = ("cpu", "intel", "nvidia", "hailo", "hailo-8l", "mxa", "qualcomm", "deepx")
router = APIRouter()
Reader = Annotated[Acting, Depends(acting("cpt"))]
Writer = Annotated[Acting, Depends(writing("cpt"))]
Finder = Annotated[Acting, Depends(where("cpt", "uuid", queries.model, sharing.model))]
"""Who reads the model of the path, in the organisation that owns it or else sees it."""
Owner = Annotated[Acting, Depends(where("cpt", "uuid", queries.model, writes=True))]
"""Who changes the model of the path, in the organisation that owns it."""
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=2**31)]
PAGED = {200: {"headers": {"X-Pagination-Records": {"description": "Records matching", "schema": {"type": "integer"}}}}}


def upload_body(**kinds: str) -> dict[str, Any]:
    """What the document says of a body that is read part by part."""
    media, schemas = {"multipart": "multipart/form-data", "json": "application/json"}, "#/components/schemas/"
    content: dict[str, Json] = {media[kind]: {"schema": {"$ref": schemas + name}} for kind, name in kinds.items()}
    content["multipart/form-data"]["encoding"] = {"data": {"contentType": "application/json"}}
    return {"requestBody": {"required": True, "content": content}}


CREATED = {**answers(wire.Function, 409, 413, 415), 201: {"description": "Equal to 200", "model": wire.Function}}
CREATES = upload_body(multipart="FunctionUpload", json="FunctionUploadJson")
EDITS = upload_body(multipart="FunctionPatch", json="FunctionFields")


def listed(model: Any, *more: int) -> dict[int | str, dict[str, Any]]:
    """Answers of a list: a bare array, the total in its header."""
    said = answers(list[model], *more, description="Bare array")
    return {**said, 200: {**said[200], **PAGED[200]}}


async def shown(request: Request, gate: Gate, who: Acting, id: str) -> Response:
    """A model as it is now.

    Errors: Problem 404.
    """
    async with gate.reading(who.caller) as db:
        row = await sharing.model(db, id)
        if row is None:
            raise unknown()
        (body,) = await bodies(request, db, who, [row])
    return answer(body)


async def own(gate: Gate, who: Acting, id: str) -> Row:
    """A model to change.

    Errors: Problem 404, 403 where it is seen and another's.
    """
    async with gate.reading(who.caller) as db:
        if (row := await queries.model(db, id)) is not None:
            return row
        if await sharing.model(db, id) is not None:
            raise Problem(403, "Only its owner changes a model")
    raise unknown()


async def bodies(request: Request, db: Any, who: Acting, rows: Sequence[Row]) -> list[Json]:
    """Rows as Functions, with links to their compiled files."""
    within = {id: row["body"] for id, row in (await records.shared_catalogues(db)).items()}
    for id in {id for row in rows for id in row["catalogues"]} - set(within):
        record = await records.one(db, "catalogue", id)
        within |= {id: record["body"]} if record else {}
    keys = [row["artefact_key"] for row in rows]
    uris = [await request.app.state.objects.link(key, LINKED) if key else "" for key in keys]
    owners = await sharing.owners(db, who, list(rows))
    return [wire.function(row, owners[row["organisation"]], within, uri) for row, uri in zip(rows, uris, strict=True)]


@router.post("/functions", operation_id="createFunction", tags=["Function"], responses=CREATED, openapi_extra=CREATES)
@router.post(
    "/function", operation_id="createFunctionSingular", tags=["Function"], responses=CREATED, openapi_extra=CREATES
)
async def create(request: Request, gate: Gate, who: Writer) -> Response:
    """Upload a model and start conversion"""
    async with upload.sent(request) as sent:
        if sent.digest is None:
            raise Problem(400, "The model file is missing", field="file")
        read = await upload.read(sent)
        told = sent.fields.told()
        details = upload.fed(read.members["input_details"] | told.get("input_details", {}))
        ask = asked(request, who.caller, sent.fingerprint)
        id = ask.entity()
        files = await stored(request, who, id, sent, read)
    members = {"name": sent.filename or "model", "customization": BRAND, **read.members, **told, **files}
    members["input_details"] = details
    try:
        await gate.ask(msgspec.convert(members, UploadModel), stream=id, caller=who.caller, ask=ask)
    except Refused as refused:
        if refused.code not in ("conflict", "idempotency.mismatch"):
            for file in (files["file"], *files["sources"]):
                await request.app.state.objects.delete(file["key"])
        raise
    return await shown(request, gate, who, id)


async def stored(request: Request, who: Acting, id: str, sent: upload.Sent, read: upload.Read) -> Json:
    """Puts the files in the store; `file` and `sources` of a model."""
    objects, place = request.app.state.objects, f"models/{who.caller.organisation}/{id}"
    file, *sources = [
        await upload.stored(objects, place, id, each, read.target) for each in upload.files(sent, read.target)
    ]
    told: Json = msgspec.to_builtins({"file": file, "sources": sources})
    return told


@router.get(
    "/functions/statistics",
    operation_id="functionStatistics",
    tags=["Function"],
    responses=answers(wire.FunctionStatistics),
)
async def statistics(gate: Gate, who: Reader) -> Response:
    """Model counters for the acting entity"""
    async with gate.reading(who.caller) as db:
        row = await queries.statistics(db)
    return answer({"Total": row["total"], "ByStatus": row["by_status"], "Assigned": row["assigned"]})


@router.get(
    "/functions/options", operation_id="functionOptions", tags=["Function"], responses=answers(wire.FunctionOptions)
)
async def options(who: Reader) -> Response:
    """Allowed drivers, targets, customizations"""
    drivers: Json = {"InputDrivers": ["vision"], "OutputDrivers": ["vision"], "Customizations": [BRAND]}
    return answer({**drivers, "Targets": TARGETS, "ResizingMethods": ["Letterbox", "Stretch", "Crop"]})


@router.get("/configuration", operation_id="cptConfiguration", tags=["Meta"], responses=answers(wire.Configuration))
async def configuration(request: Request, who: Reader) -> Response:
    """Service configuration"""
    limits = {"MaxUploadBytes": upload.MOST, "MaxOpset": upload.LIMITS.newest_opset}
    return answer({**limits, "Targets": TARGETS, "Version": request.app.version})


ONE = answers(wire.Function, 404)
EDITED = answers(wire.Function, 404, 409, 413, 415)


@router.get("/function/{uuid}", operation_id="getFunction", tags=["Function"], responses=ONE)
@router.get("/functions/{uuid}", operation_id="getFunctionPlural", tags=["Function"], responses=ONE)
async def function(uuid: str, request: Request, gate: Gate, who: Finder) -> Response:
    """Get one model"""
    return await shown(request, gate, who, identified(uuid))


def identified(id: str) -> str:
    """The id of a path.

    Errors: Problem 404.
    """
    if (found := known_id(id)) is None:
        raise unknown()
    return found


@router.patch(
    "/function/{uuid}", operation_id="updateFunction", tags=["Function"], responses=EDITED, openapi_extra=EDITS
)
@router.patch(
    "/functions/{uuid}", operation_id="updateFunctionPlural", tags=["Function"], responses=EDITED, openapi_extra=EDITS
)
async def edit(uuid: str, request: Request, gate: Gate, who: Owner) -> Response:
    """Edit metadata and optionally replace the file"""
    id = identified(uuid)
    row = await own(gate, who, id)
    async with upload.sent(request) as sent:
        read = await upload.read(sent) if sent.digest else None
        ask = asked(request, who.caller, sent.fingerprint)
        changes = sent.fields.told()
        details = changes.pop("input_details", {})
        if read is not None:
            read.members["input_details"] = upload.fed(read.members["input_details"] | details)
        if details and (read is None or read.target):
            changes["input_details"] = upload.fed(row["input_details"] | details)
        await gate.ask(ChangeModel(changes=changes), stream=id, caller=who.caller, ask=ask)
        if read is not None:
            files = await stored(request, who, id, sent, read)
            command = msgspec.convert({**read.members, **files}, ReplaceModelFile)
            await gate.ask(command, stream=id, caller=who.caller, ask=ask.step("file"))
    return await shown(request, gate, who, id)


@router.delete(
    "/function/{uuid}",
    operation_id="deleteFunction",
    tags=["Function"],
    responses=answers(wire.Message, 404, 409, description="Message is Done"),
)
async def remove(uuid: str, gate: Gate, who: Owner, force: bool = False) -> Response:
    """Delete a model"""
    id = (await own(gate, who, identified(uuid)))["id"]
    async with gate.reading(who.caller) as db:
        runs = await queries.runs(db, id)
    own_runs = [run for run in runs if run["organisation"] == who.caller.organisation]
    for run in runs if force else ():
        if run not in own_runs:
            await take_off(gate, who, run, id)
    devices = tuple(run["device"] for run in (own_runs if force else runs))
    await gate.ask(RemoveModel(devices=devices, force=force), stream=id, caller=who.caller)
    return answer({"Message": "Done", "UUID": id})


async def take_off(gate: Gate, who: Acting, run: Row, model: str) -> None:
    """Off a device of an organisation that the model is shared with: reactions stay in their own."""
    command = RemovePipelines(device=run["device"], model=model)
    stream = f"pipelines:{run['device']}"
    await gate.ask(command, stream=stream, caller=who.caller, organisation=run["organisation"])
