"""Batches of pictures on their way to a dataset. The stream is the batch id. Pure."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import (
    AssignBatch,
    BatchChanged,
    BatchFrozen,
    BatchOpened,
    BatchRemoved,
    BatchThawed,
    ChangeBatch,
    FreezeBatch,
    OpenBatch,
    RemoveBatch,
    ThawBatch,
)
from streams.decision import Claim, Reference, Refusal

BatchCommand = OpenBatch | ChangeBatch | AssignBatch | FreezeBatch | ThawBatch | RemoveBatch
BatchEvent = BatchOpened | BatchChanged | BatchFrozen | BatchThawed | BatchRemoved

MOVES = {"annotating": {"review", "dataset"}, "review": {"annotating", "dataset"}, "dataset": {"annotating"}}
"""Stages that a complete batch may go to."""


class Batch(msgspec.Struct, frozen=True):
    id: str = ""
    device: str | None = None
    members: dict[str, Any] = msgspec.field(default_factory=dict)
    versions: tuple[str, ...] = ()
    """Names of the dataset versions that hold pictures of it."""
    removed: bool = False


def decide(batch: Batch, command: BatchCommand) -> tuple[BatchEvent, ...] | Refusal:
    if isinstance(command, OpenBatch):
        return () if batch.id else (BatchOpened(name=command.name, device=command.device),)
    if not batch.id or batch.removed:
        return Refusal("unknown")
    match command:
        case ChangeBatch(changes=changes):
            return change(batch, changes)
        case AssignBatch(project=project):
            return () if batch.members["project"] else change(batch, {"project": project})
        case FreezeBatch(name=name):
            return () if name in batch.versions else (BatchFrozen(name=name),)
        case ThawBatch(name=name):
            return (BatchThawed(name=name),) if name in batch.versions else ()
        case RemoveBatch(images=images):
            return frozen() if batch.versions else (BatchRemoved(images=images, device=batch.device),)
        case _:
            assert_never(command)


def frozen(field: str | None = None) -> Refusal:
    return Refusal("invalid_state", "Images of this batch are in a dataset version.", field)


def change(batch: Batch, asked: dict[str, Any]) -> tuple[BatchEvent, ...] | Refusal:
    """In order: name, status, project, stage; so one call may complete, assign and move."""
    now = dict(batch.members)
    now["name"] = asked.get("name", now["name"])
    if (status := asked.get("status", now["status"])) != now["status"]:
        if status != "complete":
            return Refusal("invalid_state", "A complete batch does not collect again.", "status")
        now["status"] = status
    if asked.get("project", now["project"]) != now["project"]:
        if batch.versions:
            return frozen("project_id")
        now["project"] = asked["project"]
        now["stage"] = "annotating" if now["project"] else "unassigned"
    if (stage := asked.get("stage", now["stage"])) != now["stage"]:
        if now["status"] != "complete" or stage not in MOVES.get(now["stage"], ()):
            reason = f"A batch that is {now['status']} cannot go from {now['stage']} to {stage}."
            return Refusal("invalid_state", reason, "stage")
        if batch.versions and now["stage"] == "dataset":
            return frozen("stage")
        now["stage"] = stage
    changes = {name: value for name, value in now.items() if batch.members[name] != value}
    return (BatchChanged(changes=changes, device=batch.device),) if changes else ()


def apply(batch: Batch, event: BatchEvent, meta: Envelope) -> Batch:
    match event:
        case BatchOpened(name=name, device=device):
            members = {"name": name, "status": "collecting", "project": None, "stage": "unassigned"}
            return Batch(meta.stream, device, members)
        case BatchChanged(changes=changes):
            return msgspec.structs.replace(batch, members={**batch.members, **changes})
        case BatchFrozen(name=name):
            return msgspec.structs.replace(batch, versions=(*batch.versions, name))
        case BatchThawed(name=name):
            return msgspec.structs.replace(batch, versions=tuple(one for one in batch.versions if one != name))
        case BatchRemoved():
            return msgspec.structs.replace(batch, removed=True)
        case _:
            assert_never(event)


def claims(batch: Batch) -> tuple[Claim, ...]:
    return (Claim("batch", batch.id),) if batch.id and not batch.removed else ()


def references(command: BatchCommand) -> tuple[Reference, ...]:
    match command:
        case ChangeBatch(changes={"project": str(project)}) | AssignBatch(project=project):
            return (Reference("record.project", project),)
        case _:
            return ()
