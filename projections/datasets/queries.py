"""Reads of batches, pictures and labels. A picture's file is told by `media`, its device by `fleet`."""

from __future__ import annotations

import msgspec

from infra.postgres import Connection, Row

PROJECT = "left join records.records p on p.id = b.project::text and p.kind = 'project' and p.retired_at is null"
"""A batch whose project is gone belongs to none."""

STAGE = "case when p.id is null then 'unassigned' else b.stage end"

BATCH = f"""
select b.*, {STAGE} as shown_stage, coalesce(d.external_id, d.id::text) as device_id, p.number as project_number,
       p.name as project_name,
       (select count(*) from datasets.images i where i.batch = b.id) as image_count,
       (select count(*) from datasets.images i
        where i.batch = b.id and i.annotation_status in ('completed', 'approved')) as annotated_count,
       (select count(*) from datasets.takes t where t.batch = b.id and t.dropped is not null) as dropped_count
from datasets.batches b
left join fleet.devices d on d.id = b.device
{PROJECT}
"""

IMAGE = f"""
select i.*, p.id as project, m.filename, m.storage_key, m.width, m.height, m.source, m.captured_at, m.format,
       coalesce(d.external_id, d.id::text) as device_id, b.number as batch_number, b.name as batch_name,
       p.name as project_name
from datasets.images i
join media.images m on m.id = i.id
left join datasets.batches b on b.id = i.batch
left join fleet.devices d on d.id = i.device
{PROJECT}
"""


class Batches(msgspec.Struct, frozen=True, kw_only=True):
    """Which batches. `project` is a number; `unassigned`: those of no project."""

    project: int | None = None
    unassigned: bool | None = None
    device: str | None = None
    status: str | None = None
    stage: str | None = None


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Which labels; image and batch are numbers."""

    image: int | None = None
    batch: int | None = None
    class_value: str | None = None
    source: str | None = None


BATCHES = f"""
where ($1::bigint is null or p.number = $1)
  and ($2::boolean is null or (p.id is null) = $2)
  and ($3::text is null or coalesce(d.external_id, d.id::text) = $3)
  and ($4::text is null or b.status = $4)
  and ($5::text is null or {STAGE} = $5)
"""


class Images(msgspec.Struct, frozen=True, kw_only=True):
    """Which pictures. `search` is a part of the file name, `classes` any of which a label has."""

    project: int | None = None
    unassigned: bool | None = None
    batch: int | None = None
    device: str | None = None
    stage: str | None = None
    status: str | None = None
    split: str | None = None
    classes: tuple[str, ...] | None = None
    search: str | None = None
    filename: str | None = None


IMAGES = f"""
where ($1::bigint is null or p.number = $1)
  and ($2::boolean is null or (p.id is null) = $2)
  and ($3::bigint is null or b.number = $3)
  and ($4::text is null or coalesce(d.external_id, d.id::text) = $4)
  and ($5::text is null or {STAGE} = $5)
  and ($6::text is null or i.annotation_status = $6)
  and ($7::text is null or i.split = $7)
  and ($8::text[] is null or exists
       (select from datasets.annotations a where a.image = i.id and a.class_value = any($8)))
  and ($9::text is null or strpos(lower(m.filename), lower($9)) > 0)
  and ($10::text is null or m.filename = $10)
"""


async def taken(db: Connection, image: str) -> Row | None:
    """What became of a device's picture, once all of it can be read."""
    sql = """select t.dropped, b.number as batch_number, i.number as image_number, m.storage_key from datasets.takes t
             join media.images m on m.id = t.image
             left join datasets.images i on i.id = t.image left join datasets.batches b on b.id = t.batch
             where t.image = $1 and (t.dropped is not null or (i.id is not null and b.id is not null))"""
    return await db.fetchrow(sql, image)


async def batch(db: Connection, number: int) -> Row | None:
    return await db.fetchrow(f"{BATCH} where b.number = $1", number)


