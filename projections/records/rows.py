"""Records as rows of one table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from projections.rows import Change, Put, Row
from schemas.base import Envelope
from schemas.ids import number_of
from schemas.records.messages import Events, RecordHeld, RecordPut, RecordReleased, RecordRetired


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    key = {"organisation": meta.organisation, "kind": event.kind, "id": meta.stream}
    at = {"version": meta.version, "updated_at": meta.time, "updated_by": meta.actor}
    match event:
        case RecordPut() if meta.version == 1:
            born = {"created_at": meta.time, "created_by": meta.actor, "number": number_of(meta.stream)}
            yield Put("records", key, {**at, **born, "body": event.body})
        case RecordPut():
            yield Change("records", key, {**at, "body": event.body})
        case RecordRetired():
            yield Change("records", key, {**at, "retired_at": meta.time})
        case RecordHeld() | RecordReleased():
            pass  # who holds a record is its decider's matter
        case _:
            assert_never(event)
