"""What a lane is made of: raw Avro payloads to a frame, and what a batch of it writes. Pure."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, Protocol

import msgspec
import polars as pl

from schemas import registry
from schemas.base import Command
from schemas.generate import published
from schemas.registry import PREFIX, Poison

SYNC = b"sightlog-columns"
HIDDEN = ("default", "doc")


class Message(Protocol):
    """A message as Kafka hands it over."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Place(msgspec.Struct, frozen=True):
    """A message that is not on the log yet, as if it were."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Asking(msgspec.Struct, frozen=True):
    """A command for `stream` of an organisation."""

    organisation: str
    stream: str
    command: Command


class Latest(msgspec.Struct, frozen=True):
    """Rows for a Postgres table: one a key, and only a row that is newer by the column `newer` takes its place."""

    table: str
    key: tuple[str, ...]
    newer: str
    rows: pl.DataFrame


class Columns(msgspec.Struct, frozen=True):
    """What one batch writes: ClickHouse rows by table, newest values in Postgres, commands that follow from it.

    `again`: something that the commands ask for should be there first; it is worth looking once more before writing.
    """

    tables: dict[str, pl.DataFrame] = {}
    latest: tuple[Latest, ...] = ()
    commands: tuple[Asking, ...] = ()
    again: bool = False


class Read(msgspec.Struct, frozen=True):
    """A batch as a frame, and what could not be read with the reason."""

    rows: pl.DataFrame | None
    poison: list[tuple[Message, str]]


class Lane(msgspec.Struct, frozen=True):
    """One lane: what it reads and the pure `frames(batch, known)`; `known(db, batch, suffix)` asks Postgres what the
    batch refers to, in schemas whose names end in `suffix`. What it judges by the tables of `judged_by` (contexts), a
    rebuild judges by these tables as they were then.

    A batch gathers for `linger` seconds: an insert has a fixed cost. A fetch of partitions without news takes `wait`
    seconds: aiokafka asks a broker for one thing at a time, so for as long a busy partition may wait for its next
    chunk; less costs more at rest.

    `batch` has a column for each field of the message, the struct `envelope`, and `topic`, `partition`, `offset`.
    `tables` are the ClickHouse tables it writes. Each has columns `partition` and `offset` (`topic` too, when the lane
    reads several), so that a rebuild knows which rows the log no longer holds.
    """

    topics: tuple[str, ...]
    read: Callable[[Sequence[Message]], Read]
    frames: Callable[[pl.DataFrame, Any], Columns]
    tables: tuple[str, ...]
    known: Callable[[Any, pl.DataFrame, str], Awaitable[Any]] | None = None
    judged_by: tuple[str, ...] = ()
    linger: float = 0.1
    wait: float = 5.0


class Misread(ValueError):
    """The payloads are not, one by one, what their schema says."""


def columnar(name: str) -> Callable[[Sequence[Message]], Read]:
    """Reads messages of the type `context.Name` as columns: none is decoded by itself while all are well."""

    def read(batch: Sequence[Message]) -> Read:
        newest = PREFIX.pack(registry.MAGIC, registry.current()[name].id)
        try:
            if all(m.value is not None and m.value.startswith(newest) for m in batch):
                return Read(placed(frame(name, [m.value or b"" for m in batch], [m.key for m in batch]), batch), [])
        except Misread:
            pass
        return one_by_one(name, batch)

    return read


def one_by_one(name: str, batch: Sequence[Message]) -> Read:
    """The strict way: older versions are brought up, and what cannot be read is told from the rest."""
    good: list[Message] = []
    payloads: list[bytes] = []
    poison: list[tuple[Message, str]] = []
    for message in batch:
        try:
            payloads.append(brought_up(name, message))
            good.append(message)
        except Poison as problem:
            poison.append((message, str(problem)))
    rows = placed(frame(name, payloads, [m.key for m in good]), good) if good else None
    return Read(rows, poison)


def brought_up(name: str, message: Message) -> bytes:
    """A message in its newest version, read strictly.

    Errors: Poison.
    """
    received = registry.decode(message.value)
    if registry.name_of(received.body) != name:
        raise Poison("wrong_type", registry.name_of(received.body))
    if (message.key or b"") != received.envelope.stream.encode():
        raise Poison("wrong_key")
    return registry.encode(received.envelope, received.body)


def placed(rows: pl.DataFrame, batch: Sequence[Message]) -> pl.DataFrame:
    """With the place of each message on the log."""
    return rows.with_columns(
        pl.Series("topic", [m.topic for m in batch], pl.String),
        pl.Series("partition", [m.partition for m in batch], pl.Int64),
        pl.Series("offset", [m.offset for m in batch], pl.Int64),
    )


def frame(name: str, payloads: Sequence[bytes], keys: Sequence[bytes | None]) -> pl.DataFrame:
    """The frame of framed messages in the newest version of `context.Name`.

    A payload that is too short or too long shifts those behind it, so each row's stream is held against its key.
    Errors: Misread.
    """
    try:
        rows = pl.read_avro(io.BytesIO(container(name, payloads)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as problem:
        raise Misread(type(problem).__name__) from problem
    if rows["envelope"].struct.field("stream").to_list() != [key.decode() if key else None for key in keys]:
        raise Misread("keys")
    return rows


def container(name: str, payloads: Sequence[bytes]) -> bytes:
    """One Avro object container of framed messages that share the newest schema of `name`: nothing is decoded."""
    body = b"".join([payload[PREFIX.size :] for payload in payloads])
    return b"".join((head(name), zigzag(len(payloads)), zigzag(len(body)), body, SYNC))


@cache
def head(name: str) -> bytes:
    schema = bare(published()[name][-1][1])
    meta = {b"avro.schema": json.dumps(schema).encode(), b"avro.codec": b"null"}
    items = b"".join(part for pair in meta.items() for text in pair for part in (zigzag(len(text)), text))
    return b"Obj\x01" + zigzag(len(meta)) + items + b"\0" + SYNC


def bare(node: Any) -> Any:
    """A schema without defaults, which a writer's schema does not need and polars cannot read."""
    if isinstance(node, dict):
        return {name: bare(value) for name, value in node.items() if name not in HIDDEN}
    return [bare(value) for value in node] if isinstance(node, list) else node


def zigzag(number: int) -> bytes:
    """A non-negative Avro long."""
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
