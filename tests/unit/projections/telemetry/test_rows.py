"""Readings: whose they are, whether they fit, what is put aside (IoT contract, 7.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from projections import columns
from projections.telemetry import rows
from schemas import registry
from schemas.base import Envelope
from schemas.ids import derived_id, new_id
from schemas.records.messages import PutRecord
from schemas.telemetry.messages import Reading, Readings

ORG, OTHER = new_id(), new_id()
DEVICE, IDLE = new_id(), new_id()
DEFAULT, PART, BARE = new_id(), new_id(), new_id()
TEMPERATURE, COUNT, FLAG = new_id(), new_id(), new_id()
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)


def known(**more: Any) -> rows.Known:
    sensors = [
        (DEVICE, DEFAULT, "temperature", TEMPERATURE, "DOUBLE", -40.0, 60.0, False, 1, "{}"),
        (DEVICE, DEFAULT, "count", COUNT, "BIGINT", None, None, True, 3, '{"key":"count","value_type":"BIGINT"}'),
        (DEVICE, DEFAULT, "flag", FLAG, "BOOLEAN", None, None, False, 1, "{}"),
    ]
    components = [
        (DEVICE, "default", DEFAULT, None, None),
        (DEVICE, "node-1", PART, "profile", "1"),
        (DEVICE, "bare", BARE, None, None),
    ]
    fields = [
        ("profile", "temperature", "DOUBLE", -10.0, 50.0, True, None, None, None),
        ("profile", "label", "TEXT", None, None, False, None, None, 5),
        ("profile", "levels", "BIGINT", None, None, False, 2, 3, None),
    ]
    devices = more.get("devices", [(ORG, DEVICE, True, True), (ORG, IDLE, False, True)])
    return rows.Known(
        pl.DataFrame(devices, schema=rows.DEVICES, orient="row"),
        pl.DataFrame(more.get("components", components), schema=rows.COMPONENTS, orient="row"),
        pl.DataFrame(more.get("sensors", sensors), schema=rows.SENSORS, orient="row"),
        pl.DataFrame(more.get("fields", fields), schema=rows.FIELDS, orient="row"),
        more.get("retired", {}),
    )


def batch(*readings: Reading, device: str = DEVICE, organisation: str = ORG, offset: int = 7) -> pl.DataFrame:
    envelope = Envelope(id=derived_id(device, offset), stream=device, organisation=organisation, time=NOW)
    raw = registry.encode(envelope, Readings(device=device, readings=readings))
    return columns.frame("telemetry.Readings", [raw], [device.encode()]).with_columns(
        partition=pl.lit(0, pl.Int64), offset=pl.lit(offset, pl.Int64)
    )


def stored(*readings: Reading, **more: Any) -> list[dict[str, Any]]:
    return rows.frames(batch(*readings), known(**more)).tables["readings"].to_dicts()


def reasons(*readings: Reading, **more: Any) -> list[str]:
    return rows.frames(batch(*readings), known(**more)).tables["quarantine"]["reason"].to_list()


def test_by_key_and_by_id() -> None:
    found = stored(Reading(sensor="temperature", ts=MS, d=21.5), Reading(sensor=FLAG, ts=MS, b=True))
    assert [(r["sensor"], r["d"], r["b"]) for r in found] == [(TEMPERATURE, 21.5, None), (FLAG, None, True)]
    assert {r["organisation"] for r in found} == {ORG}
    assert found[0]["ts"] == NOW


def test_the_first_of_two_at_one_time_stays() -> None:
    found = stored(Reading(sensor="temperature", ts=MS, d=1.0), Reading(sensor=TEMPERATURE, ts=MS, d=2.0))
    assert [r["d"] for r in found] == [1.0]


def test_a_whole_number_fits_a_double() -> None:
    assert [r["i"] for r in stored(Reading(sensor="temperature", ts=MS, i=3))] == [3]


def test_a_fraction_widens_what_appeared_by_itself() -> None:
    out = rows.frames(batch(Reading(sensor="count", ts=MS, d=3.5)), known())
    assert len(out.tables["readings"]) == 1
    assert not out.again
    (asked,) = out.commands
    assert asked.stream == COUNT
    assert asked.command == PutRecord(kind="sensor", body={"key": "count", "value_type": "DOUBLE"}, expected=3)


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Reading(sensor="flag", ts=MS, d=1.0), "TYPE_MISMATCH"),
        (Reading(sensor="flag", ts=MS, t="on"), "TYPE_MISMATCH"),
        (Reading(sensor="flag", ts=MS), "TYPE_MISMATCH"),
        (Reading(sensor="flag", ts=MS, b=True, i=1), "TYPE_MISMATCH"),
        (Reading(sensor="temperature", ts=MS, d=float("nan")), "TYPE_MISMATCH"),
        (Reading(sensor="temperature", ts=MS, d=60.5), "OUT_OF_RANGE"),
        (Reading(sensor="temperature", ts=MS, i=-41), "OUT_OF_RANGE"),
        (Reading(sensor="temperature", ts=MS - rows.OLDEST_MS - 1, d=1.0), "INVALID_TIMESTAMP"),
        (Reading(sensor="temperature", ts=MS + rows.AHEAD_MS + 1, d=1.0), "INVALID_TIMESTAMP"),
        (Reading(sensor="temperature", ts=2**62, d=1.0), "INVALID_TIMESTAMP"),
        (Reading(sensor="k" * 37, ts=MS, d=1.0), "LIMIT_EXCEEDED"),
        (Reading(sensor="text", ts=MS, t="x" * 1001), "LIMIT_EXCEEDED"),
        (Reading(sensor="temperature", ts=MS, d=1.0, metadata='"' + "x" * 10_239 + '"'), "LIMIT_EXCEEDED"),
        (Reading(sensor=new_id(), ts=MS, d=1.0), "UNKNOWN_SENSOR"),
        (Reading(sensor="", ts=MS, d=1.0), "UNKNOWN_SENSOR"),
        (Reading(sensor="x", ts=MS, d=1.0, component="nowhere"), "UNKNOWN_COMPONENT"),
        (Reading(sensor="x", ts=MS, d=1.0, component="bare"), "MISSING_PROFILE"),
        (Reading(sensor="temperature", ts=MS, d=1.0, component="node-1", profile="2.0"), "TYPE_MISMATCH"),
        (Reading(sensor="temperature", ts=MS, d=51.0, component="node-1"), "OUT_OF_RANGE"),
        (Reading(sensor="temperature", ts=MS, t="x", component="node-1"), "TYPE_MISMATCH"),
        (Reading(sensor="label", ts=MS, t="x", component="node-1"), "MISSING_REQUIRED_FIELD"),
    ],
)
def test_put_aside(reading: Reading, reason: str) -> None:
    assert reasons(reading) == [reason]
    assert stored(reading) == []


@pytest.mark.parametrize(
    "reading",
    [
        Reading(sensor="temperature", ts=MS - rows.OLDEST_MS, d=1.0),
        Reading(sensor="temperature", ts=MS + rows.AHEAD_MS, d=1.0),
        Reading(sensor="temperature", ts=MS, d=60.0, metadata='"' + "x" * 10_238 + '"'),
    ],
)
def test_at_the_limit(reading: Reading) -> None:
    assert len(stored(reading)) == 1


def test_what_is_put_aside_is_shown_as_received() -> None:
    aside = rows.frames(batch(Reading(sensor="flag", ts=MS, t="on", metadata='{"a":1}')), known()).tables["quarantine"]
    (row,) = aside.to_dicts()
    assert row["id"] == derived_id(derived_id(DEVICE, 7), 0)
    assert (
        row["payload"] == '{"sensorId":"flag","timestamp":"2026-03-01T08:00:00.000Z","value":"on","metadata":{"a":1}}'
    )
    assert row["path"] == "/value"
    assert row["device"] == DEVICE
    assert not row["truncated"]


def test_a_new_key_asks_for_component_then_sensor() -> None:
    reading = Reading(sensor="humidity", ts=MS, i=40)
    first = rows.frames(batch(reading, reading), known(components=[]))
    assert first.again
    (component,) = first.commands
    assert isinstance(component.command, PutRecord)
    assert component.command.kind == "component"
    second = rows.frames(batch(reading, reading), known())
    (sensor,) = second.commands
    assert isinstance(sensor.command, PutRecord)
    assert sensor.command.body["value_type"] == "BIGINT"
    assert sensor.command.body["component"] == DEFAULT
    assert second.commands == rows.frames(batch(reading), known()).commands
    assert second.tables["readings"].is_empty()


def test_the_first_reading_tells_the_type() -> None:
    new = (Reading(sensor="n", ts=MS, i=1), Reading(sensor="n", ts=MS + 1, d=1.5), Reading(sensor="n", ts=MS, t="x"))
    out = rows.frames(batch(*new), known())
    assert [c.command.body["value_type"] for c in out.commands] == ["DOUBLE"]  # type: ignore[attr-defined]
    assert sorted(out.tables["quarantine"]["reason"]) == ["TYPE_MISMATCH", "UNKNOWN_SENSOR", "UNKNOWN_SENSOR"]


def test_a_name_given_up_gets_another_id() -> None:
    reading = Reading(sensor="n", ts=MS, i=1)
    before = rows.frames(batch(reading), known()).commands
    after = rows.frames(batch(reading), known(retired={(DEFAULT, "n"): 1})).commands
    assert before[0].stream != after[0].stream


def test_without_leave_nothing_appears() -> None:
    reading = Reading(sensor="humidity", ts=MS, i=40)
    assert reasons(reading, devices=[(ORG, DEVICE, True, False)]) == ["UNKNOWN_SENSOR"]


def test_at_most_so_many_appear() -> None:
    many = tuple(Reading(sensor=f"s{n}", ts=MS, i=n) for n in range(rows.AUTO_SENSORS))
    out = rows.frames(batch(*many), known())
    assert len(out.commands) == rows.AUTO_SENSORS - 1
    assert out.tables["quarantine"]["reason"].to_list().count("SENSOR_LIMIT") == 1


@pytest.mark.parametrize(("device", "organisation"), [(IDLE, ORG), (DEVICE, OTHER), (new_id(), ORG)])
def test_who_may_not_send_leaves_nothing(device: str, organisation: str) -> None:
    readings = (Reading(sensor="temperature", ts=MS, d=1.0),)
    out = rows.frames(batch(*readings, device=device, organisation=organisation), known())
    assert out.tables["readings"].is_empty()
    assert out.tables["quarantine"].is_empty()
    assert not out.commands


def test_a_structured_reading_stands_or_falls_whole() -> None:
    def fields(temperature: float) -> tuple[Reading, ...]:
        return (
            Reading(sensor="temperature", ts=MS, d=temperature, component="node-1"),
            Reading(sensor="label", ts=MS, t="x", component="node-1"),
            Reading(sensor="levels[0]", ts=MS, i=1, component="node-1"),
            Reading(sensor="levels[1]", ts=MS, i=1, component="node-1"),
            Reading(sensor="from_a_newer_minor", ts=MS, i=1, component="node-1"),
        )

    out = rows.frames(batch(*fields(20)), known())
    assert out.again
    keys = [c.command.body["key"] for c in out.commands if isinstance(c.command, PutRecord)]
    assert set(keys) == {"temperature", "label", "levels[0]", "levels[1]"}
    out = rows.frames(batch(*fields(51)), known())
    assert not out.commands
    assert out.tables["quarantine"]["reason"].to_list() == ["OUT_OF_RANGE"]
    assert '"levels[0]":1' in out.tables["quarantine"]["payload"][0]


def test_an_array_is_no_value_and_a_value_no_array() -> None:
    def part(name: str, **value: Any) -> Reading:
        return Reading(component="node-1", sensor=name, ts=MS, **value)

    good = [part("temperature", d=1.0), part("levels[0]", i=1), part("levels[1]", i=2)]
    out = rows.frames(batch(*good), known())
    assert [c.command.body["key"] for c in out.commands if isinstance(c.command, PutRecord)] == [
        "temperature",
        "levels[0]",
        "levels[1]",
    ]
    assert reasons(part("temperature[0]", d=1.0)) == ["TYPE_MISMATCH"]
    assert reasons(part("temperature", d=1.0), part("levels", i=1)) == ["TYPE_MISMATCH"]


def test_a_field_of_another_type_gets_a_sensor_beside_the_old_one() -> None:
    old = new_id()
    fields = [("profile", "temperature", "TEXT", None, None, True, None, None, None)]
    components = [(DEVICE, "node-1", PART, "profile", "2")]
    sensors = [(DEVICE, PART, "temperature", old, "DOUBLE", None, None, True, 1, "{}")]
    warm = Reading(component="node-1", sensor="temperature", ts=MS, t="warm")
    more: dict[str, Any] = {"fields": fields, "components": components}
    (asked,) = rows.frames(batch(warm), known(**more, sensors=sensors)).commands
    assert isinstance(asked.command, PutRecord)
    assert (asked.command.body["key"], asked.command.body["value_type"]) == ("temperature_v2", "TEXT")
    fresh = new_id()
    sensors.append((DEVICE, PART, "temperature_v2", fresh, "TEXT", None, None, True, 1, "{}"))
    assert [r["sensor"] for r in stored(warm, **more, sensors=sensors)] == [fresh]


def test_the_newest_is_kept_for_each_sensor() -> None:
    readings = (
        Reading(sensor="temperature", ts=MS, d=1.0),
        Reading(sensor="temperature", ts=MS + 5, d=2.0),
        Reading(sensor="temperature", ts=MS + 3, d=3.0),
    )
    (latest,) = rows.frames(batch(*readings), known()).latest
    assert latest.rows["d"].to_list() == [2.0]


def test_nothing_at_all() -> None:
    out = rows.frames(batch(), known())
    assert out.tables["readings"].is_empty()
    assert not out.commands


def test_a_month_old_reading_is_old_by_the_message() -> None:
    assert timedelta(days=30) // timedelta(milliseconds=1) == rows.OLDEST_MS


def test_a_message_told_twice_is_put_aside_once() -> None:
    """A producer that repeats itself, or a caller with the same Idempotency-Key."""
    told = batch(Reading(sensor="temperature", ts=MS, t="warm"))
    aside = rows.frames(pl.concat([told, told]), known()).tables["quarantine"]
    assert aside["reason"].to_list() == ["TYPE_MISMATCH"]
