"""Models (`/cpt`): upload, list, read, edit, remove, convert, download."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.gateway import Ask, Gate, Refused, asked
from api.nx import upload, wire
from api.nx.auth import Acting, acting, writing
from api.nx.problems import Problem, answers, unknown
from api.nx.wire import NIL, FunctionStatus, Json, answer, known_id, page
from infra.postgres import Row
from projections.models import queries
from projections.records import queries as records
from schemas.ids import derived_id
from schemas.models.messages import (
    ChangeModel,
    ModelFile,
    RemoveModel,
    ReplaceModelFile,
    UploadModel,
)

LINKED = timedelta(hours=1)
BRAND = "metavms"
TARGETS = ("cpu", "intel", "nvidia", "hailo", "hailo-8l", "mxa", "qualcomm", "deepx")
router = APIRouter()
Reader = Annotated[Acting, Depends(acting("cpt"))]
Writer = Annotated[Acting, Depends(writing("cpt"))]
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
        row = await queries.model(db, id)
        if row is None:
            raise unknown()
        (body,) = await bodies(request, db, who, [row])
    return answer(body)


async def bodies(request: Request, db: Any, who: Acting, rows: Sequence[Row]) -> list[Json]:
    """Rows as Functions, with links to their compiled files."""
    wanted = {id for row in rows for id in row["catalogues"]}
    named: dict[str, str] = {}
    for id in wanted:
        record = await records.one(db, "catalogue", id)
        named |= {id: record["body"]["name"]} if record else {}
    keys = [row["artefact_key"] for row in rows]
    uris = [await request.app.state.objects.link(key, LINKED) if key else "" for key in keys]
    return [wire.function(row, who.entity, named, uri) for row, uri in zip(rows, uris, strict=True)]


@router.get("/functions", operation_id="listFunctions", tags=["Function"], responses=listed(wire.Function, 404))
async def functions(
    request: Request,
    gate: Gate,
    who: Reader,
    limit: Limit = 100,
    offset: Offset = 0,
    catalogue: Annotated[str | None, Query(alias="Catalogue", description="UUID; nil means every visible one")] = None,
    customization: Annotated[str | None, Query(alias="Customization")] = None,
    order: Annotated[str, Query(alias="OrderBy", pattern="^-?(UpdatedAt|InsertedAt|Name|Status)$")] = "-UpdatedAt",
    search: Annotated[str | None, Query(alias="Search")] = None,
    status: Annotated[FunctionStatus | None, Query(alias="Status")] = None,
    site: Annotated[str | None, Query(alias="Site", pattern=wire.NX_ID)] = None,
) -> Response:
    """List visible models"""
    if catalogue is not None and known_id(catalogue) is None:
        raise Problem(400, "Catalogue is a UUID", field="Catalogue")
    within = known_id(catalogue) if catalogue else None
    async with gate.reading(who.caller) as db:
        wanted = queries.Filter(
            catalogue=None if within == NIL else within,
            customization=customization,
            named=search,
            status=status,
            runtimes=await runtimes(db, who, str(known_id(site))) if site else None,
        )
        rows, total = await queries.models(db, wanted, limit=limit, offset=offset, order=ORDERS[order])
        return page(await bodies(request, db, who, rows), total)


ORDERS: dict[str, queries.Order] = {
    "UpdatedAt": "updated",
    "-UpdatedAt": "-updated",
    "InsertedAt": "inserted",
    "-InsertedAt": "-inserted",
    "Name": "name",
    "-Name": "-name",
    "Status": "status",
    "-Status": "-status",
}


async def runtimes(db: Any, who: Acting, site: str) -> tuple[str, ...]:
    """The runtimes of a site's servers.

    Errors: Problem 404 for a site that is not seen.
    """
    if who.site not in (None, site) or await records.one(db, "site", site) is None:
        raise unknown()
    servers, _ = await records.page(db, "server", where={"site": site}, limit=500)
    return tuple({row["body"]["runtime"] for row in servers})


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
        ask = asked(request, who.caller, sent.fingerprint)
        id = ask.entity()
        file = await stored(request, who, id, sent, read)
    told = sent.fields.told()
    members = {"name": sent.filename or "model", "customization": BRAND, **read.members, **told, "file": file}
    members["input_details"] = read.members["input_details"] | told.get("input_details", {})
    try:
        await gate.ask(msgspec.convert(members, UploadModel), stream=id, caller=who.caller, ask=ask)
    except Refused as refused:
        if refused.code not in ("conflict", "idempotency.mismatch"):
            await request.app.state.objects.delete(file["key"])
        raise
    return await shown(request, gate, who, id)


async def stored(request: Request, who: Acting, id: str, sent: upload.Sent, read: upload.Read) -> Json:
    """Puts the file where workers and clients fetch it; its name follows from its bytes, so a repeat is harmless."""
    key = f"models/{who.caller.organisation}/{id}/{sent.digest}.onnx"
    kind = upload.media_type(read.target)
    await request.app.state.objects.put_stream(key, upload.chunks(sent), upload.MOST)
    file = ModelFile(
        id=derived_id(id, f"{sent.digest}/{kind}"),
        key=key,
        digest=sent.digest or "",
        size=sent.size,
        media_type=kind,
        target=read.target,
    )
    told: Json = msgspec.to_builtins(file)
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
async def function(uuid: str, request: Request, gate: Gate, who: Reader) -> Response:
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
async def edit(uuid: str, request: Request, gate: Gate, who: Writer) -> Response:
    """Edit metadata and optionally replace the file"""
    id = identified(uuid)
    async with gate.reading(who.caller) as db:
        row = await queries.model(db, id)
    if row is None:
        raise unknown()
    async with upload.sent(request) as sent:
        read = await upload.read(sent) if sent.digest else None
        ask = asked(request, who.caller, sent.fingerprint)
        changes = sent.fields.told()
        if "input_details" in changes:
            changes["input_details"] = {**row["input_details"], **changes["input_details"]}
        await gate.ask(ChangeModel(changes=changes), stream=id, caller=who.caller, ask=ask)
        if read is not None:
            file = await stored(request, who, id, sent, read)
            await replace(gate, who, id, ask.step("file"), {**read.members, "file": file}, changes)
    return await shown(request, gate, who, id)


async def replace(gate: Gate, who: Acting, id: str, ask: Ask, members: Json, changes: Json) -> None:
    members["input_details"] |= changes.get("input_details", {})
    await gate.ask(msgspec.convert(members, ReplaceModelFile), stream=id, caller=who.caller, ask=ask)


@router.delete(
    "/function/{uuid}",
    operation_id="deleteFunction",
    tags=["Function"],
    responses=answers(wire.Message, 404, 409, description="Message is Done"),
)
async def remove(uuid: str, gate: Gate, who: Writer, force: bool = False) -> Response:
    """Delete a model"""
    id = identified(uuid)
    async with gate.reading(who.caller) as db:
        if await queries.model(db, id) is None:
            raise unknown()
        devices = await queries.devices_of(db, id)
    await gate.ask(RemoveModel(devices=tuple(devices), force=force), stream=id, caller=who.caller)
    return answer({"Message": "Done", "UUID": id})
