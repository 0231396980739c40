"""Which payloads put aside are shown no more, and what was answered to readings under a key. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from projections.rows import Put, Row, stamps
from schemas.base import Envelope
from schemas.telemetry.messages import Events, ReadingsAccepted


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    born = {**stamps(meta), "created_at": meta.time}
    if isinstance(event, ReadingsAccepted):
        yield Put("accepted", {"id": meta.stream}, {**born, **msgspec.structs.asdict(event)})
    else:
        yield Put("discarded", {"id": meta.stream}, born)
