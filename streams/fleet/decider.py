"""Devices: how they join, change and leave; what they are asked to do. A device's stream is its id. Pure."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from schemas.base import Envelope
from schemas.fleet.messages import (
    ChangeDevice,
    Commands,
    DeviceChanged,
    DeviceRegistered,
    DeviceRetired,
    Events,
    RegisterDevice,
    RetireDevice,
)
from streams.decision import Claim, Decider, Reference, Refusal, Timer
from streams.fleet import actions
from streams.fleet.actions import Actions

STATUSES = frozenset({"PENDING", "ACTIVE", "INACTIVE", "MAINTENANCE", "OFFLINE", "REJECTED"})
FIXED = frozenset({"unique_name", "virtual", "external_id"})
PROFILE = "device-profile"
LATER = {"auto_assign_project": None, "portainer_endpoint": None, "config": None, "firmware_version": None}
"""Members that a device gets after it has joined."""


class State(msgspec.Struct, frozen=True):
    """A device as it is decided on; `members` is what every dialect can show of it. `actions` are a stream apart."""

    id: str = ""
    version: int = 0
    members: dict[str, Any] = msgspec.field(default_factory=dict)
    retired: bool = False
    actions: Actions | None = None

    @property
    def live(self) -> bool:
        return bool(self.id) and not self.retired


INITIAL = State()


def decide(state: State, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, actions.Commands):
        return actions.decide(state.actions or Actions(), command, meta)
    match command:
        case RegisterDevice():
            return register(state, command)
        case ChangeDevice():
            return change(state, command)
        case RetireDevice():
            if state.retired:
                return ()
            if not state.live:
                return Refusal("unknown")
            members = state.members
            return (DeviceRetired(external_id=members["external_id"], name=members["name"], lets_go=held(members)),)
        case _:
            assert_never(command)


def register(state: State, command: RegisterDevice) -> tuple[Events, ...] | Refusal:
    if state.id:
        return Refusal("device.exists", "This id is taken by a device.")
    if command.status not in STATUSES:
        return Refusal("invalid", f"{command.status} is not a status of a device.", "status")
    return (DeviceRegistered(**msgspec.structs.asdict(command)),)


def change(state: State, command: ChangeDevice) -> tuple[Events, ...] | Refusal:
    if not state.live:
        return Refusal("unknown")
    if command.expected is not None and command.expected != state.version:
        return Refusal("version.stale", f"The device is at version {state.version}.")
    for name in command.changes:
        if name not in state.members or name in FIXED:
            return Refusal("invalid", f"{name} cannot be changed.", name)
    changes = {name: value for name, value in command.changes.items() if state.members[name] != value}
    if not changes.get("name", True):
        return Refusal("invalid", "A device has a name.", "name")
    return moved(state, changes["status"], changes) if "status" in changes else told(state, changes)


def moved(state: State, status: str, changes: dict[str, Any]) -> tuple[Events, ...] | Refusal:
    """Admission and operation: nothing goes back to PENDING, and a waiting device is let in or turned away first."""
    if status not in STATUSES:
        return Refusal("invalid", f"{status} is not a status of a device.", "status")
    now = state.members["status"]
    if status == "PENDING" or (now in {"PENDING", "REJECTED"} and status not in {"ACTIVE", "REJECTED"}):
        return Refusal("invalid_state", f"A device cannot go from {now} to {status}.", "status")
    return told(state, changes)


def told(state: State, changes: dict[str, Any]) -> tuple[Events, ...]:
    former = {name: state.members[name] for name in changes}
    return (DeviceChanged(changes=changes, lets_go=held(former)),) if changes else ()


def held(members: dict[str, Any]) -> dict[str, str]:
    """Id -> kind of the records that a device with these members holds."""
    return {members["profile"]: PROFILE} if members.get("profile") else {}


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, actions.Events):
        return State(actions=actions.apply(state.actions or Actions(), event))
    match event:
        case DeviceRegistered():
            members = {**msgspec.structs.asdict(event), "tags": list(event.tags), **LATER}
            return State(id=meta.stream, version=meta.version, members=members)
        case DeviceChanged(changes=changes):
            return msgspec.structs.replace(state, version=meta.version, members={**state.members, **changes})
        case DeviceRetired():
            return msgspec.structs.replace(state, version=meta.version, retired=True)
        case _:
            assert_never(event)


def claims(state: State) -> tuple[Claim, ...]:
    """`device` lets others refer to it; the id its maker chose is its own; its name only where a dialect says so."""
    if not state.live:
        return ()
    held = [Claim("device", state.id)]
    if state.members["external_id"] is not None:
        held.append(Claim("device.external_id", state.members["external_id"], "device.exists"))
    if state.members["unique_name"]:
        held.append(Claim("device.name", state.members["name"], "name.taken"))
    return tuple(held)


def references(state: State, command: Commands) -> tuple[Reference, ...]:
    """Site, server and profile are records and must live when a device names them."""
    if isinstance(command, actions.Commands):
        return actions.references(command)
    match command:
        case RegisterDevice():
            asked = msgspec.structs.asdict(command)
        case ChangeDevice(changes=changes):
            asked = changes
        case _:
            asked = {}
    named = (("site", asked.get("site")), ("server", asked.get("server")), (PROFILE, asked.get("profile")))
    return tuple(Reference(f"record.{kind}", id) for kind, id in named if id)


def timers(state: State) -> tuple[Timer, ...]:
    return actions.timers(state.actions) if state.actions else ()


DECIDER = Decider(State, INITIAL, decide, apply, claims, references, timers)
