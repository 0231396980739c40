"""Batches, pictures to label and their labels. Each row is written by the events of one stream only. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projections.rows import Change, Drop, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.datasets.messages import (
    AnnotationsChanged,
    BatchChanged,
    BatchOpened,
    BatchRemoved,
    Events,
    ImageAdded,
    ImageChanged,
    ImageDropped,
    ImageFrozen,
    ImageKept,
    ImageRemoved,
    ImageThawed,
    VersionFrozen,
    VersionRemoved,
)
from schemas.ids import number_of


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    new: Values = {**stamps(meta), "created_at": meta.time}
    match event:
        case ImageKept(image=image, batch=batch):
            yield Put("takes", {"image": image}, new | {"device": meta.stream, "batch": batch, "dropped": None})
        case ImageDropped(image=image, batch=batch, reason=reason):
            yield Put("takes", {"image": image}, new | {"device": meta.stream, "batch": batch, "dropped": reason})
        case VersionFrozen():
            own = {name: getattr(event, name) for name in VERSION} | {"number": number_of(meta.stream)}
            counts = {split: len(ids) for split, ids in event.splits.items()}
            yield Put("frozen", {"id": meta.stream}, new | own | {"split_counts": counts})
        case VersionRemoved():
            yield Change("frozen", {"id": meta.stream}, stamps(meta) | {"removed_at": meta.time})
        case BatchOpened() | BatchChanged() | BatchRemoved():
            yield batch_row(event, meta, new)
        case _:
            yield from image_rows(event, meta, new)


def batch_row(event: BatchOpened | BatchChanged | BatchRemoved, meta: Envelope, new: Values) -> Row:
    key = {"id": meta.stream}
    match event:
        case BatchOpened(name=name, device=device):
            own = {"number": number_of(meta.stream), "name": name, "device": device, "project": None}
            return Put("batches", key, new | own | {"status": "collecting", "stage": "unassigned"})
        case BatchChanged(changes=changes):
            done = {"completed_at": meta.time} if changes.get("status") == "complete" else {}
            return Change("batches", key, stamps(meta) | changes | done)
        case BatchRemoved():
            return Drop("batches", key)


def image_rows(event: Events, meta: Envelope, new: Values) -> Iterable[Row]:
    key = {"id": meta.stream}
    match event:
        case ImageAdded(batch=batch, device=device):
            own = {"number": number_of(meta.stream), "batch": batch, "device": device}
            labels = {"annotation_status": "unannotated", "split": "none", "split_locked": False}
            yield Put("images", key, new | own | labels)
        case ImageChanged(changes=changes):
            yield Change("images", key, stamps(meta) | changes)
        case ImageFrozen(name=name, split=split):
            frozen = {"version_name": name, "split": split, "split_locked": True}
            yield Change("images", key, stamps(meta) | frozen)
        case ImageThawed(version=version):
            yield Change("images", key, stamps(meta) | {"version_name": version})
        case ImageRemoved():
            yield Drop("annotations", {"image": meta.stream})
            yield Drop("images", key)
        case AnnotationsChanged(put=labels, dropped=dropped):
            yield Change("images", key, stamps(meta))
            yield from (Put("annotations", {"id": label["id"]}, annotation(label, meta)) for label in labels)
            yield from (Drop("annotations", {"id": id}) for id in dropped)


VERSION = (
    "project",
    "ordinal",
    "name",
    "description",
    "snapshot",
    "digest",
    "classes",
    "class_distribution",
    "image_count",
    "annotation_count",
)
LABEL = ("class_value", "type", "geometry", "confidence", "source", "z_order", "created_at")


def annotation(label: dict[str, Any], meta: Envelope) -> Values:
    own = {name: label[name] for name in LABEL} | box(label["type"], label["geometry"])
    return {**stamps(meta), **own, "number": number_of(label["id"]), "image": meta.stream}


def box(type: str, geometry: list[float]) -> dict[str, float | None]:
    """The bounding box as centre and size; a label of the whole picture has none."""
    names = ("x_center", "y_center", "width", "height")
    if type == "bbox":
        return dict(zip(names, geometry, strict=True))
    xs, ys = geometry[0::2], geometry[1::2]
    if not xs:
        return dict.fromkeys(names)
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return dict(zip(names, ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), strict=True))
