"""The surface's forms without a server: errors, items of a batch, cursors, message schemas."""

from __future__ import annotations

from typing import Any, get_args

import jsonschema_rs
import pytest

from api.iot import messages
from api.iot.ingest import readings
from api.iot.problems import CODES, Problem, dotted
from api.iot.ranges import Place, placed
from schemas.refusals import Code
from schemas.telemetry.messages import Reading

AT, MS = "2026-03-01T08:00:00.250+01:00", 1_772_348_400_250


def test_every_refusal_has_an_answer() -> None:
    assert set(CODES) == set(get_args(Code))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (("body", "tags", 0), "tags[0]"),
        (("body", "widgets", 2, "position", "x"), "widgets[2].position.x"),
        (("query", "size"), "size"),
        (("body",), "body"),
    ],
)
def test_fields_are_dotted_paths(place: tuple[int | str, ...], path: str) -> None:
    assert dotted(place) == path


def test_items_become_readings() -> None:
    scalar: dict[str, Any] = {"sensorId": "k", "timestamp": AT, "value": True, "metadata": {"a": 1}}
    part = {"componentKey": "n", "profileVersion": "1.2", "timestamp": AT, "values": {"t": 1.5, "l": [1, 2]}}
    assert readings([scalar, part]) == [
        Reading(sensor="k", ts=MS, b=True, metadata='{"a":1}'),
        Reading(sensor="t", ts=MS, d=1.5, component="n", profile="1.2"),
        Reading(sensor="l[0]", ts=MS, i=1, component="n", profile="1.2"),
        Reading(sensor="l[1]", ts=MS, i=2, component="n", profile="1.2"),
    ]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"timestamp": AT, "value": 1}, "readings[0].sensorId"),
        ({"sensorId": 1, "timestamp": AT, "value": 1}, "readings[0].sensorId"),
        ({"sensorId": "k", "timestamp": "yesterday", "value": 1}, "readings[0].timestamp"),
        ({"sensorId": "k", "timestamp": AT}, "readings[0].value"),
        ({"sensorId": "k", "timestamp": AT, "value": 1, "metadata": []}, "readings[0].metadata"),
        ({"componentKey": "n", "timestamp": AT, "values": {}}, "readings[0].values"),
        ({"componentKey": "n", "timestamp": AT, "values": {"a": 2**64}}, "readings[0].values.a"),
    ],
)
def test_what_is_no_item_is_named(item: Any, field: str) -> None:
    with pytest.raises(Problem) as found:
        readings([item])
    assert [error.field for error in found.value.errors] == [field]


def test_a_cursor_comes_back() -> None:
    place = Place(5, True, 0, 10)
    assert placed(place.text()) == place
    for bad in ("", "x", "W10", Place(2**60, True, 0, 1).text()):
        with pytest.raises(Problem):
            placed(bad)


def test_message_schemas_are_schemas() -> None:
    for schema in messages.SCHEMAS.values():
        jsonschema_rs.meta.validate(schema)
    reading = jsonschema_rs.validator_for(messages.SCHEMAS["reading"])
    assert reading.is_valid({"sensorId": "k", "timestamp": AT, "value": 1})
    assert not reading.is_valid({"sensorId": "k", "timestamp": AT, "value": None})
