"""Provisioning: a stream is a token, or what a device proves itself with. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.provisioning.messages import Commands, Events
from streams.decision import Claim, Decider, Reference, Refusal
from streams.provisioning import devices, tokens
from streams.provisioning.devices import Device
from streams.provisioning.tokens import Token, TokenCommand, TokenEvent


class State(msgspec.Struct, frozen=True):
    """Which of the two a stream is shows with its first event."""

    token: Token | None = None
    device: Device | None = None


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, TokenCommand):
        return tokens.decide(state.token or Token(), command)
    return devices.decide(state.device or Device(), command, meta)


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, TokenEvent):
        return State(token=tokens.apply(state.token or Token(), event, meta))
    return State(device=devices.apply(state.device or Device(), event))


def claims(state: State) -> tuple[Claim, ...]:
    return (
        *(tokens.claims(state.token) if state.token else ()),
        *(devices.claims(state.device) if state.device else ()),
    )


def references(state: State, command: Commands) -> tuple[Reference, ...]:
    if isinstance(command, TokenCommand):
        return tokens.references(command)
    return devices.references(command)


DECIDER = Decider(State, INITIAL, decide, apply, claims, references)
