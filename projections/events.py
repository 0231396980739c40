"""The lane of events: every event of every context as a row of the table `events`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

from projections.columns import Columns, Message, Read
from schemas import registry
from schemas.generate import contexts
from schemas.registry import Poison

TOPICS = tuple(f"{context}.events" for context in contexts())
SCHEMA = pl.Schema(
    {
        "organisation": pl.String(), "context": pl.String(), "stream": pl.String(), "version": pl.Int64(),
        "id": pl.String(), "type": pl.String(), "time": pl.Datetime("us", "UTC"), "actor": pl.String(),
        "cause": pl.String(), "correlation": pl.String(), "body": pl.String(), "topic": pl.String(),
        "partition": pl.Int64(), "offset": pl.Int64(),
    }
)  # fmt: skip


def read(batch: Sequence[Message]) -> Read:
    """What cannot be read is passed over here: the projection of its context puts it aside."""
    return Read(pl.DataFrame([found for message in batch if (found := row(message))], schema=SCHEMA), [])


def row(message: Message) -> dict[str, Any] | None:
    try:
        received = registry.decode(message.value)
    except Poison:
        return None
    envelope, body = msgspec.structs.asdict(received.envelope), received.body
    return {
        **envelope,
        "context": body.CONTEXT,
        "type": type(body).__name__,
        "body": msgspec.json.encode(body).decode(),
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
    }


def frames(batch: pl.DataFrame, _known: object) -> Columns:
    return Columns(tables={"events": batch})
