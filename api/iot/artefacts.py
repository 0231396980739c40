"""Config artefacts: unchangeable revisions of a configuration (contract, 6.8)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import orjson
from fastapi import APIRouter, Depends, Query, Request
from jsonschema_rs import Draft202012Validator
from pydantic import Field, JsonValue, model_validator

from api.auth import Caller
from api.gateway import Gate, Gateway, Refused
from api.iot import plain
from api.iot.answers import (
    Answer,
    Body,
    Id,
    Name,
    Paged,
    PageOf,
    QueryText,
    Shown,
    Text,
    path_id,
    present,
    sent,
    stamp,
    told,
)
from api.iot.auth import Admin, Member
from api.iot.captures import PresignedUrl
from api.iot.devices import named
from api.iot.exports import LINK
from api.iot.firmware import LARGEST, UploadUrl, soon
from api.iot.firmware import LINK as UPLOAD
from api.iot.problems import FieldError, Problem, invalid
from api.iot.profiles import device_profile, sensor_profile
from infra.objects import Objects
from infra.postgres import Row
from projections.records import queries as records
from schemas.ids import new_id

router = APIRouter(prefix="/v1/config-artefacts", tags=["Config artefacts"])
KIND, BINDING = "config-artefact", "binding"
ArtefactId = Annotated[str, path_id("artefactId")]
ProfileType = Literal["SENSOR_PROFILE", "DEVICE_PROFILE"]
PROFILES = {"SENSOR_PROFILE": ("sensor-profile", sensor_profile), "DEVICE_PROFILE": ("device-profile", device_profile)}
INLINE = 64 << 10
TRIES = 5
MEMBERS = (
    "name", "version", "profileType", "profileId", "storage", "contentType", "sizeBytes", "hash", "description",
)  # fmt: skip


class ConfigArtefactCreate(Body):
    name: Name
    profile_type: ProfileType
    profile_id: Id
    content_type: Annotated[Text, Field(min_length=1, max_length=120)] = "application/json"
    content: JsonValue = None
    upload_id: Id | None = None
    description: Text | None = None

    @model_validator(mode="after")
    def one_of(self) -> Self:
        if (self.content is None) == (self.upload_id is None):
            raise ValueError("exactly one of content and uploadId")
        return self


class ConfigArtefact(Shown):
    """One unchangeable revision of a configuration."""

    id: str
    name: str
    version: int
    profile_type: ProfileType
    profile_id: str
    storage: Literal["INLINE", "OBJECT"]
    content_type: str
    content: Any | None = None
    size_bytes: int
    hash: str
    description: str | None = None
    created_by: str
    created_at: datetime


class UploadUrlRequest(Body):
    file_name: Annotated[Text, Field(min_length=1, max_length=255)]
    content_type: Annotated[Text, Field(min_length=1, max_length=120)]
    size_bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")


def shown(row: Row, whole: bool = True) -> dict[str, Any]:
    said = plain.shown(
        row, *MEMBERS, createdBy=row["created_by"], content=row["body"].get("content") if whole else None
    )
    said.pop("updatedAt")
    return said


def key_of(caller: Caller, upload: str) -> str:
    return f"artefacts/{caller.organisation}/{upload}"


def inline(body: ConfigArtefactCreate) -> dict[str, Any]:
    """Content as it is kept; its hash is over sorted keys and no spaces (RFC 8785 for what is not exotic).

    Errors: Problem 413.
    """
    canonical = orjson.dumps(body.content, option=orjson.OPT_SORT_KEYS)
    if len(canonical) > INLINE:
        raise invalid("content", "TOO_LONG", f"More than {INLINE} bytes go by uploadId.", 413, "TOO_LARGE")
    digest = hashlib.sha256(canonical).hexdigest()
    return {"storage": "INLINE", "content": body.content, "sizeBytes": len(canonical), "hash": digest}


async def uploaded(objects: Objects, caller: Caller, upload: str) -> dict[str, Any]:
    """Errors: Problem 404 for nothing uploaded."""
    key = key_of(caller, upload)
    if not await objects.exists(key):
        raise invalid("uploadId", "NOT_FOUND", "Nothing has been uploaded there.", 404, "NOT_FOUND")
    digest = hashlib.sha256()
    async for chunk in objects.stream(key):
        digest.update(chunk)
    return {"storage": "OBJECT", "uploadId": upload, "sizeBytes": await objects.size(key), "hash": digest.hexdigest()}


def nowhere(uri: str) -> Any:
    """A schema stands by itself: nothing is fetched for it."""
    raise ValueError(uri)


def checked(schema: dict[str, Any], content: Any) -> None:
    """Errors: Problem 422 SCHEMA_VIOLATION with every place at fault."""
    try:
        validator = Draft202012Validator(schema, retriever=nowhere)
    except ValueError:
        raise Problem(422, "SCHEMA_VIOLATION", "The schema of the profile cannot be applied.") from None
    wrong = tuple(
        FieldError(".".join(map(str, ("content", *one.instance_path))), "INVALID_FORMAT", one.message[:200])
        for one in validator.iter_errors(content)
    )
    if wrong:
        raise Problem(422, "SCHEMA_VIOLATION", "The content breaks the schema of the profile.", *wrong)


@router.get("", **told(PageOf[ConfigArtefact], 400))
async def list_config_artefacts(
    caller: Member,
    page: Paged,
    gate: Gate,
    name: QueryText | None = None,
    profile_type: Annotated[ProfileType | None, Query(alias="profileType")] = None,
    profile_id: Annotated[str | None, Query(alias="profileId")] = None,
    latest_only: Annotated[bool, Query(alias="latestOnly")] = False,
) -> Answer:
    """List revisions"""
    where = present(name=name, profileType=profile_type, profileId=named(profile_id, "profileId"))
    also = []
    if latest_only:
        async with gate.reading(caller) as db:
            rows, _ = await records.page(db, KIND, where=where, limit=10_000)
        newest = {row["body"]["name"]: row["id"] for row in sorted(rows, key=lambda row: row["body"]["version"])}
        also = [records.only(list(newest.values()))]
    rows, total = await plain.listed(gate, caller, KIND, page, where=where, also=also)
    return page.answer([shown(row, whole=False) for row in rows], total)


@router.post("", **told(ConfigArtefact, 400, 403, 404, 409, 413, 422, status=201, body=ConfigArtefactCreate))
async def create_config_artefact(
    request: Request,
    caller: Admin,
    body: Annotated[ConfigArtefactCreate, Depends(sent(ConfigArtefactCreate))],
    gate: Gate,
) -> Answer:
    """Create an immutable revision"""
    kind, profile = PROFILES[body.profile_type]
    found = profile(await plain.needed(gate, caller, kind, body.profile_id, "profileId"))
    if body.upload_id is None:
        held = inline(body)
        checked(found["configSchema"], body.content)
    else:
        held = await uploaded(request.app.state.objects, caller, body.upload_id)
    told_of = {n: v for n, v in plain.members(body).items() if n not in ("content", "uploadId")}
    id = await numbered(request, gate, caller, {**told_of, **held})
    return Answer(shown(await plain.fetched(gate, caller, KIND, id)), 201)


async def numbered(request: Request, gate: Gateway, caller: Caller, kept: dict[str, Any]) -> str:
    """The next version of its name; whoever was faster leaves us the one behind."""
    for turn in range(TRIES):
        async with gate.reading(caller) as db:
            rows, _ = await records.page(db, KIND, where={"name": kept["name"]}, limit=10_000)
        version = max((row["body"]["version"] for row in rows), default=0) + 1
        try:
            return await plain.created(request, gate, caller, KIND, {**kept, "version": version})
        except Refused as refused:
            if refused.code != "name.taken" or turn == TRIES - 1 or "idempotency-key" in request.headers:
                raise
    raise AssertionError


@router.post("/upload-url", **told(UploadUrl, 400, 403, 413, status=201, body=UploadUrlRequest, keyed=False))
async def create_upload_url(
    request: Request, caller: Admin, body: Annotated[UploadUrlRequest, Depends(sent(UploadUrlRequest))]
) -> Answer:
    """Presigned upload for a large artefact"""
    if body.size_bytes > LARGEST:
        raise invalid("sizeBytes", "OUT_OF_RANGE", f"An artefact has {LARGEST} bytes at most.", 413, "TOO_LARGE")
    upload = new_id()
    link = await request.app.state.objects.link(key_of(caller, upload), UPLOAD, "PUT")
    said = {"uploadId": upload, "uploadUrl": link, "method": "PUT", "headers": {}}
    return Answer({**said, "expiresAt": stamp(soon())}, 201)


@router.get("/{artefactId}", **told(ConfigArtefact, 404))
async def get_config_artefact(id: ArtefactId, caller: Member, gate: Gate) -> Answer:
    """Read one revision"""
    return Answer(shown(await plain.fetched(gate, caller, KIND, id)))


@router.get("/{artefactId}/download", **told(PresignedUrl, 404, 409))
async def download_config_artefact(request: Request, id: ArtefactId, caller: Member, gate: Gate) -> Answer:
    """Presigned link to an OBJECT artefact"""
    row = await plain.fetched(gate, caller, KIND, id)
    if row["body"]["storage"] != "OBJECT":
        raise Problem(409, "INVALID_STATE", "The artefact is inline.")
    link = await request.app.state.objects.link(key_of(caller, row["body"]["uploadId"]), min(UPLOAD, LINK))
    return Answer({"url": link, "expiresAt": stamp(soon())})


@router.delete("/{artefactId}", **told(None, 403, 404, 409, status=204))
async def delete_config_artefact(request: Request, id: ArtefactId, caller: Admin, gate: Gate) -> Answer:
    """Delete an unbound revision"""
    row = await plain.fetched(gate, caller, KIND, id)
    await plain.retired(gate, caller, KIND, row["id"])
    if upload := row["body"].get("uploadId"):
        await request.app.state.objects.delete(key_of(caller, upload))
    return Answer(None, 204)
