"""Generated from exports/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

from schemas.base import Command, Event


class CompleteExport(Command, frozen=True, kw_only=True):
    """The bundle lies in the object store."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"

    lease: str
    key: str
    size: int
    readings: int
    annotations: int


class DeleteExport(Command, frozen=True, kw_only=True):
    """Removes a finished job and its bundle."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"


class ExpireExport(Command, frozen=True, kw_only=True):
    """A timer of the stream: the bundle has been kept long enough."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"


class FailExport(Command, frozen=True, kw_only=True):
    """The bundle cannot be made."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"

    lease: str
    code: str
    message: str


class LapseExport(Command, frozen=True, kw_only=True):
    """A timer of the stream: the lease is over and nothing was reported."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"

    lease: str


class RequestExport(Command, frozen=True, kw_only=True):
    """Asks for a bundle of what was measured and labelled; the stream is the export id. An organisation has three slots."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"

    scope_type: str
    scope_id: str
    start: datetime
    end: datetime
    includes: tuple[str, ...]
    slot: int


class StartExport(Command, frozen=True, kw_only=True):
    """A worker takes the job under a lease of its own."""

    CONTEXT = "exports"
    TOPIC = "exports.commands"

    lease: str
    worker: str


class ExportCompleted(Event, frozen=True, kw_only=True):
    """The bundle can be fetched until a moment."""

    CONTEXT = "exports"
    TOPIC = "exports.events"

    key: str
    size: int
    readings: int
    annotations: int
    until: datetime


class ExportDeleted(Event, frozen=True, kw_only=True):
    """Job and bundle are gone."""

    CONTEXT = "exports"
    TOPIC = "exports.events"


class ExportExpired(Event, frozen=True, kw_only=True):
    """The bundle is gone; the job is still known."""

    CONTEXT = "exports"
    TOPIC = "exports.events"


class ExportFailed(Event, frozen=True, kw_only=True):
    """There will be no bundle."""

    CONTEXT = "exports"
    TOPIC = "exports.events"

    code: str
    message: str


class ExportRequested(Event, frozen=True, kw_only=True):
    """Was asked for and waits."""

    CONTEXT = "exports"
    TOPIC = "exports.events"

    scope_type: str
    scope_id: str
    start: datetime
    end: datetime
    includes: tuple[str, ...]
    slot: int


class ExportRequeued(Event, frozen=True, kw_only=True):
    """Its worker was lost; it waits again."""

    CONTEXT = "exports"
    TOPIC = "exports.events"

    reason: str


class ExportStarted(Event, frozen=True, kw_only=True):
    """A worker is at it until a moment."""

    CONTEXT = "exports"
    TOPIC = "exports.events"

    lease: str
    worker: str
    until: datetime


Commands = CompleteExport | DeleteExport | ExpireExport | FailExport | LapseExport | RequestExport | StartExport


Events = (
    ExportCompleted | ExportDeleted | ExportExpired | ExportFailed | ExportRequested | ExportRequeued | ExportStarted
)
