"""Reads of readings: raw and aggregated from ClickHouse, newest values from Postgres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import polars as pl
from clickhouse_connect.driver.exceptions import OperationalError

from infra.clickhouse import Reader
from infra.postgres import Connection, Row
from projections import columns
from projections.telemetry import quarantine, rows
from projections.telemetry.buckets import EPOCH, Buckets
from projections.telemetry.known import known
from schemas import registry
from schemas.base import Envelope
from schemas.telemetry.messages import Readings

ValueType = Literal["DOUBLE", "BIGINT", "BOOLEAN", "TEXT"]
VALUES = {"DOUBLE": "coalesce(d, toFloat64(i))", "BIGINT": "i", "BOOLEAN": "b", "TEXT": "t"}
"""The column of each type; a whole number in a DOUBLE sensor stays stored as it came."""
NUMERIC = {
    "AVG": "avg(v)", "MIN": "min(v)", "MAX": "max(v)", "SUM": "sum(toFloat64(v))", "COUNT": "count()",
    "STDDEV": "stddevSamp(v)", "FIRST": "argMin(v, ts)", "LAST": "argMax(v, ts)",
}  # fmt: skip
PLAIN = {"COUNT": "count()", "FIRST": "argMin(v, ts)", "LAST": "argMax(v, ts)"}
FUNCTIONS: dict[str, dict[str, str]] = {
    "DOUBLE": NUMERIC,
    "BIGINT": NUMERIC,
    "BOOLEAN": {**PLAIN, "TRUE_RATIO": "avg(v)"},
    "TEXT": {**PLAIN, "DISTINCT_COUNT": "uniqExact(v)"},
}
NAMES = {"TRUE_RATIO": "trueRatio", "DISTINCT_COUNT": "distinctCount"}


class Range(msgspec.Struct, frozen=True):
    """Whose readings, of which type, from (inclusive) to (exclusive)."""

    organisation: str
    sensor: str
    type: str
    start: datetime
    end: datetime

    @property
    def source(self) -> str:
        return f"""(select ts, assumeNotNull({VALUES[self.type]}) as v, metadata from readings final
            where organisation = {{org:String}} and sensor = {{sensor:String}}
              and ts >= fromUnixTimestamp64Milli({{low:Int64}}, 'UTC')
              and ts < fromUnixTimestamp64Milli({{high:Int64}}, 'UTC')
              and isNotNull({VALUES[self.type]}))"""

    @property
    def bound(self) -> dict[str, Any]:
        return {"org": self.organisation, "sensor": self.sensor, "low": ms(self.start), "high": ms(self.end)}


def ms(at: datetime) -> int:
    """Milliseconds since 1970, rounded up: readings have whole ones."""
    return -((EPOCH - at) // timedelta(milliseconds=1))


def when(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


async def raw(
    stores: Reader, wanted: Range, *, limit: int, descending: bool = False, after: int | None = None
) -> list[dict[str, Any]]:
    """Readings in order of time: `ms`, `v`, `metadata`. `after`: beyond this moment, in the order asked for."""
    side, order = ("<", "desc") if descending else (">", "")
    beyond = f"where toUnixTimestamp64Milli(ts) {side} {{after:Int64}}" if after is not None else ""
    return await stores.rows(
        f"""select toUnixTimestamp64Milli(ts) as ms, v, metadata from {wanted.source} {beyond}
            order by ts {order} limit {{limit:UInt32}}""",
        wanted.organisation,
        **wanted.bound,
        limit=limit,
        after=after or 0,
    )


async def aggregated(
    stores: Reader, wanted: Range, buckets: Buckets, functions: Sequence[str]
) -> dict[int, dict[str, Any]]:
    """Number of each bucket that something fell into -> its aggregates by name; `count` is always there."""
    asked = {NAMES.get(f, f.lower()): FUNCTIONS[wanted.type][f] for f in dict.fromkeys(("COUNT", *functions))}
    listed = ", ".join(f"{sql} as {name}" for name, sql in asked.items())
    found = await stores.rows(
        f"select {buckets.sql()} as bucket, {listed} from {wanted.source} group by bucket order by bucket",
        wanted.organisation,
        **wanted.bound,
        zone=buckets.zone,
    )
    return {row.pop("bucket"): usable(row) for row in found}


async def stats(stores: Reader, wanted: Range) -> dict[str, Any]:
    """Summary of a range; `first` and `last` as (ms, value)."""
    asked = {
        "count": "count()",
        "first": "argMin((toUnixTimestamp64Milli(ts), v), ts)",
        "last": "argMax((toUnixTimestamp64Milli(ts), v), ts)",
    }
    if wanted.type in ("DOUBLE", "BIGINT"):
        asked |= {name: NUMERIC[name.upper()] for name in ("min", "max", "avg", "sum", "stddev")}
        asked |= {"p50": "quantileExactInclusive(0.5)(v)", "p95": "quantileExactInclusive(0.95)(v)"}
    elif wanted.type == "BOOLEAN":
        asked["trueRatio"] = "avg(v)"
    else:
        asked["distinctValues"] = "arraySort(groupUniqArray(100)(v))"
    named = ", ".join(f"{sql} as {name}" for name, sql in asked.items())
    (row,) = await stores.rows(f"select {named} from {wanted.source}", wanted.organisation, **wanted.bound)
    return usable(row) if row["count"] else {"count": 0}


async def stored(
    stores: Reader, organisation: str, sensors: Sequence[str], low: int, high: int
) -> set[tuple[str, int]]:
    """(sensor, milliseconds) of readings between two moments, both included."""
    found = await stores.rows(
        """select distinct sensor, toUnixTimestamp64Milli(ts) as ms from readings
           where organisation = {org:String} and sensor in {sensors:Array(String)}
             and ts >= fromUnixTimestamp64Milli({low:Int64}, 'UTC')
             and ts <= fromUnixTimestamp64Milli({high:Int64}, 'UTC')""",
        organisation,
        org=organisation,
        sensors=list(sensors),
        low=low,
        high=high,
    )
    return {(row["sensor"], row["ms"]) for row in found}


def usable(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is no number: the deviation of a single value."""
    return {name: value for name, value in row.items() if not (isinstance(value, float) and not math.isfinite(value))}


