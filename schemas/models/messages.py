"""Generated from models/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.base import Command, Event, Json, Record


class PipelineServer(Record, frozen=True, kw_only=True):
    """What the device's server can do, as the sender saw it."""

    online: bool = True
    supports_pipelines: bool = True
    runtime: str = "cpu"
    preprocessors: tuple[str, ...] = ()
    postprocessors: tuple[str, ...] = ()


class PipelineModel(Record, frozen=True, kw_only=True):
    """What a model can do, as the sender saw it."""

    id: str
    status: str
    targets: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    shared: bool = False


class ModelFile(Record, frozen=True, kw_only=True):
    """ModelFile"""

    id: str
    key: str
    digest: str
    size: int
    media_type: str
    target: str | None = None


class Conversion(Record, frozen=True, kw_only=True):
    """Conversion"""

    target: str
    status: str
    message: str | None = None
    file: str | None = None


class AddPipelines(Command, frozen=True, kw_only=True):
    """More pipelines on a device; a root model that is there already stays as it is."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    device: str
    server: PipelineServer
    pipelines: Json
    models: tuple[PipelineModel, ...] = ()


class CancelTraining(Command, frozen=True, kw_only=True):
    """Ends a training that has not ended."""

    CONTEXT = "models"
    TOPIC = "models.commands"


class ChangeModel(Command, frozen=True, kw_only=True):
    """Replaces the named members of its description."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    changes: Json


class ConvertModel(Command, frozen=True, kw_only=True):
    """Checks and converts again; no targets means all."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    targets: tuple[str, ...] = ()


class ExportModel(Command, frozen=True, kw_only=True):
    """Makes a file of a model for another runtime; `file` is what it is made of, as the sender saw it. The stream follows from what is asked, so that the same comes to the same job."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    model: str
    format: str
    precision: str
    file: ModelFile


class FailTraining(Command, frozen=True, kw_only=True):
    """The training cannot go on, and why."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str
    message: str


class FinishTraining(Command, frozen=True, kw_only=True):
    """The training has made this model."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str
    model: str


class LapseModelCheck(Command, frozen=True, kw_only=True):
    """Sent by the stream's own timer: the worker has not reported in time."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str


class LapseTraining(Command, frozen=True, kw_only=True):
    """Sent by the stream's own timer: the worker has not reported in time."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str


class RemoveModel(Command, frozen=True, kw_only=True):
    """Takes a model out of use; `devices` run it, as the sender saw it, and only `force` takes it off them."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    devices: tuple[str, ...] = ()
    force: bool = False


class RemovePipelines(Command, frozen=True, kw_only=True):
    """Takes off the pipelines rooted at a model, or all."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    device: str
    model: str | None = None
    online: bool = True


class ReplaceModelFile(Command, frozen=True, kw_only=True):
    """A new file for a model: checked anew while the old artefacts go on serving."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    named_input: Json
    named_output: Json
    labels: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    input_details: Json = msgspec.field(default_factory=dict)
    file: ModelFile
    sources: tuple[ModelFile, ...] = ()


class ReportModelChecked(Command, frozen=True, kw_only=True):
    """What a worker found: converted with these artefacts, or why not."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str
    ok: bool
    message: str | None = None
    conversions: tuple[Conversion, ...] = ()
    artefacts: tuple[ModelFile, ...] = ()


class ReportTraining(Command, frozen=True, kw_only=True):
    """How far the worker is, and that it lives: `epoch` epochs are done. Figures come with the end of one; `best`: none before was better."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str
    epoch: int
    progress: float
    metrics: Json = msgspec.field(default_factory=dict)
    best: bool = False


class RequestTraining(Command, frozen=True, kw_only=True):
    """Trains a detector or classifier on a frozen dataset version; `splits` is how many pictures each share of it has. The stream is the job."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    dataset: str
    project: str
    name: str
    architecture: str
    base: str | None = None
    hyperparameters: Json = msgspec.field(default_factory=dict)
    epochs: int
    splits: Json


class SetPipelines(Command, frozen=True, kw_only=True):
    """Replaces what a device runs; the stream is `pipelines:` and the device id."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    device: str
    server: PipelineServer
    pipelines: Json
    models: tuple[PipelineModel, ...] = ()


class StageModel(Command, frozen=True, kw_only=True):
    """Where a model stands in the registry; the stream is `stages:` and the project, or the model that has none."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    model: str
    stage: str


class StartModelCheck(Command, frozen=True, kw_only=True):
    """A worker takes the check of a model that waits."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str
    worker: str


class StartTraining(Command, frozen=True, kw_only=True):
    """A worker takes a training that waits."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    lease: str
    worker: str


class UploadModel(Command, frozen=True, kw_only=True):
    """A model file stands in the object store; the stream is the model id. `named_input` and `named_output` were read from it, `boxes` are labels of its boxes, `flags` what it may say is so."""

    CONTEXT = "models"
    TOPIC = "models.commands"

    name: str
    alias: str = ""
    documentation: str = ""
    customization: str = ""
    input_driver: str = "vision"
    input_details: Json = msgspec.field(default_factory=dict)
    output_driver: str = "vision"
    output_details: Json = msgspec.field(default_factory=dict)
    targets: tuple[str, ...] = ()
    source_name: str | None = None
    source_url: str | None = None
    site: str | None = None
    catalogues: tuple[str, ...] = ()
    named_input: Json
    named_output: Json
    labels: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    file: ModelFile
    sources: tuple[ModelFile, ...] = ()


class ModelChanged(Event, frozen=True, kw_only=True):
    """These members have these values now."""

    CONTEXT = "models"
    TOPIC = "models.events"

    changes: Json


