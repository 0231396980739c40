"""Generated from analysis/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.base import Command, Event, Json, Record


class Item(Record, frozen=True, kw_only=True):
    """Item"""

    key: str | None = None
    external_id: str | None = None
    bytes: int = 0
    code: str | None = None
    message: str = ""
    retryable: bool = False


class ModelUse(Record, frozen=True, kw_only=True):
    """ModelUse"""

    id: str
    digest: str
    key: str
    name: str = ""


class Callback(Record, frozen=True, kw_only=True):
    """Callback"""

    url: str
    secret: str | None = None
    payload: str = "full"
    headers: str | None = None


class Planned(Record, frozen=True, kw_only=True):
    """Planned"""

    task: str
    kind: str
    position: int = 0
    input: Json = msgspec.field(default_factory=dict)


class CancelAnalysis(Command, frozen=True, kw_only=True):
    """Stops the job."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"


class CompleteTask(Command, frozen=True, kw_only=True):
    """The task is done. Large output lies in the object store, `output` names it."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    task: str
    lease: str
    output: Json = msgspec.field(default_factory=dict)


class EraseAnalysis(Command, frozen=True, kw_only=True):
    """Erases the result of an ended job: the caller's wish, or the end of retention (timer)."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"


class ExceedDeadline(Command, frozen=True, kw_only=True):
    """The ceiling for processing is reached (timer)."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    traceparent: str = ""


class ExpireLease(Command, frozen=True, kw_only=True):
    """The lease has run out (timer)."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    task: str
    lease: str
    traceparent: str = ""


class ExpireQueue(Command, frozen=True, kw_only=True):
    """Nobody has started the job for a day (timer)."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    traceparent: str = ""


class FailTask(Command, frozen=True, kw_only=True):
    """The task cannot be done."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    task: str
    lease: str
    code: str
    message: str
    retryable: bool


class ReleaseTask(Command, frozen=True, kw_only=True):
    """The worker gives the task back; `lost` when its child process died of it."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    task: str
    lease: str
    lost: bool = False


class RenewLease(Command, frozen=True, kw_only=True):
    """The worker is still at it."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    task: str
    lease: str


class ReportWorker(Command, frozen=True, kw_only=True):
    """A worker of this name takes tasks; sent again and again while it lives. The stream is the worker."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    slots: int
    video_ms: float
    image_ms: float


class RequestAnalysis(Command, frozen=True, kw_only=True):
    """Asks for a video or a batch of images to be analysed; the stream is the job."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    kind: str
    media: str | None = None
    media_bytes: int = 0
    items: tuple[Item, ...] = ()
    max_processing_time: int = 3600
    models: tuple[ModelUse, ...] = ()
    options: Json = msgspec.field(default_factory=dict)
    callback: Callback | None = None
    fingerprint: str = ""
    request_id: str = ""
    traceparent: str = ""


class RetireWorker(Command, frozen=True, kw_only=True):
    """The worker takes no more tasks: it stops, or was not heard of (timer)."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"


class StartTask(Command, frozen=True, kw_only=True):
    """A worker asks for the lease of a task; one of the same worker that it no longer knows of is taken over."""

    CONTEXT = "analysis"
    TOPIC = "analysis.commands"

    task: str
    lease: str
    worker: str


class AnalysisErased(Event, frozen=True, kw_only=True):
    """The result is gone."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    result_key: str | None = None


class AnalysisFailed(Event, frozen=True, kw_only=True):
    """The job has ended without a result."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    kind: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime
    callback: Callback | None = None
    code: str
    message: str
    retryable: bool
    items: tuple[Item, ...] = ()
    media: str | None = None
    traceparent: str = ""


class AnalysisFinished(Event, frozen=True, kw_only=True):
    """The job has ended well; the result lies in the object store: the bytes of `result` (video) or `items` (images)."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    kind: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime
    callback: Callback | None = None
    result_key: str
    result_bytes: int
    result_sha256: str
    units: float = 0.0
    media: str | None = None
    items: tuple[Item, ...] = ()
    traceparent: str = ""


class AnalysisRequested(Event, frozen=True, kw_only=True):
    """A job is queued."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    kind: str
    media: str | None = None
    media_bytes: int = 0
    items: tuple[Item, ...] = ()
    max_processing_time: int = 3600
    models: tuple[ModelUse, ...] = ()
    options: Json = msgspec.field(default_factory=dict)
    callback: Callback | None = None
    fingerprint: str = ""
    request_id: str = ""
    traceparent: str = ""


class AnalysisStarted(Event, frozen=True, kw_only=True):
    """The first lease is taken: the processing clock starts."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    deadline: datetime | None = None


class LeaseLost(Event, frozen=True, kw_only=True):
    """The worker was lost; the task may be started again."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    task: str
    lease: str
    losses: int


class LeaseRenewed(Event, frozen=True, kw_only=True):
    """The worker holds it for longer."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    task: str
    lease: str
    until: datetime


class TaskCompleted(Event, frozen=True, kw_only=True):
    """The task is done."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    task: str
    lease: str
    output: Json = msgspec.field(default_factory=dict)


class TaskFailed(Event, frozen=True, kw_only=True):
    """The task cannot be done; of a batch, only its item has failed."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    task: str
    lease: str
    code: str
    message: str
    retryable: bool


class TaskReleased(Event, frozen=True, kw_only=True):
    """The task may be started again."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    task: str
    lease: str


class TaskStarted(Event, frozen=True, kw_only=True):
    """A worker holds the task until `until`."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    task: str
    lease: str
    worker: str
    until: datetime


class TasksPlanned(Event, frozen=True, kw_only=True):
    """These tasks may be started."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    tasks: tuple[Planned, ...]


class WorkerReported(Event, frozen=True, kw_only=True):
    """A worker takes tasks."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"

    slots: int
    video_ms: float
    image_ms: float


class WorkerRetired(Event, frozen=True, kw_only=True):
    """A worker takes no more tasks."""

    CONTEXT = "analysis"
    TOPIC = "analysis.events"


Commands = (
    CancelAnalysis
    | CompleteTask
    | EraseAnalysis
    | ExceedDeadline
    | ExpireLease
    | ExpireQueue
    | FailTask
    | ReleaseTask
    | RenewLease
    | ReportWorker
    | RequestAnalysis
    | RetireWorker
    | StartTask
)


Events = (
    AnalysisErased
    | AnalysisFailed
    | AnalysisFinished
    | AnalysisRequested
    | AnalysisStarted
    | LeaseLost
    | LeaseRenewed
    | TaskCompleted
    | TaskFailed
    | TaskReleased
    | TaskStarted
    | TasksPlanned
    | WorkerReported
    | WorkerRetired
)
