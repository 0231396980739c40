"""Pictures that people put into a batch, one or many at once; a bad file does not fail its siblings (contract 7.2)."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.acusight.answers import Answer, Success, good, taking, told
from api.acusight.auth import Member
from api.acusight.batches import KeptBatch
from api.acusight.problems import Problem, invalid, refusal
from api.acusight.storing import of_same_bytes, stored
from api.acusight.upload import Picture, discard, taken
from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, Pending, Refused, asked
from api.multipart import parts
from infra.objects import Objects
from infra.postgres import Row
from projections.datasets import queries as datasets
from schemas.media.messages import StoreImage

MOST = 50
PATHS_LIMIT = 256 << 10
router = APIRouter(prefix="/data/batches/{id}/uploads")
BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
ONE = {"type": "object", "required": ["file"], "properties": {"file": BINARY, "path": {"type": "string"}}}
MANY = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "maxItems": MOST, "items": BINARY},
        "paths": {"type": "string", "description": "newline-separated relative paths, one a file"},
    },
}


class UploadedFile(BaseModel):
    filename: str
    path: str
    storage_key: str = ""
    image_id: int | None
    status: Literal["stored", "duplicate", "rejected"]
    message: str = ""


class BatchUploadResult(BaseModel):
    batch_id: int
    files: list[UploadedFile]
    accepted: int
    rejected: int


class Sent(msgspec.Struct, frozen=True):
    """A file as it came: a stored picture, or why it is none."""

    filename: str
    picture: Picture | Problem


class Form(msgspec.Struct, frozen=True):
    files: list[Sent]
    paths: list[str]

    def fingerprint(self) -> bytes:
        bytes = [one.picture.sha256 if isinstance(one.picture, Picture) else one.filename for one in self.files]
        return hashlib.sha256("\n".join((*bytes, *self.paths)).encode()).digest()


async def form(request: Request, objects: Objects, file: str, path: str, most: int) -> Form:
    """The form's files, stored; when the form itself is at fault nothing stays.

    Errors: Problem, Malformed.
    """
    files: list[Sent] = []
    paths: list[str] = []
    try:
        async for part in parts(request.headers.get("content-type", ""), request.stream()):
            if part.name == file:
                if len(files) == most:
                    raise Problem("PAYLOAD_TOO_LARGE", "Too many files.", f"{file}: more than {most}")
                files.append(Sent(part.filename or file, await tried(part, objects)))
            elif part.name == path:
                paths = (await part.read(PATHS_LIMIT)).decode("utf-8", "replace").splitlines()
        if not files:
            raise invalid(file, "the part is missing")
        if paths and len(paths) != len(files):
            raise invalid(path, f"{len(paths)} for {len(files)} files")
        return Form(files, paths or [""] * len(files))
    except BaseException:
        await thrown_away(objects, files)
        raise


async def tried(part: Any, objects: Objects) -> Picture | Problem:
    try:
        return await taken(part, objects)
    except Problem as wrong:
        if wrong.code == "SERVICE_UNAVAILABLE":
            raise
        return wrong


async def thrown_away(objects: Objects, files: list[Sent]) -> None:
    for one in files:
        if isinstance(one.picture, Picture):
            await discard(objects, one.picture.storage_key)


def nested(path: str, filename: str) -> str:
    """The file's place below the batch.

    Errors: Problem.
    """
    place = PurePosixPath(path.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or not path.isprintable() or len(path) > 255:
        raise invalid("path", "is not a path below the batch")
    return str(place if place.name == filename else place / filename)


@router.post(
    "",
    **told(Success[BatchUploadResult], 400, 401, 403, 404, 409, 413, status=201),
    openapi_extra=taking("multipart/form-data", ONE),
)
async def upload_batch_file(request: Request, caller: Member, row: KeptBatch, gate: Gate) -> Answer:
    """One file."""
    objects: Objects = request.app.state.objects
    sent = await form(request, objects, "file", "path", 1)
    (one,) = sent.files
    if isinstance(one.picture, Problem) and one.picture.code == "PAYLOAD_TOO_LARGE":
        raise one.picture
    return good(await put(request, gate, caller, row, sent), 201)


@router.post(
    "/stream",
    **told(Success[BatchUploadResult], 400, 401, 403, 404, 409, 413, status=202),
    openapi_extra=taking("multipart/form-data", MANY),
)
async def stream_batch_files(request: Request, caller: Member, row: KeptBatch, gate: Gate) -> Answer:
    """Up to fifty files, each with its own result."""
    sent = await form(request, request.app.state.objects, "files", "paths", MOST)
    return good(await put(request, gate, caller, row, sent), 202)


async def put(request: Request, gate: Gateway, caller: Caller, batch: Row, sent: Form) -> dict[str, Any]:
    """What became of each file.

    Errors: Problem INVALID_STATE for a batch that is complete.
    """
    objects: Objects = request.app.state.objects
    if batch["status"] == "complete":
        await thrown_away(objects, sent.files)
        raise Problem("INVALID_STATE", "A complete batch takes no more images.")
    ask = asked(request, caller, sent.fingerprint())
    files: list[dict[str, Any]] = []
    try:
        for one, path in zip(sent.files, sent.paths, strict=True):
            files.append(await result(gate, caller, batch, one, path, ask.step(f"file {len(files)}"), objects))
    except BaseException:
        await thrown_away(objects, sent.files[len(files) + 1 :])
        raise
    came = Counter(one["status"] for one in files)
    return {"batch_id": batch["number"], "files": files, "accepted": came["stored"], "rejected": came["rejected"]}


async def result(
    gate: Gateway, caller: Caller, batch: Row, sent: Sent, path: str, ask: Ask, objects: Objects
) -> dict[str, Any]:
    said = {"filename": sent.filename, "path": path, "image_id": None}
    if isinstance(sent.picture, Problem):
        return said | {"status": "rejected", "message": sent.picture.message}
    try:
        place = nested(path, sent.picture.filename)
        row = await placed(gate, caller, batch, sent.picture, place, ask, objects)
    except Problem as wrong:
        await discard(objects, sent.picture.storage_key)
        return said | {"status": "rejected", "message": wrong.details or wrong.message}
    except Refused as refused:
        if refused.code == "idempotency.mismatch":
            raise
        if refused.code != "image.duplicate":
            return said | {"status": "rejected", "message": refusal(refused).message}
        known = {"image_id": await of_same_bytes(gate, caller, sent.picture.sha256)}
        return said | known | {"status": "duplicate", "message": refusal(refused).message}
    about = {"storage_key": row["storage_key"], "image_id": row["number"]}
    return said | about | {"path": place, "status": "stored", "message": ""}


async def placed(
    gate: Gateway, caller: Caller, batch: Row, picture: Picture, place: str, ask: Ask, objects: Objects
) -> Row:
    """The picture as it shows in its batch. Under a key that was used before, the one stored then."""
    about = msgspec.structs.asdict(picture) | {"filename": place}
    image = await stored(gate, caller, StoreImage(**about, batch=batch["id"]), ask, objects)
    row = await gate.shown(caller, lambda db: datasets.image(db, id=image))
    if row is None:
        raise Pending(ask.id, image)
    if row["storage_key"] != picture.storage_key:
        await discard(objects, picture.storage_key)
    return row
