"""What the fleet's tables hold after each event. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from projections.rows import Change, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.fleet.messages import (
    ActionMoved,
    ActionQueued,
    DeviceChanged,
    DeviceRegistered,
    DeviceRetired,
    Events,
)
from schemas.ids import number_of

OPEN = ("pending", "delivered", "in_progress")
"""States of an action that the device has not come to an end with."""


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    match event:
        case DeviceRegistered():
            members = msgspec.structs.asdict(event) | {"tags": list(event.tags)}
            yield Put("devices", {"id": meta.stream}, {**stamps(meta), "created_at": meta.time, **members})
        case DeviceChanged(changes=changes):
            yield changed(meta, changes)
        case DeviceRetired():
            yield changed(meta, {"retired_at": meta.time})
        case ActionQueued(action=id):
            told = {name: getattr(event, name) for name in ("device", "type", "model", "artefact", "payload")}
            new = {"number": number_of(id), "status": "pending", "created_at": meta.time, "requested_by": meta.actor}
            yield Put("actions", {"id": id}, {**stamps(meta), **new, **told})
        case ActionMoved(action=id, status=status, message=message):
            ended = None if status in OPEN else meta.time
            now = {"status": status, "message": message, "completed_at": ended, **reached(status, meta)}
            yield Change("actions", {"id": id}, {**stamps(meta), **now})


def reached(status: str, meta: Envelope) -> Values:
    """When the device was told, and when it began."""
    column = {"delivered": "sent_at", "in_progress": "acknowledged_at"}.get(status)
    return {column: meta.time} if column else {}


def changed(meta: Envelope, values: Values) -> Row:
    return Change("devices", {"id": meta.stream}, {**stamps(meta), **values})
