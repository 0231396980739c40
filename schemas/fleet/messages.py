"""Generated from fleet/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.base import Command, Event, Fact, Json


class CancelAction(Command, frozen=True, kw_only=True):
    """Takes back what the device has not begun."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    action: str


class ChangeDevice(Command, frozen=True, kw_only=True):
    """Replaces the named members; null clears one."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    changes: Json
    expected: int | None = None


class DeliverActions(Command, frozen=True, kw_only=True):
    """The device has been told of these."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    actions: tuple[str, ...]


class ExpireAction(Command, frozen=True, kw_only=True):
    """Sent by the stream's own timer: the device has not come to an end with it in time."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    action: str


class QueueAction(Command, frozen=True, kw_only=True):
    """Asks something of a device; it is told when it next checks in. The stream is `actions:` and the device id. `artefact` is the file of `model` that the device is to fetch, and how it is to be shown."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    action: str
    device: str
    type: str
    model: str | None = None
    artefact: Json | None = None
    payload: Json = msgspec.field(default_factory=dict)
    seconds: int | None = None


class RegisterDevice(Command, frozen=True, kw_only=True):
    """A device joins the fleet; the stream is its id."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    name: str
    unique_name: bool = False
    virtual: bool = False
    status: str = "ACTIVE"
    external_id: str | None = None
    site: str | None = None
    server: str | None = None
    description: str | None = None
    serial: str | None = None
    profile: str | None = None
    tags: tuple[str, ...] = ()
    location: Json | None = None
    metadata: Json | None = None
    hardware_version: str | None = None
    agent_version: str | None = None
    ip_address: str | None = None


class ReportAction(Command, frozen=True, kw_only=True):
    """The device says how far it is with an action."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    action: str
    status: str
    message: str | None = None


class RetireDevice(Command, frozen=True, kw_only=True):
    """Takes a device out of the fleet."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"


class RunModel(Command, frozen=True, kw_only=True):
    """The device says which model it runs, as it was shown to it."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    model: str


class ActionMoved(Event, frozen=True, kw_only=True):
    """The action is at this state now."""

    CONTEXT = "fleet"
    TOPIC = "fleet.events"

    action: str
    status: str
    message: str | None = None


class ActionQueued(Event, frozen=True, kw_only=True):
    """A device is asked for this; it may answer until then."""

    CONTEXT = "fleet"
    TOPIC = "fleet.events"

    action: str
    device: str
    type: str
    model: str | None = None
    artefact: Json | None = None
    payload: Json = msgspec.field(default_factory=dict)
    until: datetime


class DeviceChanged(Event, frozen=True, kw_only=True):
    """These members have these values now."""

    CONTEXT = "fleet"
    TOPIC = "fleet.events"

    changes: Json
    lets_go: dict[str, str] = msgspec.field(default_factory=dict)


class DeviceRegistered(Event, frozen=True, kw_only=True):
    """A device is in the fleet."""

    CONTEXT = "fleet"
    TOPIC = "fleet.events"

    name: str
    unique_name: bool = False
    virtual: bool = False
    status: str = "ACTIVE"
    external_id: str | None = None
    site: str | None = None
    server: str | None = None
    description: str | None = None
    serial: str | None = None
    profile: str | None = None
    tags: tuple[str, ...] = ()
    location: Json | None = None
    metadata: Json | None = None
    hardware_version: str | None = None
    agent_version: str | None = None
    ip_address: str | None = None


class DeviceRetired(Event, frozen=True, kw_only=True):
    """A device has left the fleet."""

    CONTEXT = "fleet"
    TOPIC = "fleet.events"

    external_id: str | None = None
    name: str = ""
    lets_go: dict[str, str] = msgspec.field(default_factory=dict)


class CheckIn(Fact, frozen=True, kw_only=True):
    """A device said how it is; the key is the device id. `metrics` is what the dialect names health or metrics."""

    CONTEXT = "fleet"
    TOPIC = "fleet.checkins"

    status: str | None = None
    metrics: Json = msgspec.field(default_factory=dict)
    model: str | None = None
    ip_address: str | None = None


Commands = (
    CancelAction
    | ChangeDevice
    | DeliverActions
    | ExpireAction
    | QueueAction
    | RegisterDevice
    | ReportAction
    | RetireDevice
    | RunModel
)


Events = ActionMoved | ActionQueued | DeviceChanged | DeviceRegistered | DeviceRetired


Facts = CheckIn
