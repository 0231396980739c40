"""A lane's tables anew from the log: into shadow tables, then exchanged; reads and the live lane go on meanwhile.

Rows that the topic no longer holds are taken over from the live table; so are those that the live lane wrote while the
shadow was filled, before and after the exchange: a row that is there twice meets itself. What was judged by tables of
others is judged by these tables as they were then (`asof.py`).
"""

from __future__ import annotations

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from clickhouse_connect.driver.asyncclient import AsyncClient

from infra import kafka
from infra.settings import Settings
from projections import asof
from projections.columns import Lane
from projections.lane import MESSAGES, Writer, consumer, group, in_order
from projections.table import LANES, PROJECTIONS

log = structlog.get_logger()
SUFFIX = "__shadow"
Offsets = dict[TopicPartition, int]


async def rebuild(settings: Settings, name: str) -> None:
    """Rebuilds the ClickHouse tables of the lane `name`."""
    lane = LANES[name]
    writer = Writer(settings, name, lane, SUFFIX, asof.SUFFIX if lane.judged_by else "")
    source = consumer(settings, asof.FETCH_WAIT)
    past = asof.Past(settings, [PROJECTIONS[context] for context in lane.judged_by]) if lane.judged_by else None
    await writer.open()
    await source.start()
    if past:
        await past.open()
    try:
        for table in lane.tables:
            await writer.stores.command(f"drop table if exists {table}{SUFFIX}")
            await writer.stores.command(f"create table {table}{SUFFIX} as {table}")
        places = [TopicPartition(t, p) for t in lane.topics for p in range(kafka.topics()[t].partitions)]
        source.assign(places)
        begins = await source.beginning_offsets(places)
        ends = await written(settings, name, begins)
        await take(writer.stores, lane, "<", begins)
        told = await asof.judgements(settings) if past else []
        await replay(source, writer, past, asof.stretches(told, begins, ends))
        await take(writer.stores, lane, ">=", ends)
        for table in lane.tables:
            await writer.stores.command(f"exchange tables {table} and {table}{SUFFIX}")
        await take(writer.stores, lane, ">=", ends, back=True)
        for table in lane.tables:
            await writer.stores.command(f"drop table {table}{SUFFIX}")
        log.info("lane rebuilt", lane=name)
    finally:
        await source.stop()
        await writer.close()
        if past:
            await past.close()


async def written(settings: Settings, name: str, begins: Offsets) -> Offsets:
    """How far the live lane has come."""
    admin = AIOKafkaAdminClient(**kafka.connection(settings))
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group(name))
    finally:
        await admin.close()
    return {place: max(begin, found[place].offset if place in found else 0) for place, begin in begins.items()}


async def replay(source: AIOKafkaConsumer, writer: Writer, past: asof.Past | None, parts: list[asof.Stretch]) -> None:
    """Every message that the live lane had written when the rebuild began."""
    for part in parts:
        if past:
            await past.advance(part.positions)
        if await source.position(part.place) != part.first:
            source.seek(part.place, part.first)
        while (left := part.end - await source.position(part.place)) > 0:
            found = await source.getmany(part.place, timeout_ms=500, max_records=min(left, MESSAGES))
            if batch := in_order(found):
                await writer.handle(batch)


async def take(stores: AsyncClient, lane: Lane, side: str, offsets: Offsets, back: bool = False) -> None:
    """Copies the rows on one side of `offsets` from the live table to the shadow, or the other way."""
    topic = "topic = '{0.topic}' and " if len(lane.topics) > 1 else ""
    wanted = " or ".join(
        f"({topic.format(place)}partition = {place.partition} and offset {side} {offset})"
        for place, offset in offsets.items()
    )
    for table in lane.tables:
        source, into = (f"{table}{SUFFIX}", table) if back else (table, f"{table}{SUFFIX}")
        columns = ", ".join(f"`{name}`" for name in await insertable(stores, table))
        await stores.command(f"insert into {into} ({columns}) select {columns} from {source} final where {wanted}")


async def insertable(stores: AsyncClient, table: str) -> list[str]:
    found = await stores.query(
        "select name from system.columns where database = currentDatabase() and table = {t:String}"
        " and default_kind not in ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') order by position",
        parameters={"t": table},
    )
    return [row[0] for row in found.result_rows]
