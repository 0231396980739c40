"""A lane's tables anew from the log: into shadow tables, then exchanged; reads and the live lane go on meanwhile.

Rows that the topic no longer holds are taken over from the live table; so are those that the live lane wrote while the
shadow was filled, before and after the exchange: a row that is there twice meets itself.
"""

from __future__ import annotations

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver.asyncclient import AsyncClient

from infra import kafka
from infra.settings import Settings
from projections.columns import Lane
from projections.lane import MESSAGES, Writer, consumer, in_order
from projections.table import LANES

log = structlog.get_logger()
SUFFIX = "__shadow"
Offsets = dict[TopicPartition, int]


async def rebuild(settings: Settings, name: str) -> None:
    """Rebuilds the ClickHouse tables of the lane `name`."""
    lane = LANES[name]
    writer = Writer(settings, name, lane, SUFFIX)
    source = consumer(settings)
    await writer.open()
    await source.start()
    try:
        for table in lane.tables:
            await writer.stores.command(f"drop table if exists {table}{SUFFIX}")
            await writer.stores.command(f"create table {table}{SUFFIX} as {table}")
        places = [TopicPartition(t, p) for t in lane.topics for p in range(kafka.topics()[t].partitions)]
        source.assign(places)
        begins, ends = await source.beginning_offsets(places), await source.end_offsets(places)
        await take(writer.stores, lane, "<", begins)
        await replay(source, writer, ends)
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


async def replay(source: AIOKafkaConsumer, writer: Writer, ends: Offsets) -> None:
    """Every message up to where the topics ended when the rebuild began."""
    for place in ends:
        await source.seek_to_beginning(place)
    while any([await source.position(place) < end for place, end in ends.items()]):
        if batch := in_order(await source.getmany(timeout_ms=500, max_records=MESSAGES)):
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
