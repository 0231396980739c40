"""A training: waits, is prepared and run by a worker under a lease, ends with a model or without. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

import msgspec

from schemas.base import Envelope
from schemas.models.messages import (
    CancelTraining,
    FailTraining,
    FinishTraining,
    LapseTraining,
    ReportTraining,
    RequestTraining,
    StartTraining,
    TrainingAdvanced,
    TrainingCancelled,
    TrainingFailed,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from streams.decision import Reference, Refusal, Timer

Commands = (
    RequestTraining | CancelTraining | StartTraining | ReportTraining | FinishTraining | FailTraining | LapseTraining
)
Events = TrainingRequested | TrainingStarted | TrainingAdvanced | TrainingFinished | TrainingFailed | TrainingCancelled
Status = Literal["", "queued", "preparing", "running", "completed", "failed", "cancelled"]

LEASE = timedelta(minutes=10)
"""A worker says more often than this that it lives."""
ARCHITECTURES = ("detector-small",)
"""What can be trained."""
NEEDED = ("train", "val")
HELD: tuple[Status, ...] = ("preparing", "running")
OPEN: tuple[Status, ...] = ("queued", *HELD)


class Training(msgspec.Struct, frozen=True):
    status: Status = ""
    epochs: int = 0
    epoch: int = 0
    lease: str = ""
    until: datetime | None = None


def decide(training: Training, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, RequestTraining):
        return request(training, command)
    if not training.status:
        return Refusal("unknown")
    match command:
        case CancelTraining():
            return (TrainingCancelled(),) if training.status in OPEN else ended(training)
        case LapseTraining(lease=lease):
            return lapse(training, lease, meta)
        case _:
            return work(training, command, meta)


def request(training: Training, command: RequestTraining) -> tuple[Events, ...] | Refusal:
    """Fields at fault are named as the one dialect that trains has them."""
    if training.status:
        return Refusal("conflict")
    if command.architecture not in ARCHITECTURES:
        return Refusal("invalid", f"{command.architecture} cannot be trained here.", "architecture")
    if command.epochs < 1:
        return Refusal("invalid", "A training has an epoch.", "hyperparameters.epochs")
    for split in NEEDED:
        if not command.splits.get(split):
            return Refusal("invalid_state", f"The version has no picture in {split}.", "dataset_version_id")
    asked: dict[str, Any] = msgspec.structs.asdict(command)
    del asked["splits"]
    return (TrainingRequested(**asked),)


def lapse(training: Training, lease: str, meta: Envelope) -> tuple[Events, ...]:
    """A report that came before the timer did has given the worker more time."""
    if not holds(training, lease) or (training.until is not None and meta.time < training.until):
        return ()
    return (TrainingFailed(message="The worker was lost while it trained."),)


def ended(training: Training) -> Refusal:
    return Refusal("job.terminal", f"The job is {training.status}.")


def holds(training: Training, lease: str) -> bool:
    return training.status in HELD and training.lease == lease


def work(
    training: Training, command: StartTraining | ReportTraining | FinishTraining | FailTraining, meta: Envelope
) -> tuple[Events, ...] | Refusal:
    """What a worker tells; a job that was cancelled is nobody's."""
    mine = holds(training, command.lease)
    if isinstance(command, StartTraining):
        if mine:
            return ()
        started = TrainingStarted(lease=command.lease, worker=command.worker, until=meta.time + LEASE)
        return (started,) if training.status == "queued" else Refusal("lease.lost", f"The job is {training.status}.")
    if not mine:
        return Refusal("lease.lost", "This training is no longer yours.")
    match command:
        case ReportTraining():
            return advance(training, command, meta)
        case FinishTraining(model=model):
            return (TrainingFinished(model=model),)
        case FailTraining(message=message):
            return (TrainingFailed(message=message),)
        case _:
            assert_never(command)


def advance(training: Training, command: ReportTraining, meta: Envelope) -> tuple[Events, ...] | Refusal:
    """The same epoch again says that the worker lives."""
    if not training.epoch <= command.epoch <= training.epochs:
        return Refusal("invalid", f"Epoch {training.epoch} of {training.epochs} is done.", "epoch")
    if not 0 <= command.progress <= 1:
        return Refusal("invalid", "Progress goes from 0 to 1.", "progress")
    figures = {"metrics": command.metrics, "best": command.best}
    return (TrainingAdvanced(epoch=command.epoch, progress=command.progress, until=meta.time + LEASE, **figures),)


def apply(training: Training, event: Events) -> Training:
    match event:
        case TrainingRequested(epochs=epochs):
            return Training("queued", epochs)
        case TrainingStarted(lease=lease, until=until):
            return msgspec.structs.replace(training, status="preparing", lease=lease, until=until)
        case TrainingAdvanced(epoch=epoch, until=until):
            return msgspec.structs.replace(training, status="running", epoch=epoch, until=until)
        case TrainingFinished():
            return Training("completed")
        case TrainingFailed():
            return Training("failed")
        case TrainingCancelled():
            return Training("cancelled")
        case _:
            assert_never(event)


def references(command: Commands) -> tuple[Reference, ...]:
    """What it learns from, what it starts from and what it makes are there."""
    match command:
        case RequestTraining(dataset=dataset, project=project, base=base):
            learnt = (Reference("dataset", dataset, "unknown"), Reference("record.project", project, "unknown"))
            return (*learnt, Reference("model", base, "unknown")) if base else learnt
        case FinishTraining(model=model):
            return (Reference("model", model),)
        case _:
            return ()


def timers(training: Training) -> tuple[Timer, ...]:
    if training.until is None:
        return ()
    return (Timer("training", training.until, LapseTraining(lease=training.lease)),)
