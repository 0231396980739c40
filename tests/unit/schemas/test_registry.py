"""Bytes in, messages out; what is not a message says why."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import registry
from schemas.base import Envelope, asking, storable
from schemas.ids import derived_id, new_id, number_of
from schemas.models.messages import ChangeModel
from schemas.records.messages import PutRecord, RecordPut
from schemas.upcasts import UPCASTS

META = Envelope(
    id="e1",
    stream="s1",
    version=3,
    organisation="o1",
    cause="c1",
    correlation="r1",
    time=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
)
PUT = RecordPut(kind="site", body={"name": "Åre", "deep": [1, None, {"x": 1.5}]})


def test_a_message_comes_back_as_it_went() -> None:
    received = registry.decode(registry.encode(META, PUT))
    assert (received.envelope, received.body) == (META, PUT)


def test_the_frame_is_confluents() -> None:
    raw = registry.encode(META, PUT)
    assert raw[0] == 0
    assert int.from_bytes(raw[1:5]) == registry.current()["records.RecordPut"].id


def test_headers_are_cloud_events() -> None:
    headers = dict(registry.headers(META, PUT, {"traceparent": "00-x"}))
    assert headers["ce_type"] == b"sightlog.records.RecordPut"
    assert headers["ce_subject"] == b"s1"
    assert headers["ce_specversion"] == b"1.0"
    assert headers["traceparent"] == b"00-x"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "not_framed"),
        (b"", "not_framed"),
        (b"{}", "not_framed"),
        (b"\x01\x00\x00\x00\x01xx", "not_framed"),
        (b"\x00\x00\x0f\xff\xff", "unknown_schema"),
        (registry.encode(META, PUT)[:-3], "not_avro"),
        (registry.encode(META, PUT) + b"\x00", "not_avro"),
    ],
)
def test_poison_names_its_reason(raw: bytes | None, reason: str) -> None:
    with pytest.raises(registry.Poison) as poison:
        registry.decode(raw)
    assert poison.value.reason == reason


def test_a_failing_upcast_is_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("gone")

    version = registry.current()["records.RecordPut"]
    newer = registry.Version(version.id, version.name, version.number + 1, version.schema)
    monkeypatch.setattr(registry, "current", lambda: {"records.RecordPut": newer})
    monkeypatch.setitem(UPCASTS, ("records.RecordPut", version.number), broken)
    raw = registry.PREFIX.pack(0, version.id) + registry.encode(META, PUT)[5:]
    with pytest.raises(registry.Poison, match="upcast_failed"):
        registry.decode(raw)


def test_an_upcast_brings_an_old_message_up(monkeypatch: pytest.MonkeyPatch) -> None:
    version = registry.current()["records.RecordPut"]
    raw = registry.encode(META, PUT)
    newer = registry.Version(version.id, version.name, version.number + 1, version.schema)
    monkeypatch.setattr(registry, "current", lambda: {"records.RecordPut": newer})
    monkeypatch.setitem(UPCASTS, ("records.RecordPut", version.number), lambda old: {**old, "kind": "place"})
    body = registry.decode(raw).body
    assert isinstance(body, RecordPut)
    assert body.kind == "place"


def test_wrong_types_are_refused_before_they_travel() -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        registry.encode(asking("s"), PutRecord(kind=7, body={}))  # type: ignore[arg-type]


def test_ids() -> None:
    first, second = new_id(1_800_000_000_000), new_id(1_800_000_000_001)
    assert first < second
    assert 0 < number_of(first) < number_of(second) < 2**53
    assert derived_id(first, "x") == derived_id(first, "x") != derived_id(first, "y")
    assert derived_id("not a uuid", 1) == derived_id("not a uuid", "1")


def test_text_that_no_table_can_hold_is_known() -> None:
    plain = ChangeModel(changes={"name": "a\\u0000b", "size": 5})
    assert storable(plain)
    assert not storable(ChangeModel(changes={"name": ["a\0b"]}))
    assert not storable(ChangeModel(changes={"a\0b": 1}))
