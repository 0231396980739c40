"""Deciding a batch, pure: given states, outcomes and claims, what comes of the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import orjson

from infra.telemetry import span, trace_headers
from schemas import registry
from schemas.base import Envelope, Event, Message, Received, storable
from schemas.ids import derived_id
from streams.decision import Claim, Decider, Refusal, Timer
from streams.store import ClaimKey, Due, Key, Outcome, Outgoing

ENCODER = msgspec.msgpack.Encoder()


class Place(Protocol):
    """Where a command stood, and the trace it belongs to."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def trace(self) -> dict[str, str]: ...


class Stream(msgspec.Struct):
    """A stream as the batch knows it."""

    version: int
    state: Any
    before: Any


class Batch:
    """The commands of a batch, and what is known when they are decided."""

    def __init__(self, commands: Sequence[tuple[Any, Received]], deciders: dict[str, Decider]) -> None:
        self.commands = commands
        self.deciders = deciders
        self.outcomes: dict[str, Outcome] = {}
        self.held: dict[ClaimKey, Key | None] = {}
        self.loaded: dict[Key, tuple[int, bytes]] = {}

    def keys(self) -> list[Key]:
        return sorted({key_of(received) for _, received in self.commands})

    def streams(self) -> dict[Key, Stream]:
        """Fresh copies: a batch may be decided more than once."""
        return {key: self.stream(key) for key in self.keys()}

    def stream(self, key: Key) -> Stream:
        decider = self.deciders[key[0]]
        if key not in self.loaded:
            return Stream(0, decider.initial, decider.initial)
        version, state = self.loaded[key]
        known = msgspec.msgpack.decode(state, type=decider.state)
        return Stream(version, known, known)


class Decided:
    """What a batch comes to."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.repeated: list[Outcome] = []
        self.events: list[tuple[Place, Event, Envelope]] = []
        self.states: dict[Key, tuple[int, bytes]] = {}
        self.assumed: set[tuple[ClaimKey, bool]] = set()
        self.claims_taken: dict[ClaimKey, Key] = {}
        self.claims_dropped: dict[ClaimKey, Key] = {}
        self.timers_due: list[Due] = []
        self.timers_gone: list[tuple[str, str, str, str]] = []

    def stands(self, held: dict[ClaimKey, Key | None]) -> bool:
        """Whether what was assumed of claims is so."""
        return all((held[claim] is not None) == assumed for claim, assumed in self.assumed)

    def outgoing(self) -> list[Outgoing]:
        return [outgoing(place, event, meta) for place, event, meta in self.events]


def key_of(received: Received) -> Key:
    return received.body.CONTEXT, received.envelope.organisation, received.envelope.stream


def decide_batch(batch: Batch) -> Decided:
    """Decides every command in order. `assumed` names claims that the batch does not know, and whether they were taken
    for held: what comes of it stands when it is so, and else the batch is to be decided again."""
    decided, streams = Decided(), batch.streams()
    holders: dict[ClaimKey, Key | None] = dict(batch.held)
    seen = dict(batch.outcomes)
    for place, received in batch.commands:
        if (known := seen.get(received.envelope.id)) is not None:
            decided.repeated.append(again(known, received.envelope))
            continue
        key = key_of(received)
        stream, decider = streams[key], batch.deciders[key[0]]
        outcome = decide_one(decider, stream, received, key, holders, decided, place)
        seen[outcome.command] = outcome
        decided.outcomes.append(outcome)
    finish(batch, streams, holders, decided)
    return decided


def decide_one(
    decider: Decider,
    stream: Stream,
    received: Received,
    key: Key,
    holders: dict[ClaimKey, Key | None],
    decided: Decided,
    place: Place,
) -> Outcome:
    envelope, body = received.envelope, received.body
    refusal = unstorable(body) or missing(decider, stream, received, holders, decided)
    result = refusal or asked(decider, stream, received)
    if isinstance(result, Refusal):
        return refused(envelope, key, stream, result)
    events = [(event, told(envelope, event, stream.version + n, n)) for n, event in enumerate(result, start=1)]
    state = stream.state
    for event, meta in events:
        state = decider.apply(state, event, meta)
    clash = taken(decider, stream.state, state, key, holders, decided)
    if clash is not None:
        return refused(envelope, key, stream, Refusal(clash.refusal, field=clash.scope.rsplit(".", 1)[-1]))
    stream.state, stream.version = state, stream.version + len(events)
    decided.events += [(place, event, meta) for event, meta in events]
    return Outcome(envelope.id, key[0], key[2], stream.version, len(events), fingerprint=envelope.fingerprint)


def unstorable(command: Message) -> Refusal | None:
    """Text with U+0000 would stop every projection at the event that has it."""
    return None if storable(command) else Refusal("invalid", "Text holds the character U+0000.")


def asked(decider: Decider, stream: Stream, received: Received) -> tuple[Event, ...] | Refusal:
    """The decision; free JSON in a command that is not of the shape it should have is a refusal, no crash."""
    try:
        return decider.decide(stream.state, received.body, received.envelope)
    except msgspec.ValidationError as wrong:
        return Refusal("invalid", str(wrong))


def again(known: Outcome, envelope: Envelope) -> Outcome:
    """The first answer again, unless the same key came with another request."""
    if known.fingerprint == envelope.fingerprint:
        return known
    place = known.command, known.context, known.stream, known.version
    return Outcome(*place, 0, "idempotency.mismatch", fingerprint=envelope.fingerprint)


def refused(envelope: Envelope, key: Key, stream: Stream, refusal: Refusal) -> Outcome:
    code, detail, field = refusal.code, refusal.detail or None, refusal.field
    return Outcome(envelope.id, key[0], key[2], stream.version, 0, code, detail, field, envelope.fingerprint)


def told(command: Envelope, event: Event, version: int, position: int) -> Envelope:
    """The envelope of the `position`-th event of a command."""
    return Envelope(
        id=derived_id(command.id, position),
        stream=command.stream,
        version=version,
        organisation=command.organisation,
        actor=command.actor,
        cause=command.id,
        correlation=command.correlation or command.id,
        time=command.time,
    )


def missing(
    decider: Decider, stream: Stream, received: Received, holders: dict[ClaimKey, Key | None], decided: Decided
) -> Refusal | None:
    """A refusal when something the command refers to is held by nobody."""
    for reference in decider.references(stream.state, received.body):
        claim = (received.envelope.organisation, reference.scope, reference.key)
        if claim not in holders:
            decided.assumed.add((claim, True))
        elif holders[claim] is None:
            return Refusal(reference.refusal, field=reference.scope.rsplit(".", 1)[-1])
    return None


def taken(
    decider: Decider, before: Any, after: Any, key: Key, holders: dict[ClaimKey, Key | None], decided: Decided
) -> Claim | None:
    """Moves the stream's claims from what it held to what it holds now; the claim that another has, if any."""
    old, new = decider.claims(before), decider.claims(after)
    if old == new:
        return None
    wanted = {place_of(claim, key): claim for claim in new}
    own = {place_of(claim, key) for claim in old}
    for place, claim in wanted.items():
        if holders.get(place) not in (None, key):
            return claim
        if place not in holders and place not in own:
            decided.assumed.add((place, False))
    holders.update(dict.fromkeys(own))
    holders.update(dict.fromkeys(wanted, key))
    return None


