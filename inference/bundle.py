"""The bundle of an export: `readings.parquet`, `annotations.parquet`, `manifest.json` in a ZIP (IoT contract, 6.15)."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

READINGS, ANNOTATIONS, MANIFEST = "readings.parquet", "annotations.parquet", "manifest.json"
ROW_GROUP = 128 * 1024
MOMENT = pa.timestamp("ms", "UTC")
PLACE = {
    "site_id": "site",
    "device_id": "device",
    "device_name": "device_name",
    "component_id": "component",
    "component_key": "component_key",
    "profile_name": "profile_name",
    "profile_version": "profile_version",
}
"""Columns that say where a row was measured, and what they are called among the sensors."""
TYPES = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "TEXT": pa.string()}
FIXED = frozenset({"timestamp", "metadata", *PLACE})
LABELS = pa.schema(
    [(name, pa.string()) for name in ("id", "class_key", "scope_type", "scope_id")]
    + [("start_at", MOMENT), ("end_at", MOMENT), ("source", pa.string()), ("source_ref", pa.string())]
    + [("confidence", pa.float64()), ("note", pa.string()), ("values", pa.string()), ("created_by", pa.string())]
    + [("created_at", MOMENT)]
)
Sensors = Sequence[Mapping[str, Any]]


class File(msgspec.Struct, frozen=True):
    """One file of the bundle, for the manifest."""

    name: str
    rows: int
    bytes: int
    sha256: str


def columns(sensors: Sensors) -> dict[str, str]:
    """Sensor id -> its column: the key, with the type behind it where one name has several types or is taken."""
    types: dict[str, set[str]] = {}
    for sensor in sensors:
        types.setdefault(sensor["key"], set()).add(sensor["value_type"])
    plain = {key for key, kinds in types.items() if len(kinds) == 1 and key not in FIXED}
    return {s["id"]: s["key"] if s["key"] in plain else f"{s['key']}__{s['value_type'].lower()}" for s in sensors}


def schema(sensors: Sensors) -> pa.Schema:
    """Moment, place, one nullable column for each field, metadata last."""
    named = columns(sensors)
    fields = {named[sensor["id"]]: TYPES[sensor["value_type"]] for sensor in sensors}
    place = [(name, pa.string()) for name in PLACE]
    return pa.schema([("timestamp", MOMENT), *place, *sorted(fields.items()), ("metadata", pa.string())])


def components(sensors: Sensors) -> list[list[Mapping[str, Any]]]:
    """The sensors of each component; a row of the file is a moment of one of them."""
    ordered = sorted(sensors, key=lambda sensor: str(sensor["component"]))
    return [list(group) for _, group in groupby(ordered, key=lambda sensor: str(sensor["component"]))]


class Readings:
    """`readings.parquet` as it grows, in whole row groups."""

    def __init__(self, path: Path, sensors: Sensors) -> None:
        self.schema = schema(sensors)
        self.columns = columns(sensors)
        self.rows = self.values = 0
        self.kept: list[pa.Table] = []
        self.path = path
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd")

    def add(self, component: Sensors, found: pa.Table) -> None:
        """What was read of a component: `timestamp`, a column for each of its sensors in order, `metadata`."""
        place = {name: component[0][member] for name, member in PLACE.items()}
        held = {"timestamp": found["timestamp"], "metadata": found["metadata"]}
        for n, sensor in enumerate(component):
            held[self.columns[sensor["id"]]] = found[f"c{n}"]
            self.values += len(found) - found[f"c{n}"].null_count
        filled = [held.get(field.name, pa.repeat(place.get(field.name), len(found))) for field in self.schema]
        arrays = [part.cast(field.type) for part, field in zip(filled, self.schema, strict=True)]
        self.kept.append(pa.Table.from_arrays(arrays, schema=self.schema))
        self.rows += len(found)
        self.flush(ROW_GROUP)

    def flush(self, least: int) -> None:
        """Whole row groups; the rest waits for more."""
        rows = sum(len(part) for part in self.kept)
        if rows < least:
            return
        whole, size = pa.concat_tables(self.kept), rows - rows % least
        self.writer.write_table(whole.slice(0, size), row_group_size=ROW_GROUP)
        self.kept = [whole.slice(size)]

    def close(self) -> File:
        if any(len(part) for part in self.kept):
            self.flush(1)
        self.writer.close()
        return file(self.path, self.rows)


def write_labels(path: Path, rows: Sequence[Mapping[str, Any]]) -> File:
    """`annotations.parquet`: rows of records of the kind `annotation`."""
    pq.write_table(pa.Table.from_pylist([label(row) for row in rows], schema=LABELS), path, compression="zstd")
    return file(path, len(rows))


def label(row: Mapping[str, Any]) -> dict[str, Any]:
    body = row["body"]
    return {
        "id": row["id"],
        "class_key": body.get("classKey"),
        "scope_type": body["scopeType"],
        "scope_id": body["scopeId"],
        "start_at": datetime.fromisoformat(body["startAt"]),
        "end_at": datetime.fromisoformat(body["endAt"]) if body.get("endAt") else None,
        "source": body["source"],
        "source_ref": text(body.get("sourceRef")),
        "confidence": body.get("confidence"),
        "note": body.get("note"),
        "values": text(body.get("values")),
        "created_by": row["created_by"],
        "created_at": row["created_at"],
    }


def text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def file(path: Path, rows: int) -> File:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return File(path.name, rows, path.stat().st_size, digest)


def told(sensor: Mapping[str, Any]) -> dict[str, Any]:
    """A sensor as the manifest lists it."""
    profile = {"id": sensor["profile"], "name": sensor["profile_name"], "version": sensor["profile_version"]}
    said = {
        "id": sensor["id"],
        "key": sensor["key"],
        "deviceId": sensor["device"],
        "componentId": sensor["component"],
        "valueType": sensor["value_type"],
        "unit": sensor["unit"],
        "profile": profile if sensor["profile_name"] else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def zipped(path: Path, parts: Sequence[Path], manifest: dict[str, Any]) -> None:
    """Parquet is packed already, so its files lie in the ZIP as they are."""
    with zipfile.ZipFile(path, "w") as bundle:
        for part in parts:
            bundle.write(part, part.name, zipfile.ZIP_STORED)
        bundle.writestr(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2), zipfile.ZIP_DEFLATED)
