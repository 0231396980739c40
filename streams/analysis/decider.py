"""The job state machine (Noxovision contract, section 8) and the workers that serve it. Pure."""

from __future__ import annotations

from typing import assert_never

import msgspec

from schemas.analysis.messages import (
    AnalysisErased,
    AnalysisFailed,
    AnalysisFinished,
    AnalysisRequested,
    AnalysisStarted,
    CancelAnalysis,
    Commands,
    CompleteTask,
    EraseAnalysis,
    Events,
    ExceedDeadline,
    ExpireLease,
    ExpireQueue,
    FailTask,
    LeaseLost,
    LeaseRenewed,
    ReleaseTask,
    RenewLease,
    ReportWorker,
    RequestAnalysis,
    RetireWorker,
    StartTask,
    TaskCompleted,
    TaskFailed,
    TaskReleased,
    TasksPlanned,
    TaskStarted,
    WorkerReported,
    WorkerRetired,
)
from schemas.base import Envelope
from streams.analysis import job as jobs
from streams.analysis import plan, worker
from streams.analysis.envelope import JobError
from streams.analysis.job import LEASE, LOSSES, Job, Task
from streams.analysis.worker import Worker
from streams.decision import Decider, Refusal, Timer

State = Job | Worker
INITIAL = Job()
Decision = tuple[Events, ...] | Refusal
LATE = Refusal("lease.lost", "the lease of this task is no longer yours")

ERRORS: dict[str, JobError] = {
    error.code: error
    for error in (
        JobError(
            "max_processing_time_exceeded",
            "the job took longer than its Max-Processing-Time",
            True,
        ),
        JobError("cancelled", "the job was cancelled", False),
        JobError("all_items_failed", "no image of the batch could be analysed", False),
        JobError("worker_lost", "three workers were lost while they worked on it", True),
        JobError("queue_timeout", "the job waited for more than 24 hours", True),
        JobError("corrupt_media", "no frames in the video stream", False),
    )
}


def decide(state: State, command: Commands, meta: Envelope) -> Decision:
    if isinstance(command, ReportWorker | RetireWorker):
        return worker.decide(state if isinstance(state, Worker) else Worker(), command)
    if isinstance(state, Worker):
        return Refusal("unknown")
    if isinstance(command, RequestAnalysis):
        return request(state, command, meta)
    if state.request is None:
        return Refusal("unknown")
    match command:
        case StartTask():
            return start(state, command, meta)
        case RenewLease() | ReleaseTask() | CompleteTask() | FailTask():
            return report(state, command, meta)
        case ExpireLease() | ExceedDeadline() | ExpireQueue():
            return elapsed(state, command, meta)
        case CancelAnalysis() | EraseAnalysis():
            return asked(state, command, meta)
        case _:
            assert_never(command)


def elapsed(job: Job, command: ExpireLease | ExceedDeadline | ExpireQueue, meta: Envelope) -> Decision:
    """A timer fired; what it was for may have been settled meanwhile."""
    match command:
        case ExpireLease():
            task = job.task(command.task)
            if task is None or task.lease != command.lease or task.until is None or task.until > meta.time:
                return ()
            return lose(job, task, meta)
        case ExceedDeadline():
            return (failed(job, "max_processing_time_exceeded", meta),) if too_late(job, meta) else ()
        case ExpireQueue():
            return (failed(job, "queue_timeout", meta),) if job.status == "queued" else ()


def asked(job: Job, command: CancelAnalysis | EraseAnalysis, meta: Envelope) -> Decision:
    """Cancel while it runs, erase once it has ended."""
    if isinstance(command, CancelAnalysis):
        return Refusal("job.terminal", f"the job is {job.status}") if job.over else (failed(job, "cancelled", meta),)
    if job.erased:
        return ()
    return (
        (AnalysisErased(result_key=job.result_key),) if job.over else Refusal("invalid_state", "the job has not ended")
    )


def request(job: Job, command: RequestAnalysis, meta: Envelope) -> Decision:
    """A repeat is told from another request under the same key by its fingerprint."""
    if job.request is not None:
        same = job.request.fingerprint == command.fingerprint
        return (
            ()
            if same
            else Refusal(
                "idempotency.mismatch",
                "another request came with this key",
                "Idempotency-Key",
            )
        )
    requested = AnalysisRequested(**msgspec.structs.asdict(command))
    tasks = plan.first_tasks(command)
    if tasks:
        return (requested, TasksPlanned(tasks=tasks))
    return (
        requested,
        failed(jobs.apply(job, requested, meta), "all_items_failed", meta),
    )


def start(job: Job, command: StartTask, meta: Envelope) -> Decision:
    """Grants the lease of a waiting task, and of one whose lease has lapsed or that the same worker lost in a crash."""
    if job.over:
        return Refusal("job.terminal", f"the job is {job.status}")
    if too_late(job, meta):
        return (failed(job, "max_processing_time_exceeded", meta),)
    task = job.task(command.task)
    if task is None:
        return Refusal("unknown", "no such task", "task")
    started = TaskStarted(
        task=task.name,
        lease=command.lease,
        worker=command.worker,
        until=meta.time + LEASE,
    )
    if job.status == "queued":
        return (AnalysisStarted(deadline=job.ceiling(meta.time)), started)
    if task.phase == "waiting":
        return (started,)
    return take_over(job, task, started, meta) if task.phase == "running" else LATE


