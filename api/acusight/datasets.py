"""Dataset versions: pictures and labels frozen for training (contract 7.6)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
import orjson
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, model_validator

from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Admin, Member, Viewer
from api.acusight.batches import project_row
from api.acusight.body import Name, Number, PathNumber, Text, sent
from api.acusight.data_wire import Shares
from api.acusight.problems import Problem, absent, invalid
from api.acusight.upload import discard
from api.acusight.wire import Deleted
from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, Refused, asked
from infra.objects import Objects
from infra.postgres import Row
from projections.datasets import queries as datasets
from projections.models import queries as models
from schemas.datasets.messages import FreezeVersion, RemoveVersion
from schemas.records.messages import PutRecord
from streams.datasets import shares

DEFAULT = {"train": 0.8, "val": 0.1, "test": 0.1}
MOST = 50_000
"""Pictures of a version: their ids travel in one message."""
TRIES = 5
router = APIRouter(prefix="/data")


class DatasetCreate(Shares):
    project_id: Number
    name: Name | None = None
    description: Text | None = None
    batch_ids: Annotated[list[Number], Field(min_length=1, max_length=10_000)] | None = None
    include_unannotated: bool = False
    seed: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0

    @model_validator(mode="after")
    def fits(self) -> Self:
        self.shares()
        return self

    def shares(self) -> dict[str, float]:
        return DEFAULT if self.train_split is self.val_split is self.test_split is None else self.parts()


class DatasetVersion(BaseModel):
    id: int
    project_id: int
    name: str
    version: int
    description: str
    status: Literal["creating", "ready", "failed"]
    image_count: int
    annotation_count: int
    split_counts: dict[str, int]
    class_distribution: dict[str, int]
    classes: list[str]
    error_message: str | None
    created_at: datetime


def shown(row: Row) -> dict[str, Any]:
    same = ("name", "image_count", "annotation_count", "split_counts", "class_distribution", "classes", "created_at")
    own = {"id": row["number"], "project_id": row["project_number"], "version": row["ordinal"]}
    return own | {name: row[name] for name in same} | {
        "description": row["description"] or "", "status": "ready", "error_message": None,
    }  # fmt: skip


@router.get("/datasets", **told(List[DatasetVersion], 400, 401, 403))
async def list_datasets(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    project_id: Annotated[Number | None, Query(description="project")] = None,
) -> Answer:
    """Dataset versions, newest first."""
    async with gate.reading(caller) as db:
        rows, total = await datasets.versions(db, project_id, limit=page.limit, offset=page.offset)
    return page.answer([shown(row) for row in rows], total)


async def version_row(gate: Gateway, caller: Caller, *, number: int | None = None, id: str | None = None) -> Row:
    async with gate.reading(caller) as db:
        row = await datasets.version(db, number=number, id=id)
    if row is None:
        raise absent("dataset version")
    return row


async def seen_version(caller: Viewer, id: PathNumber, gate: Gate) -> Row:
    return await version_row(gate, caller, number=id)


async def dropped_version(caller: Admin, id: PathNumber, gate: Gate) -> Row:
    return await version_row(gate, caller, number=id)


@router.delete("/datasets/{id}", **told(Success[Deleted], 400, 401, 403, 404, 409))
async def delete_dataset(
    request: Request, caller: Admin, row: Annotated[Row, Depends(dropped_version)], gate: Gate
) -> Answer:
    """The version goes, unless something learns or has learnt from it."""
    async with gate.reading(caller) as db:
        trainings = await models.learning_from(db, row["id"])
    await gate.ask(RemoveVersion(trainings=tuple(trainings)), stream=row["id"], caller=caller)
    await gate.shown(caller, lambda db: datasets.none_frozen(db, row["id"]))
    await discard(request.app.state.objects, row["snapshot"])
    return good({"id": row["number"], "deleted": True})


@router.get("/datasets/{id}", **told(Success[DatasetVersion], 400, 401, 403, 404))
async def get_dataset(row: Annotated[Row, Depends(seen_version)]) -> Answer:
    """One dataset version."""
    return good(shown(row))


@router.post("/datasets", **told(Success[DatasetVersion], 400, 401, 403, 404, 409, status=201, body=DatasetCreate))
async def create_dataset(
    request: Request, caller: Member, body: Annotated[DatasetCreate, Depends(sent(DatasetCreate))], gate: Gate
) -> Answer:
    """Freeze a version: labels are copied by value, later edits do not reach it."""
    project = await project_row(gate, caller, body.project_id)
    ask = asked(request, caller, request.state.raw)
    id = ask.entity("dataset")
    async with gate.reading(caller) as db:
        known = await datasets.batch_numbers(db, project["id"], body.batch_ids or [])
        rows = await datasets.freezable(db, project["id"], body.batch_ids)
        last = await datasets.last_ordinal(db, project["id"])
    for number in set(body.batch_ids or ()) - known:
        raise invalid("batch_ids", f"{number} is no batch of the project")
    command, snapshot = freezing(body, project, rows, last + 1)
    objects: Objects = request.app.state.objects
    stored = await objects.put(f"datasets/{id}.{command.digest[:16]}.json", snapshot)
    command = msgspec.structs.replace(command, snapshot=stored.key, digest=stored.sha256)
    try:
        await frozen(gate, caller, id, command, ask, named=body.name is not None)
    except Refused:
        await discard(objects, stored.key)
        raise
    await fix_indexes(gate, caller, project, command, ask)
    await gate.shown(caller, lambda db: datasets.all_frozen(db, id))
    return good(shown(await version_row(gate, caller, id=id)), 201)


def freezing(body: DatasetCreate, project: Row, rows: list[Row], ordinal: int) -> tuple[FreezeVersion, bytes]:
    """The command and the snapshot of what is eligible.

    Errors: Problem INVALID_STATE when nothing is.
    """
    chosen = [row for row in rows if body.include_unannotated or row["labels"]]
    if not chosen:
        raise Problem("INVALID_STATE", "There is no image to freeze.", "batch_ids: no labelled image in these batches")
    if len(chosen) > MOST:
        raise invalid("batch_ids", f"more than {MOST} images")
    loose = {r["id"]: [label["class_value"] for label in r["labels"]] for r in chosen if r["split"] == "none"}
    splits = {row["id"]: row["split"] for row in chosen} | shares.split(loose, body.shares(), body.seed)
    spread = Counter(label["class_value"] for row in chosen for label in row["labels"])
    images = [
        {name: row[name] for name in ("id", "number", "storage_key", "filename", "width", "height", "labels")}
        | {"split": splits[row["id"]]}
        for row in chosen
    ]
    snapshot = orjson.dumps({"images": images}, option=orjson.OPT_SORT_KEYS)
    command = FreezeVersion(
        project=project["id"],
        ordinal=ordinal,
        name=body.name or f"v{ordinal}",
        description=body.description,
        snapshot="",
        digest="",
        classes=tuple(ordered(project["body"].get("classes", []), spread)),
        splits={s: [id for id, split in splits.items() if split == s] for s in shares.SPLITS},
        batches=tuple(dict.fromkeys(row["batch"] for row in chosen)),
        image_count=len(chosen),
        annotation_count=spread.total(),
        class_distribution=dict(spread),
    )
    return command, snapshot


def ordered(classes: list[dict[str, Any]], spread: Counter[str]) -> list[str]:
    """Classes of the project in training order: by index, then as listed; then those only labels know, by name."""
    last = len(classes)
    known = sorted(classes, key=lambda one: last if one.get("index") is None else one["index"])
    values = [one["value"] for one in known]
    return values + sorted(spread.keys() - set(values))


async def frozen(gate: Gateway, caller: Caller, id: str, command: FreezeVersion, ask: Ask, *, named: bool) -> None:
    """Asks for the version; when another took its ordinal meanwhile, for the next one."""
    for attempt in range(TRIES):
        try:
            await gate.ask(command, stream=id, caller=caller, ask=ask.step(f"freeze {attempt}"))
            return
        except Refused as refused:
            taken = refused.field == "ordinal" or (refused.field == "name" and not named)
            if not taken or attempt == TRIES - 1:
                raise
        ordinal = command.ordinal + 1
        name = command.name if named else f"v{ordinal}"
        command = msgspec.structs.replace(command, ordinal=ordinal, name=name)


async def fix_indexes(gate: Gateway, caller: Caller, project: Row, command: FreezeVersion, ask: Ask) -> None:
    """The place of a class is fixed with its first version; classes that only labels knew are the project's now."""
    known = {one["value"]: one for one in project["body"].get("classes", [])}
    classes = [{**known.get(value, {"value": value}), "index": n} for n, value in enumerate(command.classes)]
    body = project["body"] | {"classes": classes}
    await gate.ask(PutRecord(kind="project", body=body), stream=project["id"], caller=caller, ask=ask.step("classes"))
