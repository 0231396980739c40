"""Pictures as they are labelled. The stream is the picture's id. Pure."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from schemas.base import Envelope
from schemas.datasets.messages import (
    AddImage,
    AnnotationsChanged,
    ChangeImage,
    DropAnnotation,
    FreezeImage,
    ImageAdded,
    ImageChanged,
    ImageFrozen,
    ImageRemoved,
    ImageThawed,
    PutAnnotations,
    RemoveImage,
    ThawImage,
)
from streams.decision import Refusal

ImageCommand = AddImage | ChangeImage | PutAnnotations | DropAnnotation | FreezeImage | ThawImage | RemoveImage
ImageEvent = ImageAdded | ImageChanged | AnnotationsChanged | ImageFrozen | ImageThawed | ImageRemoved
Label = dict[str, Any]

MOVES = {
    "unannotated": {"in_progress", "completed"},
    "in_progress": {"completed"},
    "completed": {"in_progress", "approved", "rejected"},
    "approved": {"completed", "rejected"},
    "rejected": {"in_progress"},
}
"""Label states that a person may set next."""


class Image(msgspec.Struct, frozen=True):
    id: str = ""
    members: dict[str, Any] = msgspec.field(default_factory=dict)
    labels: dict[str, Label] = msgspec.field(default_factory=dict)
    """Labels by their id."""
    versions: tuple[str, ...] = ()
    """Names of the dataset versions that it is in, the newest last."""
    removed: bool = False


def decide(image: Image, command: ImageCommand, meta: Envelope) -> tuple[ImageEvent, ...] | Refusal:
    match command:
        case AddImage():
            return () if image.id else add(command, meta)
        case _ if not image.id or image.removed:
            return Refusal("unknown")
        case ChangeImage(changes=changes):
            return change(image, changes)
        case PutAnnotations():
            return label(image, command, meta)
        case DropAnnotation(annotation=annotation):
            return relabelled(image, {}, (annotation,)) if annotation in image.labels else Refusal("unknown")
        case FreezeImage(name=name, split=split):
            return () if name in image.versions else (ImageFrozen(name=name, split=split),)
        case ThawImage(name=name):
            return thaw(image, name)
        case RemoveImage():
            return frozen(image) if image.versions else (ImageRemoved(),)
        case _:
            assert_never(command)


def add(command: AddImage, meta: Envelope) -> tuple[ImageEvent, ...]:
    """Labels of a device are a start: a person confirms them."""
    told: tuple[ImageEvent, ...] = (ImageAdded(batch=command.batch, device=command.device),)
    if not command.annotations:
        return told
    put = [stamped(annotation, {}, meta) for annotation in command.annotations]
    return (*told, AnnotationsChanged(put=put), ImageChanged(changes={"annotation_status": "in_progress"}))


def frozen(image: Image, field: str | None = None) -> Refusal:
    return Refusal("invalid_state", f"The image is in the dataset version {image.versions[-1]}.", field)


def thaw(image: Image, name: str) -> tuple[ImageEvent, ...]:
    """Its split stays locked: whoever wants another one says so."""
    if name not in image.versions:
        return ()
    return (ImageThawed(name=name, version=next((one for one in reversed(image.versions) if one != name), None)),)


def change(image: Image, asked: dict[str, Any]) -> tuple[ImageEvent, ...] | Refusal:
    now = image.members
    status = asked.get("annotation_status", now["annotation_status"])
    if status != now["annotation_status"] and status not in MOVES[now["annotation_status"]]:
        reason = f"An image cannot go from {now['annotation_status']} to {status}."
        return Refusal("invalid_state", reason, "annotation_status")
    moved = asked.get("split", now["split"]) != now["split"]
    if moved and image.versions:
        return frozen(image, "split")
    if moved and now["split_locked"] and asked.get("split_locked", True):
        return Refusal("invalid_state", "The split of this image is locked.", "split")
    return told({name: value for name, value in asked.items() if now[name] != value})


def told(changes: dict[str, Any]) -> tuple[ImageEvent, ...]:
    return (ImageChanged(changes=changes),) if changes else ()


def label(image: Image, command: PutAnnotations, meta: Envelope) -> tuple[ImageEvent, ...] | Refusal:
    put = {a["id"]: stamped(a, image.labels.get(a["id"], {}), meta) for a in command.annotations}
    dropped = tuple(id for id in image.labels if id not in put) if command.replace else ()
    events = relabelled(image, {id: a for id, a in put.items() if image.labels.get(id) != a}, dropped)
    if command.status is None:
        return events
    after = image
    for event in events:
        after = apply(after, event, meta)
    moved = change(after, {"annotation_status": command.status})
    return moved if isinstance(moved, Refusal) else (*events, *moved)


def stamped(annotation: Label, before: Label, meta: Envelope) -> Label:
    """With the time of its first writing."""
    return {**before, **annotation, "created_at": before.get("created_at", meta.time.isoformat())}


def relabelled(image: Image, put: dict[str, Label], dropped: tuple[str, ...]) -> tuple[ImageEvent, ...]:
    """The first label starts the work; labels of what was approved or rejected are to be looked at again."""
    if not put and not dropped:
        return ()
    status = image.members["annotation_status"]
    after = {"unannotated": "in_progress", "approved": "completed", "rejected": "in_progress"}.get(status, status)
    return (
        AnnotationsChanged(put=list(put.values()), dropped=dropped),
        *told({"annotation_status": after} if after != status else {}),
    )


def apply(image: Image, event: ImageEvent, meta: Envelope) -> Image:
    put = msgspec.structs.replace
    match event:
        case ImageAdded():
            members = {"annotation_status": "unannotated", "split": "none", "split_locked": False}
            return Image(meta.stream, members)
        case ImageChanged(changes=changes):
            return put(image, members={**image.members, **changes})
        case AnnotationsChanged(put=labels, dropped=dropped):
            kept = {id: label for id, label in image.labels.items() if id not in dropped}
            return put(image, labels=kept | {label["id"]: label for label in labels})
        case ImageFrozen(name=name, split=split):
            members = {**image.members, "split": split, "split_locked": True}
            return put(image, members=members, versions=(*image.versions, name))
        case ImageThawed(name=name):
            return put(image, versions=tuple(one for one in image.versions if one != name))
        case ImageRemoved():
            return Image(image.id, removed=True)
        case _:
            assert_never(event)
