"""`sightlog rebuild NAME`: a projection anew from the log beside the live one, then swapped in while reads go on."""

from __future__ import annotations

import structlog

from infra import migrate, postgres
from infra.failures import Unknown
from infra.history import history
from infra.settings import Settings, load
from projections import runner
from projections.rows import Projection
from projections.shadow import rebuild as rebuild_lane
from projections.table import LANES, PROJECTIONS

log = structlog.get_logger()


class UnknownProjection(Unknown):
    """There is no projection, lane or write side of this name."""


async def rebuild(name: str, settings: Settings | None = None) -> None:
    """Rebuilds the projection or lane `name`.

    Errors: UnknownProjection.
    """
    settings = settings or load()
    await migrate.migrate(settings)  # a shadow has the newest tables: the live ones must not lag behind what is noted
    if name in PROJECTIONS:
        await rebuild_projection(settings, PROJECTIONS[name])
    elif name in LANES:
        await rebuild_lane(settings, name)
    else:
        names = ", ".join([*PROJECTIONS, *LANES, "streams"])
        raise UnknownProjection(f"no projection {name!r}; there are {names}")


async def rebuild_projection(settings: Settings, projection: Projection) -> None:
    """Replays the context's events into a shadow schema, then swaps it with the live one in one transaction."""
    live, beside = projection.name, f"{projection.name}__shadow"
    owner = await postgres.connect(settings.postgres.owner)
    service = await postgres.connect(settings.postgres.service)
    try:
        await migrate.beside(owner, live, beside)
        swapped = False
        async for messages in history(settings, [f"{live}.events"]):
            if batch := [record for message in messages if (record := runner.readable(message)) is not None]:
                async with service.transaction():
                    await runner.write(service, projection, batch, beside)
            if messages:
                continue
            await analyze(owner, beside)
            if swapped := await swap(owner, projection, live, beside):
                break
        log.info("projection rebuilt", projection=live, swapped=swapped)
    finally:
        await owner.close()
        await service.close()


async def analyze(owner: postgres.Connection, schema: str) -> None:
    """Tables without statistics are read by whichever index comes first: a point read went through every row of its
    organisation, until autovacuum came by."""
    for row in await owner.fetch("select tablename from pg_tables where schemaname = $1", schema):
        await owner.execute(f"analyze {schema}.{row['tablename']}")


async def swap(owner: postgres.Connection, projection: Projection, live: str, shadow: str) -> bool:
    """Puts the shadow in the live schema's place once it has all that the live one has.

    A live transaction that waits for its positions meanwhile goes on in the new tables, where versions tell it what is
    already there.
    """
    async with owner.transaction():
        behind = await owner.fetchval(
            f"""with live as (select * from {live}.positions for update)
                select count(*) from live left join {shadow}.positions s using (topic, partition)
                where live.next_offset > coalesce(s.next_offset, 0)
                  and exists (select 1 from {live}.versions)"""
        )
        if behind:
            return False
        for table in projection.kept:
            await owner.execute(f"insert into {shadow}.{table} select * from {live}.{table}")
        await owner.execute(f"alter schema {live} rename to {live}__old")
        await owner.execute(f"alter schema {shadow} rename to {live}")
        await owner.execute(f"drop schema {live}__old cascade")
        return True
