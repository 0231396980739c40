"""Models and what devices run of them: two aggregates, one context. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.models.messages import Commands, Events, PipelinesSet
from streams.decision import Claim, Decider, Reference, Refusal, Timer
from streams.models import model, pipelines


class State(msgspec.Struct, frozen=True):
    """A stream is one of the two."""

    model: model.Model | None = None
    pipelines: pipelines.Pipelines | None = None


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, pipelines.Commands):
        return pipelines.decide(state.pipelines or pipelines.Pipelines(), command)
    return model.decide(state.model, command, meta)


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, PipelinesSet):
        return State(pipelines=pipelines.apply(event))
    return State(model=model.apply(state.model, event, meta))


def claims(state: State) -> tuple[Claim, ...]:
    return model.claims(state.model) if state.model else ()


def references(_state: State, command: Commands) -> tuple[Reference, ...]:
    if isinstance(command, pipelines.Commands):
        return pipelines.references(command)
    return model.references(command)


def timers(state: State) -> tuple[Timer, ...]:
    return model.timers(state.model) if state.model else ()


DECIDER = Decider(State, INITIAL, decide, apply, claims, references, timers)
