"""What becomes of a model's file (`/cpt/function/{uuid}/…`): artefacts, conversions, and what a site can run."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from api.gateway import Gate
from api.nx import sharing, wire
from api.nx.auth import Acting, where
from api.nx.compute import LINKED, Finder, Limit, Offset, Owner, bodies, identified, listed, own
from api.nx.listing import runtimes
from api.nx.problems import answers, unknown
from api.nx.wire import answer, page
from infra.postgres import Row
from projections.models import queries
from schemas.models.messages import ConvertModel

router = APIRouter()
CONVERSIONS = answers(list[wire.Conversion], 404, description="Bare array")
Here = Annotated[Acting, Depends(where("cpt", "systemNxID", sharing.site))]
LONGEST = 500
"""Models that a site is offered at most."""


async def visible(db: Any, id: str) -> Row:
    """Errors: Problem 404."""
    if (row := await sharing.model(db, identified(id))) is None:
        raise unknown()
    return row


async def artefacts(db: Any, id: str) -> list[Row]:
    """Errors: Problem 404."""
    row = await visible(db, id)
    return await queries.artefacts(db, row["id"], await sharing.shared(db))


@router.get(
    "/function/{uuid}/files",
    operation_id="listFunctionFiles",
    tags=["Conversion"],
    responses=listed(wire.ModelFile, 404),
)
async def files(
    uuid: str, request: Request, gate: Gate, who: Finder, limit: Limit = 100, offset: Offset = 0
) -> Response:
    """List model artifacts"""
    async with gate.reading(who.caller) as db:
        rows = await artefacts(db, uuid)
    link = request.app.state.objects.link
    shown = [wire.model_file(row, await link(row["key"], LINKED)) for row in rows[offset : offset + limit]]
    return page(shown, len(rows))


@router.get(
    "/function/{uuid}/file/{fileUUID}",
    operation_id="downloadFunctionFile",
    tags=["Conversion"],
    responses=answers(None, 404, 409, status=302, description="Redirect to a short-lived address"),
    status_code=302,
)
async def download(uuid: str, fileUUID: str, request: Request, gate: Gate, who: Finder) -> Response:  # noqa: N803
    """Download one artifact"""
    async with gate.reading(who.caller) as db:
        row = next((each for each in await artefacts(db, uuid) if each["id"] == identified(fileUUID)), None)
    if row is None:
        raise unknown()
    return RedirectResponse(await request.app.state.objects.link(row["key"], LINKED), 302)


@router.get("/function/{uuid}/conversions", operation_id="listConversions", tags=["Conversion"], responses=CONVERSIONS)
async def conversions(uuid: str, gate: Gate, who: Finder) -> Response:
    """Per-target conversion state"""
    async with gate.reading(who.caller) as db:
        return answer([wire.conversion(each) for each in (await visible(db, uuid))["conversions"]])


@router.post(
    "/function/{uuid}/conversions",
    operation_id="startConversions",
    tags=["Conversion"],
    responses=answers(list[wire.Conversion], 404, 409, status=202, description="Queued"),
    status_code=202,
)
async def convert(uuid: str, body: wire.ConversionRequest, gate: Gate, who: Owner) -> Response:
    """Run or re-run conversions"""
    id = (await own(gate, who, identified(uuid)))["id"]
    await gate.ask(ConvertModel(targets=tuple(body.enable_conversions)), stream=id, caller=who.caller)
    async with gate.reading(who.caller) as db:
        return answer([wire.conversion(each) for each in (await visible(db, id))["conversions"]], 202)


@router.get(
    "/rpc/pipelines/available/{systemNxID}/{customization}",
    operation_id="availablePipelines",
    tags=["Pipeline"],
    responses=answers(list[wire.Function], 404, description="Bare array"),
)
async def available(systemNxID: str, customization: str, request: Request, gate: Gate, who: Here) -> Response:  # noqa: N803
    """Models ready to assign on a site"""
    return await ready(request, gate, who, systemNxID, customization)


@router.get(
    "/rpc/pipelines/available/{systemNxID}",
    operation_id="availablePipelinesAnyBrand",
    tags=["Pipeline"],
    responses=answers(list[wire.Function], 404, description="Bare array"),
)
async def available_any(systemNxID: str, request: Request, gate: Gate, who: Here) -> Response:  # noqa: N803
    """As availablePipelines, every brand"""
    return await ready(request, gate, who, systemNxID, None)


async def ready(request: Request, gate: Gate, who: Acting, site: str, brand: str | None) -> Response:
    async with gate.reading(who.caller) as db:
        wanted = queries.Filter(customization=brand, status="ok", runtimes=await runtimes(db, who, identified(site)))
        rows, _ = await queries.models(db, wanted, limit=LONGEST, shared=await sharing.shared(db))
        return answer(await bodies(request, db, who, rows))