async def batches(db: Connection, wanted: Batches, *, limit: int, offset: int = 0) -> tuple[list[Row], int]:
    """A page of batches, newest first, and how many there are."""
    values = msgspec.structs.astuple(wanted)
    rows = await db.fetch(
        f"{BATCH}{BATCHES} order by b.created_at desc, b.id desc limit $6 offset $7", *values, limit, offset
    )
    return rows, await db.fetchval(counted("datasets.batches b", BATCHES, "b.device"), *values)


async def image(db: Connection, number: int | None = None, *, id: str | None = None) -> Row | None:
    return await db.fetchrow(f"{IMAGE} where i.number = $1 or i.id = $2", number, id)


async def to_split(db: Connection, batch: str) -> list[Row]:
    """Pictures of a batch with what their shares depend on."""
    return await db.fetch(
        """select i.id, i.annotation_status, i.split, i.split_locked or i.version_name is not null as locked,
                  array(select distinct a.class_value from datasets.annotations a where a.image = i.id) as classes
           from datasets.images i where i.batch = $1 order by i.id""",
        batch,
    )


async def images(db: Connection, wanted: Images, *, limit: int, offset: int = 0) -> tuple[list[Row], int]:
    """A page of pictures, newest first, and how many there are."""
    values = [list(v) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(wanted)]
    rows = await db.fetch(
        f"{IMAGE}{IMAGES} order by i.created_at desc, i.id desc limit $11 offset $12", *values, limit, offset
    )
    source = """datasets.images i join media.images m on m.id = i.id
                left join datasets.batches b on b.id = i.batch"""
    return rows, await db.fetchval(counted(source, IMAGES, "i.device"), *values)


def counted(source: str, where: str, device: str) -> str:
    return f"""select count(*) from {source} left join fleet.devices d on d.id = {device}
               {PROJECT} {where}"""


LABEL = """
select a.*, i.number as image_number from datasets.annotations a join datasets.images i on i.id = a.image
"""
LABELS = """
where ($1::bigint is null or i.number = $1)
  and ($2::bigint is null or i.batch in (select b.id from datasets.batches b where b.number = $2))
  and ($3::text is null or a.class_value = $3)
  and ($4::text is null or a.source = $4)
"""


async def labels(db: Connection, images: list[str]) -> list[Row]:
    """Labels of these pictures, oldest first."""
    return await db.fetch(f"{LABEL} where a.image = any($1::uuid[]) order by a.number, a.id", images)


async def label(db: Connection, *, number: int | None = None, id: str | None = None) -> Row | None:
    return await db.fetchrow(f"{LABEL} where a.number = $1 or a.id = $2", number, id)


async def labels_page(db: Connection, wanted: Labels, *, limit: int, offset: int = 0) -> tuple[list[Row], int]:
    """A page of labels, oldest first, and how many there are."""
    values = msgspec.structs.astuple(wanted)
    rows = await db.fetch(f"{LABEL}{LABELS} order by a.number, a.id limit $5 offset $6", *values, limit, offset)
    source = "datasets.annotations a join datasets.images i on i.id = a.image"
    return rows, await db.fetchval(f"select count(*) from {source} {LABELS}", *values)


async def project_counts(db: Connection, projects: list[str]) -> dict[str, Row]:
    """Batches, images and labels of these projects."""
    sql = """select b.project, count(distinct b.id) as batch_count, count(distinct i.id) as image_count,
                    count(a.id) as annotation_count
             from datasets.batches b left join datasets.images i on i.batch = b.id
             left join datasets.annotations a on a.image = i.id
             where b.project = any($1::uuid[]) group by b.project"""
    return {row["project"]: row for row in await db.fetch(sql, projects)}


async def told_classes(db: Connection, projects: list[str]) -> dict[str, list[str]]:
    """Classes that devices and models have found in these projects, by name."""
    sql = """select b.project, array_agg(distinct a.class_value) as classes
             from datasets.batches b join datasets.images i on i.batch = b.id
             join datasets.annotations a on a.image = i.id and a.source in ('edge', 'model')
             where b.project = any($1::uuid[]) group by b.project"""
    return {row["project"]: row["classes"] for row in await db.fetch(sql, projects)}


