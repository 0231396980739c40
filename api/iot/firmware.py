"""Firmware: registered, uploaded by a link, checked, fetched with a short grant (contract, 6.17)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import RedirectResponse

from api.auth import Caller
from api.gateway import Gate, Gateway
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
from api.iot.packs import SEMVER
from api.iot.problems import Problem, invalid
from infra.objects import Objects
from infra.postgres import Row
from infra.vault import Unsealable, Vault
from projections.fleet import queries as fleet

router = APIRouter(prefix="/v1/firmware", tags=["Firmware"])
KIND = "firmware"
FirmwareId = Annotated[str, path_id("firmwareId")]
Status = Literal["UPLOADING", "AVAILABLE", "DEPRECATED", "REJECTED"]
LARGEST = 256 << 20
LINK = timedelta(minutes=15)
MEMBERS = ("name", "version", "deviceProfileName", "status", "fileName", "sizeBytes", "sha256", "releaseNotes")


class FirmwareCreate(Body):
    name: Name
    version: str = Field(pattern=SEMVER)
    device_profile_name: Text | None = None
    file_name: Annotated[Text, Field(min_length=1, max_length=255)]
    size_bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")
    release_notes: Text | None = None


class Firmware(Shown):
    """One binary release."""

    id: str
    name: str
    version: str
    device_profile_name: str | None = None
    status: Status
    file_name: str
    size_bytes: int
    sha256: str
    release_notes: str | None = None
    created_by: str
    created_at: datetime


class UploadUrl(Shown):
    """Presigned PUT."""

    upload_id: str
    upload_url: str
    method: str
    headers: dict[str, str] | None = None
    expires_at: datetime


class FirmwareCreated(Shown):
    firmware: Firmware
    upload: UploadUrl


class FirmwareDownloadTokenCreate(Body):
    device_id: Id


class FirmwareDownloadToken(Shown):
    """Brief permission to fetch one binary."""

    token: str
    firmware_id: str
    device_id: str
    download_url: str
    expires_at: datetime


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """What a download token holds, sealed."""

    organisation: str
    firmware: str
    device: str
    until: int


def shown(row: Row) -> dict[str, Any]:
    said = plain.shown(row, *MEMBERS, createdBy=row["created_by"])
    said.pop("updatedAt")
    return said


def key_of(caller: Caller, id: str) -> str:
    return f"firmware/{caller.organisation}/{id}"


def soon() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + LINK


@router.get("", **told(PageOf[Firmware], 400))
async def list_firmware(
    caller: Member, page: Paged, gate: Gate, name: QueryText | None = None, status: Status | None = None
) -> Answer:
    """List firmware"""
    rows, total = await plain.listed(gate, caller, KIND, page, where=present(name=name, status=status))
    return page.answer([shown(row) for row in rows], total)


@router.post("", **told(FirmwareCreated, 400, 403, 409, 413, status=201, body=FirmwareCreate))
async def create_firmware(
    request: Request, caller: Admin, body: Annotated[FirmwareCreate, Depends(sent(FirmwareCreate))], gate: Gate
) -> Answer:
    """Register a version, get an upload link"""
    if body.size_bytes > LARGEST:
        raise invalid("sizeBytes", "OUT_OF_RANGE", f"A binary has {LARGEST} bytes at most.", 413, "TOO_LARGE")
    kept = {**plain.members(body), "sha256": body.sha256.lower(), "status": "UPLOADING"}
    id = await plain.created(request, gate, caller, KIND, kept)
    row = await plain.fetched(gate, caller, KIND, id)
    objects: Objects = request.app.state.objects
    link, until = await objects.link(key_of(caller, id), LINK, "PUT"), soon()
    upload: dict[str, Any] = {
        "uploadId": id,
        "uploadUrl": link,
        "method": "PUT",
        "headers": {},
        "expiresAt": stamp(until),
    }
    return Answer({"firmware": shown(row), "upload": upload}, 201)


@router.get("/{firmwareId}", **told(Firmware, 404))
async def get_firmware(id: FirmwareId, caller: Member, gate: Gate) -> Answer:
    """Read one version"""
    return Answer(shown(await plain.fetched(gate, caller, KIND, id)))


@router.post("/{firmwareId}/complete", **told(Firmware, 403, 404, 409, 422))
async def complete_firmware(request: Request, id: FirmwareId, caller: Admin, gate: Gate) -> Answer:
    """Verify the upload and publish"""
    row = await plain.fetched(gate, caller, KIND, id)
    if row["body"]["status"] != "UPLOADING":
        raise Problem(409, "INVALID_STATE", f"The firmware is {row['body']['status']}.")
    good = await verified(request.app.state.objects, key_of(caller, row["id"]), row["body"])
    await moved(gate, caller, row, "AVAILABLE" if good else "REJECTED")
    if not good:
        raise Problem(422, "HASH_MISMATCH", "What was uploaded is not what was announced.")
    return Answer(shown(await plain.fetched(gate, caller, KIND, row["id"])))


async def verified(objects: Objects, key: str, body: dict[str, Any]) -> bool:
    """Whether size and digest are those announced.

    Errors: Problem 409 before anything is there.
    """
    if not await objects.exists(key):
        raise Problem(409, "INVALID_STATE", "Nothing has been uploaded yet.")
    digest = hashlib.sha256()
    async for chunk in objects.stream(key):
        digest.update(chunk)
    return (await objects.size(key), digest.hexdigest()) == (body["sizeBytes"], body["sha256"])


async def moved(gate: Gateway, caller: Caller, row: Row, status: str) -> None:
    """Only from the version that was read: of two at once one is told so."""
    await plain.replaced(gate, caller, KIND, row["id"], {**row["body"], "status": status}, row["version"])


@router.post(
    "/{firmwareId}/download-tokens",
    **told(FirmwareDownloadToken, 400, 403, 404, 409, 413, status=201, body=FirmwareDownloadTokenCreate, keyed=False),
)
async def create_download_token(
    request: Request,
    id: FirmwareId,
    caller: Admin,
    body: Annotated[FirmwareDownloadTokenCreate, Depends(sent(FirmwareDownloadTokenCreate))],
    gate: Gate,
) -> Answer:
    """Mint a download grant"""
    row = await available(gate, caller, id)
    async with gate.reading(caller) as db:
        if await fleet.device(db, body.device_id) is None:
            raise invalid("deviceId", "NOT_FOUND", "There is no such device.", 404, "NOT_FOUND")
    until = soon()
    token, url = granted(request, Grant(caller.organisation, row["id"], body.device_id, int(until.timestamp())))
    said = {"token": token, "firmwareId": row["id"], "deviceId": body.device_id, "downloadUrl": url}
    return Answer({**said, "expiresAt": stamp(until)}, 201)


async def available(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404, 409 for a version that nobody may have."""
    row = await plain.fetched(gate, caller, KIND, id)
    if row["body"]["status"] != "AVAILABLE":
        raise Problem(409, "INVALID_STATE", f"The firmware is {row['body']['status']}.")
    return row


