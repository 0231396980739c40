"""A file of a model for another runtime; its stream follows from what is asked, so the same is the same job. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.ids import derived_id
from schemas.models.messages import ExportModel, ModelExported, ModelExportRequested
from streams.decision import Reference, Refusal

Commands = ExportModel
Events = ModelExportRequested | ModelExported
CONVERTERS = frozenset({("onnx", "fp32")})
"""Format and precision that can be made. A checked model is that already: its file is taken as it is."""


class Export(msgspec.Struct, frozen=True):
    status: Literal["", "queued", "completed"] = ""


def stream_of(command: ExportModel) -> str:
    """Another file of the model is another job."""
    return derived_id(command.model, f"export/{command.format}/{command.precision}/{command.file.digest}")


def decide(export: Export, command: Commands) -> tuple[Events, ...] | Refusal:
    if export.status:
        return ()
    if (command.format, command.precision) not in CONVERTERS:
        return Refusal("invalid", f"Nothing here makes {command.format} of {command.precision}.", "format")
    requested = ModelExportRequested(
        model=command.model, format=command.format, precision=command.precision, source=command.file.digest
    )
    return requested, ModelExported(file=command.file)


def apply(event: Events) -> Export:
    return Export("completed" if isinstance(event, ModelExported) else "queued")


def references(command: Commands) -> tuple[Reference, ...]:
    return (Reference("model", command.model, "unknown"),)
