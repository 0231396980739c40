"""Sensor and device profiles: fixed versions, installed by packs and never changed (contract, 6.6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain
from api.iot.answers import (
    Answer,
    Body,
    Free,
    Name,
    Page,
    Paged,
    PageOf,
    QueryText,
    Shown,
    Text,
    path_id,
    present,
    told,
)
from api.iot.auth import Member
from api.iot.values import ValueType
from infra.postgres import Row
from projections.records import queries as records

router = APIRouter(prefix="/v1", tags=["Profiles"])
SENSOR, DEVICE = "sensor-profile", "device-profile"
ProfileId = Annotated[str, path_id("profileId")]
Version = Annotated[str, Field(pattern=r"^\d{1,6}\.\d{1,6}$")]
Q = Annotated[QueryText | None, Query()]
FieldType = Literal["DOUBLE", "BIGINT", "BOOLEAN", "TEXT", "ARRAY"]
ABOUT = ("name", "version", "displayName", "description", "configSchema", "packKey", "deprecated")


class ProfileField(Body):
    """One field of a sensor profile."""

    name: str = Field(pattern=r"^[a-z][A-Za-z0-9_]{0,35}$")
    label: Text | None = None
    type: FieldType
    unit: Annotated[Text, Field(max_length=64)] | None = None
    min: float | None = None
    max: float | None = None
    required: bool = False
    writable: bool = False
    item_type: ValueType | None = None
    min_items: int | None = Field(default=None, ge=0, le=64)
    max_items: int | None = Field(default=None, ge=0, le=64)
    max_length: int | None = Field(default=None, ge=1, le=1000)
    description: Text | None = None

    @model_validator(mode="after")
    def fits(self) -> Self:
        if (self.type == "ARRAY") != (self.item_type is not None):
            raise ValueError("itemType is for an ARRAY, which has one")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class Profile(Body):
    """What both kinds of profile have, as a pack defines it."""

    name: Name
    version: Version
    display_name: Text | None = None
    description: Text | None = None
    config_schema: Free | None = None
    deprecated: bool | None = None


class NewSensorProfile(Profile):
    fields: list[ProfileField] = Field(min_length=1, max_length=200)


class Slot(Body):
    """Component slot of a device type."""

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,35}$")
    name: Text | None = None
    sensor_profile_name: Name
    sensor_profile_version: Version
    required: bool = False


class NewDeviceProfile(Profile):
    components: list[Slot] = Field(max_length=200)
    writable_fields: list[ProfileField] | None = None


class Installed(Shown):
    id: str
    name: str
    version: str
    display_name: str | None = None
    description: str | None = None
    config_schema: dict[str, Any] | None = None
    pack_key: str | None = None
    deprecated: bool | None = None
    created_at: datetime


class SensorProfile(Installed):
    """One fixed version of a measurement schema."""

    fields: list[ProfileField]


class DeviceProfile(Installed):
    """One fixed version of a device type."""

    components: list[Slot]
    writable_fields: list[ProfileField] | None = None


def shown(row: Row, *more: str) -> dict[str, Any]:
    said = plain.shown(row, *ABOUT, *more)
    said.pop("updatedAt")
    return said


def sensor_profile(row: Row) -> dict[str, Any]:
    """The schema of its configuration follows from the writable fields where none is given."""
    said = shown(row, "fields")
    return {**said, "configSchema": said.get("configSchema") or config_schema(said["fields"])}


def device_profile(row: Row) -> dict[str, Any]:
    said = shown(row, "components", "writableFields")
    return {**said, "configSchema": said.get("configSchema") or config_schema(said.get("writableFields") or [])}


JSON_TYPES = {"DOUBLE": "number", "BIGINT": "integer", "BOOLEAN": "boolean", "TEXT": "string"}


def config_schema(fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """JSON Schema 2020-12 of what may be configured."""
    writable = {one["name"]: json_schema(one) for one in fields if one.get("writable")}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": writable}
    return {**schema, "additionalProperties": False}


def json_schema(one: dict[str, Any]) -> dict[str, Any]:
    if one["type"] == "ARRAY":
        items = {"type": JSON_TYPES[one["itemType"]]}
        return {"type": "array", "items": items, **present(minItems=one.get("minItems"), maxItems=one.get("maxItems"))}
    limits = present(minimum=one.get("min"), maximum=one.get("max"), maxLength=one.get("maxLength"))
    return {"type": JSON_TYPES[one["type"]], **limits}


def order(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


async def listed(
    gate: Gateway, caller: Caller, kind: str, page: Page, where: dict[str, Any], latest: bool
) -> tuple[list[Row], int]:
    """A page of versions, or of the newest version of each name."""
    if not latest:
        return await plain.listed(gate, caller, kind, page, where=where)
    field, descending = page.order
    async with gate.reading(caller) as db:
        rows, _ = await records.page(
            db, kind, where=where, sort=plain.SORTS[field], descending=descending, limit=10_000
        )
    newest: dict[str, Row] = {}
    for row in rows:
        name = row["body"]["name"]
        if name not in newest or order(row["body"]["version"]) > order(newest[name]["body"]["version"]):
            newest[name] = row
    kept = [row for row in rows if newest[row["body"]["name"]] is row]
    return kept[page.offset : page.offset + page.size], len(kept)


Latest = Annotated[bool, Query(alias="latestOnly")]
PackKey = Annotated[QueryText | None, Query(alias="packKey")]


@router.get("/sensor-profiles", **told(PageOf[SensorProfile], 400))
async def list_sensor_profiles(
    caller: Member,
    page: Paged,
    gate: Gate,
    name: Q = None,
    version: Q = None,
    latest_only: Latest = False,
    pack_key: PackKey = None,
) -> Answer:
    """List, or look up name plus version"""
    where = present(name=name, version=version, packKey=pack_key)
    rows, total = await listed(gate, caller, SENSOR, page, where, latest_only)
    return page.answer([sensor_profile(row) for row in rows], total)


@router.get("/sensor-profiles/{profileId}", **told(SensorProfile, 404))
async def get_sensor_profile(id: ProfileId, caller: Member, gate: Gate) -> Answer:
    """Read one version"""
    return Answer(sensor_profile(await plain.fetched(gate, caller, SENSOR, id)))


@router.get("/device-profiles", **told(PageOf[DeviceProfile], 400))
async def list_device_profiles(
    caller: Member,
    page: Paged,
    gate: Gate,
    name: Q = None,
    version: Q = None,
    latest_only: Latest = False,
    pack_key: PackKey = None,
) -> Answer:
    """List, or look up name plus version"""
    where = present(name=name, version=version, packKey=pack_key)
    rows, total = await listed(gate, caller, DEVICE, page, where, latest_only)
    return page.answer([device_profile(row) for row in rows], total)


@router.get("/device-profiles/{profileId}", **told(DeviceProfile, 404))
async def get_device_profile(id: ProfileId, caller: Member, gate: Gate) -> Answer:
    """Read one version"""
    return Answer(device_profile(await plain.fetched(gate, caller, DEVICE, id)))