def granted(request: Request, grant: Grant) -> tuple[str, str]:
    """Token and link of a grant."""
    token: str = request.app.state.vault.seal(msgspec.json.encode(grant).decode())
    return token, f"{request.app.state.settings.api.public_url}/api/v1/firmware/download/{token}"


def instructions(request: Request, organisation: str, row: Row, device: str, until: datetime) -> dict[str, Any]:
    """What a device is told to install, with a grant of its own."""
    token, url = granted(request, Grant(organisation, row["id"], device, int(until.timestamp())))
    body = row["body"]
    what = {"firmware_id": row["id"], "version": body["version"], "sha256": body["sha256"]}
    return {**what, "size_bytes": body["sizeBytes"], "url": url, "token": token}


def opened(vault: Vault, token: str) -> Grant:
    """Errors: Problem 401, 410."""
    try:
        grant = msgspec.json.decode(vault.open(token), type=Grant)
    except (Unsealable, msgspec.DecodeError, UnicodeError):
        raise Problem(401, "INVALID_TOKEN", "The token opens nothing.") from None
    if grant.until <= datetime.now(UTC).timestamp():
        raise Problem(410, "TOKEN_EXPIRED", "The grant has lapsed.")
    return grant


@router.get("/download/{token}", **told(None, 410, status=302))
async def download_firmware(request: Request, token: str, gate: Gate) -> RedirectResponse:
    """Fetch the binary with a grant"""
    grant = opened(request.app.state.vault, token)
    caller = Caller(organisation=grant.organisation, actor=grant.device, role="device", surface="iot")
    row = await plain.fetched(gate, caller, KIND, grant.firmware)
    return RedirectResponse(await request.app.state.objects.link(key_of(caller, row["id"]), LINK), 302)
