"""Reads of the fleet, for every dialect. Row-level security keeps them inside one organisation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from infra.clickhouse import Reader
from infra.postgres import Connection, Row
from schemas.ids import is_id

OFFLINE_AFTER = "90 seconds"
"""Three beats of 30 s."""

DEVICE = f"""
select d.*, coalesce(h.last_seen_at > now() - interval '{OFFLINE_AFTER}', false) as online, h.last_seen_at,
       h.reported_at, h.status as health_status, h.metrics::jsonb as metrics, h.model as current_model,
       coalesce(h.ip_address, d.ip_address) as seen_ip_address
from fleet.devices d left join fleet.health h on h.device = d.id
"""
"""A device with its latest health; a live one has no `retired_at`."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which devices: every member that is set narrows. `site`, `server`, `profile` are UUIDs, `ids` those or external
    ids, `named` is a part of name, serial or external id."""

    site: str | None = None
    server: str | None = None
    profile: str | None = None
    statuses: tuple[str, ...] | None = None
    online: bool | None = None
    virtual: bool | None = None
    tags: tuple[str, ...] | None = None
    any_tags: tuple[str, ...] | None = None
    named: str | None = None
    ids: tuple[str, ...] | None = None
    no_tags: tuple[str, ...] | None = None
    metadata: dict[str, Any] | None = None


WHERE = f"""
where d.retired_at is null
  and ($1::uuid is null or d.site = $1)
  and ($2::uuid is null or d.server = $2)
  and ($3::uuid is null or d.profile = $3)
  and ($4::text[] is null or d.status = any($4))
  and ($5::boolean is null or coalesce(h.last_seen_at > now() - interval '{OFFLINE_AFTER}', false) = $5)
  and ($6::boolean is null or d.virtual = $6)
  and ($7::text[] is null or d.tags @> $7)
  and ($8::text[] is null or d.tags && $8)
  and ($9::text is null or strpos(lower(d.name), lower($9)) > 0 or strpos(lower(d.serial), lower($9)) > 0
       or strpos(lower(d.external_id), lower($9)) > 0)
  and ($10::text[] is null or d.id::text = any($10) or d.external_id = any($10))
  and ($11::text[] is null or not d.tags && $11)
  and ($12::jsonb is null or d.metadata @> $12)
