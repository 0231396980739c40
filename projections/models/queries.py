"""Reads of models and of what devices run, for every dialect. Row-level security keeps them inside one organisation,
save what others share with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from infra.postgres import Connection, Row

MODEL = """
select m.*, (select count(*) from models.pipelines p where p.models @> array[m.id]) as device_count,
       original.digest, original.size, made.key as artefact_key, made.size as artefact_size,
       coalesce((select jsonb_agg(to_jsonb(c) order by c.target) from models.conversions c where c.model = m.id), '[]')
           as conversions
from models.models m
left join models.artefacts original
    on original.model = m.id and original.media_type like 'application/x-onnx; source=%'
left join lateral (
    select a.key, a.size from models.artefacts a
    where a.model = m.id and (a.media_type = 'application/x-onnx' or a.target is not null)
    order by a.target is not null, a.media_type limit 1
) made on true
"""
"""A model with its files in short; `artefact_key` is the compiled file, null before there is one."""

Order = Literal["updated", "-updated", "inserted", "-inserted", "name", "-name", "status", "-status"]
ORDERS: dict[Order, str] = {
    "updated": "order by m.updated_at, m.id",
    "-updated": "order by m.updated_at desc, m.id desc",
    "inserted": "order by m.created_at, m.id",
    "-inserted": "order by m.created_at desc, m.id desc",
    "name": "order by lower(m.name), m.id",
    "-name": "order by lower(m.name) desc, m.id desc",
    "status": "order by m.status, m.id",
    "-status": "order by m.status desc, m.id desc",
}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which models: every member that is set narrows. `runtimes`: usable on at least one of them."""

    catalogue: str | None = None
    customization: str | None = None
    named: str | None = None
    status: str | None = None
    runtimes: tuple[str, ...] | None = None


VISIBLE = """(
    select id, name, alias, documentation, customization, status, catalogues, created_at, updated_at, array(
        select c.target from models.conversions c where c.model = own.id and c.status = 'ok') as ready
    from models.models own where removed_at is null
    union all
    select id, name, alias, documentation, customization, status, catalogues, created_at, updated_at, array(
        select c ->> 'target' from jsonb_array_elements(conversions) c where c ->> 'status' = 'ok')
    from models.shared($1::uuid[])) m
where ($2::uuid is null or m.catalogues @> array[$2::uuid])
  and ($3::text is null or m.customization = $3)
  and ($4::text is null or strpos(lower(concat_ws(' ', m.name, m.alias, m.documentation)), lower($4)) > 0)
  and ($5::text is null or m.status = $5)
  and ($6::text[] is null or m.ready && $6)
"""
"""The organisation's models, and those in catalogues that others share."""

SHARED = """
select s.*, (select count(*) from models.pipelines p where p.models @> array[s.id]) as device_count
from models.shared($1::uuid[]) s where s.id = any($2::uuid[])
"""
"""Models of others as `MODEL` has them; the devices counted are the organisation's."""


async def model(db: Connection, id: str, shared: Sequence[str] = ()) -> Row | None:
    """One model by its id (a UUID): the organisation's, or one in these catalogues of others."""
    own = await db.fetchrow(f"{MODEL} where m.id = $1 and m.removed_at is null", id)
    return own if own or not shared else await db.fetchrow(SHARED, list(shared), [id])


async def models(
    db: Connection,
    wanted: Filter,
    *,
    limit: int,
    offset: int = 0,
    order: Order = "-updated",
    shared: Sequence[str] = (),
) -> tuple[list[Row], int]:
    """A page of models and how many there are in all; `shared`: catalogues of others that are seen too."""
    values = [list(shared), *(list(v) if isinstance(v, tuple) else v for v in msgspec.structs.astuple(wanted))]
    found = await db.fetch(f"select m.id from {VISIBLE}{ORDERS[order]} limit $7 offset $8", *values, limit, offset)
    ids = [row["id"] for row in found]
    rows = await db.fetch(f"{MODEL} where m.id = any($1::uuid[])", ids)
    rows += await db.fetch(SHARED, list(shared), ids) if shared else []
    named = {row["id"]: row for row in rows}
    return [named[id] for id in ids if id in named], await db.fetchval(f"select count(*) from {VISIBLE}", *values)


