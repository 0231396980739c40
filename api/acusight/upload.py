"""A picture on its way in: streamed to the object store, told by content, then asked for (contract 6.2)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Annotated
from uuid import uuid4

import msgspec
import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from obstore.exceptions import BaseError
from pydantic import AwareDatetime, Field, ValidationError

from api.acusight.body import Body, Text
from api.acusight.labels import AnnotationInput
from api.acusight.problems import Problem, invalid
from api.multipart import Part, parts
from inference.images import ImageInfo, difference_hash, probe
from inference.media import MediaError, MediaLimits
from infra.objects import Objects, Stored, TooLarge

log = structlog.get_logger()
IMAGE_LIMIT = 50 << 20
METADATA_LIMIT = 1 << 20
LIMITS = MediaLimits(image_bytes=IMAGE_LIMIT)
KINDS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}
"""Magic bytes of what is taken."""
DECODING = asyncio.Semaphore(2)
NOT_OURS = re.compile(r"[^A-Za-z0-9_=@-]+(?=\.)|[^A-Za-z0-9_.=@-]+")


class Metadata(Body):
    model_id: Text | None = None
    model_version: Text | None = None
    annotations: Annotated[list[AnnotationInput], Field(max_length=10_000)] = Field(default_factory=list)
    source: Text | None = None
    timestamp: AwareDatetime | None = None
    width: int | None = None
    height: int | None = None
    force: bool = False


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A stored object and what its bytes say, by the names of `StoreImage`."""

    storage_key: str
    filename: str
    sha256: str
    size: int
    width: int
    height: int
    format: str
    hash: str


class Received(msgspec.Struct, frozen=True):
    picture: Picture
    metadata: Metadata
    fingerprint: bytes


async def received(request: Request, objects: Objects) -> Received:
    """The form's picture, stored, and its metadata; when either is at fault nothing stays.

    Errors: Problem, Malformed, RequestValidationError.
    """
    picture, metadata, raw = None, Metadata(), b""
    try:
        async for part in parts(request.headers.get("content-type", ""), request.stream()):
            if part.name == "image" and picture is None:
                picture = await taken(part, objects)
            elif part.name == "metadata":
                raw = await part.read(METADATA_LIMIT)
                metadata = described(raw)
        if picture is None:
            raise invalid("image", "the part is missing")
        return Received(picture, metadata, hashlib.sha256(raw).digest() + picture.sha256.encode())
    except BaseException:
        if picture is not None:
            await discard(objects, picture.storage_key)
        raise


def described(raw: bytes) -> Metadata:
    try:
        return Metadata.model_validate_json(raw or b"{}")
    except ValidationError as wrong:
        raise RequestValidationError([{**e, "loc": ("body", "metadata", *e["loc"])} for e in wrong.errors()]) from None


async def taken(part: Part, objects: Objects) -> Picture:
    """Streams the part to the store and looks at it."""
    filename = PurePath((part.filename or "image").replace("\\", "/")).name[:255] or "image"
    filename = "".join(letter for letter in filename if letter.isprintable()) or "image"
    key = f"raw-data/{uuid4()}_{NOT_OURS.sub('_', filename)[-120:]}"
    data = bytearray()
    stored = await store(objects, key, checked(part.chunks(), data))
    try:
        async with DECODING:
            info, hash = await asyncio.to_thread(looked_at, bytes(data))
    except MediaError as wrong:
        await discard(objects, key)
        raise refused(wrong) from None
    size = {"width": info.width, "height": info.height}
    return Picture(
        storage_key=key,
        filename=filename,
        sha256=stored.sha256,
        size=stored.size,
        format=info.format,
        hash=hash,
        **size,
    )


async def store(objects: Objects, key: str, chunks: AsyncIterator[bytes]) -> Stored:
    try:
        return await objects.put_stream(key, chunks, IMAGE_LIMIT)
    except TooLarge:
        raise Problem("PAYLOAD_TOO_LARGE", "The image is too large.", f"image: more than {IMAGE_LIMIT} bytes") from None
    except (BaseError, OSError):
        log.warning("object store away")
        raise Problem("SERVICE_UNAVAILABLE", "The image cannot be stored now.") from None


async def checked(chunks: AsyncIterator[bytes], data: bytearray) -> AsyncIterator[bytes]:
    """The chunks as they come, also gathered in `data`; the first bytes tell the kind before any is stored."""
    async for chunk in chunks:
        known = len(data) >= 8
        data += chunk
        if known:
            yield chunk
        elif len(data) >= 8:
            if not any(data.startswith(magic) for magic in KINDS):
                raise wrong_kind()
            yield bytes(data)
    if len(data) < 8:
        raise wrong_kind()


def wrong_kind() -> Problem:
    return Problem("UNSUPPORTED_MEDIA_TYPE", "Images are JPEG or PNG.", "image: neither a JPEG nor a PNG file")


def looked_at(data: bytes) -> tuple[ImageInfo, str]:
    return probe(data, LIMITS), difference_hash(data, LIMITS)


def refused(wrong: MediaError) -> Problem:
    if wrong.code in ("media_too_large", "item_too_large"):
        return Problem("PAYLOAD_TOO_LARGE", "The image is too large.", f"image: {wrong.message}")
    return invalid("image", wrong.message)


async def discard(objects: Objects, key: str) -> None:
    """An object that nothing refers to; an orphan is no reason to fail."""
    try:
        await objects.delete(key)
    except (BaseError, OSError):
        log.warning("object not deleted", key=key)
