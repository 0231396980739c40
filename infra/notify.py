"""Small notices between processes through Postgres: what was decided, what is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from infra.postgres import Connection

LIMIT = 7_500
"""Bytes of one notification (the server allows 8,000)."""


def outcome(o: Any) -> list[Any]:
    return [o.command, o.context, o.stream, o.version, o.events, o.code, o.detail, o.field]


async def send(db: Connection, channel: str, items: Iterable[list[Any]]) -> None:
    """Sends the items in as few notifications as they fit in; they go out when the transaction commits."""
    payloads, current, size = [], [], 2
    for item in map(orjson.dumps, items):
        if current and size + len(item) > LIMIT:
            payloads.append(current)
            current, size = [], 2
        if len(item) < LIMIT:
            current.append(item)
            size += len(item) + 1
    if current:
        payloads.append(current)
    if payloads:
        texts = ["[" + b",".join(part).decode() + "]" for part in payloads]
        await db.execute("select pg_notify($1, text) from unnest($2::text[]) t(text)", channel, texts)