async def statistics(db: Connection) -> Row:
    """How many models there are, by status, and how many a device runs."""
    found: Row | None = await db.fetchrow(
        """select count(*) as total,
                  coalesce((select jsonb_object_agg(status, n) from (
                      select status, count(*) as n from models.models
                      where removed_at is null group by status) s), '{}') as by_status,
                  count(*) filter (where exists (
                      select from models.pipelines p where p.models @> array[m.id])) as assigned
           from models.models m where m.removed_at is null"""
    )
    assert found is not None
    return found


async def artefacts(db: Connection, model: str, shared: Sequence[str] = ()) -> list[Row]:
    """Every file of a model that can be downloaded."""
    own = await db.fetch("select * from models.artefacts where model = $1 order by media_type", model)
    if own or not shared:
        return own
    return await db.fetch("select * from models.shared_artefacts($1, $2::uuid[])", model, list(shared))


async def conversions(db: Connection, model: str) -> list[Row]:
    """The state of each target."""
    return await db.fetch("select * from models.conversions where model = $1 order by target", model)


async def usable(db: Connection, ids: list[str], shared: Sequence[str] = ()) -> list[Row]:
    """What a pipeline needs to know of these models; `targets` are those with an artefact."""
    return await db.fetch(
        """select m.id, m.name, m.status, m.boxes, m.flags, m.named_input, false as shared,
                  array(select c.target from models.conversions c
                        where c.model = m.id and c.file is not null) as targets
           from models.models m where m.id = any($1::uuid[]) and m.removed_at is null
           union all
           select s.id, s.name, s.status, s.boxes, s.flags, s.named_input, true,
                  array(select c ->> 'target' from jsonb_array_elements(s.conversions) c where c ->> 'file' is not null)
           from models.shared($2::uuid[]) s where s.id = any($1::uuid[])""",
        ids,
        list(shared),
    )


async def pipelines(db: Connection, devices: list[str]) -> dict[str, list[dict[str, object]]]:
    """What these devices run; a device that has never run any is not in it."""
    rows = await db.fetch("select device, pipelines from models.pipelines where device = any($1::uuid[])", devices)
    return {row["device"]: row["pipelines"] for row in rows}


async def runs(db: Connection, model: str) -> list[Row]:
    """organisation, device: where a model of the organisation runs, also where it is only shared."""
    return await db.fetch("select * from models.runs($1)", model)


async def waiting(db: Connection, worker: str, limit: int) -> list[Row]:
    """Models of every organisation that wait for their check, or that this worker had when it was stopped."""
    return await db.fetch(
        """select m.id, m.organisation, m.pending,
                  array(select c.target from models.conversions c
                        where c.model = m.id and c.status in ('queued', 'processing') order by c.target) as wanted
           from models.models m
           where m.removed_at is null and (m.status = 'queued' or m.status = 'processing' and m.worker = $1)
           order by m.updated_at limit $2""",
        worker,
        limit,
    )


async def leased(db: Connection, id: str, lease: str) -> bool:
    """Whether the model's check is under this lease."""
    return bool(await db.fetchval("select exists (select from models.models where id = $1 and lease = $2)", id, lease))


async def for_analysis(db: Connection, ids: list[str] | None, limit: int) -> list[Row]:
    """id, name, digest, key of models that can run, newest first; `ids`: only these."""
    return await db.fetch(
        """select m.id, m.name, a.digest, a.key from models.models m
           join models.artefacts a on a.model = m.id and a.media_type = 'application/x-onnx'
           where m.removed_at is null and ($1::uuid[] is null or m.id = any($1))
           order by m.created_at desc, m.id desc limit $2""",
        ids,
        limit,
    )


PROJECT = "(select r.id from records.records r where r.kind = 'project' and r.number = $1)"
"""Ids of the project with this number."""

