"""Catalogues (`/cpt`): named sets of models. A catalogue is a record; membership stands on the model."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import Field

from api.gateway import Gate, asked
from api.nx import sharing
from api.nx.auth import Acting, where
from api.nx.compute import Limit, Offset, Reader, Writer, identified, listed
from api.nx.problems import Problem, answers, unknown
from api.nx.wire import Body, Entity, Json, Message, NxId, OrganisationRef, answer, stamp
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
    public: bool | None = Field(None, description="Set by the platform's operators only")


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


async def record(db: Any, id: str) -> Row | None:
    """A catalogue of the organisation's."""
    return await records.one(db, KIND, id)


async def visible(db: Any, id: str) -> Row | None:
    """The same, or one that is shared with it."""
    return await record(db, id) or (await records.shared_catalogues(db)).get(id)


Finder = Annotated[Acting, Depends(where("cpt", "uuid", record, visible))]
Owner = Annotated[Acting, Depends(where("cpt", "uuid", record, writes=True))]


async def shown(db: Any, who: Acting, row: Row) -> Json:
    """A catalogue. Who else sees it is its owner's to know, and names of organisations are their members'."""
    owner = row.get("organisation", who.caller.organisation)
    names = {one.caller.organisation: one.entity for one in who.each()}
    ids = row["body"].get("organisations", [owner])
    mine = owner == who.caller.organisation
    wanted = models.Filter(catalogue=row["id"])
    _, count = await models.models(db, wanted, limit=0, shared=() if mine else [row["id"]])
    return {
        "UUID": row["id"],
        "Name": row["body"]["name"],
        "Organisation": names[owner] if mine else (await sharing.owners(db, who, [row]))[owner],
        "Public": row["body"].get("public", False),
        "Organisations": [names.get(id, {"UUID": id, "Name": ""}) for id in ids if mine or id in names],
        "FunctionCount": count,
        "InsertedAt": stamp(row["created_at"]),
        "UpdatedAt": stamp(row["updated_at"]),
    }


async def found(db: Any, id: str) -> Row:
    """A catalogue to change.

    Errors: Problem 404, 403 where it is seen and another's.
    """
    if (row := await record(db, identified(id))) is not None:
        return row
    if await visible(db, identified(id)) is not None:
        raise Problem(403, "Only its owner changes a catalogue")
    raise unknown()


async def one(gate: Gate, who: Acting, id: str) -> Response:
    async with gate.reading(who.caller) as db:
        if (row := await visible(db, identified(id))) is None:
            raise unknown()
        return answer(await shown(db, who, row))


def operators_only(request: Request, who: Acting, public: bool) -> None:
    """Errors: Problem 403."""
    if who.caller.actor not in request.app.state.settings.identity.operators:
        raise Problem(403, f"Only an operator of the platform makes a catalogue {WORD[public]}", field="Public")


WORD = {True: "public", False: "private"}


@router.get("/catalogues", operation_id="listCatalogues", responses=listed(Catalogue))
async def catalogues(gate: Gate, who: Reader, limit: Limit = 100, offset: Offset = 0) -> Response:
    """List visible catalogues"""
    others = sorted((await sharing.foreign(gate, who)).values(), key=by_name)

    async def part(each: Acting, limit: int, offset: int) -> tuple[list[sharing.Found], int]:
        async with gate.reading(each.caller) as db:
            rows, total = await records.page(db, KIND, sort="name", descending=False, limit=limit, offset=offset)
            if each is who:  # what others share comes after the caller's own
                rows += others[max(offset - total, 0) :][: limit - len(rows)]
                total += len(others)
            return [(row, await shown(db, each, row)) for row in rows], total

    return await sharing.merged(who, part, by_name, descending=False, limit=limit, offset=offset)


def by_name(row: Row) -> Any:
    return row["body"]["name"].lower(), row["id"]


@router.post("/catalogues", operation_id="createCatalogue", responses=answers(Catalogue, 409))
async def create(body: CatalogueFields, request: Request, gate: Gate, who: Writer) -> Response:
    """Create a catalogue"""
    if body.public:
        operators_only(request, who, True)
    ask = asked(request, who.caller, body.model_dump_json().encode())
    id = ask.entity()
    made = {"name": body.name, "public": bool(body.public), "organisations": [who.caller.organisation]}
    await gate.ask(PutRecord(kind=KIND, body=made), stream=id, caller=who.caller, ask=ask)
    return await one(gate, who, id)


@router.get(ONE, operation_id="getCatalogue", responses=answers(Catalogue, 404))
async def catalogue(uuid: str, gate: Gate, who: Finder) -> Response:
    """Get one catalogue"""
    return await one(gate, who, uuid)


@router.patch(ONE, operation_id="updateCatalogue", responses=answers(Catalogue, 404, 409))
async def change(uuid: str, body: CatalogueFields, request: Request, gate: Gate, who: Owner) -> Response:
    """Edit a catalogue"""
    async with gate.reading(who.caller) as db:
        row = await found(db, uuid)
    public = row["body"].get("public", False) if body.public is None else body.public
    if public != row["body"].get("public", False):
        operators_only(request, who, public)
    return await put(gate, who, row, {"name": body.name, "public": public})


async def put(gate: Gate, who: Acting, row: Row, members: Json) -> Response:
    command = PutRecord(kind=KIND, body={**row["body"], **members}, expected=row["version"])
    await gate.ask(command, stream=row["id"], caller=who.caller)
    return await one(gate, who, row["id"])


@router.delete(ONE, operation_id="deleteCatalogue", responses=answers(Message, 404, 409, description="Done"))
async def remove(uuid: str, gate: Gate, who: Owner) -> Response:
    """Remove a catalogue that holds no models"""
    async with gate.reading(who.caller) as db:
        row = await found(db, uuid)
        if (await models.models(db, models.Filter(catalogue=row["id"]), limit=0))[1]:
            raise Problem(409, "The catalogue holds models")
    command = RetireRecord(kind=KIND, expected=row["version"])
    await gate.ask(command, stream=row["id"], caller=who.caller)
    return answer({"Message": "Done", "UUID": row["id"]})


@router.post(f"{ONE}/functions", operation_id="addCatalogueFunctions", responses=answers(Message, 404, 409))
async def add(uuid: str, body: Members, gate: Gate, who: Owner) -> Response:
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
async def drop(uuid: str, functionUUID: str, gate: Gate, who: Owner) -> Response:  # noqa: N803
    """Remove a model from a catalogue"""
    async with gate.reading(who.caller) as db:
        row, model = await found(db, uuid), await models.model(db, identified(functionUUID))
    if model is None or row["id"] not in model["catalogues"]:
        raise unknown()
    await hold(gate, who, model["id"], [id for id in model["catalogues"] if id != row["id"]])
    return answer({"Message": "Ok", "UUID": row["id"]})


@router.put(f"{ONE}/organisations", operation_id="setCatalogueOrganisations", responses=answers(Catalogue, 404, 409))
async def share(uuid: str, body: Organisations, gate: Gate, who: Owner) -> Response:
    """Set which organisations see a catalogue"""
    async with gate.reading(who.caller) as db:
        row = await found(db, uuid)
    return await put(gate, who, row, {"organisations": list(dict.fromkeys(body.organisations))})
