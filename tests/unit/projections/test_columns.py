"""Raw payloads to one frame: what is well is not decoded one by one, what is not is told from the rest."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import fastavro
import pytest

from projections import columns
from projections.columns import Place, columnar
from schemas import registry
from schemas.base import Envelope
from schemas.fleet.messages import CheckIn
from schemas.ids import new_id
from schemas.telemetry.messages import Reading, Readings

NAME = "telemetry.Readings"
READ = columnar(NAME)
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


def message(offset: int, readings: int = 2) -> Place:
    device = new_id()
    envelope = Envelope(id=new_id(), stream=device, organisation=new_id(), time=NOW)
    told = tuple(Reading(sensor=f"s{n}", ts=n, d=n / 2) for n in range(readings))
    raw = registry.encode(envelope, Readings(device=device, readings=told))
    return Place("telemetry.readings", 0, offset, device.encode(), raw)


def other(good: Place, value: bytes | None, key: bytes | None = None) -> Place:
    return Place(good.topic, good.partition, good.offset, key or good.key, value)


def test_a_batch_is_one_frame() -> None:
    batch = [message(n, n) for n in range(50)]
    read = READ(batch)
    assert read.rows is not None
    assert not read.poison
    assert read.rows["offset"].to_list() == list(range(50))
    assert read.rows["readings"].list.len().to_list() == list(range(50))
    assert read.rows["envelope"].struct.field("time").to_list() == [NOW] * 50


def spoilt(good: Place) -> dict[str, Place]:
    assert good.value is not None
    check_in = registry.encode(Envelope(id=new_id(), stream="d", time=NOW), CheckIn())
    return {
        "not_framed": other(good, b"garbage"),
        "not_framed ": other(good, None),
        "unknown_schema": other(good, b"\0\xff\xff\xff\xff" + good.value[5:]),
        "not_avro": other(good, good.value[:-9]),
        "not_avro ": other(good, good.value + b"more"),
        "not_avro  ": other(good, good.value[:5] + b"\xff" * 40),
        "wrong_type": other(good, check_in, b"d"),
        "wrong_key": other(good, good.value, b"somebody else"),
    }


@pytest.mark.parametrize("reason", list(spoilt(message(0))))
def test_one_bad_message_among_good_ones(reason: str) -> None:
    batch = [message(n) for n in range(5)]
    batch[2] = spoilt(batch[2])[reason]
    read = READ(batch)
    assert read.rows is not None
    assert read.rows["offset"].to_list() == [0, 1, 3, 4]
    ((bad, said),) = read.poison
    assert bad is batch[2]
    assert said.startswith(reason.strip())


def test_nothing_but_bad_ones() -> None:
    read = READ([other(message(0), b"x")])
    assert read.rows is None
    assert len(read.poison) == 1


def test_the_container_is_avro_to_others_too() -> None:
    batch = [message(n) for n in range(3)]
    raw = columns.container(NAME, [m.value or b"" for m in batch])
    found = list(fastavro.reader(io.BytesIO(raw)))
    assert [m["device"].encode() for m in found if isinstance(m, dict)] == [m.key for m in batch]
