"""Dataset versions: frozen once, never changed, removed while nothing learns from them. The stream is the version's
id. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import FreezeVersion, RemoveVersion, VersionFrozen, VersionRemoved
from streams.decision import Claim, Reference, Refusal

VersionCommand = FreezeVersion | RemoveVersion
VersionEvent = VersionFrozen | VersionRemoved


class Version(msgspec.Struct, frozen=True):
    id: str = ""
    project: str = ""
    ordinal: int = 0
    name: str = ""
    images: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    removed: bool = False


def decide(version: Version, command: VersionCommand) -> tuple[VersionEvent, ...] | Refusal:
    if isinstance(command, RemoveVersion):
        return remove(version, command)
    if version.id:
        return Refusal("conflict", field="id")
    if not command.image_count:
        return Refusal("invalid_state", "There is no image to freeze.", "batch_ids")
    return (VersionFrozen(**msgspec.structs.asdict(command)),)


def remove(version: Version, command: RemoveVersion) -> tuple[VersionEvent, ...] | Refusal:
    if not version.id or version.removed:
        return Refusal("unknown")
    if command.trainings:
        return Refusal("still_referenced", "A training job learns from this version.")
    return (VersionRemoved(name=version.name, images=version.images, batches=version.batches),)


def apply(version: Version, event: VersionEvent, meta: Envelope) -> Version:
    if isinstance(event, VersionRemoved):
        return msgspec.structs.replace(version, images=(), batches=(), removed=True)
    images = tuple(id for ids in event.splits.values() for id in ids)
    return Version(meta.stream, event.project, event.ordinal, event.name, images, event.batches)


def claims(version: Version) -> tuple[Claim, ...]:
    """Its place and its name in the project; `dataset` lets a training refer to it."""
    if not version.id or version.removed:
        return ()
    place, name = f"{version.project}/{version.ordinal}", f"{version.project}/{version.name.lower()}"
    return Claim("dataset", version.id), Claim("dataset.ordinal", place), Claim("dataset.name", name, "name.taken")


def references(command: VersionCommand) -> tuple[Reference, ...]:
    return (Reference("record.project", command.project),) if isinstance(command, FreezeVersion) else ()