class ModelCheckStarted(Event, frozen=True, kw_only=True):
    """A worker is at it until then."""

    CONTEXT = "models"
    TOPIC = "models.events"

    lease: str
    worker: str
    until: datetime
    targets: tuple[str, ...] = ()


class ModelExportRequested(Event, frozen=True, kw_only=True):
    """A file of a model is wanted in this format."""

    CONTEXT = "models"
    TOPIC = "models.events"

    model: str
    format: str
    precision: str
    source: str


class ModelExported(Event, frozen=True, kw_only=True):
    """The file is there."""

    CONTEXT = "models"
    TOPIC = "models.events"

    file: ModelFile


class ModelFailed(Event, frozen=True, kw_only=True):
    """Cannot be used, and why."""

    CONTEXT = "models"
    TOPIC = "models.events"

    message: str
    conversions: tuple[Conversion, ...] = ()


class ModelFileReplaced(Event, frozen=True, kw_only=True):
    """Another file is the model's; it waits for its check."""

    CONTEXT = "models"
    TOPIC = "models.events"

    named_input: Json
    named_output: Json
    labels: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    input_details: Json = msgspec.field(default_factory=dict)
    file: ModelFile
    revision: int
    sources: tuple[ModelFile, ...] = ()


class ModelQueued(Event, frozen=True, kw_only=True):
    """The model waits for its check again."""

    CONTEXT = "models"
    TOPIC = "models.events"

    file: ModelFile
    targets: tuple[str, ...] = ()
    reason: str = "requested"


class ModelReady(Event, frozen=True, kw_only=True):
    """Checked: status `ok` and the artefacts, in one."""

    CONTEXT = "models"
    TOPIC = "models.events"

    message: str | None = None
    conversions: tuple[Conversion, ...] = ()
    artefacts: tuple[ModelFile, ...] = ()


class ModelRemoved(Event, frozen=True, kw_only=True):
    """The model is gone, and is taken off these devices."""

    CONTEXT = "models"
    TOPIC = "models.events"

    devices: tuple[str, ...] = ()


class ModelStaged(Event, frozen=True, kw_only=True):
    """The model stands there now."""

    CONTEXT = "models"
    TOPIC = "models.events"

    model: str
    stage: str


class ModelUploaded(Event, frozen=True, kw_only=True):
    """A model exists and waits for its check."""

    CONTEXT = "models"
    TOPIC = "models.events"

    name: str
    alias: str = ""
    documentation: str = ""
    customization: str = ""
    input_driver: str = "vision"
    input_details: Json = msgspec.field(default_factory=dict)
    output_driver: str = "vision"
    output_details: Json = msgspec.field(default_factory=dict)
    targets: tuple[str, ...] = ()
    source_name: str | None = None
    source_url: str | None = None
    site: str | None = None
    catalogues: tuple[str, ...] = ()
    named_input: Json
    named_output: Json
    labels: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    file: ModelFile
    revision: int = 1
    sources: tuple[ModelFile, ...] = ()


class PipelinesSet(Event, frozen=True, kw_only=True):
    """What a device runs now; `models` are all models in it."""

    CONTEXT = "models"
    TOPIC = "models.events"

    device: str
    pipelines: Json
    models: tuple[str, ...] = ()


class TrainingAdvanced(Event, frozen=True, kw_only=True):
    """So far is it; the worker has it until then."""

    CONTEXT = "models"
    TOPIC = "models.events"

    epoch: int
    progress: float
    metrics: Json = msgspec.field(default_factory=dict)
    best: bool = False
    until: datetime


class TrainingCancelled(Event, frozen=True, kw_only=True):
    """Ended before its time; what it had learnt is dropped."""

    CONTEXT = "models"
    TOPIC = "models.events"


class TrainingFailed(Event, frozen=True, kw_only=True):
    """Made nothing, and why."""

    CONTEXT = "models"
    TOPIC = "models.events"

    message: str


class TrainingFinished(Event, frozen=True, kw_only=True):
    """The training has made this model."""

    CONTEXT = "models"
    TOPIC = "models.events"

    model: str


class TrainingRequested(Event, frozen=True, kw_only=True):
    """A training waits for a worker."""

    CONTEXT = "models"
    TOPIC = "models.events"

    dataset: str
    project: str
    name: str
    architecture: str
    base: str | None = None
    hyperparameters: Json = msgspec.field(default_factory=dict)
    epochs: int


class TrainingStarted(Event, frozen=True, kw_only=True):
    """A worker is at it until then."""

    CONTEXT = "models"
    TOPIC = "models.events"

    lease: str
    worker: str
    until: datetime


Commands = (
    AddPipelines
    | CancelTraining
    | ChangeModel
    | ConvertModel
    | ExportModel
    | FailTraining
    | FinishTraining
    | LapseModelCheck
    | LapseTraining
    | RemoveModel
    | RemovePipelines
    | ReplaceModelFile
    | ReportModelChecked
    | ReportTraining
    | RequestTraining
    | SetPipelines
    | StageModel
    | StartModelCheck
    | StartTraining
    | UploadModel
)


Events = (
    ModelChanged
    | ModelCheckStarted
    | ModelExportRequested
    | ModelExported
    | ModelFailed
    | ModelFileReplaced
    | ModelQueued
    | ModelReady
    | ModelRemoved
    | ModelStaged
    | ModelUploaded
    | PipelinesSet
    | TrainingAdvanced
    | TrainingCancelled
    | TrainingFailed
    | TrainingFinished
    | TrainingRequested
    | TrainingStarted
)
