"""The columnar lane: raw payloads to frames to ClickHouse, the newest values to Postgres, then the position.

A batch is written under a token of its place on the log, tables keep one row a key, and the position is committed last:
whatever dies in between, a repeat meets itself. While a part is away the lane waits in place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import OperationalError
from mode import Service
from prometheus_client import Counter

from infra import clickhouse, kafka, postgres, worker
from infra.settings import Settings
from infra.telemetry import BATCH, DEAD_LETTERS, STOPPED
from projections import asof
from projections.columns import Asking, Columns, Lane, Latest
from projections.table import LANES
from schemas import registry
from schemas.base import asking

log = structlog.get_logger()
ROWS = Counter("sightlog_lane_rows_total", "Rows written by a lane", ["lane", "table"])
MESSAGES = 400
PATIENCE = 60.0
"""Seconds for what a batch asked for; after that it is written as things stand."""
LOOK_AGAIN, ASK_AGAIN = 0.05, 2.0
STORES_AWAY = (OperationalError, *postgres.AWAY)
KAFKA_AWAY = (KafkaError, OSError)
STATES: dict[str, str] = {}


def services(settings: Settings) -> list[Service]:
    """A service for each lane; the `projections` worker starts them."""
    return [LaneService(settings, name, lane) for name, lane in LANES.items()]


def states() -> dict[str, str]:
    """What `/readyz` says of the lanes."""
    return {f"lane {name}": STATES.get(name, "starting") for name in LANES}


def consumer(settings: Settings, wait: float, **options: Any) -> AIOKafkaConsumer:
    """A consumer of raw bytes that commits only when told. `wait`: seconds that a fetch waits for news."""
    return AIOKafkaConsumer(
        **kafka.connection(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=int(wait * 1e3),
        fetch_max_bytes=32 << 20,
        max_partition_fetch_bytes=8 << 20,
        **options,
    )


class Writer:
    """Writes batches of one lane; a rebuild uses it with tables of its own (`suffix`), and asks others (`then`)."""

    def __init__(self, settings: Settings, name: str, lane: Lane, suffix: str = "", then: str = "") -> None:
        self.settings, self.name, self.lane, self.suffix, self.then = settings, name, lane, suffix, then
        self.notes = asof.Notes()
        self.pool: postgres.Pool
        self.stores: AsyncClient
        self.producer: AIOKafkaProducer

    async def open(self) -> None:
        self.pool = await postgres.pool(self.settings.postgres.service, size=2)
        self.producer = kafka.producer(self.settings)
        await worker.patiently(self.producer.start, KAFKA_AWAY, "kafka")
        self.stores = await worker.patiently(lambda: clickhouse.async_client(self.settings), STORES_AWAY, "clickhouse")

    async def close(self) -> None:
        await self.producer.stop()
        await self.stores.close()
        await self.pool.close()

    async def handle(self, batch: Sequence[ConsumerRecord[Any, Any]]) -> None:
        """Writes a batch and all that follows from it; may be repeated."""
        read = await asyncio.to_thread(self.lane.read, batch)
        for message, reason in read.poison:
            await self.put_aside(message, reason)
        if read.rows is not None:
            columns, positions = await self.settled(read.rows)
            await self.note(batch, positions)
            await worker.patiently(lambda: self.write(columns, token(self.name, batch)), STORES_AWAY, self.name)

    async def put_aside(self, message: Any, reason: str) -> None:
        if self.suffix:
            return
        place = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        log.error("message put aside", **place, reason=reason)
        DEAD_LETTERS.labels(message.topic, reason.split(":")[0]).inc()
        await worker.patiently(lambda: kafka.dead_letter(self.producer, message, reason), KAFKA_AWAY, "kafka")

    async def note(self, batch: Sequence[ConsumerRecord[Any, Any]], positions: asof.Positions) -> None:
        """Puts on the log what the batch is judged by, before anything of it is written."""
        firsts = {partition: first for (_, partition), (first, _) in spans(batch).items()}
        if self.suffix or not self.lane.judged_by or (told := self.notes.fresh(firsts, positions)) is None:
            return
        (topic,) = self.lane.topics
        meta = asking(topic)
        message = (told.TOPIC, topic.encode(), registry.encode(meta, told), registry.headers(meta, told))
        await worker.patiently(lambda: kafka.send_all(self.producer, [message]), KAFKA_AWAY, "kafka")

    async def settled(self, rows: Any) -> tuple[Columns, asof.Positions]:
        """The frames of a batch, once what it asks for is there; and what they were judged by."""
        asked, deadline, next_round = set[str](), time.monotonic() + PATIENCE, 0.0
        while True:
            known, positions = await worker.patiently(lambda: self.known(rows), postgres.AWAY, "postgres")
            columns = await asyncio.to_thread(self.lane.frames, rows, known)
            if time.monotonic() >= next_round:
                asked, next_round = set(), time.monotonic() + ASK_AGAIN
            fresh = [a for a in columns.commands if a.stream not in asked]
            asked |= {a.stream for a in fresh}
            if fresh and not self.suffix:
                await worker.patiently(lambda f=fresh: kafka.send_all(self.producer, wire(f)), KAFKA_AWAY, "kafka")  # type: ignore[misc]
            if not columns.again or self.suffix or time.monotonic() > deadline:
                return columns, positions
            await asyncio.sleep(LOOK_AGAIN)

    async def known(self, rows: Any) -> tuple[Any, asof.Positions]:
        if self.lane.known is None:
            return None, {}
        async with self.pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            return await self.lane.known(db, rows, self.then), await asof.positions(db, self.lane.judged_by)

    async def write(self, columns: Columns, token: str) -> None:
        for table, rows in columns.tables.items():
            if not rows.is_empty():
                await clickhouse.insert(self.stores, table + self.suffix, rows.to_arrow(), f"{token}/{table}")
                ROWS.labels(self.name, table).inc(len(rows))
        if columns.latest:
            async with self.pool.acquire() as db, db.transaction():
                for latest in columns.latest:
                    await upsert(db, latest)


class LaneService(Service):
    """Reads a lane's topics from where it stopped, for as long as the worker lives."""

    def __init__(self, settings: Settings, name: str, lane: Lane) -> None:
        self.settings, self.name, self.lane = settings, name, lane
        super().__init__()

    @Service.task
    async def run(self) -> None:
        """A bug stops this lane and leaves the others; it is tried again from the same place."""
        while not self.should_stop:
            try:
                await self.consume()
            except Exception as problem:
                STATES[self.name] = f"stopped: {type(problem).__name__}"
                STOPPED.labels(f"lane {self.name}").set(1)
                log.exception("lane stopped", lane=self.name)
                await self.sleep(10.0)

    async def consume(self) -> None:
        writer = Writer(self.settings, self.name, self.lane)
        await writer.open()
        source = consumer(
            self.settings,
            self.lane.wait,
            group_id=group(self.name),
            group_instance_id=f"{self.settings.process}-{self.name}",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
        )
        await worker.patiently(source.start, KAFKA_AWAY, "kafka")
        try:
            source.subscribe(list(self.lane.topics))
            STATES[self.name] = "ok"
            STOPPED.labels(f"lane {self.name}").set(0)
            while not self.should_stop:
                if batch := await gathered(source, self.lane.linger):
                    start = time.perf_counter()
                    await writer.handle(batch)
                    await worker.patiently(lambda b=batch: commit(source, b), KAFKA_AWAY, "kafka")  # type: ignore[misc]
                    BATCH.labels(f"lane {self.name}").observe(time.perf_counter() - start)
        finally:
            await source.stop()
            await writer.close()