LATEST = "select sensor::text, device::text, ts, d, i, b, t, metadata from telemetry.latest"


async def latest(db: Connection, sensors: Sequence[str]) -> dict[str, Row]:
    """The newest reading of each of these sensors that has one."""
    found = await db.fetch(f"{LATEST} where sensor = any($1::uuid[])", list(sensors))
    return {row["sensor"]: row for row in found}


SENSOR = r"""
select s.id, s.version, s.body, s.created_at, s.updated_at, s.created_by, l.ts, l.d, l.i, l.b, l.t, f.field
from records.records s
join records.records c on c.organisation = s.organisation and c.kind = 'component' and c.id = s.body ->> 'component'
                      and c.retired_at is null
join fleet.devices d on d.id::text = s.device and d.retired_at is null
left join telemetry.latest l on l.sensor = s.id::uuid
left join records.records p on p.organisation = c.organisation and p.kind = 'sensor-profile'
                           and p.id = c.body ->> 'profile'
left join lateral (
    select field from jsonb_array_elements(p.body -> 'fields') field
    where field ->> 'name' in (s.body ->> 'key', regexp_replace(s.body ->> 'key', '(\[\d+\])?(_v\d+)?$', '')) limit 1
) f on true
where s.kind = 'sensor' and s.retired_at is null
"""
"""A sensor lives while its component and its device do; `field` is what the component's profile says of it."""
COMPONENT = """
select c.id, c.version, c.body, c.created_at, c.updated_at, c.created_by, p.body ->> 'name' as profile_name,
       p.body ->> 'version' as profile_version
from records.records c
join fleet.devices d on d.id::text = c.device and d.retired_at is null
left join records.records p on p.organisation = c.organisation and p.kind = 'sensor-profile'
                           and p.id = c.body ->> 'profile'
where c.kind = 'component' and c.retired_at is null
"""


async def sensor(db: Connection, id: str) -> Row | None:
    return await db.fetchrow(f"{SENSOR} and s.id = $1", id)


async def sensors(
    db: Connection, where: dict[str, Any], *, order: str, limit: int, offset: int
) -> tuple[list[Row], int]:
    """A page of sensors whose body holds all of `where`, and how many there are. `order` is one of ORDERS."""
    sql = f"{SENSOR} and s.body @> $1"
    found = await db.fetch(f"{sql} order by {ORDERS[order].format('s')} limit $2 offset $3", where, limit, offset)
    return found, await db.fetchval(f"select count(*) from ({sql}) found", where)


async def component(db: Connection, id: str) -> Row | None:
    return await db.fetchrow(f"{COMPONENT} and c.id = $1", id)


async def components(
    db: Connection, where: dict[str, Any], profile_name: str | None = None, *, order: str, limit: int, offset: int
) -> tuple[list[Row], int]:
    """A page of components whose body holds all of `where`, and how many there are."""
    sql = f"{COMPONENT} and c.body @> $1 and ($2::text is null or p.body ->> 'name' = $2)"
    page = f"{sql} order by {ORDERS[order].format('c')} limit $3 offset $4"
    found = await db.fetch(page, where, profile_name, limit, offset)
    return found, await db.fetchval(f"select count(*) from ({sql}) found", where, profile_name)


