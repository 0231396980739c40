"""Payloads put aside: that one is discarded is all there is to decide. The stream is the payload's id. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.telemetry.messages import DiscardQuarantined, QuarantinedDiscarded
from streams.decision import Decider


class State(msgspec.Struct, frozen=True):
    """A payload as it is decided on."""

    discarded: bool = False


INITIAL = State()


def decide(state: State, command: DiscardQuarantined, meta: Envelope) -> tuple[QuarantinedDiscarded, ...]:
    return () if state.discarded else (QuarantinedDiscarded(),)


def apply(state: State, event: QuarantinedDiscarded, meta: Envelope) -> State:
    return State(discarded=True)


DECIDER = Decider(State, INITIAL, decide, apply)
