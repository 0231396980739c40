"""A model: uploaded, checked by a worker under a lease, usable when it has artefacts. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

import msgspec

from schemas.base import Envelope
from schemas.models.messages import (
    ChangeModel,
    Conversion,
    ConvertModel,
    LapseModelCheck,
    ModelChanged,
    ModelCheckStarted,
    ModelFailed,
    ModelFile,
    ModelFileReplaced,
    ModelQueued,
    ModelReady,
    ModelRemoved,
    ModelUploaded,
    RemoveModel,
    ReplaceModelFile,
    ReportModelChecked,
    StartModelCheck,
    UploadModel,
)
from streams.decision import Claim, Reference, Refusal, Timer

Commands = (
    UploadModel
    | ChangeModel
    | ReplaceModelFile
    | ConvertModel
    | RemoveModel
    | StartModelCheck
    | LapseModelCheck
    | ReportModelChecked
)
Events = (
    ModelUploaded
    | ModelChanged
    | ModelFileReplaced
    | ModelQueued
    | ModelCheckStarted
    | ModelReady
    | ModelFailed
    | ModelRemoved
)
Status = Literal["new", "queued", "processing", "ok", "error"]

LEASE = timedelta(minutes=10)
"""A check takes seconds; its child process is stopped long before this."""
LOSSES = 3
"""So many workers lost over one file, and the file is to blame."""
TARGETS = ("cpu", "intel", "nvidia", "hailo", "hailo-8l", "mxa", "qualcomm", "deepx")
USUAL = ("cpu", "intel", "nvidia")
"""Targets of a model that names none: one validated ONNX file serves them all."""
DESCRIPTION = frozenset(
    {
        "name",
        "alias",
        "documentation",
        "customization",
        "input_driver",
        "input_details",
        "output_driver",
        "output_details",
        "targets",
        "source_name",
        "source_url",
        "site",
        "catalogues",
    }
)
"""What ChangeModel may change."""


class Model(msgspec.Struct, frozen=True):
    """A model as it is decided on: its own file, and the file and targets of the check that is due or was last."""

    id: str
    description: dict[str, Any]
    file: ModelFile
    pending: ModelFile
    revision: int = 1
    targets: tuple[str, ...] = ()
    status: Status = "new"
    lease: str | None = None
    worker: str | None = None
    until: datetime | None = None
    losses: int = 0
    removed: bool = False


def decide(model: Model | None, command: Commands, meta: Envelope) -> tuple[Events, ...] | Refusal:
    if isinstance(command, UploadModel):
        return upload(model, command)
    if model is None or model.removed:
        return () if model and isinstance(command, RemoveModel) else Refusal("unknown")
    if isinstance(command, StartModelCheck | LapseModelCheck | ReportModelChecked):
        return check(model, command, meta)
    match command:
        case ChangeModel(changes=changes):
            return change(model, changes)
        case ReplaceModelFile():
            return replace(model, command)
        case ConvertModel(targets=targets):
            return misfit(targets) or (queued(model.file, targets),)
        case RemoveModel():
            return remove(command)
        case _:
            assert_never(command)


def check(
    model: Model, command: StartModelCheck | LapseModelCheck | ReportModelChecked, meta: Envelope
) -> tuple[Events, ...] | Refusal:
    match command:
        case StartModelCheck():
            return start(model, command, meta)
        case LapseModelCheck(lease=lease):
            return lapse(model) if lease == model.lease else ()
        case ReportModelChecked():
            return report(model, command)


def upload(model: Model | None, command: UploadModel) -> tuple[Events, ...] | Refusal:
    if model is not None:
        return Refusal("conflict", "This id is taken by a model.")
    if not command.name:
        return Refusal("invalid", "A model has a name.", "name")
    uploaded = ModelUploaded(**msgspec.structs.asdict(command))
    return misfit(command.targets) or (uploaded, queued(command.file, command.targets))


def queued(file: ModelFile, targets: tuple[str, ...]) -> ModelQueued:
    """A file that was compiled for a chip is for that chip alone."""
    return ModelQueued(file=file, targets=(file.target,) if file.target else targets or USUAL)


def misfit(targets: tuple[str, ...]) -> Refusal | None:
    for target in targets:
        if target not in TARGETS:
            return Refusal("invalid", f"{target} is not a conversion target.", "targets")
    return None


def change(model: Model, changes: dict[str, Any]) -> tuple[Events, ...] | Refusal:
    for name in changes:
        if name not in DESCRIPTION:
            return Refusal("invalid", f"{name} cannot be changed.", name)
    if not changes.get("name", True):
        return Refusal("invalid", "A model has a name.", "name")
    new = {name: value for name, value in changes.items() if model.description[name] != value}
    return misfit(tuple(new.get("targets", ()))) or ((ModelChanged(changes=new),) if new else ())


def replace(model: Model, command: ReplaceModelFile) -> tuple[Events, ...]:
    """The same bytes again are no new file."""
    if command.file.digest == model.pending.digest:
        return ()
    replaced = ModelFileReplaced(**msgspec.structs.asdict(command), revision=model.revision + 1)
    return (replaced, queued(command.file, tuple(model.description["targets"])))


def remove(command: RemoveModel) -> tuple[Events, ...] | Refusal:
    if command.devices and not command.force:
        return Refusal("still_referenced", f"{len(command.devices)} devices run the model.", "devices")
    return (ModelRemoved(devices=command.devices),)


def start(model: Model, command: StartModelCheck, meta: Envelope) -> tuple[Events, ...] | Refusal:
    """A worker that was restarted takes its own lease again; another worker waits for the timer."""
    if command.lease == model.lease:
        return ()
    own = model.status == "processing" and model.worker == command.worker
    if not (model.status == "queued" or own):
        return Refusal("lease.lost", f"The model is {model.status}.")
    if own and model.losses + 1 >= LOSSES:
        return (lost(model),)
    until = meta.time + LEASE
    return (ModelCheckStarted(lease=command.lease, worker=command.worker, until=until, targets=model.targets),)


def lapse(model: Model) -> tuple[Events, ...]:
    if model.losses + 1 >= LOSSES:
        return (lost(model),)
    return (ModelQueued(file=model.pending, targets=model.targets, reason="worker_lost"),)


def lost(model: Model) -> ModelFailed:
    return failed(model, f"The check ended {LOSSES} times without a result.")


def failed(model: Model, message: str) -> ModelFailed:
    targets = (Conversion(target=target, status="error", message=message) for target in model.targets)
    return ModelFailed(message=message, conversions=tuple(targets))


def report(model: Model, command: ReportModelChecked) -> tuple[Events, ...] | Refusal:
    if command.lease != model.lease:
        return Refusal("lease.lost", "This check is no longer yours.")
    if not command.ok:
        return (failed(model, command.message or "The model cannot be used."),)
    ready = ModelReady(message=command.message, conversions=command.conversions, artefacts=command.artefacts)
    return (ready,)


def apply(model: Model | None, event: Events, meta: Envelope) -> Model:
    if isinstance(event, ModelUploaded):
        told = msgspec.json.decode(msgspec.json.encode(event))
        return Model(meta.stream, {name: told[name] for name in sorted(DESCRIPTION)}, event.file, event.file)
    assert model is not None
    free = {"lease": None, "worker": None, "until": None}
    match event:
        case ModelChanged(changes=changes):
            return with_(model, description={**model.description, **changes})
        case ModelFileReplaced(file=new):
            kept, told = (model.file, {}) if new.target else (new, {"input_details": event.input_details})
            return with_(model, file=kept, revision=event.revision, description={**model.description, **told})
        case ModelQueued():
            losses = model.losses + 1 if event.reason == "worker_lost" else 0
            return with_(model, pending=event.file, targets=event.targets, status="queued", losses=losses, **free)
        case ModelCheckStarted():
            losses = model.losses + (model.status == "processing")
            held = {"lease": event.lease, "worker": event.worker, "until": event.until}
            return with_(model, status="processing", losses=losses, **held)
        case ModelReady():
            return with_(model, status="ok", losses=0, **free)
        case ModelFailed():
            return with_(model, status="error", losses=0, **free)
        case ModelRemoved():
            return with_(model, removed=True, **free)
        case _:
            assert_never(event)


def with_(model: Model, **changes: Any) -> Model:
    return msgspec.structs.replace(model, **changes)


def claims(model: Model) -> tuple[Claim, ...]:
    """`model` lets pipelines, jobs and deployments refer to it."""
    return () if model.removed else (Claim("model", model.id),)


def references(command: Commands) -> tuple[Reference, ...]:
    """Site and catalogues are records and must live when a model is put there."""
    match command:
        case UploadModel(site=site, catalogues=catalogues):
            pass
        case ChangeModel(changes=changes):
            site, catalogues = changes.get("site"), changes.get("catalogues", ())
        case _:
            return ()
    named = [Reference("record.site", site)] if site else []
    return (*named, *(Reference("record.catalogue", id) for id in catalogues))


def timers(model: Model) -> tuple[Timer, ...]:
    if model.lease is None or model.until is None:
        return ()
    return (Timer("lease", model.until, LapseModelCheck(lease=model.lease)),)