async def frozen_classes(db: Connection, project: str) -> set[str]:
    """Classes of the dataset versions of a project."""
    sql = "select distinct unnest(classes) as value from datasets.frozen where project = $1 and removed_at is null"
    return {row["value"] for row in await db.fetch(sql, project)}


async def batch_numbers(db: Connection, project: str, numbers: list[int]) -> set[int]:
    """Which of these are batches of the project."""
    sql = "select number from datasets.batches where project = $1 and number = any($2::bigint[])"
    return {row["number"] for row in await db.fetch(sql, project, numbers)}


async def images_of(db: Connection, batch: str) -> list[Row]:
    """Id and storage key of each picture in a batch."""
    sql = """select i.id, m.storage_key from datasets.images i join media.images m on m.id = i.id
             where i.batch = $1 order by i.id"""
    return await db.fetch(sql, batch)


VERSION = """
select v.*, p.number as project_number from datasets.frozen v join records.records p on p.id = v.project::text
"""


async def versions(db: Connection, project: int | None, *, limit: int, offset: int = 0) -> tuple[list[Row], int]:
    """A page of dataset versions, newest first, and how many there are. `project` is a number."""
    where = "where ($1::bigint is null or p.number = $1) and p.kind = 'project' and v.removed_at is null"
    rows = await db.fetch(
        f"{VERSION} {where} order by v.created_at desc, v.id desc limit $2 offset $3", project, limit, offset
    )
    source = "datasets.frozen v join records.records p on p.id = v.project::text"
    return rows, await db.fetchval(f"select count(*) from {source} {where}", project)


async def version(db: Connection, *, number: int | None = None, id: str | None = None) -> Row | None:
    return await db.fetchrow(f"{VERSION} where (v.number = $1 or v.id = $2) and v.removed_at is null", number, id)


async def last_ordinal(db: Connection, project: str) -> int:
    """The highest version of the project; 0 before the first."""
    sql = "select coalesce(max(ordinal), 0) from datasets.frozen where project = $1"
    return int(await db.fetchval(sql, project))


async def freezable(db: Connection, project: str, batches: list[int] | None) -> list[Row]:
    """Pictures of the project in these batches (numbers), or in all at stage dataset, each with its labels. One
    statement, so that it is one moment."""
    return await db.fetch(
        """select i.id, i.number, i.split, i.batch, m.storage_key, m.filename, m.width, m.height,
                  coalesce((select jsonb_agg(jsonb_build_object(
                                'class_value', a.class_value, 'type', a.type, 'geometry', a.geometry,
                                'confidence', a.confidence, 'source', a.source, 'z_order', a.z_order)
                                order by a.number, a.id)
                            from datasets.annotations a where a.image = i.id), '[]') as labels
           from datasets.images i join media.images m on m.id = i.id join datasets.batches b on b.id = i.batch
           where b.project = $1 and case when $2::bigint[] is null then b.stage = 'dataset' else b.number = any($2) end
           order by i.number, i.id""",
        project,
        batches,
    )


async def all_frozen(db: Connection, version: str) -> Row | None:
    """A row once every picture of the version shows that it is in it."""
    return await db.fetchrow(
        """select v.id from datasets.frozen v where v.id = $1 and v.image_count <=
               (select count(*) from datasets.images i join datasets.batches b on b.id = i.batch
                where b.project = v.project and i.version_name = v.name)""",
        version,
    )


async def none_frozen(db: Connection, version: str) -> Row | None:
    """A row once no picture shows that it is in the version."""
    return await db.fetchrow(
        """select v.id from datasets.frozen v where v.id = $1 and not exists
               (select from datasets.images i join datasets.batches b on b.id = i.batch
                where b.project = v.project and i.version_name = v.name)""",
        version,
    )
