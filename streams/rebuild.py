"""`sightlog rebuild streams`: snapshots, claims and timers anew from the events. Deciding waits meanwhile."""

from __future__ import annotations

from typing import Any

import structlog

from infra import kafka, postgres
from infra.history import history
from infra.settings import Settings, load
from schemas import registry
from schemas.base import Event, Received
from streams import store
from streams.batch import ENCODER, due, place_of
from streams.table import DECIDERS

log = structlog.get_logger()


class Fold:
    """States as of the last event of each stream."""

    def __init__(self) -> None:
        self.states: dict[store.Key, tuple[int, Any]] = {}

    def add(self, received: Received) -> None:
        """Applies an event; one that was published twice counts once."""
        envelope, body = received.envelope, received.body
        decider = DECIDERS.get(body.CONTEXT)
        if decider is None or not isinstance(body, Event):
            return
        key = (body.CONTEXT, envelope.organisation, envelope.stream)
        version, state = self.states.get(key, (0, decider.initial))
        if envelope.version == version + 1:
            self.states[key] = (envelope.version, decider.apply(state, body, envelope))

    def read(self, raw: bytes | None) -> None:
        try:
            self.add(registry.decode(raw))
        except registry.Poison as poison:
            log.warning("event passed over", reason=poison.reason)


async def rebuild(name: str = "streams", settings: Settings | None = None) -> None:
    """Replaces the write side's tables by what the events say, in one transaction that keeps deciders out."""
    settings, fold = settings or load(), Fold()
    db = await postgres.connect(settings.postgres.service)
    try:
        async with db.transaction():
            await db.execute("lock table streams.positions in exclusive mode")
            async for batch in history(settings, kafka.names("events")):
                if not batch:
                    break
                for message in batch:
                    fold.read(message.value)
            for row in await db.fetch("select value from streams.outbox order by id"):
                fold.read(row["value"])
            await replace(db, fold)
        log.info("write side rebuilt", streams=len(fold.states))
    finally:
        await db.close()


async def replace(db: postgres.Connection, fold: Fold) -> None:
    await db.execute("delete from streams.snapshots")
    await db.execute("delete from streams.claims")
    await db.execute("delete from streams.timers")
    states = {key: (version, ENCODER.encode(state)) for key, (version, state) in fold.states.items()}
    await store.save(db, states, (), (), {}, ())
    claims: dict[store.ClaimKey, store.Key] = {}
    timers: list[store.Due] = []
    for key, (_, state) in fold.states.items():
        decider = DECIDERS[key[0]]
        claims.update({place_of(claim, key): key for claim in decider.claims(state)})
        timers += [due(timer, key) for timer in decider.timers(state)]
    await store.change_claims(db, claims, {})
    await store.save_timers(db, (), timers)
