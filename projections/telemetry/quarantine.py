"""Readings put aside: one row for a scalar reading, one for a whole structured one, with what was received."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl

from schemas.ids import derived_id

PAYLOAD_BYTES = 65_536
EPOCH, LAST_MS = datetime(1970, 1, 1, tzinfo=UTC), 7_258_118_400_000
SCHEMA = pl.Schema(
    {
        "id": pl.String(),
        "organisation": pl.String(),
        "device": pl.String(),
        "component": pl.String(),
        "reason": pl.String(),
        "path": pl.String(),
        "payload": pl.String(),
        "truncated": pl.Boolean(),
        "device_ts": pl.Datetime("ms", "UTC"),
        "received": pl.Datetime("ms", "UTC"),
        "partition": pl.Int64(),
        "offset": pl.Int64(),
    }
)
PATHS = {"INVALID_TIMESTAMP": "/timestamp", "UNKNOWN_SENSOR": "/sensorId", "SENSOR_LIMIT": "/sensorId"}
COMPONENT_PATHS = {"UNKNOWN_COMPONENT": "/componentKey", "MISSING_PROFILE": "/componentKey"}


def rows(aside: pl.DataFrame) -> pl.DataFrame:
    """Only what is put aside is looked at one by one; ids follow from message and place, so a repeat meets itself."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in aside.iter_rows(named=True):
        whole = (row["message"], row["part"], row["ts"]) if row["part"] is not None else (row["message"], row["n"])
        if whole not in found:
            found[whole] = begun(row)
        elif row["part"] is not None:
            found[whole]["payload"]["values"][row["sensor"]] = value(row)
    return pl.DataFrame([finished(row) for row in found.values()], schema=SCHEMA)


def begun(row: dict[str, Any]) -> dict[str, Any]:
    at = moment(row["ts"])
    return {
        "id": derived_id(row["message"], row["n"]),
        "organisation": row["organisation"],
        "device": row["device"],
        "component": row["component_id"] or "",
        "reason": row["reason"],
        "path": path(row),
        "payload": structured(row, at) if row["part"] is not None else scalar(row, at),
        "device_ts": at,
        "received": moment(row["sent"]) or EPOCH,
        "partition": row["partition"],
        "offset": row["offset"],
    }


def path(row: dict[str, Any]) -> str:
    """JSON pointer to what is wrong."""
    if row["part"] is not None:
        named = f"/values/{row['sensor'].replace('~', '~0').replace('/', '~1')}"
        return COMPONENT_PATHS.get(row["reason"]) or PATHS.get(row["reason"], named)
    return PATHS.get(row["reason"], "/value")


def scalar(row: dict[str, Any], at: datetime | None) -> dict[str, Any]:
    return {"sensorId": row["sensor"], "timestamp": shown(at, row["ts"]), "value": value(row), **metadata(row)}


def structured(row: dict[str, Any], at: datetime | None) -> dict[str, Any]:
    version = {"profileVersion": row["built_for"]} if row["built_for"] else {}
    values = {row["sensor"]: value(row)}
    return {
        "componentKey": row["part"],
        **version,
        "timestamp": shown(at, row["ts"]),
        "values": values,
        **metadata(row),
    }


def metadata(row: dict[str, Any]) -> dict[str, Any]:
    if row["metadata"] is None:
        return {}
    try:
        return {"metadata": orjson.loads(row["metadata"])}
    except orjson.JSONDecodeError:
        return {"metadata": row["metadata"]}


def value(row: dict[str, Any]) -> Any:
    """What was sent; all of it where it should have been one value."""
    filled = [row[member] for member in ("d", "i", "b", "t") if row[member] is not None]
    return filled[0] if len(filled) == 1 else filled or None


def moment(ms: int) -> datetime | None:
    return EPOCH + timedelta(milliseconds=ms) if 0 <= ms < LAST_MS else None


def shown(at: datetime | None, ms: int) -> str | int:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else ms


def finished(row: dict[str, Any]) -> dict[str, Any]:
    payload = orjson.dumps(row["payload"])
    cut = len(payload) > PAYLOAD_BYTES
    return {**row, "payload": payload[:PAYLOAD_BYTES].decode(errors="ignore"), "truncated": cut}
