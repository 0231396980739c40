"""What servers at the edge ask for (`/dev/nxai`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.gateway import Gate
from api.nx import wire
from api.nx.auth import ActAsId, ActAsKind, Acting, acting
from api.nx.compute import LINKED, identified
from api.nx.problems import answers, unknown
from api.nx.wire import answer
from projections.models import queries

router = APIRouter(tags=["Edge"])
reader = acting("dev")


async def known_or_nobody(request: Request, gate: Gate, kind: ActAsKind = None, id: ActAsId = None) -> Acting:
    """A caller. Nobody in particular sees models of public catalogues only, and there is none yet.

    Errors: Problem 404 without a credential.
    """
    if "authorization" not in request.headers:
        raise unknown()
    found: Acting = await reader(request, gate, kind, id)
    return found


Reader = Annotated[Acting, Depends(known_or_nobody)]


class NxaiModel(wire.Entity):
    """What a server needs to run a model."""

    documentation: str
    input_driver: str
    input_driver_details: dict[str, Any]
    output_driver: str
    output_driver_details: dict[str, Any]
    named_input: list[wire.TensorSpec]
    named_output: list[wire.TensorSpec]
    downloads: list[wire.ModelFile]
    updated_at: datetime


@router.get("/nxai/model/{uuid}", operation_id="getNxaiModel", responses=answers(NxaiModel, 404))
async def model(uuid: str, request: Request, gate: Gate, who: Reader) -> Response:
    """Model descriptor for the edge plugin"""
    async with gate.reading(who.caller) as db:
        row = await queries.model(db, identified(uuid))
        if row is None:
            raise unknown()
        files = await queries.artefacts(db, row["id"])
    link = request.app.state.objects.link
    shown = wire.function(row, who.entity, {}, "")
    names = (*NAMES, "InputDriverDetails", "OutputDriverDetails", "NamedInput", "NamedOutput", "UpdatedAt")
    downloads = [wire.model_file(file, await link(file["key"], LINKED)) for file in files]
    return answer({**{name: shown[name] for name in names}, "Downloads": downloads})


NAMES = ("UUID", "Name", "Documentation", "InputDriver", "OutputDriver")
