"""Batches and projects (contract 7.1, 7.2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from api.acusight import data_wire
from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Admin, Member, Viewer
from api.acusight.body import Number, PathNumber, QueryText, sent
from api.acusight.data import gone, project_filter
from api.acusight.devices import project_of
from api.acusight.problems import Problem, absent, invalid
from api.acusight.wire import Deleted
from api.auth import Caller
from api.gateway import Gate, Gateway, asked
from infra.postgres import Row
from projections.datasets import queries as datasets
from projections.records import queries as records
from schemas.datasets.messages import ChangeBatch, OpenBatch, RemoveBatch
from schemas.ids import number_of
from schemas.records.messages import PutRecord, RetireRecord

router = APIRouter(prefix="/data")


async def batch_row(gate: Gateway, caller: Caller, number: int) -> Row:
    async with gate.reading(caller) as db:
        row = await datasets.batch(db, number)
    if row is None:
        raise absent("batch")
    return row


async def seen_batch(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await batch_row(gate, caller, id)


async def kept_batch(caller: Member, id: PathNumber, gate: Gate) -> Row:
    return await batch_row(gate, caller, id)


async def dropped_batch(caller: Admin, id: PathNumber, gate: Gate) -> Row:
    return await batch_row(gate, caller, id)


KeptBatch = Annotated[Row, Depends(kept_batch)]


@router.get("/batches", **told(List[data_wire.Batch], 400, 401, 403))
async def list_batches(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    project_id: Annotated[Number | Literal["null"] | None, Query(description="project, or null for unassigned")] = None,
    device_id: Annotated[QueryText | None, Query()] = None,
    status: Annotated[data_wire.BatchStatus | None, Query(description="intake state")] = None,
    stage: Annotated[data_wire.BatchStage | None, Query(description="work state")] = None,
) -> Answer:
    """Batches, newest first."""
    wanted = datasets.Batches(**project_filter(project_id), device=device_id, status=status, stage=stage)
    async with gate.reading(caller) as db:
        rows, total = await datasets.batches(db, wanted, limit=page.limit, offset=page.offset)
    return page.answer([data_wire.batch(row) for row in rows], total)


@router.post("/batches", **told(Success[data_wire.Batch], 400, 401, 403, status=201, body=data_wire.BatchCreate))
async def create_batch(
    request: Request,
    caller: Member,
    body: Annotated[data_wire.BatchCreate, Depends(sent(data_wire.BatchCreate))],
    gate: Gate,
) -> Answer:
    """A batch made by hand; it collects."""
    project = await project_of(gate, caller, body.project_id, "project_id")
    ask = asked(request, caller, request.state.raw)
    id = ask.entity("batch")
    await gate.ask(OpenBatch(name=body.name), stream=id, caller=caller, ask=ask)
    if project is not None:
        await gate.ask(ChangeBatch(changes={"project": project}), stream=id, caller=caller, ask=ask.step("assign"))
    return good(data_wire.batch(await batch_row(gate, caller, number_of(id))), 201)


@router.get("/batches/{id}", **told(Success[data_wire.Batch], 400, 401, 403, 404))
async def get_batch(row: Annotated[Row, Depends(seen_batch)]) -> Answer:
    """One batch."""
    return good(data_wire.batch(row))


@router.patch("/batches/{id}", **told(Success[data_wire.Batch], 400, 401, 403, 404, 409, body=data_wire.BatchUpdate))
async def update_batch(
    caller: Member,
    row: KeptBatch,
    body: Annotated[data_wire.BatchUpdate, Depends(sent(data_wire.BatchUpdate))],
    gate: Gate,
) -> Answer:
    """Rename, complete, assign or move."""
    changes = body.changes()
    if "project_id" in changes:
        changes["project"] = await project_of(gate, caller, changes.pop("project_id"), "project_id")
    elif "stage" in changes and row["project_number"] is None:
        changes["project"] = None
    await gate.ask(ChangeBatch(changes=changes), stream=row["id"], caller=caller)
    return good(data_wire.batch(await batch_row(gate, caller, row["number"])))


@router.delete("/batches/{id}", **told(Success[Deleted], 400, 401, 403, 404, 409))
async def delete_batch(
    request: Request, caller: Admin, row: Annotated[Row, Depends(dropped_batch)], gate: Gate
) -> Answer:
    """The batch goes with its images, unless one is frozen in a version."""
    async with gate.reading(caller) as db:
        images = await datasets.images_of(db, row["id"])
    command = RemoveBatch(images=tuple(image["id"] for image in images))
    done = await gate.ask(command, stream=row["id"], caller=caller)
    await gone(request, gate, caller, images, done.command)
    return good({"id": row["number"], "deleted": True})


async def project_row(gate: Gateway, caller: Caller, number: int) -> Row:
    async with gate.reading(caller) as db:
        row = await records.by_number(db, "project", number)
    if row is None:
        raise absent("project")
    return row


async def seen_project(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await project_row(gate, caller, id)


async def kept_project(caller: Member, id: PathNumber, gate: Gate) -> Row:
    return await project_row(gate, caller, id)


async def dropped_project(caller: Admin, id: PathNumber, gate: Gate) -> Row:
    return await project_row(gate, caller, id)


async def shown(gate: Gateway, caller: Caller, rows: list[Row]) -> list[dict[str, Any]]:
    async with gate.reading(caller) as db:
        ids = [row["id"] for row in rows]
        counts, found = await datasets.project_counts(db, ids), await datasets.told_classes(db, ids)
    return [
        data_wire.project(row, counts.get(row["id"]), found.get(row["id"], ()), caller.organisation) for row in rows
    ]


@router.get("/projects", **told(List[data_wire.Project], 400, 401, 403))
async def list_projects(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    search: Annotated[QueryText | None, Query(description="substring of name")] = None,
) -> Answer:
    """Projects, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await records.page(db, "project", search=search, limit=page.limit, offset=page.offset)
    return page.answer(await shown(gate, caller, rows), total)


