"""What every message type has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import msgspec

from schemas.ids import new_id

Kind = Literal["command", "event", "fact"]
Json = Any
"""A free JSON value: travels as JSON text (Avro logical type `json`)."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """`envelope.avsc`: identity, place in its stream, tenant, cause and time of a message."""

    id: str
    stream: str
    version: int = 0
    organisation: str = ""
    actor: str = ""
    cause: str | None = None
    correlation: str = ""
    fingerprint: str = ""
    time: datetime


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A record inside a message body."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message body. `CONTEXT`, `KIND` and `TOPIC` say where it travels."""

    CONTEXT: ClassVar[str]
    KIND: ClassVar[Kind]
    TOPIC: ClassVar[str]


class Command(Message, frozen=True, kw_only=True):
    """Asks; may be refused."""

    KIND: ClassVar[Kind] = "command"


class Event(Message, frozen=True, kw_only=True):
    """Tells; has happened."""

    KIND: ClassVar[Kind] = "event"


class Fact(Message, frozen=True, kw_only=True):
    """Was observed; nothing to decide."""

    KIND: ClassVar[Kind] = "fact"


class Received(msgspec.Struct, frozen=True):
    """A decoded message."""

    envelope: Envelope
    body: Message


def asking(
    stream: str,
    *,
    organisation: str = "",
    actor: str = "",
    id: str | None = None,
    cause: str | None = None,
    correlation: str | None = None,
    fingerprint: str = "",
) -> Envelope:
    """Envelope of a new command or fact, stamped now."""
    own = id or new_id()
    return Envelope(
        id=own,
        stream=stream,
        organisation=organisation,
        actor=actor,
        cause=cause,
        correlation=correlation or own,
        fingerprint=fingerprint,
        time=datetime.now(UTC),
    )
