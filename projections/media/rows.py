"""Pictures in the object store. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from projections.rows import Change, Put, Row, stamps
from schemas.base import Envelope
from schemas.ids import number_of
from schemas.media.messages import Events, ImageDiscarded, ImageStored

IMAGE = (
    "storage_key",
    "filename",
    "sha256",
    "size",
    "width",
    "height",
    "format",
    "device",
    "source",
    "captured_at",
    "model",
    "model_version",
)


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    match event:
        case ImageStored():
            own = {name: getattr(event, name) for name in IMAGE} | {"number": number_of(meta.stream)}
            yield Put("images", {"id": meta.stream}, {**stamps(meta), "created_at": meta.time, **own})
        case ImageDiscarded():
            yield Change("images", {"id": meta.stream}, {**stamps(meta), "discarded_at": meta.time})
