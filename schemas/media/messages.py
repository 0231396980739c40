"""Generated from media/*/*.avsc by `make types`; not edited by hand."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.base import Command, Event, Json


class DiscardImage(Command, frozen=True, kw_only=True):
    """Gives a picture up; its bytes may come again."""

    CONTEXT = "media"
    TOPIC = "media.commands"

    reason: str


class StoreImage(Command, frozen=True, kw_only=True):
    """A picture lies in the object store; the stream is its id. `batch` is the one it may open; without a device, the one it goes to. `hash` is its difference hash in hex."""

    CONTEXT = "media"
    TOPIC = "media.commands"

    storage_key: str
    filename: str
    sha256: str
    size: int
    width: int
    height: int
    format: str
    hash: str
    device: str | None = None
    device_name: str | None = None
    source: str | None = None
    captured_at: datetime | None = None
    model: str | None = None
    model_version: str | None = None
    batch: str
    force: bool = False
    annotations: Json = msgspec.field(default_factory=dict)
    rules: Json = msgspec.field(default_factory=dict)


class ImageDiscarded(Event, frozen=True, kw_only=True):
    """A picture is gone."""

    CONTEXT = "media"
    TOPIC = "media.events"

    reason: str
    storage_key: str


class ImageStored(Event, frozen=True, kw_only=True):
    """A picture is ours; no other has these bytes."""

    CONTEXT = "media"
    TOPIC = "media.events"

    storage_key: str
    filename: str
    sha256: str
    size: int
    width: int
    height: int
    format: str
    hash: str
    device: str | None = None
    device_name: str | None = None
    source: str | None = None
    captured_at: datetime | None = None
    model: str | None = None
    model_version: str | None = None
    batch: str
    force: bool = False
    annotations: Json = msgspec.field(default_factory=dict)
    rules: Json = msgspec.field(default_factory=dict)


Commands = DiscardImage | StoreImage


Events = ImageDiscarded | ImageStored