VERSION = """
select m.id, m.number, m.name, m.revision, m.labels, m.boxes, m.named_input, m.input_details, m.status,
       coalesce(s.stage, 'candidate') as stage, m.created_at,
       greatest(m.updated_at, s.updated_at) as updated_at, t.number as training_number, t.project, t.dataset,
       t.architecture, t.best_metrics,
       f.id as file, f.key, f.digest, f.size, f.media_type,
       (select count(*) from fleet.devices d left join fleet.health h on h.device = d.id
        where d.retired_at is null and (h.model = m.number::text or exists (
            select from models.pipelines p where p.device = d.id and p.models @> array[m.id]))) as deployed
from models.models m
left join models.trainings t on t.model = m.id
left join models.stages s on s.model = m.id
left join lateral (
    select a.* from models.artefacts a where a.model = m.id order by a.target is not null, a.media_type limit 1
) f on true
"""
"""A model with where it comes from and its best file: the checked one goes before the one as it came."""


async def versions(
    db: Connection, project: int | None, stage: str | None, *, limit: int, offset: int = 0
) -> tuple[list[Row], int]:
    """A page of models, newest first, and how many there are. `project` is a number."""
    where = f"""where m.removed_at is null and ($1::bigint is null or t.project::text in {PROJECT})
                and ($2::text is null or coalesce(s.stage, 'candidate') = $2)"""
    order = "order by m.created_at desc, m.id desc limit $3 offset $4"
    rows = await db.fetch(f"{VERSION} {where} {order}", project, stage, limit, offset)
    source = """models.models m left join models.trainings t on t.model = m.id
                left join models.stages s on s.model = m.id"""
    return rows, await db.fetchval(f"select count(*) from {source} {where}", project, stage)


async def version(db: Connection, number: int) -> Row | None:
    return await db.fetchrow(f"{VERSION} where m.number = $1 and m.removed_at is null", number)


TRAINING = "select t.*, m.number as model_number from models.trainings t left join models.models m on m.id = t.model"


async def trainings(
    db: Connection, project: int | None, status: str | None, *, limit: int, offset: int = 0
) -> tuple[list[Row], int]:
    """A page of trainings, newest first, and how many there are. `project` is a number."""
    where = f"""where ($1::bigint is null or t.project::text in {PROJECT}) and ($2::text is null or t.status = $2)"""
    order = "order by t.created_at desc, t.id desc limit $3 offset $4"
    rows = await db.fetch(f"{TRAINING} {where} {order}", project, status, limit, offset)
    return rows, await db.fetchval(f"select count(*) from models.trainings t {where}", project, status)


async def training(db: Connection, *, number: int | None = None, id: str | None = None) -> Row | None:
    return await db.fetchrow(f"{TRAINING} where t.number = $1 or t.id = $2", number, id)


async def learning_from(db: Connection, dataset: str) -> list[str]:
    """Ids of the trainings on a dataset version."""
    return [
        row["id"] for row in await db.fetch("select id from models.trainings where dataset = $1 order by id", dataset)
    ]


async def curve(db: Connection, training: str) -> list[Row]:
    """What each epoch came to, in their order."""
    return await db.fetch("select * from models.epochs where training = $1 order by epoch", training)


EXPORT = "select e.*, m.number as model_number from models.exports e join models.models m on m.id = e.model"


async def exports(db: Connection, model: int | None, *, limit: int, offset: int = 0) -> tuple[list[Row], int]:
    """A page of exports, newest first, and how many there are. `model` is a number."""
    where = "where ($1::bigint is null or m.number = $1)"
    order = "order by e.created_at desc, e.id desc limit $2 offset $3"
    rows = await db.fetch(f"{EXPORT} {where} {order}", model, limit, offset)
    source = "models.exports e join models.models m on m.id = e.model"
    return rows, await db.fetchval(f"select count(*) from {source} {where}", model)


async def export(db: Connection, *, number: int | None = None, id: str | None = None) -> Row | None:
    return await db.fetchrow(f"{EXPORT} where e.number = $1 or e.id = $2", number, id)
