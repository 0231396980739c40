"""What is known of a job: its tasks, who holds them, when it ends by itself. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from schemas.analysis.messages import (
    AnalysisErased,
    AnalysisFailed,
    AnalysisFinished,
    AnalysisRequested,
    AnalysisStarted,
    EraseAnalysis,
    Events,
    ExceedDeadline,
    ExpireLease,
    ExpireQueue,
    Item,
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
from streams.analysis.envelope import JobError
from streams.decision import Timer

LEASE = timedelta(seconds=30)
QUEUE = timedelta(hours=24)
RETENTION, LEAST_RETENTION, MOST_RETENTION = timedelta(days=7), timedelta(hours=1), timedelta(days=90)
LOSSES = 3
"""So many lost leases of one task fail the job."""

Status = Literal["", "queued", "processing", "finished", "failed"]
Phase = Literal["waiting", "running", "done", "failed"]


class Task(msgspec.Struct, frozen=True):
    """One piece of a job's work."""

    name: str
    kind: str
    position: int = 0
    phase: Phase = "waiting"
    losses: int = 0
    lease: str = ""
    worker: str = ""
    until: datetime | None = None
    output: Any = None
    error: JobError | None = None


class Job(msgspec.Struct, frozen=True, tag="job"):
    """A video or a batch of images on its way."""

    status: Status = ""
    request: AnalysisRequested | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    tasks: tuple[Task, ...] = ()
    result_key: str | None = None
    erased: bool = False

    @property
    def over(self) -> bool:
        return self.status in ("finished", "failed")

    @property
    def deadline(self) -> datetime | None:
        """When processing must have ended; none while it has not begun, or without a ceiling."""
        return None if self.started_at is None else self.ceiling(self.started_at)

    def ceiling(self, started_at: datetime) -> datetime | None:
        seconds = self.request.max_processing_time if self.request else 0
        return started_at + timedelta(seconds=seconds) if seconds else None

    @property
    def begun(self) -> tuple[AnalysisRequested, datetime]:
        """The request and its time; there are both once the job has begun."""
        if self.request is None or self.created_at is None:
            raise ValueError("the job has not begun")
        return self.request, self.created_at

    def task(self, name: str) -> Task | None:
        return next((task for task in self.tasks if task.name == name), None)

    def of_kind(self, kind: str) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if task.kind == kind)

    def items(self) -> tuple[Item, ...]:
        """The batch's items, each with the error that it has by now."""
        images = {task.position: task for task in self.of_kind("image")}
        given = self.request.items if self.request else ()
        return tuple(with_error(item, images.get(index)) for index, item in enumerate(given))


def with_error(item: Item, task: Task | None) -> Item:
    if task is None or task.error is None:
        return item
    error = task.error
    return msgspec.structs.replace(item, code=error.code, message=error.message, retryable=error.retryable)


def apply(job: Job, event: Events, meta: Envelope) -> Job:
    change = msgspec.structs.replace
    match event:
        case AnalysisRequested():
            return Job(status="queued", request=event, created_at=meta.time)
        case AnalysisStarted():
            return change(job, status="processing", started_at=meta.time)
        case TasksPlanned(tasks=tasks):
            return change(job, tasks=(*job.tasks, *map(planned, tasks)))
        case AnalysisFinished():
            return change(job, status="finished", finished_at=event.finished_at, result_key=event.result_key, tasks=())
        case AnalysisFailed():
            return change(job, status="failed", finished_at=event.finished_at, tasks=())
        case AnalysisErased():
            return change(job, erased=True, result_key=None)
        case WorkerReported() | WorkerRetired():
            return job
        case _:
            return altered(job, event.task, **changes(event))


def changes(
    event: TaskStarted | LeaseRenewed | TaskReleased | LeaseLost | TaskCompleted | TaskFailed,
) -> dict[str, Any]:
    """What an event changes of its task."""
    free: dict[str, Any] = {"phase": "waiting", "lease": "", "worker": "", "until": None}
    match event:
        case TaskStarted():
            return {"phase": "running", "lease": event.lease, "worker": event.worker, "until": event.until}
        case LeaseRenewed():
            return {"until": event.until}
        case TaskReleased():
            return free
        case LeaseLost():
            return {**free, "losses": event.losses}
        case TaskCompleted():
            return {"phase": "done", "until": None, "output": event.output}
        case TaskFailed():
            return {"phase": "failed", "until": None, "error": JobError(event.code, event.message, event.retryable)}


def planned(task: Planned) -> Task:
    return Task(task.task, task.kind, task.position)


def altered(job: Job, name: str, **changes: Any) -> Job:
    """The job with one task changed."""
    replace = msgspec.structs.replace
    return replace(
        job,
        tasks=tuple(replace(task, **changes) if task.name == name else task for task in job.tasks),
    )


def retention(options: Any) -> timedelta:
    """How long a result is kept, as the organisation has it."""
    hours = options.get("retention_hours") if isinstance(options, dict) else None
    if not isinstance(hours, int | float):
        return RETENTION
    return min(max(timedelta(hours=min(hours, 10_000)), LEAST_RETENTION), MOST_RETENTION)


def timers(job: Job) -> tuple[Timer, ...]:
    if job.created_at is None or job.request is None or job.erased:
        return ()
    traceparent = job.request.traceparent
    if job.status == "queued":
        return (Timer("queue", job.created_at + QUEUE, ExpireQueue(traceparent=traceparent)),)
    if job.finished_at is not None:
        return (Timer("retention", job.finished_at + retention(job.request.options), EraseAnalysis()),)
    leases = tuple(
        Timer(
            f"lease:{task.name}",
            task.until,
            ExpireLease(task=task.name, lease=task.lease, traceparent=traceparent),
        )
        for task in job.tasks
        if task.phase == "running" and task.until is not None
    )
    if job.deadline is None:
        return leases
    return (*leases, Timer("deadline", job.deadline, ExceedDeadline(traceparent=traceparent)))
