"""A batch of commands: fence, load, decide, commit, publish. The only loop that writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra import kafka, notify
from infra.postgres import AWAY, Connection, Pool
from infra.telemetry import COMMANDS, DEAD_LETTERS
from infra.worker import patiently
from schemas import registry
from schemas.base import Command, Received, storable
from streams import store
from streams.batch import Batch, Decided, decide_batch
from streams.decision import Decider

log = structlog.get_logger()


class Raw(msgspec.Struct, frozen=True):
    """A Kafka message as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    trace: dict[str, str] = {}
    """`traceparent`, where the message has one."""


class Runtime:
    """Decides batches of commands, each in one transaction over all its partitions."""

    def __init__(self, pool: Pool, producer: AIOKafkaProducer, deciders: dict[str, Decider]) -> None:
        self.pool = pool
        self.producer = producer
        self.deciders = deciders

    async def handle(self, messages: Sequence[Raw]) -> None:
        """When this returns, what the messages ask for has happened and is published, or they are dead letters."""
        commands = await self.readable(messages)
        published = await patiently(lambda: self.commit(messages, commands), AWAY, "postgres")
        await self.publish(published)

    async def readable(self, messages: Sequence[Raw]) -> list[tuple[Raw, Received]]:
        found = []
        for message in messages:
            try:
                received = registry.decode(message.value)
                if not isinstance(received.body, Command) or received.body.CONTEXT not in self.deciders:
                    raise registry.Poison("not_a_command", type(received.body).__name__)
                if not storable(received.envelope):
                    raise registry.Poison("unstorable", "U+0000 in the envelope")
                found.append((message, received))
            except registry.Poison as poison:
                await self.put_aside(message, poison)
        return found

    async def put_aside(self, message: Raw, poison: registry.Poison) -> None:
        log.error(
            "message put aside",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            reason=str(poison),
        )
        DEAD_LETTERS.labels(message.topic, poison.reason).inc()
        await patiently(lambda: kafka.dead_letter(self.producer, message, str(poison)), (KafkaError,), "kafka")

    async def commit(
        self, messages: Sequence[Raw], commands: list[tuple[Raw, Received]]
    ) -> list[tuple[int, store.Outgoing]]:
        """One transaction; returns what is to be published. Done again when another one took a claim first."""
        while True:
            try:
                async with self.pool.acquire() as db, db.transaction():
                    return await self.save(db, messages, await self.decide(db, messages, commands))
            except ClaimLost:
                continue

    async def decide(self, db: Connection, messages: Sequence[Raw], commands: list[tuple[Raw, Received]]) -> Decided:
        positions = await store.lock_positions(db, list({(m.topic, m.partition) for m in messages}))
        fresh = [(raw, got) for raw, got in commands if raw.offset >= positions[raw.topic, raw.partition]]
        batch = Batch(fresh, self.deciders)
        batch.outcomes, batch.loaded = await store.load(db, [got.envelope.id for _, got in fresh], batch.keys())
        while True:
            decided = decide_batch(batch)
            if not decided.assumed:
                return decided
            found = await store.load_claims(db, sorted({claim for claim, _ in decided.assumed}))
            if decided.stands(found):
                return decided
            batch.held.update(found)

    async def save(self, db: Connection, messages: Sequence[Raw], decided: Decided) -> list[tuple[int, store.Outgoing]]:
        if not await store.change_claims(db, decided.claims_taken, decided.claims_dropped):
            raise ClaimLost
        await store.save_timers(db, decided.timers_gone, decided.timers_due)
        nexts: dict[store.Place, int] = {}
        for m in messages:
            nexts[m.topic, m.partition] = max(nexts.get((m.topic, m.partition), 0), m.offset + 1)
        notices = notify.packed(notify.outcome(o) for o in (*decided.outcomes, *decided.repeated))
        leaving = decided.outgoing()
        ids = await store.save(db, decided.states, decided.outcomes, leaving, nexts, notices)
        for outcome in decided.outcomes:
            COMMANDS.labels(outcome.context, outcome.code or "done").inc()
        return list(zip(ids, leaving, strict=True))

    async def publish(self, messages: Sequence[tuple[int, store.Outgoing]]) -> None:
        """In order, acks=all; then they leave the outbox."""
        if not messages:
            return
        wire = [(m.target, m.key, m.value, headers(m.headers)) for _, m in messages]
        await patiently(lambda: kafka.send_all(self.producer, wire), (KafkaError,), "kafka")
        ids = [id for id, _ in messages]
        await patiently(lambda: self.forget(ids), AWAY, "postgres")

    async def forget(self, ids: list[int]) -> None:
        async with self.pool.acquire() as db:
            await db.execute("delete from streams.outbox where id = any($1)", ids)

    async def publish_leftovers(self, places: Sequence[store.Place]) -> None:
        """What an earlier life committed and did not publish."""

        async def left() -> list[tuple[int, store.Outgoing]]:
            async with self.pool.acquire() as db:
                return await store.load_outbox(db, places)

        await self.publish(await patiently(left, AWAY, "postgres"))


class ClaimLost(Exception):
    """Another transaction took a claim first: the batch is decided again, and then sees it."""


def headers(packed: bytes) -> list[tuple[str, bytes]]:
    found: list[list[Any]] = orjson.loads(packed)
    return [(name, value.encode()) for name, value in found]
