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
from inference.check import Checked, CheckLimits, check_model

LIMITS = CheckLimits(run=False, memory=2 << 30, cpu_seconds=30, wall_seconds=30.0)
"""The door only reads the file; a worker runs it later."""
MOST = LIMITS.file_bytes
LONGEST_JSON = 64 << 20
LONGEST_PART = 1 << 20
ORIGINAL = "application/x-onnx; source=original"
AT_ONCE = asyncio.Semaphore(2)
"""Files being read: each may take some memory."""
KINDS = ((b"PK\x03\x04", 0), (b"TFL3", 4))
"""What a zip and a TFLite file begin with, and where."""


class Sent(msgspec.Struct):
    """An upload as it came: what it says of the model, and the file."""

    fields: FunctionFields
    file: IO[bytes]
    filename: str = ""
    digest: str | None = None
    """None: no file came."""
    size: int = 0

    @property
    def path(self) -> Path:
        return Path(self.file.name)

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
    with tempfile.NamedTemporaryFile(prefix="sightlog-upload-") as file:
        taken = Sent(FunctionFields(), file)
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

    Errors: Problem 413, 415, 422 with what is wrong with it.
    """
    upload.file.seek(0)
    head = upload.file.read(16)
    if any(head[at:].startswith(mark) for mark, at in KINDS):
        raise Problem(415, "This service takes ONNX files: convert the model first", field="file")
    async with AT_ONCE:
        found = await asyncio.to_thread(check_model, upload.path, LIMITS)
    if not isinstance(found, Checked):
        raise Problem(422, found.message, field="file", BackendMessage=found.code)
    members = described(found)
    for name, given in (("NamedInput", upload.fields.named_input), ("NamedOutput", upload.fields.named_output)):
        own = members["named_input" if name == "NamedInput" else "named_output"]
        if contradicted(given, own):
            raise Problem(422, f"{name} is not what the file has", field=name)
    return Read(members, found.chip)


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


def media_type(target: str | None) -> str:
    return f"application/x-onnx; device={target}" if target else ORIGINAL


async def chunks(upload: Sent) -> AsyncIterator[bytes]:
    """The file's bytes, for the object store."""
    upload.file.seek(0)
    while chunk := await asyncio.to_thread(upload.file.read, 1 << 20):
        yield chunk
