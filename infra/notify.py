"""Small notices between processes through Postgres: what was decided, what is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

LIMIT = 7_500
"""Bytes of one notification (the server allows 8,000)."""


def outcome(o: Any) -> list[Any]:
    return [o.command, o.context, o.stream, o.version, o.events, o.code, o.detail, o.field, o.fingerprint]


def recorded(context: str, e: Any) -> list[Any]:
    return [context, e.stream, e.version, e.organisation]


def packed(items: Iterable[list[Any]]) -> list[str]:
    """The items as JSON arrays, as few as they fit in; `select pg_notify(channel, text)` sends each on commit."""
    payloads: list[list[bytes]] = []
    size = LIMIT
    for item in map(orjson.dumps, items):
        if size + len(item) >= LIMIT:
            payloads.append([])
            size = 2
        payloads[-1].append(item)
        size += len(item) + 1
    return ["[" + b",".join(part).decode() + "]" for part in payloads]
