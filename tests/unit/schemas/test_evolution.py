"""Yesterday's messages for today's readers, and back for the day of a rollback."""

import io
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.utils import generate_one

from infra import kafka
from schemas import generate, registry
from schemas.base import Envelope, Event, Message

HISTORY = generate.published()


def published_pairs() -> list[Any]:
    pairs = [(name, old, new) for name, versions in HISTORY.items() for (_, old), (_, new) in combinations(versions, 2)]
    return [pytest.param(old, new, id=name) for name, old, new in pairs] or [
        pytest.param(None, None, id="no second version yet")
    ]


def resolved(datum: Any, writer: Any, reader: Any) -> Any:
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(writer, named_schemas={}), datum)
    out.seek(0)
    return schemaless_reader(out, parse_schema(writer, named_schemas={}), parse_schema(reader, named_schemas={}))


@pytest.mark.parametrize(("old", "new"), published_pairs())
def test_versions_read_each_other(old: Any, new: Any) -> None:
    if old is None:
        assert all(len(versions) == 1 for versions in HISTORY.values())
        return
    resolved(generate_one(old), old, new)
    resolved(generate_one(new), new, old)


@pytest.mark.parametrize("context", generate.contexts())
def test_types_and_versions_are_those_of_the_sources(context: str) -> None:
    for _, schema in generate.sources(context):
        full = generate.with_envelope({k: v for k, v in schema.items() if k != "topic"})
        newest = HISTORY[f"{context}.{schema['name']}"][-1][1]
        assert generate.canonical(newest) == generate.canonical(full), "run `make types`"
        assert registry.types()[f"{context}.{schema['name']}"]


def test_schema_ids_are_never_used_twice() -> None:
    ids = [id for versions in HISTORY.values() for id, _ in versions]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", sorted(registry.types()))
def test_every_message_has_a_declared_topic(name: str) -> None:
    topic = kafka.topics()[registry.types()[name].TOPIC]
    assert topic.readers
    assert topic.writer


def test_commands_and_events_share_key_and_partitions() -> None:
    table = kafka.topics()
    for commands in kafka.names("commands"):
        events = commands.replace(".commands", ".events")
        assert (table[commands].key, table[commands].partitions) == (table[events].key, table[events].partitions)
        assert table[events].retention == 0, "events are kept for good"


def examples() -> list[Path]:
    return sorted(Path(generate.ROOT).glob("*/examples/*.json"))


def test_every_message_has_an_example() -> None:
    there = {f"{path.parent.parent.name}.{path.name.split('.')[0]}" for path in examples()}
    assert there == set(registry.types())


def example(path: Path) -> tuple[Envelope, Message]:
    import msgspec

    said = json.loads(path.read_text())
    kind = registry.types()[f"{path.parent.parent.name}.{path.name.split('.')[0]}"]
    return msgspec.convert(said["envelope"], Envelope), msgspec.convert(said["body"], kind)


@pytest.mark.parametrize("path", examples(), ids=lambda path: path.stem)
def test_every_example_through_every_reader(path: Path) -> None:
    """Wire, decider, reactions and rows: none may stumble over a message that the language allows."""
    from projections.table import PROJECTIONS
    from streams.table import DECIDERS, REACTIONS

    envelope, body = example(path)
    received = registry.decode(registry.encode(envelope, body))
    assert (received.envelope, received.body) == (envelope, body)
    if isinstance(body, Event):
        if body.CONTEXT in PROJECTIONS:
            list(PROJECTIONS[body.CONTEXT].rows(body, envelope))
        for reaction in REACTIONS.get(type(body), ()):
            reaction(body, envelope)
    elif body.KIND == "command":
        decider = DECIDERS[body.CONTEXT]
        decider.references(decider.initial, body)
        decided = decider.decide(decider.initial, body, envelope)
        state = decider.initial
        for event in decided if isinstance(decided, tuple) else ():
            state = decider.apply(state, event, envelope)
