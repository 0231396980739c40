"""What the models' tables hold after each event: each row is written by the events of one stream only. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from projections.rows import Change, Drop, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.ids import number_of
from schemas.models.messages import (
    Conversion,
    Events,
    ModelChanged,
    ModelCheckStarted,
    ModelExported,
    ModelExportRequested,
    ModelFailed,
    ModelFile,
    ModelFileReplaced,
    ModelQueued,
    ModelReady,
    ModelRemoved,
    ModelStaged,
    ModelUploaded,
    PipelinesSet,
    TrainingAdvanced,
    TrainingCancelled,
    TrainingFailed,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)

FILES = {"file", "sources"}
RECEIVED = (
    "application/x-onnx; source=original",
    "application/x-onnx; source=converted",
    "application/x-tensorflow-lite; type=float32",
    "application/zip; source=original",
    "application/zip; kind=teachable-machine",
)
"""Kinds of files as they came, and what was made of them at the door."""
IDLE: Values = {"lease": None, "worker": None}
Training = (
    TrainingRequested | TrainingStarted | TrainingAdvanced | TrainingFinished | TrainingFailed | TrainingCancelled
)
Export = ModelExportRequested | ModelExported


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    if isinstance(event, Training):
        yield from trained(event, meta)
    elif isinstance(event, Export):
        yield exported(event, meta)
    else:
        yield from model(event, meta)


def model(event: Any, meta: Envelope) -> Iterable[Row]:
    match event:
        case ModelUploaded():
            about = {"status": "new", "number": number_of(meta.stream), "created_at": meta.time, "pending": {}}
            yield Put("models", {"id": meta.stream}, {**stamps(meta), **about, **members(event, FILES)})
            yield from received(event, meta)
        case ModelChanged(changes=changes):
            yield changed(meta, changes)
        case ModelFileReplaced():
            told = {} if event.file.target else members(event, FILES)
            yield changed(meta, {**told, "revision": event.revision})
            yield from received(event, meta)
        case ModelQueued():
            yield changed(meta, {"status": "queued", "pending": msgspec.to_builtins(event.file), **IDLE})
            yield from (conversion(Conversion(target=target, status="queued"), meta) for target in event.targets)
        case ModelCheckStarted():
            yield changed(meta, {"status": "processing", "lease": event.lease, "worker": event.worker})
            yield from (conversion(Conversion(target=target, status="processing"), meta) for target in event.targets)
        case ModelReady():
            yield changed(meta, {"status": "ok", "status_message": event.message, **IDLE})
            yield from (artefact(file, meta) for file in event.artefacts)
            yield from (conversion(each, meta, file=each.file) for each in event.conversions)
        case ModelFailed():
            yield changed(meta, {"status": "error", "status_message": event.message, **IDLE})
            yield from (conversion(each, meta) for each in event.conversions)
        case ModelRemoved():
            yield changed(meta, {"removed_at": meta.time, **IDLE})
        case ModelStaged():
            yield Put("stages", {"model": event.model}, {**stamps(meta), "stage": event.stage})
        case PipelinesSet():
            values = {**stamps(meta), "pipelines": event.pipelines, "models": list(event.models)}
            yield Put("pipelines", {"device": event.device}, values)


def trained(event: Training, meta: Envelope) -> Iterable[Row]:
    key, now = {"id": meta.stream}, stamps(meta)
    over = {**now, **IDLE, "completed_at": meta.time}
    match event:
        case TrainingRequested():
            new = {"status": "queued", "number": number_of(meta.stream), "created_at": meta.time}
            yield Put("trainings", key, {**now, **new, **members(event, set())})
        case TrainingStarted(lease=lease, worker=worker):
            held = {"lease": lease, "worker": worker, "started_at": meta.time}
            yield Change("trainings", key, {**now, **held, "status": "preparing"})
        case TrainingAdvanced():
            figures = {"metrics": event.metrics} if event.metrics else {}
            best = {"best_metrics": event.metrics} if event.metrics and event.best else {}
            told = {"status": "running", "epoch": event.epoch, "progress": event.progress, **figures, **best}
            yield Change("trainings", key, {**now, **told})
            if event.metrics:
                point = {**now, "created_at": meta.time, **figures}
                yield Put("epochs", {"training": meta.stream, "epoch": event.epoch}, point)
        case TrainingFinished():
            yield Change("trainings", key, {**over, "status": "completed", "progress": 1.0, "model": event.model})
        case TrainingFailed():
            yield Change("trainings", key, {**over, "status": "failed", "error_message": event.message})
        case TrainingCancelled():
            yield Change("trainings", key, {**over, "status": "cancelled"})


def exported(event: Export, meta: Envelope) -> Row:
    if isinstance(event, ModelExportRequested):
        new = {"status": "queued", "number": number_of(meta.stream), "created_at": meta.time}
        return Put("exports", {"id": meta.stream}, {**stamps(meta), **new, **members(event, {"source"})})
    file = {"key": event.file.key, "digest": event.file.digest, "size": event.file.size}
    done = {"status": "completed", "completed_at": meta.time}
    return Change("exports", {"id": meta.stream}, {**stamps(meta), **done, **file})


def members(event: Any, without: set[str]) -> Values:
    """The event's members as columns: tuples are arrays."""
    told = msgspec.structs.asdict(event)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items() if name not in without}


def changed(meta: Envelope, values: Values) -> Row:
    return Change("models", {"id": meta.stream}, {**stamps(meta), **values})


def received(event: ModelUploaded | ModelFileReplaced, meta: Envelope) -> Iterable[Row]:
    """Files as they came can be had at once; one compiled for a chip is an artefact only when it is checked."""
    if event.file.target is not None:
        return
    files = (event.file, *event.sources)
    yield from (artefact(file, meta) for file in files)
    if isinstance(event, ModelFileReplaced):
        for kind in set(RECEIVED) - {file.media_type for file in files}:
            yield Drop("artefacts", {"model": meta.stream, "media_type": kind})


def artefact(file: ModelFile, meta: Envelope) -> Row:
    values = members(file, {"media_type"})
    return Put(
        "artefacts",
        {"model": meta.stream, "media_type": file.media_type},
        {**stamps(meta), "created_at": meta.time, **values},
    )


def conversion(each: Conversion, meta: Envelope, **more: Any) -> Row:
    """The target's state; the file of an earlier conversion serves until there is another."""
    values = {**stamps(meta), "status": each.status, "message": each.message, **more}
    return Put("conversions", {"model": meta.stream, "target": each.target}, values)