ORDERS = {
    "createdAt,desc": "{0}.created_at desc, {0}.id desc",
    "createdAt,asc": "{0}.created_at, {0}.id",
    "updatedAt,desc": "{0}.updated_at desc, {0}.id desc",
    "updatedAt,asc": "{0}.updated_at, {0}.id",
    "name,asc": "lower({0}.name), {0}.id",
    "name,desc": "lower({0}.name) desc, {0}.id desc",
}


class Weighed(msgspec.Struct, frozen=True):
    """What will become of a batch of readings."""

    accepted: int
    duplicates: int
    quarantined: tuple[str, ...]


async def weighed(db: Connection, stores: Reader, fact: Readings, meta: Envelope) -> Weighed:
    """Judges a batch by the lane's own rules before it is published. While ClickHouse is away only repeats inside the
    batch are known."""
    message = columns.Place(fact.TOPIC, 0, 0, meta.stream.encode(), registry.encode(meta, fact))
    batch = columns.columnar("telemetry.Readings")([message]).rows
    assert batch is not None
    judged = rows.judge(batch, await known(db, batch))
    fits = judged.filter(pl.col("reason").is_null())
    fresh = fits.with_columns(of=pl.coalesce("id", "sensor")).unique(["component", "of", "ts"], maintain_order=True)
    aside = quarantine.rows(judged.filter(pl.col("reason").is_not_null()))
    try:
        there = await stored(stores, meta.organisation, fresh["id"].drop_nulls().unique().to_list(), *extent(fresh))
    except OperationalError:
        there = set()
    repeated = sum(pair in there for pair in fresh.select("id", "ts").iter_rows())
    return Weighed(len(fresh) - repeated, len(fits) - len(fresh) + repeated, tuple(aside["id"]))


async def answered(db: Connection, id: str) -> Row | None:
    """What was answered to the first readings under a key."""
    return await db.fetchrow("select * from telemetry.accepted where id = $1", id)


def extent(fresh: pl.DataFrame) -> tuple[int, int]:
    low, high = fresh["ts"].min(), fresh["ts"].max()
    return (low, high) if isinstance(low, int) and isinstance(high, int) else (0, 0)


class Aside(msgspec.Struct, frozen=True):
    """Which payloads put aside: every member that is set narrows."""

    organisation: str
    device: str | None = None
    reasons: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    id: str | None = None


ASIDE = """from quarantine final where organisation = {org:String} and id not in {gone:Array(String)}
    and (empty({device:String}) or device = {device:String}) and (empty({id:String}) or id = {id:String})
    and (empty({reasons:Array(String)}) or reason in {reasons:Array(String)})
    and received >= fromUnixTimestamp64Milli({low:Int64}, 'UTC')
    and received < fromUnixTimestamp64Milli({high:Int64}, 'UTC')
"""


async def put_aside(
    db: Connection, stores: Reader, wanted: Aside, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of payloads put aside and not discarded, newest first, and how many there are."""
    gone = await db.fetch("select id from telemetry.discarded where created_at > now() - interval '31 days'")
    bound: dict[str, Any] = {
        "org": wanted.organisation,
        "gone": [row["id"] for row in gone],
        "device": wanted.device or "",
        "id": wanted.id or "",
        "reasons": list(wanted.reasons),
        "low": ms(wanted.start) if wanted.start else 0,
        "high": ms(wanted.end) if wanted.end else ms(when(rows.SANE_MS[1])),
    }
    page = f"select * {ASIDE} order by received desc, id limit {{limit:UInt32}} offset {{offset:UInt32}}"
    # counted first: what comes in between is on the page and not yet in the count, never the other way round
    (total,) = await stores.rows(f"select count() as n {ASIDE}", wanted.organisation, **bound)
    found = await stores.rows(page, wanted.organisation, **bound, limit=limit, offset=offset)
    return found, total["n"]


async def used(stores: Reader, organisation: str, start: datetime, end: datetime) -> int:
    """How many readings of a span are stored."""
    sql = """select count() as n from readings final where organisation = {org:String}
               and ts >= fromUnixTimestamp64Milli({low:Int64}, 'UTC')
               and ts < fromUnixTimestamp64Milli({high:Int64}, 'UTC')"""
    (row,) = await stores.rows(sql, organisation, org=organisation, low=ms(start), high=ms(end))
    return int(row["n"])
