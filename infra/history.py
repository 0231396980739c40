"""Reading topics from their beginning, for what is made anew from the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import chain
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra import kafka
from infra.settings import Settings

Message: TypeAlias = Any
"""aiokafka's ConsumerRecord, which has no types."""


async def history(settings: Settings, topics: Iterable[str]) -> AsyncIterator[list[Message]]:
    """Every message of the topics in batches; an empty batch whenever the end of the log, as of then, is reached."""
    consumer = AIOKafkaConsumer(
        **kafka.connection(settings), enable_auto_commit=False, max_partition_fetch_bytes=8 << 20
    )
    try:
        await consumer.start()
        places = [TopicPartition(topic, p) for topic in topics for p in range(kafka.topics()[topic].partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        while True:
            found = await consumer.getmany(timeout_ms=100, max_records=2_000)
            batch = list(chain.from_iterable(found.values()))
            if batch or await at_end(consumer, places):
                yield batch
    finally:
        await consumer.stop()


async def at_end(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> bool:
    ends = await consumer.end_offsets(places)
    return all([await consumer.position(place) >= ends[place] for place in places])
