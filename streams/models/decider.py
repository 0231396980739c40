"""Models, what devices run of them, how they are trained, exported and staged: five aggregates, one context. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.models.messages import Commands, Events, ModelStaged, PipelinesSet, StageModel
from streams.decision import Claim, Decider, Reference, Refusal, Timer
from streams.models import export, model, pipelines, stages, training


class State(msgspec.Struct, frozen=True):
    """A stream is one of the five."""

    model: model.Model | None = None
    pipelines: pipelines.Pipelines | None = None
    training: training.Training | None = None
    export: export.Export | None = None
    stages: stages.Stages | None = None


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, pipelines.Commands):
        return pipelines.decide(state.pipelines or pipelines.Pipelines(), command)
    if isinstance(command, training.Commands):
        return training.decide(state.training or training.Training(), command, meta)
    if isinstance(command, export.Commands):
        return export.decide(state.export or export.Export(), command)
    if isinstance(command, StageModel):
        return stages.decide(state.stages or stages.Stages(), command)
    return model.decide(state.model, command, meta)


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, PipelinesSet):
        return State(pipelines=pipelines.apply(event))
    if isinstance(event, training.Events):
        return State(training=training.apply(state.training or training.Training(), event))
    if isinstance(event, export.Events):
        return State(export=export.apply(event))
    if isinstance(event, ModelStaged):
        return State(stages=stages.apply(state.stages or stages.Stages(), event))
    return State(model=model.apply(state.model, event, meta))


def claims(state: State) -> tuple[Claim, ...]:
    return model.claims(state.model) if state.model else ()


def references(_state: State, command: Commands) -> tuple[Reference, ...]:
    if isinstance(command, pipelines.Commands):
        return pipelines.references(command)
    if isinstance(command, training.Commands):
        return training.references(command)
    if isinstance(command, export.Commands):
        return export.references(command)
    if isinstance(command, StageModel):
        return stages.references(command)
    return model.references(command)


def timers(state: State) -> tuple[Timer, ...]:
    if state.training is not None:
        return training.timers(state.training)
    return model.timers(state.model) if state.model else ()


DECIDER = Decider(State, INITIAL, decide, apply, claims, references, timers)
