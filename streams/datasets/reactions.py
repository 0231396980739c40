"""How a picture finds its batch, and a batch its end. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.datasets.messages import (
    AddImage,
    AssignBatch,
    BatchChanged,
    BatchRemoved,
    ChangeBatch,
    CloseIntake,
    ConfigureIntake,
    FreezeBatch,
    FreezeImage,
    ImageKept,
    IntakeClosed,
    OpenBatch,
    RemoveImage,
    TakeImage,
    ThawBatch,
    ThawImage,
    VersionFrozen,
    VersionRemoved,
)
from schemas.fleet.messages import DeviceChanged
from schemas.media.messages import ImageStored
from streams.decision import Send


def take(event: ImageStored, meta: Envelope) -> tuple[Send, ...]:
    """A device's picture asks its intake; a person's goes where it was put."""
    if event.device is None:
        return (Send(meta.stream, AddImage(batch=event.batch, annotations=event.annotations)),)
    command = TakeImage(
        image=meta.stream,
        batch=event.batch,
        device_name=event.device_name or event.device,
        hash=event.hash,
        source=event.source or "",
        force=event.force,
        annotations=event.annotations,
        rules=event.rules,
    )
    return (Send(event.device, command),)


def add(event: ImageKept, meta: Envelope) -> tuple[Send, ...]:
    added = Send(event.image, AddImage(batch=event.batch, device=meta.stream, annotations=event.annotations))
    if event.opens is None:
        return (added,)
    return Send(event.batch, OpenBatch(name=event.opens, device=meta.stream)), added


def complete(event: IntakeClosed, _meta: Envelope) -> tuple[Send, ...]:
    """Assigning is asked for apart: the batch is complete even when the project is gone."""
    done = Send(event.batch, ChangeBatch(changes={"status": "complete"}))
    if event.project is None:
        return (done,)
    return done, Send(event.batch, AssignBatch(project=event.project))


def close(event: BatchChanged, meta: Envelope) -> tuple[Send, ...]:
    """A batch that a person completed takes no more pictures."""
    if event.device is None or event.changes.get("status") != "complete":
        return ()
    return (Send(event.device, CloseIntake(batch=meta.stream, reason="complete")),)


def configure(event: DeviceChanged, meta: Envelope) -> tuple[Send, ...]:
    if "auto_assign_project" not in event.changes:
        return ()
    return (Send(meta.stream, ConfigureIntake(project=event.changes["auto_assign_project"])),)


def freeze(event: VersionFrozen, _meta: Envelope) -> tuple[Send, ...]:
    """What is in a version stays where it is in it."""
    images = [Send(id, FreezeImage(name=event.name, split=split)) for split, ids in event.splits.items() for id in ids]
    return (*images, *(Send(batch, FreezeBatch(name=event.name)) for batch in event.batches))


def thaw(event: VersionRemoved, _meta: Envelope) -> tuple[Send, ...]:
    images = [Send(id, ThawImage(name=event.name)) for id in event.images]
    return (*images, *(Send(batch, ThawBatch(name=event.name)) for batch in event.batches))


def clear(event: BatchRemoved, meta: Envelope) -> tuple[Send, ...]:
    """Pictures go with their batch; the device opens another with its next."""
    images = tuple(Send(id, RemoveImage()) for id in event.images)
    return (
        images
        if event.device is None
        else (*images, Send(event.device, CloseIntake(batch=meta.stream, reason="removed")))
    )
