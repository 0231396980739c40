"""What a decider speaks in: refusals, claims, references, timers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from schemas.base import Command, Envelope, Event
from schemas.refusals import Code


class Refusal(msgspec.Struct, frozen=True):
    """A command was understood and not done. `field` names the input at fault, `detail` says it in a sentence."""

    code: Code
    detail: str = ""
    field: str | None = None


class Claim(msgspec.Struct, frozen=True):
    """A name that one stream may hold; `key` is unique in `scope` and organisation, or everywhere when `shared`.
    Taken by another: `refusal`."""

    scope: str
    key: str
    refusal: Code = msgspec.field(default="conflict")
    shared: bool = False


class Reference(msgspec.Struct, frozen=True):
    """A claim that some stream must hold for the command to be done. Held by none: `refusal`."""

    scope: str
    key: str
    refusal: Code = msgspec.field(default="reference.unknown")


class Timer(msgspec.Struct, frozen=True):
    """A command that the stream sends itself at `due`. A stream has at most one timer of a name."""

    name: str
    due: datetime
    command: Command


class Send(msgspec.Struct, frozen=True):
    """A command that a reaction asks of `stream`."""

    stream: str
    command: Command


class Decider(msgspec.Struct, frozen=True):
    """One context's rules, all pure.

    `claims` and `timers` are derived from the state: what a stream holds and waits for follows from what it is, so both
    are rebuilt with it. `references` is asked of the command: only the moment of deciding needs them.
    """

    state: type[Any]
    initial: Any
    decide: Callable[[Any, Any, Envelope], tuple[Event, ...] | Refusal]
    apply: Callable[[Any, Any, Envelope], Any]
    claims: Callable[[Any], tuple[Claim, ...]] = lambda _state: ()
    references: Callable[[Any, Any], tuple[Reference, ...]] = lambda _state, _command: ()
    timers: Callable[[Any], tuple[Timer, ...]] = lambda _state: ()


Reaction = Callable[[Any, Envelope], tuple[Send, ...]]
