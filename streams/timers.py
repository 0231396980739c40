"""Timers: due rows become commands. No timer lives only in memory."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from infra import kafka
from infra.postgres import AWAY, Pool
from infra.telemetry import tracing
from infra.worker import patiently
from schemas import registry

LIMIT = 500
PAUSE = 0.5
"""Seconds between looks; the most that a timer is late which was set for sooner than that."""
KEPT_OUTCOMES = "7 days"


async def fire(pool: Pool, producer: AIOKafkaProducer) -> int:
    """Sends the commands of due timers. Taken with skip locked: several workers share them; a crash repeats some, which
    the command id makes harmless."""
    async with pool.acquire() as db, db.transaction():
        rows = await db.fetch(
            """select context, organisation, stream, name, topic, value from streams.timers
               where due <= now() order by due limit $1 for update skip locked""",
            LIMIT,
        )
        if not rows:
            return 0
        traced = tracing()
        wire = [(r["topic"], r["stream"].encode(), r["value"], trace_of(r["value"]) if traced else ()) for r in rows]
        await kafka.send_all(producer, wire)
        await db.execute(
            """delete from streams.timers t
               using unnest($1::text[], $2::text[], $3::text[], $4::text[]) k(context, organisation, stream, name)
               where (t.context, t.organisation, t.stream, t.name) = (k.context, k.organisation, k.stream, k.name)""",
            *([row[name] for row in rows] for name in ("context", "organisation", "stream", "name")),
        )
        return len(rows)


def trace_of(value: bytes) -> tuple[tuple[str, bytes], ...]:
    """The trace that a timer's command belongs to, where it has one, as a header."""
    parent: str = getattr(registry.decode(value).body, "traceparent", "")
    return (("traceparent", parent.encode()),) if parent else ()


async def tick(pool: Pool, producer: AIOKafkaProducer) -> None:
    """Looks for due timers for ever, at the latest when the next one is due."""
    while True:
        sent = await patiently(lambda: fire(pool, producer), (*AWAY, KafkaError), "timers")
        if sent < LIMIT:
            await asyncio.sleep(await patiently(lambda: pause(pool), AWAY, "timers"))


async def pause(pool: Pool) -> float:
    """Seconds until the next look."""
    async with pool.acquire() as db:
        left = await db.fetchval("select extract(epoch from min(due) - now())::float8 from streams.timers")
    return PAUSE if left is None else min(PAUSE, max(left, 0.01))


async def forget_outcomes(pool: Pool) -> None:
    """Outcomes are kept so that a repeat gets the same answer; after a week nobody repeats."""
    while True:
        async with pool.acquire() as db:
            await db.execute(f"delete from streams.outcomes where decided_at < now() - interval '{KEPT_OUTCOMES}'")
        await asyncio.sleep(3600)
