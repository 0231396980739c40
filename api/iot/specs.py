"""Exportable schemas, and the read calls of a schema registry, so that off-the-shelf consumers decode our topics
(contract, 6.1). Avro schemas hold nothing of anybody, so the registry's calls need no credential."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from fastapi import APIRouter

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import dtdl, messages
from api.iot.answers import Answer, Shown, of, told
from api.iot.auth import Member
from api.iot.problems import Problem, absent
from projections.records import queries as records
from schemas.generate import published
from schemas.registry import current, types, versions

router = APIRouter(prefix="/schemas", tags=["Specification and schemas"])
Kind = Literal["sensor-profile", "device-profile", "message"]
NO_SUBJECT, NO_VERSION, NO_SCHEMA = 40401, 40402, 40403
VALUE = "-value"


class JsonLd(Answer):
    media_type = dtdl.MEDIA_TYPE


class JsonSchema(Answer):
    media_type = "application/schema+json"


class Registry(Answer):
    media_type = "application/vnd.schemaregistry.v1+json"


class SchemaIndexEntry(Shown):
    """One exportable schema."""

    kind: str
    id: str
    name: str
    version: str
    href: str


def entry(kind: str, id: str, name: str, version: str) -> dict[str, str]:
    return {"kind": kind, "id": id, "name": name, "version": version, "href": f"/api/schemas/{kind}/{id}"}


@router.get("", **told(list[SchemaIndexEntry]))
async def list_schemas(caller: Member, gate: Gate, kind: Kind | None = None) -> Answer:
    """Index of exportable schemas"""
    found = [entry("message", name, name, "1") for name in messages.SCHEMAS if kind in (None, "message")]
    async with gate.reading(caller) as db:
        for profile in ("sensor-profile", "device-profile"):
            if kind in (None, profile):
                rows, _ = await records.page(db, profile, limit=10_000)
                found += [entry(profile, r["id"], r["body"]["name"], r["body"]["version"]) for r in rows]
    return Answer(found)


@router.get("/sensor-profile/{id}", **told(dtdl.DtdlInterface, 404, response_class=JsonLd))
async def get_sensor_profile_schema(id: str, caller: Member, gate: Gate) -> Answer:
    """Sensor profile as DTDL-style JSON-LD"""
    return JsonLd(dtdl.sensor_profile(await profile(gate, caller, "sensor-profile", id)))


@router.get("/device-profile/{id}", **told(dtdl.DtdlInterface, 404, response_class=JsonLd))
async def get_device_profile_schema(id: str, caller: Member, gate: Gate) -> Answer:
    """Device profile as DTDL-style JSON-LD"""
    return JsonLd(dtdl.device_profile(await profile(gate, caller, "device-profile", id)))


async def profile(gate: Gateway, caller: Caller, kind: str, id: str) -> dict[str, Any]:
    async with gate.reading(caller) as db:
        row = await records.one(db, kind, of(id))
    if row is None:
        raise absent()
    body: dict[str, Any] = row["body"]
    return body


@router.get("/message/{name}", **told(dict[str, Any], 404, response_class=JsonSchema))
async def get_message_schema(name: str) -> Answer:
    """JSON Schema of one device message"""
    found = messages.SCHEMAS.get(name)
    if found is None:
        raise absent()
    return JsonSchema(found)


def subjects() -> dict[str, tuple[str, ...]]:
    """Subject (`topic-value`, or the type's own name) -> the message types in it. Topics hold several types, so the
    subject of a type is its name (RecordNameStrategy); a fact topic's is also the topic's (TopicNameStrategy)."""
    return {**{name: (name,) for name in current()}, **{f"{topic}{VALUE}": (name,) for topic, name in facts().items()}}


def facts() -> dict[str, str]:
    return {kind.TOPIC: name for name, kind in types().items() if kind.KIND == "fact"}


def missing(code: int, message: str) -> Problem:
    return RegistryProblem(code, message)


class RegistryProblem(Problem):
    """An error in the registry's own form, beside ours."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(404, "NOT_FOUND", message)
        self.error_code = code

    def body(self, request: Any) -> dict[str, Any]:
        return {**super().body(request), "error_code": self.error_code, "message": self.detail}


@router.get("/ids/{id}", **told(dict[str, Any], 404, response_class=Registry))
async def get_schema_by_id(id: int) -> Answer:
    """The Avro schema that messages with this id were written with"""
    return Registry({"schema": text(id)})


def text(id: int) -> str:
    version = versions().get(id)
    if version is None:
        raise missing(NO_SCHEMA, "Schema not found")
    return orjson.dumps(dict(published()[version.name])[id]).decode()


@router.get("/schemas/ids/{id}", include_in_schema=False)
async def get_schema_as_registry(id: int) -> Answer:
    return Registry({"schema": text(id)})


@router.get("/subjects", **told(list[str], response_class=Registry))
async def list_subjects() -> Answer:
    """Subjects of the registry"""
    return Registry(sorted(subjects()))


def history(subject: str) -> list[tuple[int, int]]:
    """(number, id) of the versions of a subject."""
    names = subjects().get(subject)
    if names is None:
        raise missing(NO_SUBJECT, "Subject not found")
    return [(n, id) for name in names for n, (id, _) in enumerate(published()[name], start=1)]


@router.get("/subjects/{subject}/versions", **told(list[int], 404, response_class=Registry))
async def list_subject_versions(subject: str) -> Answer:
    """Versions of a subject"""
    return Registry([number for number, _ in history(subject)])


@router.get("/subjects/{subject}/versions/{version}", **told(dict[str, Any], 404, response_class=Registry))
async def get_subject_version(subject: str, version: str) -> Answer:
    """One version of a subject: its number or `latest`"""
    found = history(subject)
    wanted = found[-1][0] if version == "latest" else int(version) if version.isdecimal() and len(version) < 9 else 0
    id = dict(found).get(wanted)
    if id is None:
        raise missing(NO_VERSION, "Version not found")
    return Registry({"subject": subject, "version": wanted, "id": id, "schema": text(id)})
