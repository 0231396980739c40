"""Webhooks: an organisation's receivers and the messages for them. Each has its file; this one tells them apart."""

from __future__ import annotations

from typing import Any, cast, get_args

import msgspec

from schemas.base import Envelope, Event
from schemas.webhooks.messages import Commands, Events
from streams.decision import Decider, Refusal, Timer
from streams.webhooks import endpoints, messages
from streams.webhooks.endpoints import EndpointCommand, Receivers
from streams.webhooks.messages import Message, MessageCommand


class Nothing(msgspec.Struct, frozen=True, tag=True):
    """A stream that has not begun."""


State = Nothing | Receivers | Message
INITIAL: State = Nothing()
OF_MESSAGES = get_args(MessageCommand)


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Event, ...] | Refusal:
    if isinstance(command, OF_MESSAGES):
        if isinstance(state, Receivers):
            return Refusal("unknown")
        return messages.decide(state if isinstance(state, Message) else None, command, meta)
    assert isinstance(command, EndpointCommand)
    if isinstance(state, Message) or meta.stream != endpoints.receivers_stream(meta.organisation):
        return Refusal("unknown")
    return endpoints.decide(state if isinstance(state, Receivers) else Receivers(), command, meta)


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(state, Receivers) or meta.stream == endpoints.receivers_stream(meta.organisation):
        return endpoints.apply(state if isinstance(state, Receivers) else Receivers(), event, meta)
    return messages.apply(state if isinstance(state, Message) else None, event, meta) or state


def timers(state: State) -> tuple[Timer, ...]:
    return messages.timers(state) if isinstance(state, Message) else ()


DECIDER = Decider(cast(Any, State), INITIAL, decide, apply, timers=timers)
