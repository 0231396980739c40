"""Profiles as DTDL-style JSON-LD interfaces (contract, 6.1). Pure."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.iot.answers import Shown, present

MEDIA_TYPE = "application/ld+json"
CONTEXT = ["dtmi:dtdl:context;3", {"iot": "urn:sightlog:iot:"}]
TYPES = {"DOUBLE": "double", "BIGINT": "long", "BOOLEAN": "boolean", "TEXT": "string"}


class DtdlInterface(Shown):
    """DTDL-style JSON-LD interface of one profile."""

    context: Any = Field(alias="@context")
    id: str = Field(alias="@id")
    type: str = Field(alias="@type")
    display_name: str | None = None
    contents: list[dict[str, Any]]


def interface(kind: str, body: dict[str, Any], contents: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@context": CONTEXT,
        "@id": f"dtmi:iot:{kind}:{body['name']};{body['version']}",
        "@type": "Interface",
        **present(displayName=body.get("displayName")),
        "contents": contents,
    }


def sensor_profile(body: dict[str, Any]) -> dict[str, Any]:
    return interface("sensor-profile", body, [field(one) for one in body["fields"]])


def device_profile(body: dict[str, Any]) -> dict[str, Any]:
    slots = [
        {
            "@type": "Component",
            "name": slot["key"],
            "schema": f"dtmi:iot:sensor-profile:{slot['sensorProfileName']};{slot['sensorProfileVersion']}",
        }
        for slot in body["components"]
    ]
    return interface("device-profile", body, slots + [field(one) for one in body.get("writableFields", [])])


def field(one: dict[str, Any]) -> dict[str, Any]:
    """A field that may be written is a Property, any other Telemetry."""
    writable = one.get("writable", False)
    said = present(unit=one.get("unit"), displayName=one.get("label"), description=one.get("description"))
    said |= {f"iot:{name}Value": one[name] for name in ("min", "max") if one.get(name) is not None}
    kind = {"@type": "Property", "writable": True} if writable else {"@type": "Telemetry"}
    return {**kind, "name": one["name"], "schema": schema(one), **said}


def schema(one: dict[str, Any]) -> Any:
    if one["type"] == "ARRAY":
        return {"@type": "Array", "elementSchema": TYPES[one["itemType"]]}
    return TYPES[one["type"]]
