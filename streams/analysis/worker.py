"""A worker that takes tasks: how many at a time, how fast it found itself. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from schemas.analysis.messages import (
    ReportWorker,
    RetireWorker,
    WorkerReported,
    WorkerRetired,
)
from schemas.base import Envelope
from streams.decision import Timer

SILENCE = timedelta(minutes=11)
"""A worker reports every five minutes; two missed reports and it counts as gone."""


class Worker(msgspec.Struct, frozen=True, tag="worker"):
    """Its last report; none when it has retired."""

    seen_at: datetime | None = None


def decide(worker: Worker, command: ReportWorker | RetireWorker) -> tuple[WorkerReported | WorkerRetired, ...]:
    if isinstance(command, RetireWorker):
        return (WorkerRetired(),) if worker.seen_at else ()
    return (WorkerReported(slots=command.slots, video_ms=command.video_ms, image_ms=command.image_ms),)


def apply(event: WorkerReported | WorkerRetired, meta: Envelope) -> Worker:
    return Worker(meta.time if isinstance(event, WorkerReported) else None)


def timers(worker: Worker) -> tuple[Timer, ...]:
    return (Timer("silence", worker.seen_at + SILENCE, RetireWorker()),) if worker.seen_at else ()
