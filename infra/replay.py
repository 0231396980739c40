"""`sightlog replay`: dead letters back to where they came from, once what kept them from being read is mended.

The bytes go unchanged to their topic and partition under their key; readers know by its ids what they have handled
already. A mark on the dead-letter topic says what was put back, so that the next run puts back only what is new; a run
that dies before the mark repeats itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Literal

import msgspec
from aiokafka import AIOKafkaProducer

from infra import kafka
from infra.failures import Unknown
from infra.history import Message, history
from infra.settings import Settings
from schemas import registry

MARK = b"replayed"
"""Key of a mark: it has the origin of a letter and no reason."""
Origin = tuple[str, int, int]
Fate = Literal["put back", "still unreadable"]


class Letter(msgspec.Struct):
    """A message that was put aside, by one reader or by several, each with its reason."""

    origin: Origin
    key: bytes | None
    value: bytes
    reasons: set[str]


async def replay(settings: Settings, topic: str | None = None, reason: str | None = None) -> list[tuple[Letter, Fate]]:
    """Puts back the letters of `topic` and `reason` (all where none is named) and says what became of each.

    Errors: Unknown for the topic.
    """
    if topic is not None and topic not in kafka.topics():
        raise Unknown(f"no topic {topic!r}; there are {', '.join(sorted(kafka.topics()))}")
    chosen = [one for one in await waiting(settings) if fits(one, topic, reason)]
    producer = kafka.producer(settings)
    try:
        await producer.start()
        return [(letter, await put_back(producer, letter)) for letter in chosen]
    finally:
        await producer.stop()


def fits(letter: Letter, topic: str | None, reason: str | None) -> bool:
    """A reason is named with or without its detail: `not_avro` is `not_avro: EOFError` too."""
    named = {name for said in letter.reasons for name in (said, said.partition(":")[0])}
    return topic in (None, letter.origin[0]) and (reason is None or reason in named)


async def waiting(settings: Settings) -> list[Letter]:
    """Letters without a mark, in the order of the topics that they come from."""
    letters: dict[Origin, Letter] = {}
    marked: set[Origin] = set()
    async for message in aside(settings):
        headers = {name: value.decode() for name, value in message.headers}
        origin = headers["origin-topic"], int(headers["origin-partition"]), int(headers["origin-offset"])
        if message.key == MARK:
            marked.add(origin)
        else:
            # a letter without a key has its topic's name for one
            key = None if message.key == origin[0].encode() else message.key
            letter = letters.setdefault(origin, Letter(origin, key, message.value, set()))
            letter.reasons.add(headers["reason"])
    return [letters[origin] for origin in sorted(letters.keys() - marked)]


async def aside(settings: Settings) -> AsyncIterator[Message]:
    """Every message of the dead-letter topics, up to their ends."""
    async for batch in history(settings, {one.dead_letter for one in kafka.topics().values()}):
        for message in batch:
            yield message
        if not batch:
            return


async def put_back(producer: AIOKafkaProducer, letter: Letter) -> Fate:
    """Nothing is gained by putting back what would be put aside again at once."""
    topic, partition, offset = letter.origin
    try:
        received = registry.decode(letter.value)
    except registry.Poison:
        return "still unreadable"
    if topic != received.body.TOPIC:
        return "still unreadable"
    headers = registry.headers(received.envelope, received.body)
    await producer.send_and_wait(topic, letter.value, key=letter.key, partition=partition, headers=headers)
    place = {"origin-topic": topic, "origin-partition": partition, "origin-offset": offset}
    said = [(name, str(value).encode()) for name, value in place.items()]
    await producer.send_and_wait(kafka.topics()[topic].dead_letter, b"", key=MARK, headers=said)
    return "put back"


def counted(fates: Iterable[tuple[Letter, Fate]]) -> dict[tuple[str, str, Fate], int]:
    """(topic, reasons, fate) -> letters."""
    found: dict[tuple[str, str, Fate], int] = {}
    for letter, fate in fates:
        what = letter.origin[0], ", ".join(sorted(letter.reasons)), fate
        found[what] = found.get(what, 0) + 1
    return found
