"""Where the models of a project stand in its registry: one at most is in production. The stream is `stages:` and the
project, or the model where it has none. Pure."""

from __future__ import annotations

import msgspec

from schemas.models.messages import ModelStaged, StageModel
from streams.decision import Reference, Refusal

Commands = StageModel
Events = ModelStaged
MOVES = {
    "candidate": {"canary", "production", "archived"},
    "canary": {"production", "archived"},
    "production": {"archived"},
}
"""Where a model may stand next."""


class Stages(msgspec.Struct, frozen=True):
    """The stage of each model that has ever been moved."""

    stages: dict[str, str] = msgspec.field(default_factory=dict)


def stream_of(model: str, project: str | None) -> str:
    return f"stages:{project or model}"


def decide(known: Stages, command: StageModel) -> tuple[ModelStaged, ...] | Refusal:
    """What goes into production takes the place of what is there."""
    now = known.stages.get(command.model, "candidate")
    if command.stage == now:
        return ()
    if command.stage not in MOVES.get(now, ()):
        return Refusal("invalid_state", f"A model cannot go from {now} to {command.stage}.", "stage")
    former = [id for id, stage in known.stages.items() if stage == command.stage == "production"]
    staged = ModelStaged(model=command.model, stage=command.stage)
    return (*(ModelStaged(model=id, stage="archived") for id in former), staged)


def apply(known: Stages, event: ModelStaged) -> Stages:
    return Stages(known.stages | {event.model: event.stage})


def references(command: StageModel) -> tuple[Reference, ...]:
    return (Reference("model", command.model, "unknown"),)
