"""What a projection says to its tables: put, change, add, drop. Pure values; `runner.py` writes them in sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from schemas.base import Envelope

Values = dict[str, Any]


class Put(msgspec.Struct, frozen=True):
    """Inserts the row, or replaces these columns of it. `key` is the table's primary key."""

    table: str
    key: Values
    values: Values


class Change(msgspec.Struct, frozen=True):
    """Changes these columns of every row that has `key` (any columns); no row, no change."""

    table: str
    key: Values
    values: Values


class Add(msgspec.Struct, frozen=True):
    """Adds to numeric columns of the row with this primary key."""

    table: str
    key: Values
    values: dict[str, int | float]


class Drop(msgspec.Struct, frozen=True):
    """Deletes every row that has `key` (any columns)."""

    table: str
    key: Values


Row = Put | Change | Add | Drop
Rows = Callable[[Any, Envelope], Iterable[Row]]


class Projection(msgspec.Struct, frozen=True):
    """One context's rows in Postgres: its tables stand in a schema of the same name. `kept` tables are written by
    others (a lane's newest values, what workers say of themselves): a rebuild takes them over as they are."""

    name: str
    rows: Rows
    kept: tuple[str, ...] = ()


def stamps(envelope: Envelope) -> Values:
    """The columns that every entity row has."""
    return {"organisation": envelope.organisation, "version": envelope.version, "updated_at": envelope.time}
