"""Values, readings and series on the wire (contract, 6.10)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field

from api.iot.answers import Body, Id, Shown, Text, present, stamp
from infra.postgres import Row
from projections.telemetry.buckets import NoDuration, duration

ValueType = Literal["DOUBLE", "BIGINT", "BOOLEAN", "TEXT"]
Function = Literal["AVG", "MIN", "MAX", "SUM", "COUNT", "STDDEV", "FIRST", "LAST", "TRUE_RATIO", "DISTINCT_COUNT"]
Fill = Literal["NONE", "NULL", "PREVIOUS", "LINEAR"]
Order = Literal["ASC", "DESC"]
Mode = Literal["RAW", "AGGREGATED", "STATS", "LATEST"]


def span(text: str) -> str:
    try:
        found = duration(text)
    except NoDuration:
        raise ValueError("is not an ISO-8601 duration") from None
    if not found:
        raise ValueError("is no time at all")
    return text


Duration = Annotated[Text, Field(max_length=40), AfterValidator(span)]


class ReadingPoint(Shown):
    timestamp: datetime
    value: Any
    metadata: dict[str, Any] | None = None


class Reading(Shown):
    """One stored value."""

    sensor_id: str
    timestamp: datetime
    value: Any
    metadata: dict[str, Any] | None = None


class ReadingSeries(Shown):
    """Raw series of one sensor."""

    sensor_id: str
    value_type: ValueType
    unit: str | None = None
    start: datetime = Field(alias="from")
    to: datetime
    points: list[ReadingPoint]
    next_cursor: str | None = None


class AggregatedBucket(Shown):
    bucket_start: datetime
    count: int
    avg: float | None = None
    min: Any | None = None
    max: Any | None = None
    sum: float | None = None
    stddev: float | None = None
    first: Any | None = None
    last: Any | None = None
    true_ratio: float | None = None
    distinct_count: int | None = None


class AggregatedSeries(Shown):
    sensor_id: str
    value_type: ValueType
    unit: str | None = None
    start: datetime = Field(alias="from")
    to: datetime
    bucket: str
    timezone: str
    buckets: list[AggregatedBucket]


class ReadingStats(Shown):
    """Summary over one range."""

    sensor_id: str
    start: datetime = Field(alias="from")
    to: datetime
    count: int
    min: Any | None = None
    max: Any | None = None
    avg: float | None = None
    sum: float | None = None
    stddev: float | None = None
    p50: float | None = None
    p95: float | None = None
    first: ReadingPoint | None = None
    last: ReadingPoint | None = None
    true_ratio: float | None = None
    distinct_values: list[str] | None = None


class LatestReadings(Shown):
    device_id: str
    readings: list[Reading]


class BatchQuery(Body):
    """Many sensors in one call."""

    sensor_ids: list[Id] = Field(min_length=1, max_length=50)
    mode: Mode
    start: datetime | None = Field(default=None, alias="from")
    to: datetime | None = None
    window: Duration | None = None
    bucket: Duration | None = None
    functions: list[Function] | None = None
    fill: Fill = "NONE"
    timezone: Text | None = None
    limit: int = Field(default=1000, ge=1, le=10_000)


class BatchItem(Shown):
    sensor_id: str
    raw: ReadingSeries | None = None
    aggregated: AggregatedSeries | None = None
    stats: ReadingStats | None = None
    latest: ReadingPoint | None = None
    error: dict[str, Any] | None = None


class BatchResult(Shown):
    items: list[BatchItem]


class IngestRequest(Body):
    """HTTP ingest for virtual devices; the same items as the MQTT contract."""

    device_id: Id
    readings: list[Any] = Field(min_length=1, max_length=1000)


class IngestResult(Shown):
    accepted: int
    duplicates: int
    quarantined: int
    quarantine_ids: list[str] | None = None


def point(at: datetime, value: Any, metadata: str | None = None) -> dict[str, Any]:
    return present(timestamp=stamp(at, "milliseconds"), value=value, metadata=loaded(metadata))


def loaded(metadata: str | None) -> Any:
    """Metadata as it came; a producer's text that is no JSON is shown as text."""
    if metadata is None:
        return None
    try:
        return orjson.loads(metadata)
    except orjson.JSONDecodeError:
        return {"text": metadata}


def newest(row: Row, kind: str) -> Any:
    """The value of a `latest` row; a whole number in a DOUBLE sensor is shown as it is stored."""
    value = next((row[m] for m in ("d", "i", "b", "t") if row[m] is not None), None)
    return float(value) if kind == "DOUBLE" and isinstance(value, int) and not isinstance(value, bool) else value
