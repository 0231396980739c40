"""What Postgres knows of the devices in a batch of readings: for the lane, and for the door that counts beforehand."""

from __future__ import annotations

import polars as pl

from infra.postgres import Connection
from projections.telemetry.rows import COMPONENTS, DEVICES, FIELDS, SENSORS, Known
from schemas.ids import is_id

CONTEXTS = ("fleet", "records", "tenancy")
"""Whose tables are asked: `{0}` stands behind their schemas' names."""
DEVICES_SQL = """
select d.organisation::text, d.id::text as device, d.status not in ('INACTIVE', 'REJECTED') as active,
       coalesce((o.settings ->> 'auto_create_sensors')::boolean, true) as auto
from fleet{0}.devices d left join tenancy{0}.organisations o using (organisation)
where d.id = any($1::uuid[]) and d.retired_at is null
"""
COMPONENTS_SQL = """
select c.device, c.body ->> 'key' as component, c.id as component_id, p.id as profile,
       split_part(p.body ->> 'version', '.', 1) as major
from records{0}.records c left join records{0}.records p
     on p.organisation = c.organisation and p.kind = 'sensor-profile' and p.id = c.body ->> 'profile'
where c.kind = 'component' and c.device = any($1) and c.retired_at is null
"""
SENSORS_SQL = """
select s.device, s.body ->> 'component' as component_id, s.body ->> 'key' as key, s.id, s.body ->> 'value_type' as type,
       (s.body ->> 'min')::double precision as low, (s.body ->> 'max')::double precision as high,
       coalesce((s.body ->> 'auto_created')::boolean, false) as auto_created, s.version, s.body::text as body
from records{0}.records s join records{0}.records c
     on c.organisation = s.organisation and c.kind = 'component' and c.id = s.body ->> 'component'
    and c.retired_at is null
where s.kind = 'sensor' and s.device = any($1) and s.retired_at is null
order by (c.body ->> 'key') <> 'default', s.created_at, s.id
"""
FIELDS_SQL = """
select p.id as profile, f ->> 'name' as field,
       case when f ->> 'type' = 'ARRAY' then f ->> 'itemType' else f ->> 'type' end as field_type,
       (f ->> 'min')::double precision as field_low, (f ->> 'max')::double precision as field_high,
       coalesce((f ->> 'required')::boolean, false) as required,
       case when f ->> 'type' = 'ARRAY' then coalesce((f ->> 'minItems')::bigint, 0) end as least,
       case when f ->> 'type' = 'ARRAY' then coalesce((f ->> 'maxItems')::bigint, 64) end as most,
       (f ->> 'maxLength')::bigint as longest
from records{0}.records p, jsonb_array_elements(p.body -> 'fields') f
where p.kind = 'sensor-profile' and p.id = any($1)
"""
RETIRED_SQL = """
select coalesce(body ->> 'component', device) as parent, body ->> 'key' as key, count(*)
from records{0}.records where kind in ('component', 'sensor') and device = any($1) and retired_at is not null
group by 1, 2
"""


async def known(db: Connection, batch: pl.DataFrame, suffix: str = "") -> Known:
    """Everything about the devices that the batch names. What is no id is no device."""
    return await of_devices(db, batch["envelope"].struct.field("stream").unique().to_list(), suffix)


async def of_devices(db: Connection, named: list[str], suffix: str = "") -> Known:
    devices = [device for device in named if is_id(device)]
    components = await table(db, COMPONENTS_SQL.format(suffix), devices, COMPONENTS)
    profiles = components["profile"].drop_nulls().unique().to_list()
    return Known(
        devices=await table(db, DEVICES_SQL.format(suffix), devices, DEVICES),
        components=components,
        sensors=await table(db, SENSORS_SQL.format(suffix), devices, SENSORS),
        fields=await table(db, FIELDS_SQL.format(suffix), profiles, FIELDS),
        retired={(parent, key): n for parent, key, n in await db.fetch(RETIRED_SQL.format(suffix), devices)},
    )


async def table(db: Connection, sql: str, values: list[str], schema: pl.Schema) -> pl.DataFrame:
    rows = await db.fetch(sql, values) if values else []
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