@router.post(
    "/projects", **told(Success[data_wire.Project], 400, 401, 403, 409, status=201, body=data_wire.ProjectCreate)
)
async def create_project(
    request: Request,
    caller: Member,
    body: Annotated[data_wire.ProjectCreate, Depends(sent(data_wire.ProjectCreate))],
    gate: Gate,
) -> Answer:
    """A project with its classes."""
    ask = asked(request, caller, request.state.raw)
    id = ask.entity("project")
    await gate.ask(PutRecord(kind="project", body=body.model_dump()), stream=id, caller=caller, ask=ask)
    (found,) = await shown(gate, caller, [await project_row(gate, caller, number_of(id))])
    return good(found, 201)


@router.get("/projects/{id}", **told(Success[data_wire.Project], 400, 401, 403, 404))
async def get_project(caller: Viewer, row: Annotated[Row, Depends(seen_project)], gate: Gate) -> Answer:
    """One project."""
    (found,) = await shown(gate, caller, [row])
    return good(found)


@router.patch(
    "/projects/{id}", **told(Success[data_wire.Project], 400, 401, 403, 404, 409, body=data_wire.ProjectUpdate)
)
async def update_project(
    caller: Member,
    row: Annotated[Row, Depends(kept_project)],
    body: Annotated[data_wire.ProjectUpdate, Depends(sent(data_wire.ProjectUpdate))],
    gate: Gate,
) -> Answer:
    """Name, description, classes; the task stays."""
    changes = body.changes()
    if "classes" in changes:
        async with gate.reading(caller) as db:
            frozen = await datasets.frozen_classes(db, row["id"])
        changes["classes"] = indexed(changes["classes"], row["body"].get("classes", []), frozen)
    command = PutRecord(kind="project", body=row["body"] | changes, expected=row["version"])
    await gate.ask(command, stream=row["id"], caller=caller)
    (found,) = await shown(gate, caller, [await project_row(gate, caller, row["number"])])
    return good(found)


def indexed(asked: list[dict[str, Any]], known: list[dict[str, Any]], frozen: set[str]) -> list[dict[str, Any]]:
    """The classes as asked; those of dataset versions stay, each at its index.

    Errors: Problem INVALID_STATE, VALIDATION_ERROR.
    """
    fixed = {one["value"]: {"index": one["index"]} for one in known if one["value"] in frozen}
    told = [one | fixed.get(one["value"], {}) for one in asked]
    if fixed.keys() - {one["value"] for one in asked}:
        raise Problem("INVALID_STATE", "A class of a dataset version stays.", f"classes: {', '.join(fixed)} stay")
    for one, kept in zip(asked, told, strict=True):
        if one.get("index") not in (None, kept.get("index")):
            raise Problem("INVALID_STATE", "The index of a class is fixed.", f"classes: {one['value']} is in a version")
    taken = [one["index"] for one in told if one.get("index") is not None]
    if len(taken) != len(set(taken)):
        raise invalid("classes", "an index is there twice")
    return told


@router.delete("/projects/{id}", **told(Success[Deleted], 400, 401, 403, 404, 409))
async def delete_project(caller: Admin, row: Annotated[Row, Depends(dropped_project)], gate: Gate) -> Answer:
    """The project goes; its batches become unassigned."""
    await gate.ask(RetireRecord(kind="project"), stream=row["id"], caller=caller)
    return good({"id": row["number"], "deleted": True})
