"""A batch of events into one projection's tables: fence, rows, position, notice, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from infra import kafka, notify
from infra.postgres import Connection
from infra.telemetry import EVENTS
from projections.rows import Add, Change, Drop, Projection, Put, Row
from schemas import registry
from schemas.base import Received

Keyed = tuple[str, tuple[tuple[str, Any], ...]]


class Record(msgspec.Struct, frozen=True):
    """An event and where it stood on the log."""

    topic: str
    partition: int
    offset: int
    received: Received


def readable(message: kafka.Origin) -> Record | None:
    """The message for a rebuild: what the live projection put aside is not in the rebuilt one either."""
    try:
        return Record(message.topic, message.partition, message.offset, registry.decode(message.value))
    except registry.Poison:
        return None


async def write(db: Connection, projection: Projection, batch: Sequence[Record], schema: str | None = None) -> None:
    """Records what the projection has not recorded yet. `schema`: another than its own, for a rebuild."""
    into = schema or projection.name
    nexts = await lock(db, into, sorted({(r.topic, r.partition) for r in batch}))
    fresh = [r for r in batch if r.offset >= nexts[r.topic, r.partition]]
    fresh = await unseen(db, into, fresh)
    for group in groups(row for r in fresh for row in projection.rows(r.received.body, r.received.envelope)):
        await save(db, into, group)
    notices = [] if schema else notify.packed(notify.recorded(into, r.received.envelope) for r in batch)
    await advance(db, into, batch, fresh, notices)
    EVENTS.labels(into).inc(len(fresh))


async def lock(db: Connection, schema: str, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    rows = await db.fetch(
        f"""with made as (
                insert into {schema}.positions select *, 0 from unnest($1::text[], $2::int[]) on conflict do nothing)
            select topic, partition, next_offset from {schema}.positions
            join unnest($1::text[], $2::int[]) p(topic, partition) using (topic, partition)
            order by 1, 2 for update of positions""",
        [topic for topic, _ in places],
        [partition for _, partition in places],
    )
    found = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {place: found.get(place, 0) for place in places}


async def unseen(db: Connection, schema: str, batch: list[Record]) -> list[Record]:
    """Without events of a version that the stream is already at: what was published twice counts once."""
    keys = sorted({(r.received.envelope.organisation, r.received.envelope.stream) for r in batch})
    rows = await db.fetch(
        f"""select organisation, stream, version from {schema}.versions
            join unnest($1::text[], $2::text[]) k(organisation, stream) using (organisation, stream)""",
        [o for o, _ in keys],
        [s for _, s in keys],
    )
    at = {(row["organisation"], row["stream"]): row["version"] for row in rows}
    fresh = []
    for record in batch:
        envelope = record.received.envelope
        if envelope.version > at.get((envelope.organisation, envelope.stream), 0):
            at[envelope.organisation, envelope.stream] = envelope.version
            fresh.append(record)
    return fresh


async def advance(
    db: Connection, schema: str, batch: Sequence[Record], fresh: Sequence[Record], notices: Sequence[str]
) -> None:
    nexts: dict[tuple[str, int], int] = {}
    for r in batch:
        nexts[r.topic, r.partition] = max(nexts.get((r.topic, r.partition), 0), r.offset + 1)
    versions = {
        (r.received.envelope.organisation, r.received.envelope.stream): r.received.envelope.version for r in fresh
    }
    await db.execute(
        f"""with streams as (
                insert into {schema}.versions select * from unnest($1::text[], $2::text[], $3::bigint[])
                on conflict (organisation, stream) do update set version = excluded.version
            ), told as (
                select pg_notify('recorded', text) from unnest($7::text[]) t(text))
            update {schema}.positions p set next_offset = greatest(p.next_offset, n.next_offset)
            from unnest($4::text[], $5::int[], $6::bigint[]) n(topic, partition, next_offset)
            where (p.topic, p.partition) = (n.topic, n.partition) and (select count(*) from told) >= 0""",
        [o for o, _ in versions],
        [s for _, s in versions],
        list(versions.values()),
        [t for t, _ in nexts],
        [p for _, p in nexts],
        list(nexts.values()),
        list(notices),
    )


def groups(rows: Iterable[Row]) -> Iterable[list[Row]]:
    """Rows in groups that each are one set: later rows of a key are folded into earlier ones; a row that means
    many keys (`Change` and `Drop` on other columns than a put row's key) ends the group, so that order holds."""
    folded: dict[Keyed, Row] = {}
    columns: dict[str, list[str]] = {}
    for row in rows:
        place = (row.table, tuple(sorted(row.key.items())))
        named = sorted(row.key)
        before = folded.get(place)
        joined = row if before is None else join(before, row)
        if joined is None or columns.setdefault(row.table, named) != named:
            yield list(folded.values())
            folded, columns, joined = {}, {row.table: named}, row
        folded[place] = joined
    if folded:
        yield list(folded.values())


def join(before: Row, after: Row) -> Row | None:
    """Two rows of one key as one, or None where they must stay apart."""
    match before, after:
        case Put(), Put() | Change():
            return Put(before.table, before.key, {**before.values, **after.values})
        case Change(), Change():
            return Change(before.table, before.key, {**before.values, **after.values})
        case Add(), Add() if before.values.keys() == after.values.keys():
            return Add(before.table, before.key, {n: before.values[n] + v for n, v in after.values.items()})
        case ((Put() | Change() | Add()), Drop()):
            return after
        case _:
            return None


async def save(db: Connection, schema: str, group: list[Row]) -> None:
    """One statement for each table, verb and set of columns."""
    sets: dict[tuple[type[Row], str, tuple[str, ...], tuple[str, ...]], list[dict[str, Any]]] = {}
    for row in group:
        values = {} if isinstance(row, Drop) else row.values
        sets.setdefault((type(row), row.table, tuple(row.key), tuple(values)), []).append({**row.key, **values})
    for (verb, table, key, columns), found in sets.items():
        await db.execute(statement(verb, f"{schema}.{table}", key, columns), found)


def statement(verb: type[Row], table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """SQL that takes the rows as one JSON array, typed by the table itself."""
    source = f"jsonb_populate_recordset(null::{table}, $1)"
    names, keys = [f'"{c}"' for c in (*key, *columns)], [f'"{k}"' for k in key]
    same = " and ".join(f"t.{k} = n.{k}" for k in keys)
    if verb is Put:
        sets = ", ".join(f'"{c}" = excluded."{c}"' for c in columns)
        conflict = f"do update set {sets}" if sets else "do nothing"
        into = ", ".join(names)
        return f"insert into {table} ({into}) select {into} from {source} on conflict ({', '.join(keys)}) {conflict}"
    if verb is Drop:
        return f"delete from {table} t using {source} n where {same}"
    plus = "t.{0} + n.{0}" if verb is Add else "n.{0}"
    sets = ", ".join(f'"{c}" = ' + plus.format(f'"{c}"') for c in columns)
    return f"update {table} t set {sets} from {source} n where {same}"
