"""Datasets: a stream is the intake of a device, a batch, a picture that is labelled, or a version. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import Commands, Events
from streams.datasets import batches, images, intake, versions
from streams.datasets.batches import Batch, BatchCommand, BatchEvent
from streams.datasets.images import Image, ImageCommand, ImageEvent
from streams.datasets.intake import Intake
from streams.datasets.versions import Version, VersionCommand, VersionEvent
from streams.decision import Claim, Decider, Reference, Refusal, Timer


class State(msgspec.Struct, frozen=True):
    """Which of them a stream is shows with its first event."""

    intake: Intake | None = None
    batch: Batch | None = None
    image: Image | None = None
    version: Version | None = None


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, BatchCommand):
        return batches.decide(state.batch or Batch(), command)
    if isinstance(command, ImageCommand):
        return images.decide(state.image or Image(), command, meta)
    if isinstance(command, VersionCommand):
        return versions.decide(state.version or Version(), command)
    return intake.decide(state.intake or Intake(), command, meta)


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, BatchEvent):
        return State(batch=batches.apply(state.batch or Batch(), event, meta))
    if isinstance(event, ImageEvent):
        return State(image=images.apply(state.image or Image(), event, meta))
    if isinstance(event, VersionEvent):
        return State(version=versions.apply(state.version or Version(), event, meta))
    return State(intake=intake.apply(state.intake or Intake(), event, meta))


def claims(state: State) -> tuple[Claim, ...]:
    if state.version is not None:
        return versions.claims(state.version)
    return batches.claims(state.batch) if state.batch else ()


def references(_state: State, command: Commands) -> tuple[Reference, ...]:
    if isinstance(command, VersionCommand):
        return versions.references(command)
    return batches.references(command) if isinstance(command, BatchCommand) else ()


def timers(state: State) -> tuple[Timer, ...]:
    return intake.timers(state.intake) if state.intake else ()


DECIDER = Decider(State, INITIAL, decide, apply, claims, references, timers)
