"""Plain records: put and retired, by the table of kinds."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec
from pydantic import ValidationError

from schemas.base import Envelope, Event
from schemas.records.messages import Commands, Events, PutRecord, RecordPut, RecordRetired, RetireRecord
from streams.decision import Claim, Decider, Reference, Refusal
from streams.records.kinds import KINDS


class State(msgspec.Struct, frozen=True):
    """A record as of a version; `id` is its stream."""

    id: str = ""
    kind: str = ""
    live: bool = False
    version: int = 0
    body: dict[str, Any] = {}


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Event, ...] | Refusal:
    if command.kind not in KINDS or (state.kind and state.kind != command.kind):
        return Refusal("unknown", field="kind")
    if command.expected is not None and command.expected != state.version:
        return Refusal("version.stale", f"the record is at version {state.version}")
    match command:
        case PutRecord():
            return put(state, command)
        case RetireRecord():
            return (RecordRetired(kind=command.kind),) if state.live else Refusal("unknown")
        case _:
            assert_never(command)


def put(state: State, command: PutRecord) -> tuple[Event, ...] | Refusal:
    if state.kind and not state.live:
        return Refusal("unknown")
    kind = KINDS[command.kind]
    try:
        body = kind.body.model_validate(command.body).model_dump(mode="json")
    except ValidationError as wrong:
        first = wrong.errors()[0]
        return Refusal("invalid", first["msg"], ".".join(map(str, first["loc"])))
    if (problem := kind.check(body)) is not None:
        return Refusal("invalid", problem)
    return () if state.live and body == state.body else (RecordPut(kind=command.kind, body=body),)


def apply(state: State, event: Events, meta: Envelope) -> State:
    match event:
        case RecordPut():
            return State(meta.stream, event.kind, True, meta.version, event.body)
        case RecordRetired():
            return msgspec.structs.replace(state, live=False, version=meta.version)
        case _:
            assert_never(event)


def claims(state: State) -> tuple[Claim, ...]:
    """Its own id, so that others can refer to it, and its unique names."""
    if not state.live:
        return ()
    kind = KINDS[state.kind]
    joined = [(unique[-1], "/".join(str(state.body.get(member)) for member in unique)) for unique in kind.unique]
    names = [Claim(f"{state.kind}.{last}", name if kind.exact else name.lower(), "name.taken") for last, name in joined]
    return (Claim(f"record.{state.kind}", state.id), *names)


def references(state: State, command: Commands) -> tuple[Reference, ...]:
    """What the body names must exist; a reference that has not changed is not asked again."""
    if not isinstance(command, PutRecord) or command.kind not in KINDS or not isinstance(command.body, dict):
        return ()
    wanted = {member: scope for member, scope in KINDS[command.kind].refers.items() if command.body.get(member)}
    return tuple(
        Reference(scope, str(command.body[member]))
        for member, scope in wanted.items()
        if command.body[member] != state.body.get(member)
    )


DECIDER = Decider(State, INITIAL, decide, apply, claims, references)
