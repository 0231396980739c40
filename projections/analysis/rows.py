"""What the tables of analysis hold after each event: jobs, the queue of their tasks, a batch's items. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from projections.rows import Add, Change, Drop, Put, Row, Values, stamps
from schemas.analysis.messages import (
    AnalysisErased,
    AnalysisFailed,
    AnalysisFinished,
    AnalysisRequested,
    AnalysisStarted,
    Events,
    LeaseLost,
    LeaseRenewed,
    Planned,
    TaskCompleted,
    TaskFailed,
    TaskReleased,
    TasksPlanned,
    TaskStarted,
    WorkerReported,
    WorkerRetired,
)
from schemas.base import Envelope

FREE: Values = {"phase": "waiting", "worker": None, "lease": None, "until": None}


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    match event:
        case WorkerReported():
            yield Put(
                "workers",
                {"id": meta.stream},
                {**msgspec.structs.asdict(event), "seen_at": meta.time},
            )
        case WorkerRetired():
            yield Change("workers", {"id": meta.stream}, {"slots": 0, "seen_at": meta.time})
        case AnalysisRequested():
            yield from requested(event, meta)
        case AnalysisStarted(deadline=deadline):
            yield job(
                meta,
                status="processing",
                started_at=meta.time,
                deadline=deadline,
                attempts=1,
            )
        case AnalysisFinished() | AnalysisFailed():
            yield from ended(event, meta)
        case AnalysisErased():
            yield job(meta, erased_at=meta.time, result_key=None)
            yield Drop("items", {"job": meta.stream})
        case _:
            yield from task_rows(event, meta)


def task_rows(
    event: TasksPlanned | TaskStarted | LeaseRenewed | TaskReleased | LeaseLost | TaskCompleted | TaskFailed,
    meta: Envelope,
) -> Iterable[Row]:
    yield job(meta)
    match event:
        case TasksPlanned(tasks=tasks):
            yield from (planned(task, meta) for task in tasks)
        case TaskStarted():
            yield task(
                meta,
                event.task,
                phase="running",
                worker=event.worker,
                lease=event.lease,
                until=event.until,
            )
            yield from item(meta, event.task, status="processing")
        case LeaseRenewed():
            yield task(meta, event.task, until=event.until)
        case TaskReleased():
            yield task(meta, event.task, **FREE)
        case LeaseLost():
            yield task(meta, event.task, **FREE)
            yield Add("jobs", {"id": meta.stream}, {"attempts": 1})
        case TaskCompleted():
            yield task(meta, event.task, phase="done", until=None)
            yield from item(meta, event.task, status="finished", result_key=event.output.get("key"))
        case TaskFailed():
            yield task(meta, event.task, phase="failed", until=None)
            yield from item(
                meta,
                event.task,
                status="failed",
                code=event.code,
                message=event.message,
                retryable=event.retryable,
            )


def requested(event: AnalysisRequested, meta: Envelope) -> Iterable[Row]:
    values = {
        "kind": event.kind,
        "status": "queued",
        "actor": meta.actor,
        "max_processing_time": event.max_processing_time,
        "models": msgspec.to_builtins(event.models),
        "options": event.options,
        "fingerprint": event.fingerprint,
        "request_id": event.request_id,
        "traceparent": event.traceparent,
        "attempts": 0,
        "created_at": meta.time,
    }
    yield Put("jobs", {"id": meta.stream}, {**stamps(meta), **values})
    for position, given in enumerate(event.items):
        values = {
            "external_id": given.external_id,
            "status": "failed" if given.code else "queued",
            "code": given.code,
            "message": given.message or None,
            "retryable": given.retryable,
            "created_at": meta.time,
        }
        yield Put(
            "items",
            {"job": meta.stream, "position": position},
            {**stamps(meta), **values},
        )


def ended(event: AnalysisFinished | AnalysisFailed, meta: Envelope) -> Iterable[Row]:
    yield Drop("tasks", {"job": meta.stream})
    if isinstance(event, AnalysisFinished):
        names = ("result_key", "result_bytes", "result_sha256", "units")
        result = {name: getattr(event, name) for name in names}
        yield job(meta, status="finished", finished_at=event.finished_at, **result)
        return
    error = {"code": event.code, "message": event.message, "retryable": event.retryable}
    yield job(meta, status="failed", finished_at=event.finished_at, **error)
    for position, given in enumerate(event.items):
        own = {"code": given.code, "message": given.message, "retryable": given.retryable} if given.code else error
        values = {**stamps(meta), "status": "failed", "result_key": None, **own}
        yield Change("items", {"job": meta.stream, "position": position}, values)


def job(meta: Envelope, **values: object) -> Row:
    return Change("jobs", {"id": meta.stream}, {**stamps(meta), **values})


def task(meta: Envelope, name: str, **values: object) -> Row:
    return Change("tasks", {"job": meta.stream, "task": name}, {**stamps(meta), **values})


def planned(given: Planned, meta: Envelope) -> Row:
    values = {
        "kind": given.kind,
        "position": given.position,
        "input": given.input,
        "created_at": meta.time,
        **FREE,
    }
    return Put("tasks", {"job": meta.stream, "task": given.task}, {**stamps(meta), **values})


def item(meta: Envelope, task: str, **values: object) -> Iterable[Row]:
    """The item that an image task is about."""
    kind, _, position = task.partition("-")
    if kind == "image":
        yield Change(
            "items",
            {"job": meta.stream, "position": int(position)},
            {**stamps(meta), **values},
        )
