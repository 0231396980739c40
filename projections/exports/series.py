"""Readings of one component side by side: a row for each moment, a column for each sensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from infra.clickhouse import Reader
from projections.telemetry.queries import VALUES, ms

HOUR_MS = 3_600_000
WINDOW_ROWS = 1 << 18
"""So many rows are read at a time, or one hour's."""
WHERE = """organisation = {org:String} and sensor in {sensors:Array(String)}
      and ts >= fromUnixTimestamp64Milli({low:Int64}, 'UTC') and ts < fromUnixTimestamp64Milli({high:Int64}, 'UTC')"""


async def windows(
    stores: Reader, organisation: str, sensors: Sequence[str], start: datetime, end: datetime
) -> list[tuple[int, int]]:
    """Pieces of the time with readings in them, in milliseconds, each of a size that memory takes."""
    low, high = ms(start), ms(end)
    hours = await stores.rows(
        f"""select intDiv(toUnixTimestamp64Milli(ts), {HOUR_MS}) as hour, uniqExact(ts) as n from readings
            where {WHERE} group by hour order by hour""",
        organisation,
        org=organisation,
        sensors=list(sensors),
        low=low,
        high=high,
    )
    return [(max(a * HOUR_MS, low), min(b * HOUR_MS, high)) for a, b in grouped(hours)]


def grouped(hours: Sequence[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Hours that follow each other until there are enough rows."""
    first, last, rows = None, 0, 0
    for hour in hours:
        if first is not None and rows + hour["n"] > WINDOW_ROWS:
            yield first, last
            first, rows = None, 0
        first = hour["hour"] if first is None else first
        last, rows = hour["hour"] + 1, rows + hour["n"]
    if first is not None:
        yield first, last


async def wide(
    stores: Reader, organisation: str, sensors: Sequence[tuple[str, str]], window: tuple[int, int]
) -> pa.Table:
    """`timestamp`, one column for each (sensor, value type) in order, `metadata`; in order of time."""
    columns = "".join(
        f", anyOrNullIf({VALUES[kind]}, sensor = {{s{n}:String}}) as c{n}" for n, (_, kind) in enumerate(sensors)
    )
    return await stores.arrow(
        f"""select toUnixTimestamp64Milli(ts) as timestamp{columns}, any(metadata) as metadata
            from readings final where {WHERE} group by ts order by ts""",
        organisation,
        org=organisation,
        sensors=[sensor for sensor, _ in sensors],
        low=window[0],
        high=window[1],
        **{f"s{n}": sensor for n, (sensor, _) in enumerate(sensors)},
    )
