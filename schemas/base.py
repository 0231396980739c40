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


def storable(told: msgspec.Struct) -> bool:
    """Whether all its text can stand in a table: Postgres holds no U+0000."""
    return b"\\u0000" not in msgspec.json.encode(told) or not holds_null(msgspec.to_builtins(told))


def holds_null(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(holds_null(part) for pair in value.items() for part in pair)
        case list() | tuple():
            return any(map(holds_null, value))
        case _:
            return False
