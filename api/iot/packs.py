"""Packs: bundles of declarative definitions, registered, installed and taken off again (contract, 6.7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain, versions
from api.iot.answers import Answer, Body, Free, Name, Paged, PageOf, Shown, Text, present, sent, stamp, told
from api.iot.auth import Admin, Member
from api.iot.classes import AnnotationClassWrite
from api.iot.problems import Problem, absent, invalid
from api.iot.profiles import DEVICE, SENSOR, NewDeviceProfile, NewSensorProfile
from infra.postgres import Row
from projections.fleet import queries as fleet
from projections.records import queries as records
from schemas.ids import new_id
from schemas.records.messages import PutRecord

router = APIRouter(prefix="/v1/packs", tags=["Packs"])
PACK, INSTALLED, CLASS = "pack", "installed-pack", "annotation-class"
Status = Literal["AVAILABLE", "INSTALLING", "INSTALLED", "UPGRADE_AVAILABLE", "FAILED"]
JobFunction = Literal[
    "PEARSON_CORRELATION", "BIAS", "RMSE", "MAE", "THRESHOLD_EXCEEDANCE", "FLATLINE", "GAP_DETECTION", "Z_SCORE"
]  # fmt: skip
SEMVER = r"^\d{1,6}\.\d{1,6}\.\d{1,6}(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$"
ALL = 10_000
PARTS = {
    "sensorProfiles": "SENSOR_PROFILE",
    "deviceProfiles": "DEVICE_PROFILE",
    "annotationClasses": "ANNOTATION_CLASS",
    "jobDefinitions": "JOB_DEFINITION",
    "dashboards": "DASHBOARD",
    "alertRuleTemplates": "ALERT_RULE_TEMPLATE",
}
KINDS = {"sensorProfiles": SENSOR, "deviceProfiles": DEVICE, "annotationClasses": CLASS}
"""Parts that become records when a pack is installed."""


class JobDefinition(Body):
    """Recurring calculation, pack data only."""

    name: Name
    function: JobFunction
    schedule: Annotated[Text, Field(min_length=1, max_length=120)]
    inputs: Free
    window: Annotated[Text, Field(min_length=1, max_length=40)]
    thresholds: Free | None = None
    annotation_class_key: Annotated[Text, Field(min_length=1, max_length=120)]
    enabled: bool = True


class PackManifest(Body):
    """Uploaded pack definition."""

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")
    name: Name
    version: str = Field(pattern=SEMVER)
    description: Text | None = None
    publisher: Text | None = None
    sensor_profiles: list[NewSensorProfile] | None = Field(default=None, max_length=200)
    device_profiles: list[NewDeviceProfile] | None = Field(default=None, max_length=200)
    annotation_classes: list[AnnotationClassWrite] | None = Field(default=None, max_length=200)
    job_definitions: list[JobDefinition] | None = Field(default=None, max_length=200)
    dashboards: list[Free] | None = Field(default=None, max_length=50)
    alert_rule_templates: list[Free] | None = Field(default=None, max_length=200)


class PackInstall(Body):
    version: Annotated[str, Field(pattern=SEMVER)] | None = None


class PackItem(Shown):
    """One thing a pack installs."""

    kind: str
    name: str
    version: str | None = None
    resource_id: str | None = None


class Pack(Shown):
    """Installable bundle of declarative definitions."""

    key: str
    name: str
    version: str
    description: str | None = None
    publisher: str | None = None
    status: Status
    installed_version: str | None = None
    installed_at: datetime | None = None
    items: list[PackItem] | None = None


def order(version: str) -> tuple[int, int, int, bool, str]:
    """Semver precedence; what is before a release comes before it."""
    core, _, before = version.partition("+")[0].partition("-")
    major, minor, patch = core.split(".")
    return int(major), int(minor), int(patch), not before, before


async def known(gate: Gateway, caller: Caller) -> tuple[dict[str, list[Row]], dict[str, Row]]:
    """Versions of each pack, newest first, and what is installed, by key."""
    async with gate.reading(caller) as db:
        rows, _ = await records.page(db, PACK, limit=ALL)
        there, _ = await records.page(db, INSTALLED, limit=ALL)
    packs: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: order(row["body"]["version"]), reverse=True):
        packs.setdefault(row["body"]["key"], []).append(row)
    return packs, {row["body"]["key"]: row for row in there}


def items(manifest: dict[str, Any], resources: dict[str, str]) -> Iterator[dict[str, Any]]:
    for part, kind in PARTS.items():
        for one in manifest.get(part) or ():
            name = one.get("name") or one.get("key") or ""
            yield present(kind=kind, name=name, version=one.get("version"), resourceId=resources.get(label(kind, one)))


def label(kind: str, one: dict[str, Any]) -> str:
    return f"{kind}/{one.get('key') or one.get('name')}/{one.get('version', '')}"


def shown(newest: Row, installed: Row | None, detailed: bool = False) -> dict[str, Any]:
    body, there = newest["body"], installed["body"] if installed else {}
    current = there.get("version")
    said = present(
        key=body["key"],
        name=body["name"],
        version=body["version"],
        description=body.get("description"),
        publisher=body.get("publisher"),
        status=status(body["version"], current),
        installedVersion=current,
        installedAt=stamp(installed["updated_at"]) if installed else None,
    )
    return {**said, "items": list(items(body, there.get("resources") or {}))} if detailed else said


def status(newest: str, installed: str | None) -> str:
    if installed is None:
        return "AVAILABLE"
    return "UPGRADE_AVAILABLE" if order(newest) > order(installed) else "INSTALLED"


async def one(gate: Gateway, caller: Caller, key: str) -> tuple[list[Row], Row | None]:
    """Versions of a pack and its installation.

    Errors: Problem 404.
    """
    packs, there = await known(gate, caller)
    if key not in packs:
        raise absent()
    return packs[key], there.get(key)


@router.get("", **told(PageOf[Pack], 400))
async def list_packs(caller: Member, page: Paged, gate: Gate, status: Status | None = None) -> Answer:
    """Catalogue with install state"""
    packs, there = await known(gate, caller)
    found = [shown(rows[0], there.get(key)) for key, rows in packs.items()]
    field, descending = page.order
    if field == "name":
        found.sort(key=lambda pack: pack["name"].lower(), reverse=descending)
    found = [pack for pack in found if status in (None, pack["status"])]
    return page.answer(found[page.offset : page.offset + page.size], len(found))


@router.post("", **told(Pack, 400, 403, 409, 413, 422, status=201, body=PackManifest))
async def upload_pack(
    request: Request, caller: Admin, body: Annotated[PackManifest, Depends(sent(PackManifest))], gate: Gate
) -> Answer:
    """Register a private pack version"""
    packs, there = await known(gate, caller)
    async with gate.reading(caller) as db:
        published = [row["body"] for row in (await records.page(db, SENSOR, limit=ALL))[0]]
    published += [profile for row in packs.get(body.key, ()) for profile in row["body"].get("sensorProfiles") or ()]
    for n, profile in enumerate(body.sensor_profiles or ()):
        versions.check(plain.members(profile), published, f"sensorProfiles[{n}]")
    id = await plain.created(request, gate, caller, PACK, plain.members(body))
    row = await plain.fetched(gate, caller, PACK, id)
    return Answer(shown(row, there.get(body.key), detailed=True), 201)


@router.get("/{packKey}", **told(Pack, 404))
async def get_pack(packKey: str, caller: Member, gate: Gate) -> Answer:  # noqa: N803 - its name in the path
    """Pack detail with items"""
    rows, installed = await one(gate, caller, packKey)
    return Answer(shown(rows[0], installed, detailed=True))


@router.get("/{packKey}/job-definitions", **told(list[JobDefinition], 404))
async def list_pack_jobs(packKey: str, caller: Member, gate: Gate) -> Answer:  # noqa: N803
    """Installed job definitions"""
    rows, installed = await one(gate, caller, packKey)
    current = installed["body"]["version"] if installed else None
    return Answer([job for row in rows if row["body"]["version"] == current for job in jobs(row)])


def jobs(row: Row) -> list[dict[str, Any]]:
    return list(row["body"].get("jobDefinitions") or ())


@router.post("/{packKey}/install", **told(Pack, 400, 403, 404, 409, 413, 422, body=PackInstall))
async def install_pack(
    packKey: str,  # noqa: N803
    caller: Admin,
    body: Annotated[PackInstall, Depends(sent(PackInstall, needed=False))],
    gate: Gate,
) -> Answer:
    """Install or upgrade; the same version again changes nothing"""
    rows, installed = await one(gate, caller, packKey)
    wanted = next((row for row in rows if body.version in (None, row["body"]["version"])), None)
    if wanted is None:
        raise invalid("version", "NOT_FOUND", "There is no such version.", 404, "NOT_FOUND")
    if installed is None or installed["body"]["version"] != wanted["body"]["version"]:
        resources = await placed(gate, caller, wanted["body"])
        note = {"key": packKey, "version": wanted["body"]["version"], "resources": resources}
        id = installed["id"] if installed else new_id()
        await gate.ask(PutRecord(kind=INSTALLED, body=note), stream=id, caller=caller)
    return Answer(shown(*await newest(gate, caller, packKey), detailed=True))


async def newest(gate: Gateway, caller: Caller, key: str) -> tuple[Row, Row | None]:
    rows, installed = await one(gate, caller, key)
    return rows[0], installed


async def placed(gate: Gateway, caller: Caller, manifest: dict[str, Any]) -> dict[str, str]:
    """Ids of what the pack brings. A version that is there already is shared when it is the same.

    Errors: Problem 409 PROFILE_VERSION_EXISTS.
    """
    found: dict[str, str] = {}
    for part, kind in KINDS.items():
        for definition in manifest.get(part) or ():
            where = {name: definition[name] for name in ("key", "name", "version") if name in definition}
            where = {"key": where["key"]} if kind == CLASS else where
            async with gate.reading(caller) as db:
                rows, _ = await records.page(db, kind, where=where, limit=1)
            found[label(PARTS[part], definition)] = await settled(
                gate, caller, kind, definition, manifest["key"], rows[0] if rows else None
            )
    return found


async def settled(
    gate: Gateway, caller: Caller, kind: str, definition: dict[str, Any], pack: str, there: Row | None
) -> str:
    if there is not None:
        same = {name: value for name, value in there["body"].items() if name != "packKey"} == definition
        if kind != CLASS and not same:
            name = f"{definition['name']} {definition['version']}"
            raise Problem(409, "PROFILE_VERSION_EXISTS", f"{name} is installed with other content.")
        return str(there["id"])
    id = new_id()
    await gate.ask(PutRecord(kind=kind, body={**definition, "packKey": pack}), stream=id, caller=caller)
    return id


@router.delete("/{packKey}/install", **told(None, 403, 404, 409, status=204))
async def uninstall_pack(packKey: str, caller: Admin, gate: Gate) -> Answer:  # noqa: N803
    """Uninstall; 409 PACK_IN_USE while its profiles are bound; classes with annotations stay"""
    _, installed = await one(gate, caller, packKey)
    if installed is None:
        raise absent()
    brought = []
    async with gate.reading(caller) as db:
        for kind in KINDS.values():
            rows, _ = await records.page(db, kind, where={"packKey": packKey}, limit=ALL)
            brought += [(row, await uses(db, row)) for row in rows]
    if any(used for row, used in brought if row["kind"] != CLASS):
        raise Problem(409, "PACK_IN_USE", "Components or devices use a profile of the pack.")
    for row, used in brought:
        if not used:
            await plain.retired(gate, caller, row["kind"], row["id"])
    await plain.retired(gate, caller, INSTALLED, installed["id"])
    return Answer(None, 204)


async def uses(db: Any, row: Row) -> int:
    """How many things are bound to a profile, or labelled with a class."""
    if row["kind"] == DEVICE:
        return await fleet.counted(db, fleet.Filter(profile=row["id"]))
    kind, member = ("component", "profile") if row["kind"] == SENSOR else ("annotation", "annotationClassId")
    _, total = await records.page(db, kind, where={member: row["id"]}, limit=1)
    return total