def group(name: str) -> str:
    """The consumer group of a lane."""
    return f"projections.{name}"


async def gathered(source: AIOKafkaConsumer, linger: float) -> list[ConsumerRecord[Any, Any]]:
    """What has arrived, with what arrives in the next moment; nothing after a second of rest."""
    batch = in_order(await source.getmany(timeout_ms=1_000, max_records=MESSAGES))
    if batch and len(batch) < MESSAGES:
        await asyncio.sleep(linger)
        batch += in_order(await source.getmany(timeout_ms=0, max_records=MESSAGES - len(batch)))
    return batch


def in_order(found: dict[TopicPartition, list[ConsumerRecord[Any, Any]]]) -> list[ConsumerRecord[Any, Any]]:
    return [record for records in found.values() for record in records]


async def commit(source: AIOKafkaConsumer, batch: Sequence[ConsumerRecord[Any, Any]]) -> None:
    """The position behind the batch. Lost to another worker: that one repeats the batch, and it meets itself."""
    try:
        await source.commit({TopicPartition(t, p): last + 1 for (t, p), (_, last) in spans(batch).items()})
    except (CommitFailedError, IllegalStateError) as problem:
        log.warning("position not committed", problem=type(problem).__name__)


def spans(batch: Sequence[ConsumerRecord[Any, Any]]) -> dict[tuple[str, int], tuple[int, int]]:
    """First and last offset of each partition in a batch."""
    found: dict[tuple[str, int], tuple[int, int]] = {}
    for record in batch:
        first, last = found.get((record.topic, record.partition), (record.offset, record.offset))
        found[record.topic, record.partition] = min(first, record.offset), max(last, record.offset)
    return found


def token(name: str, batch: Sequence[ConsumerRecord[Any, Any]]) -> str:
    """The same for the same batch: what an insert may be repeated under."""
    return "/".join((name, *(f"{t}-{p}:{first}-{last}" for (t, p), (first, last) in sorted(spans(batch).items()))))


def wire(asks: Sequence[Asking]) -> Iterator[tuple[str, bytes, bytes, Sequence[tuple[str, bytes]]]]:
    for ask in asks:
        meta = asking(ask.stream, organisation=ask.organisation, actor="projections")
        value, headers = registry.encode(meta, ask.command), registry.headers(meta, ask.command)
        yield ask.command.TOPIC, ask.stream.encode(), value, headers


async def upsert(db: Any, latest: Latest) -> None:
    """Only a newer row takes the place of what stands; typed by the table itself."""
    table, columns = latest.table, latest.rows.columns
    named, key = ", ".join(columns), ", ".join(latest.key)
    sets = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in latest.key)
    await db.execute(
        f"""insert into {table} as t ({named})
            select {named} from jsonb_populate_recordset(null::{table}, $1) order by {key}
            on conflict ({key}) do update set {sets} where excluded.{latest.newer} > t.{latest.newer}""",
        latest.rows.to_dicts(),
    )
