"""Which payloads put aside are shown no more. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from projections.rows import Put, Row, stamps
from schemas.base import Envelope
from schemas.telemetry.messages import QuarantinedDiscarded


def rows(event: QuarantinedDiscarded, meta: Envelope) -> Iterable[Row]:
    yield Put("discarded", {"id": meta.stream}, {**stamps(meta), "created_at": meta.time})