"""


async def device(db: Connection, id: str) -> Row | None:
    """One live device by its id (a UUID)."""
    return await db.fetchrow(f"{DEVICE} where d.id = $1 and d.retired_at is null", id)


async def device_by_external_id(db: Connection, external_id: str) -> Row | None:
    """One live device by the id that its maker or site gave it."""
    return await db.fetchrow(f"{DEVICE} where d.external_id = $1 and d.retired_at is null", external_id)


async def device_called(db: Connection, id: str) -> Row | None:
    """One live device by whichever id: its external id goes first, then its UUID."""
    found = await device_by_external_id(db, id)
    return found or (await device(db, id) if is_id(id) else None)


async def devices(
    db: Connection, wanted: Filter, *, limit: int, offset: int = 0, order: str = "newest"
) -> tuple[list[Row], int]:
    """A page of live devices and how many there are in all. `order` is a key of ORDERS."""
    values = [list(v) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(wanted)]
    rows = await db.fetch(f"{DEVICE}{WHERE}{ORDERS[order]} limit $13 offset $14", *values, limit, offset)
    total = await db.fetchval(
        f"select count(*) from fleet.devices d left join fleet.health h on h.device = d.id {WHERE}", *values
    )
    return rows, total


async def counts_by_site(db: Connection, sites: list[str]) -> dict[str, int]:
    """How many live devices each of these sites has."""
    rows = await db.fetch(
        """select site, count(*) as n from fleet.devices
           where retired_at is null and site = any($1::uuid[]) group by site""",
        sites,
    )
    return {row["site"]: row["n"] for row in rows}


ORDERS = {
    "newest": "order by d.created_at desc, d.id desc",
    "oldest": "order by d.created_at, d.id",
    "name": "order by lower(d.name), d.id",
    "-name": "order by lower(d.name) desc, d.id",
    "status": "order by d.status, d.id",
    "-status": "order by d.status desc, d.id",
    "updated": "order by d.updated_at, d.id",
    "-updated": "order by d.updated_at desc, d.id",
}


async def counted(db: Connection, wanted: Filter) -> int:
    """How many live devices there are of these."""
    values = [list(v) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(wanted)]
    sql = f"select count(*) from fleet.devices d left join fleet.health h on h.device = d.id {WHERE}"
    return int(await db.fetchval(sql, *values))


async def on_sites(db: Connection, sites: Sequence[str]) -> dict[str, int]:
    """How many live devices each of these sites has."""
    rows = await db.fetch(
        "select site, count(*) from fleet.devices where site = any($1::uuid[]) and retired_at is null group by site",
        list(sites),
    )
    return {row["site"]: row["count"] for row in rows}


async def at_site(db: Connection, site: str) -> list[str]:
    """Ids of the live devices of a site."""
    rows = await db.fetch("select id from fleet.devices where site = $1 and retired_at is null order by id", site)
    return [row["id"] for row in rows]


async def checkins(
    stores: Reader, organisation: str, device: str, start: datetime, end: datetime, limit: int
) -> list[dict[str, Any]]:
    """What a device said of itself from `start` to before `end`, newest first."""
    return await stores.rows(
        """select ts, metrics, ip_address from checkins final
           where organisation = {org:String} and device = {device:String} and metrics != '{}'
             and ts >= fromUnixTimestamp64Micro({low:Int64}, 'UTC')
             and ts < fromUnixTimestamp64Micro({high:Int64}, 'UTC')
           order by ts desc limit {limit:UInt32}""",
        organisation,
        org=organisation,
        device=device,
        low=micros(start),
        high=micros(end),
        limit=limit,
    )


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


ACTION = """
select a.*, coalesce(d.external_id, d.id::text) as device_id
from fleet.actions a join fleet.devices d on d.id = a.device
"""


async def actions(
    db: Connection, device: str, status: str | None, *, limit: int, offset: int = 0
) -> tuple[list[Row], int]:
    """A page of what the device was asked to do, newest first, and how many there are."""
    where = "where a.device = $1 and ($2::text is null or a.status = $2)"
    order = "order by a.created_at desc, a.id desc limit $3 offset $4"
    rows = await db.fetch(f"{ACTION} {where} {order}", device, status, limit, offset)
    return rows, await db.fetchval(f"select count(*) from fleet.actions a {where}", device, status)


async def open_actions(db: Connection, device: str) -> list[Row]:
    """What the device has not come to an end with, oldest first."""
    return await db.fetch(
        f"{ACTION} where a.device = $1 and a.completed_at is null order by a.created_at, a.id", device
    )


async def told_of(db: Connection, device: str, model: int) -> bool:
    """Whether the device has ever been asked to do something about the model of this number."""
    sql = """select exists (select from fleet.actions a join models.models m on m.id = a.model
             where a.device = $1 and m.number = $2)"""
    return bool(await db.fetchval(sql, device, model))


async def action(db: Connection, device: str, *, number: int | None = None, id: str | None = None) -> Row | None:
    return await db.fetchrow(f"{ACTION} where a.device = $1 and (a.number = $2 or a.id = $3)", device, number, id)


async def actions_of(db: Connection, ids: Sequence[str]) -> dict[str, Row]:
    """Actions by their ids, also of devices that are gone."""
    rows = await db.fetch("select * from fleet.actions where id = any($1::uuid[])", list(ids))
    return {row["id"]: row for row in rows}


async def running(
    stores: Reader, organisation: str, devices: Sequence[str], version: str, since: datetime
) -> dict[str, list[datetime]]:
    """When each of these devices has said that it runs a version, from a moment on."""
    rows = await stores.rows(
        """select device, groupArray(toUnixTimestamp64Micro(ts)) as times from checkins
           where organisation = {org:String} and device in {devices:Array(String)}
             and ts >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
             and JSONExtractString(metrics, 'firmwareVersion') = {version:String}
           group by device""",
        organisation,
        org=organisation,
        devices=list(devices),
        since=micros(since),
        version=version,
    )
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return {row["device"]: [start + timedelta(microseconds=at) for at in row["times"]] for row in rows}


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Which actions: every member that is set narrows; `camera` is named in what the device is told."""

    device: str | None = None
    types: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    camera: str | None = None
    id: str | None = None


ORDERED = """
from fleet.actions a join fleet.devices d on d.id = a.device and d.retired_at is null
where ($1::uuid is null or a.device = $1) and ($2::text[] is null or a.type = any($2))
  and ($3::text[] is null or a.status = any($3)) and ($4::text is null or a.payload #>> '{params,camera_id}' = $4)
  and ($5::uuid is null or a.id = $5)
"""


async def orders(
    db: Connection, wanted: Orders, *, limit: int = 1, offset: int = 0, descending: bool = True
) -> tuple[list[Row], int]:
    """A page of what devices were asked to do, by when, and how many there are."""
    values = [list(v) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(wanted)]
    way = "desc" if descending else "asc"
    page = f"order by a.created_at {way}, a.id {way} limit $6 offset $7"
    rows = await db.fetch(f"select a.* {ORDERED} {page}", *values, limit, offset)
    return rows, await db.fetchval(f"select count(*) {ORDERED}", *values)
