"""Reads of export jobs, and of what lies inside a scope: a site, a device, a component or a sensor."""

from __future__ import annotations

from typing import Any

from infra.postgres import Connection, Row

ORDERS = {
    "createdAt,desc": "created_at desc, id desc",
    "createdAt,asc": "created_at, id",
    "updatedAt,desc": "updated_at desc, id desc",
    "updatedAt,asc": "updated_at, id",
}


async def one(db: Connection, id: str) -> Row | None:
    return await db.fetchrow("select * from exports.exports where id = $1 and deleted_at is null", id)


async def page(
    db: Connection, status: str | None, *, order: str = "createdAt,desc", limit: int = 20, offset: int = 0
) -> tuple[list[Row], int]:
    """A page of jobs, and how many there are. `order` is one of ORDERS."""
    sql = "from exports.exports where deleted_at is null and ($1::text is null or status = $1)"
    rows = await db.fetch(f"select * {sql} order by {ORDERS[order]} limit $2 offset $3", status, limit, offset)
    return rows, await db.fetchval(f"select count(*) {sql}", status)


async def taken(db: Connection) -> set[int]:
    """Slots that open jobs hold."""
    rows = await db.fetch("select slot from exports.exports where status in ('PENDING', 'RUNNING')")
    return {row["slot"] for row in rows}


async def requested(db: Connection, start: Any, end: Any) -> int:
    """How many jobs were asked for in a time."""
    sql = "select count(*) from exports.exports where created_at >= $1 and created_at < $2"
    return int(await db.fetchval(sql, start, end))


async def stored(db: Connection) -> int:
    """Bytes of the bundles that are kept."""
    sql = "select coalesce(sum(size), 0) from exports.exports where status = 'READY' and deleted_at is null"
    return int(await db.fetchval(sql))


async def waiting(db: Connection, worker: str, limit: int) -> list[Row]:
    """Jobs of every organisation that wait, or that this worker had when it was stopped; fairest first."""
    return await db.fetch(
        """select id, organisation, scope_type, scope_id, start_at, end_at, includes, requested_by
           from (select *, row_number() over (partition by organisation order by created_at) as turn
                 from exports.exports
                 where deleted_at is null and (status = 'PENDING' or status = 'RUNNING' and worker = $1)) open
           order by turn, created_at limit $2""",
        worker,
        limit,
    )


async def leased(db: Connection, id: str, lease: str) -> bool:
    """Whether the job is under this lease."""
    return bool(
        await db.fetchval("select exists (select from exports.exports where id = $1 and lease = $2)", id, lease)
    )


SCOPES = {
    "SITE": "select id, name from records.records where kind = 'site' and id = $1 and retired_at is null",
    "DEVICE": "select id::text, name from fleet.devices where id::text = $1 and retired_at is null",
    "COMPONENT": """
        select c.id, coalesce(c.name, c.body ->> 'key') as name from records.records c
        join fleet.devices d on d.id::text = c.device and d.retired_at is null
        where c.kind = 'component' and c.id = $1 and c.retired_at is null""",
    "SENSOR": """
        select s.id, coalesce(s.name, s.body ->> 'key') as name from records.records s
        join fleet.devices d on d.id::text = s.device and d.retired_at is null
        where s.kind = 'sensor' and s.id = $1 and s.retired_at is null""",
}


async def scope(db: Connection, type: str, id: str) -> Row | None:
    """Id and name of a live site, device, component or sensor."""
    return await db.fetchrow(SCOPES[type], id)


INSIDE = """
select s.id, s.body ->> 'key' as key, s.body ->> 'value_type' as value_type, s.body ->> 'unit' as unit,
       c.id as component, c.body ->> 'key' as component_key, d.id::text as device, d.name as device_name,
       d.site::text as site, p.id as profile, p.body ->> 'name' as profile_name, p.body ->> 'version' as profile_version
from records.records s
join records.records c on c.organisation = s.organisation and c.kind = 'component' and c.id = s.body ->> 'component'
                      and c.retired_at is null
join fleet.devices d on d.id::text = s.device and d.retired_at is null
left join records.records p on p.organisation = c.organisation and p.kind = 'sensor-profile'
                           and p.id = c.body ->> 'profile'
where s.kind = 'sensor' and s.retired_at is null
"""
COLUMNS = {"SITE": "d.site::text", "DEVICE": "d.id::text", "COMPONENT": "c.id", "SENSOR": "s.id"}


async def sensors(db: Connection, type: str, id: str) -> list[Row]:
    """The sensors of a scope with all that is known of their place, by component and key."""
    return await db.fetch(f"{INSIDE} and {COLUMNS[type]} = $1 order by c.id, s.body ->> 'key', s.id", id)


BELOW = """
select d.site::text as site, d.id::text as device, c.id as component, s.id as sensor from fleet.devices d
left join records.records c on c.kind = 'component' and c.device = d.id::text and c.retired_at is null
left join records.records s on s.kind = 'sensor' and s.device = d.id::text and s.body ->> 'component' = c.id
                           and s.retired_at is null
where d.retired_at is null
"""
LEVELS = ("SITE", "DEVICE", "COMPONENT", "SENSOR")


async def below(db: Connection, type: str, id: str) -> list[str]:
    """The scope itself and everything inside it, by id."""
    found = await db.fetch(f"{BELOW} and {COLUMNS[type]} = $1", id)
    under = [level.lower() for level in LEVELS[LEVELS.index(type) :]]
    return sorted({id, *(row[level] for row in found for level in under if row[level] is not None)})


LABELS = """
select id, body, created_by, created_at from records.records
where kind = 'annotation' and retired_at is null and body ->> 'scopeId' = any($1)
  and (body ->> 'startAt')::timestamptz < $3
  and coalesce((body ->> 'endAt')::timestamptz >= $2, (body ->> 'startAt')::timestamptz >= $2)
order by (body ->> 'startAt')::timestamptz, id
"""


async def labels(db: Connection, scopes: list[str], start: Any, end: Any) -> list[Row]:
    """Annotations on these scopes that overlap a time."""
    return await db.fetch(LABELS, scopes, start, end)
