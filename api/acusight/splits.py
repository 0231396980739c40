"""The images of a batch into train, val and test (contract 7.3)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

import msgspec
from fastapi import APIRouter, Depends
from pydantic import BaseModel, model_validator

from api.acusight.answers import Answer, Success, good, told
from api.acusight.auth import Member
from api.acusight.batches import KeptBatch
from api.acusight.body import sent
from api.acusight.data_wire import Shares
from api.acusight.problems import Problem
from api.auth import Caller
from api.gateway import Gate, Gateway
from infra.postgres import Row
from projections.datasets import queries as datasets
from schemas.datasets.messages import ChangeBatch, ChangeImage
from streams.datasets import shares

FINISHED = ("completed", "approved")
FEW = 3
"""A class of fewer images is warned of."""
AT_ONCE = 32
PROMOTED = "promote_to_dataset: the batch is not complete, or of no project"
router = APIRouter(prefix="/data")


class SplitRequest(Shares):
    mode: Literal["proportions", "all", "existing"]
    target: Literal["train", "val", "test"] | None = None
    completed_only: bool = True
    mark_all_complete: bool = False
    force_reassignment: bool = False
    promote_to_dataset: bool = False

    @model_validator(mode="after")
    def fits(self) -> Self:
        if self.mode == "all" and self.target is None:
            raise ValueError("target: mode all needs it")
        self.shares()
        return self

    def shares(self) -> dict[str, float]:
        """The part that each share is to get; none where images keep what they have."""
        if self.mode == "existing":
            return {}
        if self.mode == "all":
            return {split: float(split == self.target) for split in shares.SPLITS}
        return self.parts()


class SplitResult(BaseModel):
    batch_id: int
    total: int
    moved_count: int
    kept_count: int
    locked_count: int
    train_count: int
    val_count: int
    test_count: int
    split_counts: dict[str, int]
    class_distribution: dict[str, dict[str, int]]
    class_targets: dict[str, dict[str, float]]
    warnings: list[str]


class Plan(msgspec.Struct, frozen=True):
    """Images that are looked at, and which of them move where."""

    images: list[Row]
    moves: dict[str, str]

    def split(self, image: Row) -> str:
        return str(self.moves.get(image["id"], image["split"]))


@router.put("/batches/{id}/images/split", **told(Success[SplitResult], 400, 401, 403, 404, 409, body=SplitRequest))
async def split_batch_images(
    caller: Member, row: KeptBatch, body: Annotated[SplitRequest, Depends(sent(SplitRequest))], gate: Gate
) -> Answer:
    """Images that are not locked, each class spread as the shares say; the same again moves nothing."""
    if body.promote_to_dataset and (row["status"] != "complete" or row["shown_stage"] == "unassigned"):
        raise Problem("INVALID_STATE", "Only a complete batch of a project becomes a dataset.", PROMOTED)
    async with gate.reading(caller) as db:
        images = await datasets.to_split(db, row["id"])
    made = plan(body, images)
    if body.mark_all_complete:
        await finish(gate, caller, images)
    await changed(gate, caller, ((id, {"split": split}) for id, split in made.moves.items()))
    if body.promote_to_dataset:
        await gate.ask(ChangeBatch(changes={"stage": "dataset"}), stream=row["id"], caller=caller)
    return good({"batch_id": row["number"], **result(body, made)})


def plan(body: SplitRequest, images: list[Row]) -> Plan:
    everything = body.mark_all_complete or not body.completed_only
    seen = [image for image in images if everything or image["annotation_status"] in FINISHED]
    free = {
        image["id"]: image
        for image in seen
        if not image["locked"] and (body.force_reassignment or image["split"] == "none")
    }
    if body.mode == "existing":
        return Plan(seen, {})
    found = shares.split({id: image["classes"] for id, image in free.items()}, body.shares())
    return Plan(seen, {id: split for id, split in found.items() if free[id]["split"] != split})


async def finish(gate: Gateway, caller: Caller, images: list[Row]) -> None:
    """Every image is completed; one that was rejected is taken up again first."""
    rejected = [image["id"] for image in images if image["annotation_status"] == "rejected"]
    await changed(gate, caller, ((id, {"annotation_status": "in_progress"}) for id in rejected))
    open_ = [image["id"] for image in images if image["annotation_status"] not in FINISHED]
    await changed(gate, caller, ((id, {"annotation_status": "completed"}) for id in open_))


async def changed(gate: Gateway, caller: Caller, changes: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Many images at once."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(id: str, change: dict[str, Any]) -> None:
        async with turn:
            await gate.ask(ChangeImage(changes=change), stream=id, caller=caller)

    await asyncio.gather(*(one(id, change) for id, change in changes))


def result(body: SplitRequest, made: Plan) -> dict[str, Any]:
    got = dict.fromkeys(shares.SPLITS, 0) | Counter(made.split(image) for image in made.images)
    classes = sorted({value for image in made.images for value in image["classes"]})
    spread = {
        value: dict.fromkeys(shares.SPLITS, 0)
        | Counter(made.split(image) for image in made.images if value in image["classes"])
        for value in classes
    }
    frequency = {value: sum(counts.values()) for value, counts in spread.items()}
    locked = sum(image["locked"] for image in made.images)
    return {
        "total": len(made.images),
        "moved_count": len(made.moves),
        "kept_count": len(made.images) - len(made.moves) - locked,
        "locked_count": locked,
        **{f"{split}_count": got[split] for split in shares.SPLITS},
        "split_counts": got,
        "class_distribution": spread,
        "class_targets": {
            value: {split: round(share * frequency[value], 2) for split, share in body.shares().items()}
            for value in classes
        },
        "warnings": warnings(body, got, frequency),
    }


def warnings(body: SplitRequest, got: dict[str, int], frequency: dict[str, int]) -> list[str]:
    few = [f"class {value} has only {count} images" for value, count in frequency.items() if count < FEW]
    return few + [f"{split} is empty" for split, share in body.shares().items() if share > 0 and not got[split]]
