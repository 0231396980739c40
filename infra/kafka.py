"""Kafka: connection settings, producers, topics from the table, dead letters."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from ssl import SSLContext
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from infra.settings import Settings

TABLE = Path(__file__).parent.parent / "schemas" / "topics.toml"
MAX_MESSAGE = 4 << 20
"""Bytes of the largest message: a client's batch of readings is one message."""


class Topic(msgspec.Struct, frozen=True):
    """One entry of `topics.toml`; `retention` in days, 0 keeps for good."""

    key: str
    writer: tuple[str, ...]
    readers: tuple[str, ...]
    retention: int
    partitions: int
    dead_letter: str


class Origin(Protocol):
    """Where a message came from, and its bytes."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@cache
def topics() -> dict[str, Topic]:
    """The table of topics."""
    table = tomllib.loads(TABLE.read_text())
    defaults = table.pop("defaults")
    return {name: msgspec.convert({**defaults, **entry}, Topic) for name, entry in table.items()}


def names(kind: str) -> list[str]:
    """Topics that end in `kind`: `commands` or `events`."""
    return sorted(name for name in topics() if name.endswith(f".{kind}"))


def tls(settings: Settings) -> SSLContext | None:
    kafka = settings.kafka
    if not kafka.security.endswith("SSL"):
        return None
    context: SSLContext = create_ssl_context(cafile=kafka.ca_file, certfile=kafka.cert_file, keyfile=kafka.key_file)
    return context


def connection(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client takes."""
    kafka = settings.kafka
    return {
        "bootstrap_servers": kafka.bootstrap,
        "security_protocol": kafka.security,
        "ssl_context": tls(settings),
        "sasl_mechanism": kafka.mechanism,
        "sasl_plain_username": kafka.username,
        "sasl_plain_password": kafka.password.get_secret_value() if kafka.password else None,
    }


def producer(settings: Settings) -> AIOKafkaProducer:
    """acks=all, no lingering. Not aiokafka's idempotent one: after an outage that stays out of sequence for good.
    Every message has an id that its readers know again, and one batch a partition is in flight, so order holds."""
    return AIOKafkaProducer(
        **connection(settings),
        acks="all",
        linger_ms=0,
        max_request_size=MAX_MESSAGE,
        request_timeout_ms=5_000,
        metadata_max_age_ms=60_000,
    )


async def create_topics(settings: Settings) -> list[str]:
    """Creates what the table has and the cluster lacks; says which."""
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        have = set(await admin.list_topics())
        missing = [name for name in topics() if name not in have]
        wanted = [
            NewTopic(n, topics()[n].partitions, settings.kafka.replication, topic_configs=configs(n)) for n in missing
        ]
        answer = await admin.create_topics(wanted) if wanted else None
        for _, code, *_ in answer.topic_errors if answer else ():
            if code and code != TopicAlreadyExistsError.errno:
                raise for_code(code)
        return missing
    finally:
        await admin.close()


def configs(name: str) -> dict[str, str]:
    days = topics()[name].retention
    return {"retention.ms": str(days * 86_400_000 or -1), "max.message.bytes": str(MAX_MESSAGE)}


async def send_all(
    producer: AIOKafkaProducer, messages: Iterable[tuple[str, bytes, bytes, Sequence[tuple[str, bytes]]]]
) -> None:
    """Sends (topic, key, value, headers) in order and waits until all are acknowledged."""
    sent = [
        await producer.send(topic, value, key=key, headers=list(headers)) for topic, key, value, headers in messages
    ]
    for future in sent:
        await future


async def dead_letter(producer: AIOKafkaProducer, origin: Origin, reason: str) -> None:
    """Puts a message that cannot be read aside: its bytes unchanged, where it came from and why as headers."""
    said = {
        "origin-topic": origin.topic,
        "origin-partition": origin.partition,
        "origin-offset": origin.offset,
        "reason": reason,
    }
    headers = [(name, str(value).encode()) for name, value in said.items()]
    await producer.send_and_wait(
        topics()[origin.topic].dead_letter,
        origin.value or b"",
        key=origin.key or origin.topic.encode(),
        headers=headers,
    )
