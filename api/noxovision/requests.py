"""Submitting videos and images: checked, stored, and safe on the log before the answer (contract, sections 4 to 6)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

import msgspec
import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from api import multipart
from api.auth import Caller
from api.gateway import Gate, Pending, Refused
from api.noxovision import document, wire
from api.noxovision.auth import Submitter
from api.noxovision.callbacks import callback
from api.noxovision.door import Door, Draft, Terms
from api.noxovision.images import stored_items
from api.noxovision.paths import operation
from api.noxovision.problems import Fault, Problem, faults, invalid
from inference.media import container_of
from infra.objects import Stored, TooLarge
from infra.telemetry import traceparent
from schemas.analysis import keys
from schemas.analysis.messages import Callback, RequestAnalysis
from schemas.ids import new_id

VIDEO_LIMIT = 2 << 30
IMAGES_LIMIT = 256 << 20
WEBHOOK_LIMIT = 64 << 10
HEAD = 1024
"""Bytes that tell a container."""
CONFIG = TypeAdapter(wire.WebhookConfig)
IMAGES = TypeAdapter(wire.ImagesRequest)

router = APIRouter(tags=["Request"])


@operation(
    router,
    "POST",
    "submitVideo",
    status_code=202,
    response_model=wire.JobAccepted,
    openapi_extra=document.SUBMITTING_VIDEO,
    responses={
        202: {"description": "Accepted", "headers": document.SUBMIT_HEADERS},
        **document.problems(400, 409, 413, 415, 422),
    },
)
async def submit_video(request: Request, caller: Submitter, gate: Gate) -> Response:
    """Queue one video for analysis"""
    door: Door = request.app.state.door
    terms, kind = await door.terms(request, caller, gate), content_type(request)
    if kind not in ("multipart/form-data", "application/octet-stream") and not kind.startswith("video/"):
        raise Problem(415, "unsupported_media_type", "send application/octet-stream, video/* or multipart/form-data")
    refuse_oversize(request, VIDEO_LIMIT + (WEBHOOK_LIMIT << 1 if kind == "multipart/form-data" else 0))
    async with door.draft(request, caller, gate, "video") as draft:
        key = keys.media(caller.organisation, draft.id, new_id())
        try:
            receive = from_parts if kind == "multipart/form-data" else from_body
            stored, asked = await receive(request, door, draft, key)
        except BaseException:
            await door.objects.delete(key)
            raise
        return await submitted(request, caller, gate, draft, terms, stored, asked)


async def from_body(request: Request, door: Door, draft: Draft, key: str) -> tuple[Stored, Callback | None]:
    """A raw body; its webhook stands in headers, and is checked before the video is read."""
    url, secret = request.headers.get("x-webhook-url"), request.headers.get("x-webhook-secret")
    if secret is not None and url is None:
        raise invalid("X-Webhook-Url", "missing", "X-Webhook-Secret needs X-Webhook-Url")
    given = None if url is None else checked_config(orjson.dumps({"url": url, "secret": secret}), header=True)
    asked = callback(given, door.policy, door.vault, "X-Webhook-Url")
    draft.note(given)
    return await store(door, draft, key, request.stream()), asked


async def from_parts(request: Request, door: Door, draft: Draft, key: str) -> tuple[Stored, Callback | None]:
    """Parts `video` and, before or after it, `webhook`."""
    stored: Stored | None = None
    asked: Callback | None = None
    try:
        async for part in multipart.parts(request.headers["content-type"], request.stream()):
            if part.name == "video" and stored is None:
                stored = await store(door, draft, key, part.chunks())
            elif part.name == "webhook" and asked is None:
                given = checked_config(await part.read(WEBHOOK_LIMIT))
                asked = callback(given, door.policy, door.vault)
                draft.note(given)
    except multipart.Malformed as problem:
        raise Problem(400, "malformed_body", str(problem)) from problem
    if stored is None:
        raise invalid("/video", "missing", "the part video is required")
    return stored, asked


def checked_config(body: bytes, header: bool = False) -> wire.WebhookConfig:
    """The webhook's settings.

    Errors: Problem 400 for what is not JSON, 422 for what does not fit.
    """
    try:
        return CONFIG.validate_json(body)
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=False, include_context=False)
        if errors[0]["type"] == "json_invalid":
            raise Problem(
                400, "malformed_json", "webhook is not JSON", Fault("/webhook", "json_invalid", errors[0]["msg"])
            ) from None
        names = {"url": "X-Webhook-Url", "secret": "X-Webhook-Secret"}
        found = [
            Fault(names[str(e["loc"][0])] if header else "/webhook" + fault.pointer, fault.code, fault.message)
            for e, fault in zip(errors, faults(errors), strict=True)
        ]
        raise Problem(422, "invalid_webhook", "the webhook's settings do not fit", *found) from None


async def store(door: Door, draft: Draft, key: str, chunks: AsyncIterable[bytes]) -> Stored:
    """The video in the object store, told by its first bytes. A repeat of a known request is only read."""
    try:
        if draft.earlier is None:
            return await door.objects.put_stream(key, recognised(chunks), VIDEO_LIMIT)
        return await digested(recognised(chunks), VIDEO_LIMIT)
    except TooLarge:
        raise too_large(VIDEO_LIMIT) from None


async def recognised(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, once their head is that of a container we take.

    Errors: Problem 415.
    """
    head, known = b"", False
    async for chunk in chunks:
        if known:
            yield chunk
            continue
        head += chunk
        if len(head) >= HEAD:
            refuse_unknown(head)
            known = True
            yield head
    if not known:
        refuse_unknown(head)
        yield head


