"""The result envelope (Noxovision contract, 10.1): what polling answers and a webhook sends, byte for byte. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import orjson

from schemas.analysis.messages import AnalysisFailed, AnalysisFinished, Item

Kind = Literal["video", "images"]
PREFIX: dict[str, str] = {"video": "video_", "images": "image_batch_"}
RESULT_PATH: dict[str, str] = {
    "video": "/results/video/{job_id}",
    "images": "/results/images/{job_id}",
}
"""Relative to the surface. Clients follow `Location`; nothing else knows these paths."""
MEMBER: dict[str, str] = {"video": "result", "images": "items"}


class JobError(msgspec.Struct, frozen=True):
    """The contract's error object (section 9)."""

    code: str
    message: str
    retryable: bool


class Head(msgspec.Struct, frozen=True):
    """What every envelope says of its job."""

    kind: str
    id: str
    status: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


def job_id(kind: str, id: str) -> str:
    """The id as callers see it: `video_…`, `image_batch_…`."""
    return PREFIX[kind] + UUID(id).hex


def id_of(kind: str, shown: str) -> str | None:
    """The stream behind a shown id, or None when it is not one of that kind."""
    digits = shown.removeprefix(PREFIX[kind])
    if digits == shown or len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        return None
    return str(UUID(hex=digits))


def instant(at: datetime | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_of(error: JobError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "retryable": error.retryable}


def envelope(head: Head, *, payload: bytes | None = None, error: JobError | None = None) -> bytes:
    """The envelope's JSON. `payload` is JSON already: the stored bytes of `result` or `items`, put in unchanged."""
    body: dict[str, Any] = {"job_id": job_id(head.kind, head.id), "status": head.status}
    if payload is not None:
        body[MEMBER[head.kind]] = orjson.Fragment(payload)
    if error is not None:
        body["error"] = error_of(error)
    body |= {
        "created_at": instant(head.created_at),
        "started_at": instant(head.started_at),
        "finished_at": instant(head.finished_at),
    }
    return orjson.dumps(body)


def thin(head: Head, result_url: str) -> dict[str, Any]:
    """The members of a thin payload; a sender adds `result_bytes` and `result_sha256` where it went thin by size."""
    return {
        "job_id": job_id(head.kind, head.id),
        "status": head.status,
        "result_url": result_url,
    }


def failed_items(items: Sequence[Item], error: JobError) -> bytes:
    """`items` of a failed batch: each with its own error, the others with the job's."""
    return orjson.dumps(
        [
            {
                "index": index,
                "external_id": item.external_id,
                "status": "failed",
                "error": error_of(item_error(item) or error),
            }
            for index, item in enumerate(items)
        ]
    )


def item_error(item: Item) -> JobError | None:
    return None if item.code is None else JobError(item.code, item.message, item.retryable)


def terminal_head(event: AnalysisFinished | AnalysisFailed, id: str) -> Head:
    status = "finished" if isinstance(event, AnalysisFinished) else "failed"
    return Head(event.kind, id, status, event.created_at, event.started_at, event.finished_at)


def terminal_envelope(event: AnalysisFinished | AnalysisFailed, id: str, result: bytes | None = None) -> bytes:
    """The envelope that the job `id` ends with; `result` is the object at `result_key` of a finished one."""
    head = terminal_head(event, id)
    if isinstance(event, AnalysisFinished):
        return envelope(head, payload=result)
    error = JobError(event.code, event.message, event.retryable)
    items = failed_items(event.items, error) if event.kind == "images" else None
    return envelope(head, payload=items, error=error)


def result_url(base: str, kind: str, id: str) -> str:
    """Absolute address of a job's result; `base` is the surface's public base."""
    return base.rstrip("/") + RESULT_PATH[kind].format(job_id=job_id(kind, id))
