"""An export's files: what an independent Parquet reader finds in them."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from inference import bundle

PLACE = {
    "site": None,
    "device": "d",
    "device_name": "D",
    "profile": None,
    "profile_name": None,
    "profile_version": None,
}


def sensor(id: str, key: str, kind: str, component: str = "c1") -> dict[str, Any]:
    part = {"component": component, "component_key": f"key of {component}"}
    return {"id": id, "key": key, "value_type": kind, "unit": None, **part, **PLACE}


def found(ms: list[int], **columns: list[Any]) -> pa.Table:
    return pa.table({"timestamp": pa.array(ms, pa.int64()), **columns, "metadata": pa.nulls(len(ms), pa.string())})


def test_columns_are_keys_and_types_where_a_key_says_too_little() -> None:
    sensors = [sensor("1", "t", "DOUBLE"), sensor("2", "t", "TEXT", "c2"), sensor("3", "n", "BIGINT")]
    assert bundle.columns(sensors) == {"1": "t__double", "2": "t__text", "3": "n"}
    assert bundle.columns([sensor("1", "timestamp", "DOUBLE")]) == {"1": "timestamp__double"}


def test_a_row_is_a_moment_of_a_component(tmp_path: Path) -> None:
    sensors = [sensor("1", "t", "DOUBLE"), sensor("2", "on", "BOOLEAN"), sensor("3", "t", "DOUBLE", "c2")]
    written = bundle.Readings(tmp_path / bundle.READINGS, sensors)
    for part, table in zip(
        bundle.components(sensors),
        (found([1, 2], c0=[1.5, None], c1=[None, True]), found([1], c0=[7.0])),
        strict=True,
    ):
        written.add(part, table)
    file = written.close()
    frame = pl.read_parquet(tmp_path / bundle.READINGS)
    assert (file.rows, len(frame), written.values) == (3, 3, 3)
    assert frame.columns == ["timestamp", *bundle.PLACE, "on", "t", "metadata"]
    assert frame["t"].to_list() == [1.5, None, 7.0]
    assert frame["on"].to_list() == [None, True, None]
    assert frame["component_key"].to_list() == ["key of c1", "key of c1", "key of c2"]
    assert frame.schema["timestamp"] == pl.Datetime("ms", "UTC")


def test_row_groups_are_whole(tmp_path: Path) -> None:
    sensors = [sensor("1", "t", "DOUBLE")]
    written = bundle.Readings(tmp_path / "r.parquet", sensors)
    for _ in range(3):
        written.add(sensors, found(list(range(100_000)), c0=[0.0] * 100_000))
    written.close()
    said = pq.read_metadata(tmp_path / "r.parquet")
    assert [said.row_group(n).num_rows for n in range(said.num_row_groups)] == [131_072, 131_072, 37_856]
    assert said.row_group(0).column(0).compression == "ZSTD"


def test_what_was_asked_for_and_is_empty_has_no_rows(tmp_path: Path) -> None:
    assert bundle.Readings(tmp_path / "r.parquet", []).close().rows == 0
    assert bundle.write_labels(tmp_path / "a.parquet", []).rows == 0
    assert pl.read_parquet(tmp_path / "r.parquet").columns[0] == "timestamp"
    assert pl.read_parquet(tmp_path / "a.parquet").columns == bundle.LABELS.names


def test_a_label_is_a_row(tmp_path: Path) -> None:
    body = {"classKey": "k", "scopeType": "DEVICE", "scopeId": "d", "startAt": "2026-11-20T12:00:00.000Z"}
    row = {"id": "a", "body": {**body, "source": "MANUAL", "values": {"n": 1}}, "created_by": "user_1"}
    bundle.write_labels(tmp_path / "a.parquet", [{**row, "created_at": datetime(2026, 11, 20, tzinfo=UTC)}])
    (said,) = pl.read_parquet(tmp_path / "a.parquet").to_dicts()
    assert (said["class_key"], said["values"], said["end_at"]) == ("k", '{"n":1}', None)
    assert said["start_at"] == datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_zip_holds_the_files_and_the_manifest(tmp_path: Path) -> None:
    bundle.write_labels(tmp_path / bundle.ANNOTATIONS, [])
    bundle.zipped(tmp_path / "b.zip", [tmp_path / bundle.ANNOTATIONS], {"formatVersion": 1})
    with zipfile.ZipFile(io.BytesIO((tmp_path / "b.zip").read_bytes())) as opened:
        assert opened.namelist() == [bundle.ANNOTATIONS, bundle.MANIFEST]
        assert opened.testzip() is None
