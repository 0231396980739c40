"""Batches of pictures on their way to a dataset. The stream is the batch id. Pure."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import BatchChanged, BatchFrozen, BatchOpened, ChangeBatch, FreezeBatch, OpenBatch
from streams.decision import Claim, Reference, Refusal

BatchCommand = OpenBatch | ChangeBatch | FreezeBatch
BatchEvent = BatchOpened | BatchChanged | BatchFrozen

MOVES = {"annotating": {"review", "dataset"}, "review": {"annotating", "dataset"}, "dataset": {"annotating"}}
"""Stages that a complete batch may go to."""


class Batch(msgspec.Struct, frozen=True):
    id: str = ""
    device: str | None = None
    members: dict[str, Any] = msgspec.field(default_factory=dict)
    frozen: bool = False


def decide(batch: Batch, command: BatchCommand) -> tuple[BatchEvent, ...] | Refusal:
    match command:
        case OpenBatch(name=name, device=device):
            return () if batch.id else (BatchOpened(name=name, device=device),)
        case ChangeBatch(changes=changes):
            return change(batch, changes) if batch.id else Refusal("unknown")
        case FreezeBatch():
            return (BatchFrozen(),) if batch.id and not batch.frozen else ()
        case _:
            assert_never(command)


def change(batch: Batch, asked: dict[str, Any]) -> tuple[BatchEvent, ...] | Refusal:
    """In order: name, status, project, stage; so one call may complete, assign and move."""
    now = dict(batch.members)
    now["name"] = asked.get("name", now["name"])
    if (status := asked.get("status", now["status"])) != now["status"]:
        if status != "complete":
            return Refusal("invalid_state", "A complete batch does not collect again.", "status")
        now["status"] = status
    if asked.get("project", now["project"]) != now["project"]:
        now["project"] = asked["project"]
        now["stage"] = "annotating" if now["project"] else "unassigned"
    if (stage := asked.get("stage", now["stage"])) != now["stage"]:
        if now["status"] != "complete" or stage not in MOVES.get(now["stage"], ()):
            reason = f"A batch that is {now['status']} cannot go from {now['stage']} to {stage}."
            return Refusal("invalid_state", reason, "stage")
        if batch.frozen:
            return Refusal("invalid_state", "Images of this batch are in a dataset version.", "stage")
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
        case BatchFrozen():
            return msgspec.structs.replace(batch, frozen=True)
        case _:
            assert_never(event)


def claims(batch: Batch) -> tuple[Claim, ...]:
    return (Claim("batch", batch.id),) if batch.id else ()


def references(command: BatchCommand) -> tuple[Reference, ...]:
    project = command.changes.get("project") if isinstance(command, ChangeBatch) else None
    return (Reference("record.project", project),) if project else ()
