"""Generated from telemetry/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from schemas.base import Command, Event, Fact, Record


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


class AcceptReadings(Command, frozen=True, kw_only=True):
    """Readings under an Idempotency-Key are taken once, and the first answer is kept; the stream follows from the key."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.commands"

    device: str
    accepted: int
    duplicates: int
    quarantined: tuple[str, ...]


class DiscardQuarantined(Command, frozen=True, kw_only=True):
    """A payload put aside has been looked at and is wanted no more; the stream is its id."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.commands"


class QuarantinedDiscarded(Event, frozen=True, kw_only=True):
    """A payload put aside is shown no more."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.events"


class ReadingsAccepted(Event, frozen=True, kw_only=True):
    """Readings under an Idempotency-Key were taken, and this was answered."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.events"

    device: str
    accepted: int
    duplicates: int
    quarantined: tuple[str, ...]


class Judgement(Fact, frozen=True, kw_only=True):
    """What readings were judged by: from `first` (an offset of each partition of the readings) on, the tables of devices and sensors as they stood at `positions` (the next offset of each partition, by topic of events)."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.judgements"

    first: dict[str, int]
    positions: dict[str, tuple[int, ...]]


class Readings(Fact, frozen=True, kw_only=True):
    """A device's batch of readings; the key is the device id. Of the four values exactly one is filled (IoT contract, 6.10)."""

    CONTEXT = "telemetry"
    TOPIC = "telemetry.readings"

    device: str
    readings: tuple[Reading, ...]


Commands = AcceptReadings | DiscardQuarantined


Events = QuarantinedDiscarded | ReadingsAccepted


Facts = Judgement | Readings
