"""What the fleet's tables hold after each event. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from projections.rows import Change, Put, Row, Values, stamps
from schemas.base import Envelope
from schemas.fleet.messages import DeviceChanged, DeviceRegistered, DeviceRetired, Events


def rows(event: Events, meta: Envelope) -> Iterable[Row]:
    match event:
        case DeviceRegistered():
            members = msgspec.structs.asdict(event) | {"tags": list(event.tags)}
            yield Put("devices", {"id": meta.stream}, {**stamps(meta), "created_at": meta.time, **members})
        case DeviceChanged(changes=changes):
            yield changed(meta, changes)
        case DeviceRetired():
            yield changed(meta, {"retired_at": meta.time})


def changed(meta: Envelope, values: Values) -> Row:
    return Change("devices", {"id": meta.stream}, {**stamps(meta), **values})
