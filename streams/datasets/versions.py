"""Dataset versions: frozen once, never changed. The stream is the version's id. Pure."""

from __future__ import annotations

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import FreezeVersion, VersionFrozen
from streams.decision import Claim, Reference, Refusal

VersionCommand = FreezeVersion
VersionEvent = VersionFrozen


class Version(msgspec.Struct, frozen=True):
    id: str = ""
    project: str = ""
    ordinal: int = 0
    name: str = ""


def decide(version: Version, command: FreezeVersion) -> tuple[VersionFrozen, ...] | Refusal:
    if version.id:
        return Refusal("conflict", field="id")
    if not command.image_count:
        return Refusal("invalid_state", "There is no image to freeze.", "batch_ids")
    return (VersionFrozen(**msgspec.structs.asdict(command)),)


def apply(_version: Version, event: VersionFrozen, meta: Envelope) -> Version:
    return Version(meta.stream, event.project, event.ordinal, event.name)


def claims(version: Version) -> tuple[Claim, ...]:
    """Its place and its name in the project; `dataset` lets a training refer to it."""
    if not version.id:
        return ()
    place, name = f"{version.project}/{version.ordinal}", f"{version.project}/{version.name.lower()}"
    return Claim("dataset", version.id), Claim("dataset.ordinal", place), Claim("dataset.name", name, "name.taken")


def references(command: FreezeVersion) -> tuple[Reference, ...]:
    return (Reference("record.project", command.project),)
