"""Every kind of plain record: its body, what must be unique, what it refers to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field

Body = dict[str, Any]


class Kind(msgspec.Struct, frozen=True):
    """One entry of the table.

    `unique` names body members (joined, lower-cased) that no other live record of the kind may repeat; `refers` maps a
    body member to the scope of the claim that must exist, `device` or `record.<kind>`; a record that others refer to
    cannot be retired while they do, except those of a kind whose reference is in `cascades`.
    """

    body: type[BaseModel]
    unique: tuple[tuple[str, ...], ...] = ()
    refers: dict[str, str] = {}
    check: Callable[[Body], str | None] = lambda _body: None
    exact: bool = False
    """Names that differ in case only are different names."""


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
    "component": Kind(Component, unique=(("device", "key"),), refers={"device": "device"}),
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
    "config-artefact": Kind(Named, unique=(("name", "version"),)),
    "binding": Kind(
        RecordBody,
        unique=(("targetType", "targetId", "artefactName"),),
        refers={"configArtefactId": "record.config-artefact"},
    ),
    "camera": Kind(Named, refers={"deviceId": "device"}),
    "capture": Kind(RecordBody),
    "capture-rule": Kind(Named),
    "live": Kind(RecordBody, refers={"cameraId": "record.camera"}),
    "alert-rule": Kind(Named, refers={"sensorId": "record.sensor"}),
    "channel": Kind(Named),
    "event": Kind(RecordBody),
    "annotation-class": Kind(Named, unique=(("key",),)),
    "annotation": Kind(RecordBody, refers={"annotationClassId": "record.annotation-class"}),
    "reference-pair": Kind(
        RecordBody,
        refers={"primaryComponentId": "record.component", "referenceComponentId": "record.component"},
    ),
    "invitation": Kind(RecordBody, unique=(("email",),)),
}
