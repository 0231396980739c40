"""Bodies, pages and errors in AcuSight's form."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.acusight.answers import page
from api.acusight.body import plain
from api.acusight.data_wire import ProjectCreate
from api.acusight.labels import AnnotationInput, shaped
from api.acusight.problems import REFUSED, STATUS, refusal
from api.acusight.upload import NOT_OURS
from api.acusight.wire import DeviceUpdate, TokenCreate, admission
from api.gateway import Refused
from infra.objects import checked
from projections.datasets.rows import box
from schemas.refusals import Code


def test_every_refusal_has_an_answer() -> None:
    assert set(REFUSED) == set(get_args(Code))
    assert {code for code, _ in REFUSED.values()} <= set(STATUS)


def test_a_refusal_names_its_field() -> None:
    problem = refusal(Refused("invalid_state", "Not now.", "status"))
    assert (problem.code, problem.message, problem.details) == ("INVALID_STATE", "Not now.", "status: Not now.")


def test_how_long_a_token_lives_is_absent_or_null() -> None:
    assert TokenCreate.model_validate_json('{"name": "a"}').expires_in_days == 30
    assert TokenCreate.model_validate_json('{"name": "a", "expires_in_days": null}').expires_in_days is None


@pytest.mark.parametrize("body", ["{}", '{"name": null}', '{"status": "new"}', '{"config": {"a": "\\u0000"}}'])
def test_a_change_that_cannot_be(body: str) -> None:
    with pytest.raises(ValidationError):
        DeviceUpdate.model_validate_json(body)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, float("inf"), "a\0", {"\0": 1}, [{"a": [float("nan")]}]])
def test_json_that_no_store_holds(value: Any) -> None:
    with pytest.raises(ValueError, match="holds"):
        plain({"deep": value})


def test_admission_in_words_of_the_fleet() -> None:
    assert [admission(word) for word in ("ACTIVE", "OFFLINE", "PENDING", "REJECTED")] == [
        "approved",
        "approved",
        "pending",
        "rejected",
    ]


@pytest.mark.parametrize(
    ("type", "geometry"),
    [
        ("bbox", [0.5, 0.5, 0.1]),
        ("bbox", [0.5, 0.5, 0, 0.1]),
        ("bbox", [0.5, 1.1, 0.1, 0.1]),
        ("polygon", [0.0, 0.0, 1.0, 1.0]),
        ("polyline", [0.0, 0.0, 1.0]),
        ("classification", [0.1, 0.1]),
    ],
)
def test_geometry_that_is_none(type: str, geometry: list[float]) -> None:
    with pytest.raises(ValueError, match="geometry"):
        shaped(type, geometry)


def test_a_hair_outside_is_moved_to_the_edge() -> None:
    assert shaped("polyline", [-1e-7, 0.5, 1 + 1e-7, 0.5]) == [0.0, 0.5, 1.0, 0.5]


@given(st.lists(st.floats(0, 1), min_size=6, max_size=20).filter(lambda g: len(g) % 2 == 0))
def test_every_point_lies_in_its_box(geometry: list[float]) -> None:
    found = box("polygon", geometry)
    x, y, width, height = (found[name] or 0.0 for name in ("x_center", "y_center", "width", "height"))
    assert all(abs(value - x) <= width / 2 + 1e-9 for value in geometry[0::2])
    assert all(abs(value - y) <= height / 2 + 1e-9 for value in geometry[1::2])


def test_labels_of_a_device_say_so() -> None:
    sent = AnnotationInput.model_validate_json('{"class_value": "a", "type": "bbox", "geometry": [0.5, 0.5, 0.1, 0.1]}')
    assert sent.label("edge")["source"] == "edge"
    assert sent.label()["source"] == "manual"


@pytest.mark.parametrize(
    "classes", ['[{"value":"a"},{"value":"a"}]', '[{"value":"a","index":0},{"value":"b","index":0}]']
)
def test_classes_are_distinct(classes: str) -> None:
    with pytest.raises(ValidationError, match="twice"):
        ProjectCreate.model_validate_json(f'{{"name": "p", "classes": {classes}}}')


@given(st.text(min_size=1, max_size=255))
def test_any_file_name_makes_an_object_key(name: str) -> None:
    assert checked(f"raw-data/0_{NOT_OURS.sub('_', name)[-120:]}")


def test_pages() -> None:
    assert (page(page=3, per_page=1000).limit, page(page=3, per_page=10).offset) == (100, 20)
    window = page(limit=10, offset=25)
    meta = json.loads(bytes(window.answer([1], 99).body))["meta"]
    assert meta == {
        "total": 99, "page": 3, "per_page": 10, "total_pages": 10, "count": 1, "limit": 10, "offset": 25,
    }  # fmt: skip
