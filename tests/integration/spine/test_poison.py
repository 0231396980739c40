"""Messages that nobody can read are put aside with their reason; the rest flows on."""

import asyncio
from itertools import chain

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra import kafka
from infra.commands import Commands
from infra.settings import Settings
from schemas import registry
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RecordPut
from streams.table import REACTIONS

pytestmark = pytest.mark.stack
GARBAGE = {
    "not_framed": b"\xff\x00garbage",
    "unknown_schema": b"\x00\x00\x0f\xff\xff1234",
    "not_avro": b"\x00" + (1).to_bytes(4) + b"\xff\xff\xff",
}


async def dead_letters(settings: Settings, wanted: int, mark: bytes) -> dict[str, list[str]]:
    """Reasons of the dead letters whose key is `mark`, by the topic they come from."""
    consumer = AIOKafkaConsumer(**kafka.connection(settings), enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition("dead-letters", p) for p in range(kafka.topics()["dead-letters"].partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning(*places)
    found: dict[str, list[str]] = {}
    try:
        async with asyncio.timeout(20):
            while sum(map(len, found.values())) < wanted:
                for record in chain.from_iterable((await consumer.getmany(timeout_ms=200)).values()):
                    if record.key == mark:
                        headers = dict(record.headers)
                        assert headers["origin-offset"].isdigit()
                        found.setdefault(headers["origin-topic"].decode(), []).append(
                            headers["reason"].decode().split(":")[0]
                        )
    finally:
        await consumer.stop()
    return found


@pytest.mark.parametrize("topic", ["records.commands", "records.events"])
async def test_garbage_is_put_aside_and_the_rest_flows_on(
    log: Commands, settings: Settings, organisation: str, topic: str
) -> None:
    mark = new_id().encode()
    assert log.producer is not None
    for raw in GARBAGE.values():
        await log.producer.send_and_wait(topic, raw, key=mark)
    wrong = registry.encode(asking("s"), RecordPut(kind="site", body={}))
    if topic == "records.commands":
        await log.producer.send_and_wait(topic, wrong, key=mark)
    for n in range(4):
        put = PutRecord(kind="site", body={"name": f"{topic} {n}"})
        await log.submit(put, asking(new_id(), organisation=organisation), wait=20)
    expected = [*GARBAGE, *(["not_a_command"] if topic == "records.commands" else [])]
    # streams reads the events that something follows from, projections all of them
    readers = 1 + any(topic == event.TOPIC for event in REACTIONS)
    found = await dead_letters(settings, len(expected) * readers, mark)
    assert sorted(found[topic]) == sorted(expected * readers)
