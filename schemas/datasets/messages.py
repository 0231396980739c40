"""Generated from datasets/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

import msgspec

from schemas.base import Command, Event, Json


class AddImage(Command, frozen=True, kw_only=True):
    """A picture joins a batch for good; the stream is the picture."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    batch: str
    device: str | None = None
    annotations: Json = msgspec.field(default_factory=dict)


class AssignBatch(Command, frozen=True, kw_only=True):
    """The project that batches of its device go to; one that has a project keeps it."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    project: str


class ChangeBatch(Command, frozen=True, kw_only=True):
    """Renames, completes, assigns or moves a batch; absent members stay."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    changes: Json


class ChangeImage(Command, frozen=True, kw_only=True):
    """Label state, split and its lock; absent members stay."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    changes: Json


class CloseIntake(Command, frozen=True, kw_only=True):
    """No more pictures for this batch; the stream is the device."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    batch: str
    reason: str = "quiet"


class ConfigureIntake(Command, frozen=True, kw_only=True):
    """What happens to the batches of a device; the stream is the device."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    project: str | None = None


class DropAnnotation(Command, frozen=True, kw_only=True):
    """Takes one label off the picture."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    annotation: str


class FreezeBatch(Command, frozen=True, kw_only=True):
    """Pictures of the batch are in the version of this name: it stays a dataset."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    name: str = ""


class FreezeImage(Command, frozen=True, kw_only=True):
    """The picture is in a version: its share stays."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    name: str
    split: str


class FreezeVersion(Command, frozen=True, kw_only=True):
    """Pictures and labels as they are now, for training; the stream is the version's id. `snapshot` is the object that holds them by value, `splits` the picture ids of each share."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    project: str
    ordinal: int
    name: str
    description: str | None = None
    snapshot: str
    digest: str
    classes: tuple[str, ...]
    splits: Json
    batches: tuple[str, ...]
    image_count: int
    annotation_count: int
    class_distribution: Json


class OpenBatch(Command, frozen=True, kw_only=True):
    """A batch that collects pictures; the stream is its id."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    name: str
    device: str | None = None


class PutAnnotations(Command, frozen=True, kw_only=True):
    """Writes labels of a picture: those given are put; with `replace` all others go."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    annotations: Json
    replace: bool = False
    status: str | None = None


class RemoveBatch(Command, frozen=True, kw_only=True):
    """The batch goes, and with it these pictures: those in it, as the sender saw it."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    images: tuple[str, ...]


class RemoveImage(Command, frozen=True, kw_only=True):
    """The picture goes, with its labels."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"


class RemoveVersion(Command, frozen=True, kw_only=True):
    """The version goes; `trainings` learn from it, as the sender saw it."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    trainings: tuple[str, ...]


class TakeImage(Command, frozen=True, kw_only=True):
    """A device's picture asks to be kept; the stream is the device. `batch` is the one it opens when none is open."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    image: str
    batch: str
    device_name: str
    hash: str
    source: str = ""
    force: bool = False
    annotations: Json = msgspec.field(default_factory=dict)
    rules: Json = msgspec.field(default_factory=dict)


class ThawBatch(Command, frozen=True, kw_only=True):
    """The version of this name is gone."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    name: str


class ThawImage(Command, frozen=True, kw_only=True):
    """The version of this name is gone."""

    CONTEXT = "datasets"
    TOPIC = "datasets.commands"

    name: str


class AnnotationsChanged(Event, frozen=True, kw_only=True):
    """These labels are on the picture as given, those dropped are gone."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    put: Json = msgspec.field(default_factory=dict)
    dropped: tuple[str, ...] = ()


class BatchChanged(Event, frozen=True, kw_only=True):
    """These members have these values now."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    changes: Json
    device: str | None = None


class BatchFrozen(Event, frozen=True, kw_only=True):
    """The batch stays a dataset while it is in the version of this name."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    name: str = ""


class BatchOpened(Event, frozen=True, kw_only=True):
    """A batch collects pictures."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    name: str
    device: str | None = None


class BatchRemoved(Event, frozen=True, kw_only=True):
    """The batch is gone; its pictures go."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    images: tuple[str, ...]
    device: str | None = None


class BatchThawed(Event, frozen=True, kw_only=True):
    """The batch is not in the version of this name any more."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    name: str


class ImageAdded(Event, frozen=True, kw_only=True):
    """A picture can be labelled."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    batch: str
    device: str | None = None


class ImageChanged(Event, frozen=True, kw_only=True):
    """These members have these values now."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    changes: Json


class ImageDropped(Event, frozen=True, kw_only=True):
    """A device's picture was too much like the last one kept."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    image: str
    batch: str | None = None
    reason: str


class ImageFrozen(Event, frozen=True, kw_only=True):
    """The picture is in this version, in this share."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    name: str
    split: str


class ImageKept(Event, frozen=True, kw_only=True):
    """A device's picture joined this batch, or opened it under `opens`."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    image: str
    batch: str
    hash: str
    source: str = ""
    opens: str | None = None
    annotations: Json = msgspec.field(default_factory=dict)
    rules: Json = msgspec.field(default_factory=dict)


class ImageRemoved(Event, frozen=True, kw_only=True):
    """The picture and its labels are gone."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"


class ImageThawed(Event, frozen=True, kw_only=True):
    """The picture is not in the version of this name any more; `version` is the newest that it is still in."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    name: str
    version: str | None = None


class IntakeClosed(Event, frozen=True, kw_only=True):
    """The next picture of this device opens another batch."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    batch: str
    reason: str
    project: str | None = None


class IntakeConfigured(Event, frozen=True, kw_only=True):
    """Batches of this device go to this project once they are complete."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    project: str | None = None


class VersionFrozen(Event, frozen=True, kw_only=True):
    """A dataset version that never changes."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    project: str
    ordinal: int
    name: str
    description: str | None = None
    snapshot: str
    digest: str
    classes: tuple[str, ...]
    splits: Json
    batches: tuple[str, ...]
    image_count: int
    annotation_count: int
    class_distribution: Json


class VersionRemoved(Event, frozen=True, kw_only=True):
    """The version is gone; these pictures and batches are in it no longer."""

    CONTEXT = "datasets"
    TOPIC = "datasets.events"

    name: str
    images: tuple[str, ...]
    batches: tuple[str, ...]


Commands = (
    AddImage
    | AssignBatch
    | ChangeBatch
    | ChangeImage
    | CloseIntake
    | ConfigureIntake
    | DropAnnotation
    | FreezeBatch
    | FreezeImage
    | FreezeVersion
    | OpenBatch
    | PutAnnotations
    | RemoveBatch
    | RemoveImage
    | RemoveVersion
    | TakeImage
    | ThawBatch
    | ThawImage
)


Events = (
    AnnotationsChanged
    | BatchChanged
    | BatchFrozen
    | BatchOpened
    | BatchRemoved
    | BatchThawed
    | ImageAdded
    | ImageChanged
    | ImageDropped
    | ImageFrozen
    | ImageKept
    | ImageRemoved
    | ImageThawed
    | IntakeClosed
    | IntakeConfigured
    | VersionFrozen
    | VersionRemoved
)