def place_of(claim: Claim, key: Key) -> ClaimKey:
    return "" if claim.shared else key[1], claim.scope, claim.key


def outgoing(place: Place, event: Event, meta: Envelope) -> Outgoing:
    with span(f"decide {registry.name_of(event)}", place.trace):
        headers = registry.headers(meta, event, trace_headers() or place.trace)
    return Outgoing(
        place.topic,
        place.partition,
        event.TOPIC,
        meta.stream.encode(),
        registry.encode(meta, event),
        orjson.dumps([(name, value.decode()) for name, value in headers]),
    )


def finish(batch: Batch, streams: dict[Key, Stream], holders: dict[ClaimKey, Key | None], decided: Decided) -> None:
    """Snapshots, claims and timers of the streams that changed."""
    for key, stream in streams.items():
        if stream.version != batch.loaded.get(key, (0, b""))[0]:
            decider = batch.deciders[key[0]]
            decided.states[key] = (stream.version, ENCODER.encode(stream.state))
            old = {place_of(claim, key) for claim in decider.claims(stream.before)}
            new = {place_of(claim, key) for claim in decider.claims(stream.state)}
            decided.claims_dropped.update(dict.fromkeys(old - new, key))
            decided.claims_taken.update(dict.fromkeys(new - old, key))
            timers(decider, stream, key, decided)


def timers(decider: Decider, stream: Stream, key: Key, decided: Decided) -> None:
    old = {timer.name: timer for timer in decider.timers(stream.before)}
    new = {timer.name: timer for timer in decider.timers(stream.state)}
    decided.timers_gone += [(*key, name) for name in old.keys() - new.keys()]
    decided.timers_due += [due(timer, key) for name, timer in new.items() if old.get(name) != timer]


def due(timer: Timer, key: Key) -> Due:
    """The row of a timer: the command ready to send, its id derived so that sending it twice is one command."""
    context, organisation, stream = key
    id = derived_id(stream, f"{context}/{organisation}/{timer.name}/{timer.due.isoformat()}")
    meta = Envelope(id=id, stream=stream, organisation=organisation, actor="timer", correlation=id, time=timer.due)
    return Due(
        context, organisation, stream, timer.name, timer.due, timer.command.TOPIC, registry.encode(meta, timer.command)
    )
