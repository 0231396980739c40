"""Every kind of plain record: its body, what must be unique, what it refers to and what it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

Body = dict[str, Any]
RECORD = "record."
"""Scope of the claim to a record, before its kind."""


class Kind(msgspec.Struct, frozen=True):
    """One entry of the table.

    `unique` names body members (joined, lower-cased) that no other live record of the kind may repeat; `refers` maps a
    body member to the scope of the claim that must exist, `device` or `record.<kind>`; `holds` are those of them whose
    record cannot be retired meanwhile.
    """

    body: type[BaseModel]
    unique: tuple[tuple[str, ...], ...] = ()
    refers: dict[str, str] = {}
    holds: tuple[str, ...] = ()
    check: Callable[[Body], str | None] = lambda _body: None
    exact: bool = False
    """Names that differ in case only are different names."""

    def held(self, body: Body) -> dict[str, str]:
        """Id -> kind of the records that a body holds."""
        return {str(body[name]): self.refers[name].removeprefix(RECORD) for name in self.holds if body.get(name)}


class RecordBody(BaseModel):
    """Members that a kind does not know are kept: a dialect may show more than another."""

    model_config = ConfigDict(extra="allow")


class Site(RecordBody):
    """A place with devices: an Nx system, an IoT site."""

    name: str = Field(min_length=1, max_length=255)
    online: bool = True
    customization: str = "metavms"
    version: str = ""


class Server(RecordBody):
    """One media-server process of a site."""

    site: str
    name: str = Field(min_length=1, max_length=255)
    online: bool = True
    runtime: str = "cpu"
    architecture: str = "x86_64"
    supports_pipelines: bool = True
    preprocessors: list[str] = []
    postprocessors: list[str] = []


class Component(RecordBody):
    """A part of a device that carries sensors (IoT contract, 4)."""

    device: str
    key: str = Field(min_length=1, max_length=64)


class Sensor(RecordBody):
    """One value type of one component (IoT contract, 4)."""

    device: str
    component: str
    key: str = Field(min_length=1, max_length=36)
    value_type: str


class Named(RecordBody):
    name: str = Field(min_length=1, max_length=255)


class Catalogue(Named):
    """A set of models; these organisations see it, everybody when it is public."""

    public: bool = False
    organisations: list[str] = []


KINDS: dict[str, Kind] = {
    "site": Kind(Site, unique=(("name",),)),
    "server": Kind(Server, unique=(("site", "name"),), refers={"site": "record.site"}),
    "component": Kind(
        Component,
        unique=(("device", "key"),),
        refers={"device": "device", "profile": "record.sensor-profile"},
        holds=("profile",),
    ),
    "sensor": Kind(
        Sensor,
        unique=(("component", "key"),),
        refers={"device": "device", "component": "record.component"},
        exact=True,
    ),
    "group": Kind(Named, unique=(("name",),)),
    "project": Kind(Named, unique=(("name",),)),
    "catalogue": Kind(Catalogue),
    "dashboard": Kind(Named),
    "sensor-profile": Kind(Named, unique=(("name", "version"),)),
    "device-profile": Kind(Named, unique=(("name", "version"),)),
    "pack": Kind(Named, unique=(("key", "version"),)),
    "installed-pack": Kind(RecordBody, unique=(("key",),)),
    "firmware": Kind(Named, unique=(("name", "version"),)),
    "deployment": Kind(RecordBody, refers={"firmwareId": "record.firmware"}),
    "config-artefact": Kind(Named, unique=(("name", "version"),)),
    "binding": Kind(
        RecordBody,
        unique=(("targetType", "targetId", "artefactName"),),
        refers={"configArtefactId": "record.config-artefact"},
        holds=("configArtefactId",),
    ),
    "camera": Kind(Named, refers={"deviceId": "device"}),
    "capture": Kind(RecordBody),
    "capture-rule": Kind(Named),
    "live": Kind(RecordBody, refers={"cameraId": "record.camera"}),
    "alert-rule": Kind(Named, refers={"sensorId": "record.sensor"}, holds=("sensorId",)),
    "channel": Kind(Named),
    "event": Kind(RecordBody),
    "annotation-class": Kind(Named, unique=(("key",),)),
    "annotation": Kind(
        RecordBody, refers={"annotationClassId": "record.annotation-class"}, holds=("annotationClassId",)
    ),
    "reference-pair": Kind(
        RecordBody,
        refers={"primaryComponentId": "record.component", "referenceComponentId": "record.component"},
        holds=("primaryComponentId", "referenceComponentId"),
    ),
    "invitation": Kind(RecordBody, unique=(("email",),)),
}


def holders(kind: str) -> list[tuple[str, str]]:
    """The kinds that hold records of this kind, each with the member that names one."""
    scope = RECORD + kind
    return [(name, member) for name, one in KINDS.items() for member in one.holds if one.refers[member] == scope]
