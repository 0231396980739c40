"""What servers at the edge ask for (`/dev/nxai`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.gateway import Gate
from api.nx import sharing, wire
from api.nx.auth import ActAsId, ActAsKind, Acting, acting, where
from api.nx.compute import LINKED, identified
from api.nx.problems import answers, unknown
from api.nx.wire import answer
from projections.models import queries

router = APIRouter(tags=["Edge"])
reader = where("dev", "uuid", sharing.model)


async def organisation(request: Request, gate: Gate, kind: ActAsKind = None, id: ActAsId = None) -> str:
    """The caller's; none for anybody without a credential, who sees the models of public catalogues only."""
    if "authorization" not in request.headers:
        return ""
    who: Acting = await reader(request, gate, await acting("dev")(request, gate, kind, id))
    return who.caller.organisation


Organisation = Annotated[str, Depends(organisation)]


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
async def model(uuid: str, request: Request, gate: Gate, organisation: Organisation) -> Response:
    """Model descriptor for the edge plugin"""
    async with gate.read(organisation) as db:
        row = await sharing.model(db, identified(uuid))
        if row is None:
            raise unknown()
        files = await queries.artefacts(db, row["id"], await sharing.shared(db))
    link = request.app.state.objects.link
    shown = wire.function(row, {}, {}, "")
    names = (*NAMES, "InputDriverDetails", "OutputDriverDetails", "NamedInput", "NamedOutput", "UpdatedAt")
    downloads = [wire.model_file(file, await link(file["key"], LINKED)) for file in files]
    return answer({**{name: shown[name] for name in names}, "Downloads": downloads})


NAMES = ("UUID", "Name", "Documentation", "InputDriver", "OutputDriver")
