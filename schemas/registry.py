"""The only door to bytes: Confluent wire format (magic 0, schema id, Avro) and CloudEvents headers."""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import orjson
from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import LOGICAL_READERS
from fastavro.schema import parse_schema
from fastavro.write import LOGICAL_WRITERS

from schemas.base import Envelope, Message, Received
from schemas.generate import contexts, published
from schemas.upcasts import UPCASTS

MAGIC = 0
PREFIX = struct.Struct(">bI")
KEPT = (bytes, datetime)


def json_text(data: Any, _schema: Any) -> str:
    return orjson.dumps(data).decode()


def json_value(data: Any, _writer: Any = None, _reader: Any = None) -> Any:
    return orjson.loads(data)


LOGICAL_WRITERS["string-json"] = json_text
LOGICAL_READERS["string-json"] = json_value


class Poison(ValueError):
    """Bytes that no reader can turn into a message; `reason` is a stable word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Version(msgspec.Struct, frozen=True):
    """One published version of a schema."""

    id: int
    name: str
    number: int
    schema: Any


@cache
def versions() -> dict[int, Version]:
    """Every published version by schema id."""
    return {
        id: Version(id, name, number, parse_schema(schema, named_schemas={}))
        for name, history in published().items()
        for number, (id, schema) in enumerate(history, start=1)
    }


@cache
def current() -> dict[str, Version]:
    """The newest version of each message by `context.Name`."""
    newest: dict[str, Version] = {}
    for version in versions().values():
        if version.number > newest.get(version.name, version).number or version.name not in newest:
            newest[version.name] = version
    return newest


@cache
def types() -> dict[str, type[Message]]:
    """Generated message types by `context.Name`."""
    found: dict[str, type[Message]] = {}
    for context in contexts():
        module = importlib.import_module(f"schemas.{context}.messages")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Message) and value.__module__ == module.__name__:
                found[f"{context}.{value.__name__}"] = value
    return found


def name_of(body: Message | type[Message]) -> str:
    """`context.Name` of a message."""
    kind = body if isinstance(body, type) else type(body)
    return f"{kind.CONTEXT}.{kind.__name__}"


def encode(envelope: Envelope, body: Message) -> bytes:
    """The bytes of a message.

    Errors: ValueError when a field does not fit its Avro type.
    """
    version = current()[name_of(body)]
    datum = msgspec.to_builtins(body, builtin_types=KEPT)
    datum["envelope"] = msgspec.to_builtins(envelope, builtin_types=KEPT)
    out = io.BytesIO()
    out.write(PREFIX.pack(MAGIC, version.id))
    schemaless_writer(out, version.schema, datum)
    return out.getvalue()


def decode(raw: bytes | None) -> Received:
    """The message in `raw`, brought up to the newest version.

    Errors: Poison `not_framed`, `unknown_schema`, `not_avro`, `upcast_failed`.
    """
    writer, payload = unframe(raw)
    try:
        datum: Any = schemaless_reader(payload, writer.schema, None)
        if payload.read(1):
            raise ValueError("bytes after the end")
    except Exception as problem:
        raise Poison("not_avro", type(problem).__name__) from problem
    try:
        return built(writer, datum)
    except Exception as problem:
        raise Poison("upcast_failed", f"{writer.name} v{writer.number}: {type(problem).__name__}") from problem


def unframe(raw: bytes | None) -> tuple[Version, io.BytesIO]:
    """Writer's schema and the Avro payload behind the frame."""
    if raw is None or len(raw) < PREFIX.size or raw[0] != MAGIC:
        raise Poison("not_framed")
    writer = versions().get(PREFIX.unpack_from(raw)[1])
    if writer is None:
        raise Poison("unknown_schema", str(PREFIX.unpack_from(raw)[1]))
    return writer, io.BytesIO(raw[PREFIX.size :])


def built(writer: Version, datum: dict[str, Any]) -> Received:
    """Upcasts step by step; a field added since then gets the default of its generated type."""
    for number in range(writer.number, current()[writer.name].number):
        if (step := UPCASTS.get((writer.name, number))) is not None:
            datum = step(datum)
    envelope = msgspec.convert(datum.pop("envelope"), Envelope)
    return Received(envelope, msgspec.convert(datum, types()[writer.name]))


def headers(envelope: Envelope, body: Message, trace: Mapping[str, str] | None = None) -> list[tuple[str, bytes]]:
    """CloudEvents 1.0 Kafka binding (`ce_*`), W3C trace context beside it."""
    said = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id,
        "ce_source": f"/sightlog/{body.CONTEXT}",
        "ce_type": f"sightlog.{name_of(body)}",
        "ce_subject": envelope.stream,
        "ce_time": envelope.time.isoformat(),
        "ce_organisation": envelope.organisation,
        "ce_correlation": envelope.correlation,
        "content-type": "application/avro",
        **(trace or {}),
    }
    return [(name, value.encode()) for name, value in said.items() if value]
