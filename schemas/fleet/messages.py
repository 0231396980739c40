"""Generated from fleet/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

import msgspec

from schemas.base import Command, Event, Fact, Json


class ChangeDevice(Command, frozen=True, kw_only=True):
    """Replaces the named members; null clears one."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"

    changes: Json
    expected: int | None = None


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


class RetireDevice(Command, frozen=True, kw_only=True):
    """Takes a device out of the fleet."""

    CONTEXT = "fleet"
    TOPIC = "fleet.commands"


class DeviceChanged(Event, frozen=True, kw_only=True):
    """These members have these values now."""

    CONTEXT = "fleet"
    TOPIC = "fleet.events"

    changes: Json


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


class CheckIn(Fact, frozen=True, kw_only=True):
    """A device said how it is; the key is the device id. `metrics` is what the dialect names health or metrics."""

    CONTEXT = "fleet"
    TOPIC = "fleet.checkins"

    status: str | None = None
    metrics: Json = msgspec.field(default_factory=dict)
    model: str | None = None
    ip_address: str | None = None


Commands = ChangeDevice | RegisterDevice | RetireDevice


Events = DeviceChanged | DeviceRegistered | DeviceRetired


Facts = CheckIn