def refuse_unknown(head: bytes) -> None:
    if container_of(head[:HEAD]) is None:
        detail = "the body is not an MP4, MOV, MKV, WebM, AVI or MPEG-TS video"
        raise Problem(415, "unsupported_media", detail, Fault("/video", "unsupported_media", detail))


async def digested(chunks: AsyncIterable[bytes], limit: int) -> Stored:
    size, digest = 0, hashlib.sha256()
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge
        digest.update(chunk)
    return Stored("", size, digest.hexdigest())


async def submitted(
    request: Request, caller: Caller, gate: Gate, draft: Draft, terms: Terms, stored: Stored, asked: Callback | None
) -> Response:
    fingerprint = draft.fingerprint(stored.sha256, terms)
    command = RequestAnalysis(
        kind="video",
        media=stored.key,
        media_bytes=stored.size,
        max_processing_time=terms.max_processing_time,
        models=terms.models,
        options=terms.options,
        callback=asked,
        fingerprint=fingerprint,
        request_id=request.state.request_id,
        traceparent=traceparent(),
    )
    return await accepted(request, caller, gate, draft, terms, command)


async def accepted(
    request: Request, caller: Caller, gate: Gate, draft: Draft, terms: Terms, command: RequestAnalysis
) -> Response:
    """202 once the job is on the log; a repeat gets the first answer again."""
    door: Door = request.app.state.door
    if draft.earlier not in (None, command.fingerprint):
        raise mismatch()
    replayed = draft.earlier is not None or await overtaken(door, gate, caller, draft, command)
    headers = {
        **terms.headers,
        "Location": door.location(command.kind, draft.id),
        "Retry-After": str(await door.figures.remaining(gate, command.kind)),
        **({"Idempotent-Replayed": "true"} if replayed else {}),
    }
    body = msgspec.json.encode({"job_id": draft.shown})
    return Response(body, 202, headers, "application/json")


async def overtaken(door: Door, gate: Gate, caller: Caller, draft: Draft, command: RequestAnalysis) -> bool:
    """Puts the job on the log. Whether another process has taken a request with this key meanwhile: then what was
    stored for this one is not needed.

    Errors: Problem 422, Unavailable.
    """
    try:
        done = await gate.ask(command, stream=draft.id, caller=caller)
    except Pending:  # the log has it: it will be decided
        return False
    except Refused as refusal:
        await discard(door, command)
        raise mismatch() if refusal.code == "idempotency.mismatch" else refusal from None
    if done.events == 0:
        await discard(door, command)
    return done.events == 0


async def discard(door: Door, command: RequestAnalysis) -> None:
    await door.objects.delete(*(key for key in (command.media, *(item.key for item in command.items)) if key))


def mismatch() -> Problem:
    return invalid("Idempotency-Key", "idempotency_mismatch", "another request came with this key")


@operation(
    router,
    "POST",
    "submitImages",
    status_code=202,
    response_model=wire.JobAccepted,
    openapi_extra=document.submitting_images(wire.ImagesRequest),
    responses={
        202: {"description": "Accepted", "headers": document.SUBMIT_HEADERS},
        **document.problems(400, 409, 413, 415, 422),
    },
)
async def submit_images(request: Request, caller: Submitter, gate: Gate) -> Response:
    """Queue a batch of images for analysis"""
    door: Door = request.app.state.door
    terms = await door.terms(request, caller, gate)
    if content_type(request) != "application/json":
        raise Problem(415, "unsupported_media_type", "send application/json")
    refuse_oversize(request, IMAGES_LIMIT)
    async with door.draft(request, caller, gate, "images") as draft:
        body = await whole(request, IMAGES_LIMIT)
        given = await run_in_threadpool(checked_images, body)
        asked = callback(given.webhook, door.policy, door.vault)
        fingerprint = draft.fingerprint(hashlib.sha256(body).hexdigest(), terms)
        items = await stored_items(door.objects, caller, draft, given.images) if draft.earlier is None else ()
        command = RequestAnalysis(
            kind="images",
            items=items,
            max_processing_time=terms.max_processing_time,
            models=terms.models,
            options=terms.options,
            callback=asked,
            fingerprint=fingerprint,
            request_id=request.state.request_id,
            traceparent=traceparent(),
        )
        return await accepted(request, caller, gate, draft, terms, command)


def checked_images(body: bytes) -> wire.ImagesRequest:
    """Errors: Problem 400 for what is not JSON, 422 for what does not fit."""
    try:
        return IMAGES.validate_json(body)
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=False, include_context=False)
        malformed = errors[0]["type"] == "json_invalid"
        status, code = (400, "malformed_json") if malformed else (422, "invalid_request")
        raise Problem(status, code, errors[0]["msg"] if malformed else "", *faults(errors)) from None


async def whole(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def content_type(request: Request) -> str:
    """Without parameters; a body that says nothing is bytes."""
    return request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()


def refuse_oversize(request: Request, limit: int) -> None:
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise too_large(limit)


def too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"at most {limit} bytes")
