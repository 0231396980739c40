"""Export jobs as rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import msgspec

from projections.rows import Change, Put, Row, stamps
from schemas.base import Envelope
from schemas.exports.messages import (
    Events,
    ExportCompleted,
    ExportDeleted,
    ExportExpired,
    ExportFailed,
    ExportRequested,
    ExportRequeued,
    ExportStarted,
)

IDLE = {"lease": None, "worker": None}


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    match event:
        case ExportRequested():
            asked = msgspec.structs.asdict(event)
            about = {
                "start_at": asked.pop("start"),
                "end_at": asked.pop("end"),
                "includes": list(asked.pop("includes")),
            }
            born = {"status": "PENDING", "requested_by": meta.actor, "created_at": meta.time}
            yield Put("exports", {"id": meta.stream}, {**stamps(meta), **asked, **about, **born})
        case ExportStarted():
            held = {"lease": event.lease, "worker": event.worker, "started_at": meta.time}
            yield changed(meta, status="RUNNING", **held)
        case ExportRequeued():
            yield changed(meta, status="PENDING", started_at=None, **IDLE)
        case ExportCompleted():
            made = {"size": event.size, "readings": event.readings, "annotations": event.annotations}
            yield changed(meta, status="READY", key=event.key, completed_at=meta.time, **made, **IDLE)
        case ExportFailed():
            why = {"error_code": event.code, "error_message": event.message}
            yield changed(meta, status="FAILED", completed_at=meta.time, **why, **IDLE)
        case ExportExpired():
            yield changed(meta, status="EXPIRED")
        case ExportDeleted():
            yield changed(meta, deleted_at=meta.time)
        case _:
            assert_never(event)


def changed(meta: Envelope, **values: Any) -> Row:
    return Change("exports", {"id": meta.stream}, {**stamps(meta), **values})
