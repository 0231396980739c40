"""Taking in a model: the parts, the file, and what the checker's child process reads in it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePath
from typing import IO, Any, TypeVar

import msgspec
from fastapi import Request
from pydantic import ValidationError

from api import multipart
from api.nx.graph import contradicted, described
from api.nx.problems import Problem, malformed
from api.nx.wire import FunctionFields, FunctionUploadJson, Json
from inference.check import Checked, CheckLimits, Rejected, check_model
from inference.unpack import MADE, unpack
from infra.objects import Objects
from schemas.ids import derived_id
from schemas.models.messages import ModelFile

LIMITS = CheckLimits(run=False, memory=2 << 30, cpu_seconds=30, wall_seconds=30.0)
"""The door only reads the file; a worker runs it later."""
MOST = LIMITS.file_bytes
LONGEST_JSON = 64 << 20
LONGEST_PART = 1 << 20
ORIGINAL = "application/x-onnx; source=original"
CONVERTED = "application/x-onnx; source=converted"
LITE = "application/x-tensorflow-lite; type=float32"
ARCHIVE = "application/zip; source=original"
TEACHABLE = "application/zip; kind=teachable-machine"
AT_ONCE = asyncio.Semaphore(2)
"""Files being read: each may take some memory."""
KINDS = ((b"PK\x03\x04", 0), (b"TFL3", 4))
"""What a zip and a TFLite file begin with, and where."""


class Source(msgspec.Struct, frozen=True):
    """A file that the model's was made from."""

    path: Path
    media_type: str
    digest: str
    size: int


class Sent(msgspec.Struct):
    """An upload as it came: what it says of the model, and the file."""

    fields: FunctionFields
    file: IO[bytes]
    folder: Path
    """Empty, for what is made of the file."""
    filename: str = ""
    digest: str | None = None
    """None: no file came."""
    size: int = 0
    sources: tuple[Source, ...] = ()

    @property
    def path(self) -> Path:
        return self.folder / MADE if self.sources else Path(self.file.name)

    @property
    def fingerprint(self) -> bytes:
        """What must be equal in a repeat under one Idempotency-Key."""
        return self.fields.model_dump_json(exclude_unset=True).encode() + (self.digest or "").encode()


@asynccontextmanager
async def sent(request: Request) -> AsyncIterator[Sent]:
    """The request's parts, its file on disk while this lasts.

    Errors: Problem 400, 413, 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/json"):
        raise Problem(415, "Send multipart/form-data or application/json", field="Content-Type")
    if int(request.headers.get("content-length") or 0) > MOST + LONGEST_PART:
        raise too_large()
    prefix = "sightlog-upload-"
    with tempfile.NamedTemporaryFile(prefix=prefix) as file, tempfile.TemporaryDirectory(prefix=prefix) as folder:
        taken = Sent(FunctionFields(), file, Path(folder))
        await (from_parts if kind == "multipart/form-data" else from_json)(request, taken)
        file.flush()
        yield taken


def too_large() -> Problem:
    return Problem(413, f"A model file has at most {MOST} bytes", field="file")


async def from_parts(request: Request, taken: Sent) -> None:
    """The parts `file`, `data`, or `name` and `documentation`; others are passed over."""
    texts: dict[str, str] = {}
    try:
        async for part in multipart.parts(request.headers["content-type"], request.stream()):
            if part.name == "file":
                taken.filename = PurePath(part.filename or "").stem[:200]
                await keep(part, taken)
            elif part.name in ("data", "name", "documentation"):
                texts[part.name] = (await part.read(LONGEST_PART)).decode()
    except multipart.Malformed as problem:
        raise Problem(400, str(problem), field="body") from problem
    except UnicodeDecodeError as problem:
        raise Problem(400, "A part is not UTF-8", field="body") from problem
    taken.fields = validated(FunctionFields, told(texts))


async def keep(part: multipart.Part, taken: Sent) -> None:
    """Writes the part to disk as it comes."""
    if taken.digest is not None:
        raise Problem(400, "A model has one file", field="file")
    digest = hashlib.sha256()
    async for chunk in part.chunks():
        taken.size += len(chunk)
        if taken.size > MOST:
            raise too_large()
        digest.update(chunk)
        await asyncio.to_thread(taken.file.write, chunk)
    taken.digest = digest.hexdigest()


def told(texts: dict[str, str]) -> Json:
    """`name` and `documentation`, under what `data` says."""
    said: Json = {
        to: texts[name] for name, to in (("name", "Name"), ("documentation", "Documentation")) if name in texts
    }
    try:
        return said | msgspec.json.decode(texts.get("data", "{}"), type=dict[str, Any])
    except msgspec.DecodeError as problem:
        raise Problem(400, "The part data is a JSON object", field="data") from problem


async def from_json(request: Request, taken: Sent) -> None:
    """An edit, or an upload with the file as base64."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_JSON:
            raise too_large()
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as problem:
        raise Problem(400, "The body is a JSON object", field="body") from problem
    taken.fields = validated(FunctionFields, said)
    if "OnnxModel" not in said:
        return
    try:
        data = base64.b64decode(validated(FunctionUploadJson, said).onnx_model, validate=True)
    except ValueError as problem:
        raise Problem(400, "OnnxModel is base64", field="OnnxModel") from problem
    taken.file.write(data)
    taken.digest, taken.size = hashlib.sha256(data).hexdigest(), len(data)


