"""Generated from records/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from schemas.base import Command, Event, Json


class PutRecord(Command, frozen=True, kw_only=True):
    """Writes a plain record whole; the stream is its id."""

    CONTEXT = "records"
    TOPIC = "records.commands"

    kind: str
    body: Json
    expected: int | None = None


class RetireRecord(Command, frozen=True, kw_only=True):
    """Takes a record out of use."""

    CONTEXT = "records"
    TOPIC = "records.commands"

    kind: str
    expected: int | None = None


class RecordPut(Event, frozen=True, kw_only=True):
    """A record has this body now."""

    CONTEXT = "records"
    TOPIC = "records.events"

    kind: str
    body: Json


class RecordRetired(Event, frozen=True, kw_only=True):
    """A record is gone from lists; its history stays."""

    CONTEXT = "records"
    TOPIC = "records.events"

    kind: str


Commands = PutRecord | RetireRecord


Events = RecordPut | RecordRetired
