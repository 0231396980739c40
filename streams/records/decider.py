"""Plain records: put and retired, by the table of kinds.

What names a record and must not lose it holds it: its event tells so, and `reactions.py` passes that on to the record,
which counts who holds it and is not retired before the last has let go. Who comes to a record that has just been
retired finds nobody to hold; a reader takes what such a one names as gone.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec
from pydantic import ValidationError

from schemas.base import Envelope, Event
from schemas.records.messages import (
    Commands,
    Events,
    HoldRecord,
    PutRecord,
    RecordHeld,
    RecordPut,
    RecordReleased,
    RecordRetired,
    ReleaseRecord,
    RetireRecord,
)
from streams.decision import Claim, Decider, Reference, Refusal
from streams.records.kinds import KINDS, RECORD


class State(msgspec.Struct, frozen=True):
    """A record as of the version that was last put; `id` is its stream, `held` how many things hold it."""

    id: str = ""
    kind: str = ""
    live: bool = False
    version: int = 0
    body: dict[str, Any] = {}
    held: int = 0

    @property
    def holds(self) -> dict[str, str]:
        """Id -> kind of the records that this one holds."""
        return KINDS[self.kind].held(self.body) if self.live else {}


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Event, ...] | Refusal:
    if command.kind not in KINDS or (state.kind and state.kind != command.kind):
        return Refusal("unknown", field="kind")
    match command:
        case PutRecord() | RetireRecord() if command.expected not in (None, state.version):
            return Refusal("version.stale", f"the record is at version {state.version}")
        case PutRecord():
            return put(state, command)
        case RetireRecord():
            return retire(state)
        case HoldRecord():
            held = RecordHeld(kind=command.kind, holder=command.holder)
            return (held,) if state.live else Refusal("unknown")
        case ReleaseRecord():
            released = RecordReleased(kind=command.kind, holder=command.holder)
            return (released,) if state.held else ()
        case _:
            assert_never(command)


def retire(state: State) -> tuple[Event, ...] | Refusal:
    if not state.live:
        return Refusal("unknown")
    if state.held:
        return Refusal("still_referenced", f"{state.held} others name this {state.kind}.", state.kind)
    return (RecordRetired(kind=state.kind, lets_go=state.holds),)


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
    if state.live and body == state.body:
        return ()
    holds, former = kind.held(body), state.holds
    lets_go = {id: named for id, named in former.items() if id not in holds}
    fresh = {id: named for id, named in holds.items() if id not in former}
    return (RecordPut(kind=command.kind, body=body, holds=fresh, lets_go=lets_go),)


def apply(state: State, event: Events, meta: Envelope) -> State:
    match event:
        case RecordPut():
            return State(meta.stream, event.kind, True, meta.version, event.body, state.held)
        case RecordRetired():
            return msgspec.structs.replace(state, live=False, version=meta.version)
        case RecordHeld():
            return msgspec.structs.replace(state, held=state.held + 1)
        case RecordReleased():
            return msgspec.structs.replace(state, held=state.held - 1)
        case _:
            assert_never(event)


def claims(state: State) -> tuple[Claim, ...]:
    """Its own id, so that others can refer to it, and its unique names."""
    if not state.live:
        return ()
    kind = KINDS[state.kind]
    joined = [(unique[-1], "/".join(str(state.body.get(member)) for member in unique)) for unique in kind.unique]
    names = [Claim(f"{state.kind}.{last}", name if kind.exact else name.lower(), "name.taken") for last, name in joined]
    return (Claim(f"{RECORD}{state.kind}", state.id), *names)


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
