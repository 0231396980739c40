"""One agent for commands, one for events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import EventT, StreamT

from infra import kafka, worker
from infra.telemetry import BATCH, DEAD_LETTERS
from schemas import registry
from schemas.base import Envelope, Event, Received
from schemas.ids import derived_id
from streams.decision import Reaction, Send
from streams.runtime import Raw, Runtime

Wire = tuple[str, bytes, bytes, Sequence[tuple[str, bytes]]]


def raw(event: EventT[Any]) -> Raw:
    message = event.message
    parent = dict(message.headers or ()).get("traceparent")
    trace = {"traceparent": parent.decode()} if parent else {}
    return Raw(message.topic, message.partition, message.offset, message.key, message.value, trace)


async def decide(stream: StreamT[Any], runtime: Runtime) -> None:
    """Commands, batch after batch; acknowledged when what they ask for has happened."""
    async for batch in worker.batches(stream):
        start = time.perf_counter()
        await runtime.handle([raw(event) for event in batch])
        for event in batch:
            await stream.ack(event)
        BATCH.labels("streams").observe(time.perf_counter() - start)


async def react(
    stream: StreamT[Any], producer: AIOKafkaProducer, reactions: dict[type[Event], tuple[Reaction, ...]]
) -> None:
    """Events, batch after batch: what follows from them is asked for by commands, whose ids follow from the event."""
    async for batch in worker.batches(stream):
        wire: list[Wire] = []
        for event in batch:
            wire += await consequences(raw(event), producer, reactions)
        if wire:
            await worker.patiently(partial(kafka.send_all, producer, wire), (KafkaError,), "kafka")
        for event in batch:
            await stream.ack(event)


async def consequences(
    message: Raw, producer: AIOKafkaProducer, reactions: dict[type[Event], tuple[Reaction, ...]]
) -> list[Wire]:
    try:
        received = registry.decode(message.value)
    except registry.Poison as poison:
        DEAD_LETTERS.labels(message.topic, poison.reason).inc()
        await worker.patiently(partial(kafka.dead_letter, producer, message, str(poison)), (KafkaError,), "kafka")
        return []
    if not isinstance(received.body, Event):
        return []
    sends = [
        send
        for reaction in reactions.get(type(received.body), ())
        for send in reaction(received.body, received.envelope)
    ]
    return [asked(send, received, n, message.trace) for n, send in enumerate(sends)]


def asked(send: Send, received: Received, position: int, trace: dict[str, str]) -> Wire:
    """The `position`-th command that follows from an event, on the wire."""
    cause = received.envelope
    meta = Envelope(
        id=derived_id(cause.id, f"reaction/{position}"),
        stream=send.stream,
        organisation=cause.organisation,
        actor=cause.actor,
        cause=cause.id,
        correlation=cause.correlation,
        time=cause.time,
    )
    return (
        send.command.TOPIC,
        send.stream.encode(),
        registry.encode(meta, send.command),
        registry.headers(meta, send.command, trace),
    )