def take_over(job: Job, task: Task, started: TaskStarted, meta: Envelope) -> Decision:
    """The task is somebody's: the same lease again, one that has lapsed, or one that this worker lost in a crash."""
    if task.lease == started.lease:
        return ()
    if task.worker != started.worker and task.until is not None and task.until > meta.time:
        return LATE
    lost = lose(job, task, meta)
    return lost if len(lost) > 1 else (*lost, started)


def report(
    job: Job,
    command: RenewLease | ReleaseTask | CompleteTask | FailTask,
    meta: Envelope,
) -> Decision:
    """What the holder of a lease says; anybody else is too late."""
    task = job.task(command.task)
    if task is None or task.lease != command.lease or not command.lease:
        return LATE
    if task.phase != "running":
        return ()
    if too_late(job, meta):
        return (failed(job, "max_processing_time_exceeded", meta),)
    match command:
        case RenewLease():
            return (LeaseRenewed(task=task.name, lease=task.lease, until=meta.time + LEASE),)
        case ReleaseTask():
            return lose(job, task, meta) if command.lost else (TaskReleased(task=task.name, lease=task.lease),)
        case CompleteTask():
            return complete(job, task, command, meta)
        case FailTask():
            return fail(job, task, command, meta)


def complete(job: Job, task: Task, command: CompleteTask, meta: Envelope) -> Decision:
    output = plan.output_of(task.kind, command.output)
    if output is None:
        return Refusal("invalid", f"not the output of a {task.kind} task", "output")
    done = TaskCompleted(task=task.name, lease=task.lease, output=command.output)
    if isinstance(output, plan.Split):
        if not output.segments:
            return (done, failed(job, "corrupt_media", meta))
        return (done, TasksPlanned(tasks=plan.segments(job, output)))
    if task.kind == "merge":
        return (done, finished(job, output, meta))
    return (done, *after(jobs.apply(job, done, meta)))


def fail(job: Job, task: Task, command: FailTask, meta: Envelope) -> Decision:
    """An image that fails takes only its item with it, unless it was the batch's last hope."""
    error = JobError(command.code, command.message, command.retryable)
    gone = TaskFailed(
        task=task.name,
        lease=task.lease,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
    )
    if task.kind != "image":
        return (gone, ended(job, error, meta))
    left = jobs.apply(job, gone, meta)
    if all(image.phase == "failed" for image in left.of_kind("image")):
        return (gone, ended(left, ERRORS["all_items_failed"], meta))
    return (gone, *after(left))


def after(job: Job) -> tuple[Events, ...]:
    """The merge, once nothing else is left to do."""
    open_ones = any(task.phase in ("waiting", "running") for task in job.tasks)
    return () if open_ones else (TasksPlanned(tasks=(plan.merge(job),)),)


def lose(job: Job, task: Task, meta: Envelope) -> tuple[Events, ...]:
    lost = LeaseLost(task=task.name, lease=task.lease, losses=task.losses + 1)
    return (lost, failed(job, "worker_lost", meta)) if lost.losses >= LOSSES else (lost,)


def too_late(job: Job, meta: Envelope) -> bool:
    return not job.over and job.deadline is not None and meta.time >= job.deadline


def failed(job: Job, code: str, meta: Envelope) -> AnalysisFailed:
    return ended(job, ERRORS[code], meta)


def ended(job: Job, error: JobError, meta: Envelope) -> AnalysisFailed:
    given, created_at = job.begun
    return AnalysisFailed(
        kind=given.kind,
        created_at=created_at,
        started_at=job.started_at,
        finished_at=meta.time,
        callback=given.callback,
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        items=job.items(),
        media=given.media,
        traceparent=given.traceparent,
    )


def finished(job: Job, result: plan.Stored, meta: Envelope) -> AnalysisFinished:
    given, created_at = job.begun
    return AnalysisFinished(
        kind=given.kind,
        created_at=created_at,
        started_at=job.started_at,
        finished_at=meta.time,
        callback=given.callback,
        result_key=result.key,
        result_bytes=result.bytes,
        result_sha256=result.sha256,
        units=result.units,
        items=job.items(),
        media=given.media,
        traceparent=given.traceparent,
    )


def apply(state: State, event: Events, meta: Envelope) -> State:
    if isinstance(event, WorkerReported | WorkerRetired):
        return worker.apply(event, meta)
    return state if isinstance(state, Worker) else jobs.apply(state, event, meta)


def timers(state: State) -> tuple[Timer, ...]:
    return worker.timers(state) if isinstance(state, Worker) else jobs.timers(state)


DECIDER = Decider(Job | Worker, INITIAL, decide, apply, timers=timers)  # type: ignore[arg-type]  # msgspec takes a union
