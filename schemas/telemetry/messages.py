"""Generated from telemetry/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from schemas.base import Fact, Record


class Reading(Record, frozen=True, kw_only=True):
    """Reading"""

    sensor: str
    ts: int
    d: float | None = None
    i: int | None = None
    b: bool | None = None
    t: str | None = None
    component: str | None = None
    profile: str | None = None
    metadata: str | None = None


class Readings(Fact, frozen=True, kw_only=True):
    """A device's batch of readings; the key is the device id. Of the four values exactly one is filled (IoT contract, 6.10)."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.readings"

    device: str
    readings: tuple[Reading, ...]


Facts = Readings