Fields = TypeVar("Fields", bound=FunctionFields)


def validated(kind: type[Fields], said: Json) -> Fields:
    try:
        return kind.model_validate(said)
    except ValidationError as problem:
        raise malformed(problem.errors()) from problem


class Read(msgspec.Struct, frozen=True):
    """What was read in a file: the members of a model, and the chip that it was compiled for."""

    members: Json
    target: str | None


async def read(upload: Sent) -> Read:
    """What the file says of itself.

    Errors: Problem 413, 422 with what is wrong with it.
    """
    upload.file.seek(0)
    head = upload.file.read(16)
    async with AT_ONCE:
        if any(head[at:].startswith(mark) for mark, at in KINDS):
            await convert(upload)
        found = await asyncio.to_thread(check_model, upload.path, LIMITS)
    if not isinstance(found, Checked):
        raise unfit(found)
    members = described(found)
    for name, given in (("NamedInput", upload.fields.named_input), ("NamedOutput", upload.fields.named_output)):
        own = members["named_input" if name == "NamedInput" else "named_output"]
        if contradicted(given, own):
            raise Problem(422, f"{name} is not what the file has", field=name)
    return Read(members, found.chip)


def unfit(found: Rejected) -> Problem:
    return Problem(422, found.message, field="file", BackendMessage=found.code)


async def convert(upload: Sent) -> None:
    """Makes an ONNX file of a TFLite file or an archive, which stay as its sources.

    Errors: Problem 422.
    """
    made = await asyncio.to_thread(unpack, upload.path, upload.folder, LIMITS)
    if isinstance(made, Rejected):
        raise unfit(made)
    sources = [Source(made.source, LITE, *measured(made.source))]
    kinds = ((ARCHIVE, TEACHABLE) if made.labelled else (ARCHIVE,)) if made.packed else ()
    sources += [Source(upload.path, kind, upload.digest or "", upload.size) for kind in kinds]
    upload.sources = tuple(sources)
    upload.digest, upload.size = measured(made.model)


def measured(path: Path) -> tuple[str, int]:
    """SHA-256 and bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def fed(details: Json) -> Json:
    """How the picture is fed, where it can be.

    Errors: Problem 422 for a mean or divisor too many or too few, and for a division by zero.
    """
    for name in ("means", "vars"):
        given = details.get(name)
        if given is not None and details.get("channels") not in (None, len(given)):
            raise Problem(422, f"{name} has one number for each channel", field=f"InputDriverDetails.{name}")
    if 0 in (details.get("vars") or ()):
        raise Problem(422, "vars has no zero", field="InputDriverDetails.vars")
    return details


def files(upload: Sent, target: str | None) -> list[Source]:
    """What is to be stored: the model's own file first."""
    kind = f"application/x-onnx; device={target}" if target else CONVERTED if upload.sources else ORIGINAL
    return [Source(upload.path, kind, upload.digest or "", upload.size), *upload.sources]


async def stored(objects: Objects, place: str, id: str, file: Source, target: str | None) -> ModelFile:
    """Puts a file where workers and clients fetch it; its name follows from its bytes, so a repeat is harmless."""
    key = f"{place}/{file.digest}{SUFFIXES[file.media_type.partition(';')[0]]}"
    await objects.put_stream(key, chunks(file.path), MOST)
    return ModelFile(
        id=derived_id(id, f"{file.digest}/{file.media_type}"),
        key=key,
        digest=file.digest,
        size=file.size,
        media_type=file.media_type,
        target=target,
    )


SUFFIXES = {"application/x-onnx": ".onnx", "application/x-tensorflow-lite": ".tflite", "application/zip": ".zip"}


async def chunks(path: Path) -> AsyncIterator[bytes]:
    """A file's bytes, for the object store."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, 1 << 20):
            yield chunk
