"""Catalogues (`/cpt`): named sets of models. A catalogue is a record; membership stands on the model."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from api.gateway import Gate, asked
from api.nx.auth import Acting
from api.nx.compute import Limit, Offset, Reader, Writer, identified, listed
from api.nx.problems import Problem, answers, unknown
from api.nx.wire import Body, Entity, Json, Message, NxId, OrganisationRef, answer, page, stamp
from infra.postgres import Row
from projections.models import queries as models
from projections.records import queries as records
from schemas.models.messages import ChangeModel
from schemas.records.messages import PutRecord, RetireRecord

router = APIRouter(tags=["Catalogue"])
KIND = "catalogue"
ONE = "/catalogue/{uuid}"


class CatalogueFields(Body):
    name: str = Field(min_length=1, max_length=200)
    public: bool = False


class Catalogue(Entity):
    organisation: OrganisationRef
    public: bool
    organisations: list[OrganisationRef]
    function_count: int
    inserted_at: str
    updated_at: str


class Members(Body):
    """`Functions`, or one as `FunctionUUID`."""

    functions: list[NxId] = Field([], max_length=500)
    function_uuid: NxId | None = Field(None, alias="FunctionUUID")

    def ids(self) -> list[str]:
        return [*self.functions, *([self.function_uuid] if self.function_uuid else [])]


class Organisations(Body):
    organisations: list[NxId] = Field(max_length=500)


async def shown(db: Any, who: Acting, row: Row) -> Json:
    _, count = await models.models(db, models.Filter(catalogue=row["id"]), limit=0)
    return {
        "UUID": row["id"],
        "Name": row["body"]["name"],
        "Organisation": who.entity,
        "Public": False,
        "Organisations": [who.entity] if row["body"].get("assigned", True) else [],
        "FunctionCount": count,
        "InsertedAt": stamp(row["created_at"]),
        "UpdatedAt": stamp(row["updated_at"]),
    }


async def found(db: Any, id: str) -> Row:
    """Errors: Problem 404."""
    row = await records.one(db, KIND, identified(id))
    if row is None:
        raise unknown()
    return row


async def one(gate: Gate, who: Acting, id: str) -> Response:
    async with gate.reading(who.caller) as db:
        return answer(await shown(db, who, await found(db, id)))


def operators_only(public: bool) -> None:
    if public:
        raise Problem(403, "Only the operator of the platform makes a catalogue public", field="Public")


@router.get("/catalogues", operation_id="listCatalogues", responses=listed(Catalogue))
async def catalogues(gate: Gate, who: Reader, limit: Limit = 100, offset: Offset = 0) -> Response:
    """List visible catalogues"""
    async with gate.reading(who.caller) as db:
        rows, total = await records.page(db, KIND, sort="name", descending=False, limit=limit, offset=offset)
        return page([await shown(db, who, row) for row in rows], total)


@router.post("/catalogues", operation_id="createCatalogue", responses=answers(Catalogue, 409))
async def create(body: CatalogueFields, request: Request, gate: Gate, who: Writer) -> Response:
    """Create a catalogue"""
    operators_only(body.public)
    ask = asked(request, who.caller, body.model_dump_json().encode())
    id = ask.entity()
    await gate.ask(PutRecord(kind=KIND, body={"name": body.name}), stream=id, caller=who.caller, ask=ask)
    return await one(gate, who, id)


@router.get(ONE, operation_id="getCatalogue", responses=answers(Catalogue, 404))
async def catalogue(uuid: str, gate: Gate, who: Reader) -> Response:
    """Get one catalogue"""
    return await one(gate, who, uuid)


@router.patch(ONE, operation_id="updateCatalogue", responses=answers(Catalogue, 404, 409))
async def change(uuid: str, body: CatalogueFields, gate: Gate, who: Writer) -> Response:
    """Edit a catalogue"""
    operators_only(body.public)
    return await put(gate, who, uuid, {"name": body.name})


async def put(gate: Gate, who: Acting, uuid: str, members: Json) -> Response:
    async with gate.reading(who.caller) as db:
        row = await found(db, uuid)
    command = PutRecord(kind=KIND, body={**row["body"], **members}, expected=row["version"])
    await gate.ask(command, stream=row["id"], caller=who.caller)
    return await one(gate, who, row["id"])


@router.delete(ONE, operation_id="deleteCatalogue", responses=answers(Message, 404, 409, description="Done"))
async def remove(uuid: str, gate: Gate, who: Writer) -> Response:
    """Remove a catalogue that holds no models"""
    async with gate.reading(who.caller) as db:
        row = await found(db, uuid)
        if (await models.models(db, models.Filter(catalogue=row["id"]), limit=0))[1]:
            raise Problem(409, "The catalogue holds models")
    command = RetireRecord(kind=KIND, expected=row["version"])
    await gate.ask(command, stream=row["id"], caller=who.caller)
    return answer({"Message": "Done", "UUID": row["id"]})


@router.post(f"{ONE}/functions", operation_id="addCatalogueFunctions", responses=answers(Message, 404, 409))
async def add(uuid: str, body: Members, gate: Gate, who: Writer) -> Response:
    """Add models to a catalogue"""
    if not body.ids():
        raise Problem(422, "Name at least one model", field="Functions")
    async with gate.reading(who.caller) as db:
        row = await found(db, uuid)
        members = {id: await models.model(db, id) for id in body.ids()}
    if missing := [id for id, model in members.items() if model is None]:
        raise Problem(422, f"There is no model {missing[0]}", field="Functions")
    for id, model in members.items():
        has = model["catalogues"] if model else []
        await hold(gate, who, id, [*has, *([row["id"]] if row["id"] not in has else [])])
    return answer({"Message": "Ok", "UUID": row["id"]})


async def hold(gate: Gate, who: Acting, model: str, catalogues: list[str]) -> None:
    await gate.ask(ChangeModel(changes={"catalogues": catalogues}), stream=model, caller=who.caller)


@router.delete(
    f"{ONE}/function/{{functionUUID}}", operation_id="removeCatalogueFunction", responses=answers(Message, 404)
)
async def drop(uuid: str, functionUUID: str, gate: Gate, who: Writer) -> Response:  # noqa: N803
    """Remove a model from a catalogue"""
    async with gate.reading(who.caller) as db:
        row, model = await found(db, uuid), await models.model(db, identified(functionUUID))
    if model is None or row["id"] not in model["catalogues"]:
        raise unknown()
    await hold(gate, who, model["id"], [id for id in model["catalogues"] if id != row["id"]])
    return answer({"Message": "Ok", "UUID": row["id"]})


@router.put(f"{ONE}/organisations", operation_id="setCatalogueOrganisations", responses=answers(Catalogue, 404, 409))
async def share(uuid: str, body: Organisations, gate: Gate, who: Writer) -> Response:
    """Set which organisations see a catalogue"""
    if set(body.organisations) - {who.caller.organisation}:
        raise Problem(422, "A catalogue is assigned to its own organization only", field="Organisations")
    return await put(gate, who, uuid, {"assigned": bool(body.organisations)})
