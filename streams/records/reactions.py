"""Who names a record tells it so, and tells it when that ends. Pure."""

from __future__ import annotations

from schemas.base import Envelope
from schemas.fleet.messages import DeviceChanged, DeviceRegistered, DeviceRetired
from schemas.records.messages import HoldRecord, RecordPut, RecordRetired, ReleaseRecord
from streams.decision import Send
from streams.fleet.decider import held


def put(event: RecordPut, meta: Envelope) -> tuple[Send, ...]:
    return (*hold(event.holds, meta), *release(event, meta))


def registered(event: DeviceRegistered, meta: Envelope) -> tuple[Send, ...]:
    return hold(held({"profile": event.profile}), meta)


def changed(event: DeviceChanged, meta: Envelope) -> tuple[Send, ...]:
    return (*hold(held(event.changes), meta), *release(event, meta))


def hold(named: dict[str, str], meta: Envelope) -> tuple[Send, ...]:
    return tuple(Send(id, HoldRecord(kind=kind, holder=meta.stream)) for id, kind in named.items())


def release(event: RecordPut | RecordRetired | DeviceChanged | DeviceRetired, meta: Envelope) -> tuple[Send, ...]:
    return tuple(Send(id, ReleaseRecord(kind=kind, holder=meta.stream)) for id, kind in event.lets_go.items())
