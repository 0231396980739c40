"""Generated from records/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

import msgspec

from schemas.base import Command, Event, Json


class HoldRecord(Command, frozen=True, kw_only=True):
    """Another live thing names this record, which is not retired while it does."""

    CONTEXT = "records"
    TOPIC = "records.commands"

    kind: str
    holder: str


class PutRecord(Command, frozen=True, kw_only=True):
    """Writes a plain record whole; the stream is its id."""

    CONTEXT = "records"
    TOPIC = "records.commands"

    kind: str
    body: Json
    expected: int | None = None


class ReleaseRecord(Command, frozen=True, kw_only=True):
    """A thing names this record no more."""

    CONTEXT = "records"
    TOPIC = "records.commands"

    kind: str
    holder: str


class RetireRecord(Command, frozen=True, kw_only=True):
    """Takes a record out of use."""

    CONTEXT = "records"
    TOPIC = "records.commands"

    kind: str
    expected: int | None = None


class RecordHeld(Event, frozen=True, kw_only=True):
    """One thing more names this record."""

    CONTEXT = "records"
    TOPIC = "records.events"

    kind: str
    holder: str


class RecordPut(Event, frozen=True, kw_only=True):
    """A record has this body now."""

    CONTEXT = "records"
    TOPIC = "records.events"

    kind: str
    body: Json
    holds: dict[str, str] = msgspec.field(default_factory=dict)
    lets_go: dict[str, str] = msgspec.field(default_factory=dict)


class RecordReleased(Event, frozen=True, kw_only=True):
    """One thing fewer names this record."""

    CONTEXT = "records"
    TOPIC = "records.events"

    kind: str
    holder: str


class RecordRetired(Event, frozen=True, kw_only=True):
    """A record is gone from lists; its history stays."""

    CONTEXT = "records"
    TOPIC = "records.events"

    kind: str
    lets_go: dict[str, str] = msgspec.field(default_factory=dict)


Commands = HoldRecord | PutRecord | ReleaseRecord | RetireRecord


Events = RecordHeld | RecordPut | RecordReleased | RecordRetired
