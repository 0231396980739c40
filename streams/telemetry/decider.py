"""Payloads put aside are discarded, readings under a key are taken once. Pure.

The stream is the payload's id, or follows from the key."""

from __future__ import annotations

from typing import assert_never

import msgspec

from schemas.base import Envelope
from schemas.telemetry.messages import (
    AcceptReadings,
    Commands,
    DiscardQuarantined,
    Events,
    QuarantinedDiscarded,
    ReadingsAccepted,
)
from streams.decision import Decider


class State(msgspec.Struct, frozen=True):
    """A payload, or a key, as it is decided on."""

    discarded: bool = False
    accepted: bool = False


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...]:
    match command:
        case DiscardQuarantined():
            return () if state.discarded else (QuarantinedDiscarded(),)
        case AcceptReadings():
            return () if state.accepted else (ReadingsAccepted(**msgspec.structs.asdict(command)),)
        case _:
            assert_never(command)


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, ReadingsAccepted):
        return msgspec.structs.replace(state, accepted=True)
    return msgspec.structs.replace(state, discarded=True)


DECIDER = Decider(State, INITIAL, decide, apply)
