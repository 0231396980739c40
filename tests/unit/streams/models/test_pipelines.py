"""What a device runs: the contract's rules in its order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.base import Envelope
from schemas.models.messages import (
    AddPipelines,
    Commands,
    PipelineModel,
    PipelineServer,
    PipelinesSet,
    RemovePipelines,
    SetPipelines,
)
from streams.decision import Refusal
from streams.models.decider import DECIDER, INITIAL, State

META = Envelope(id="c", stream="pipelines:d1", organisation="acme", time=datetime(2026, 11, 21, tzinfo=UTC))
SERVER = PipelineServer(runtime="cpu", postprocessors=("counting",))
PEOPLE = PipelineModel(id="people", status="ok", targets=("cpu",), boxes=("person",), flags=("crowd",))
FACES = PipelineModel(id="faces", status="ok", targets=("cpu",))
RAW = PipelineModel(id="raw", status="processing")
INTEL = PipelineModel(id="intel", status="ok", targets=("intel",))
ALL = (PEOPLE, FACES, RAW, INTEL)


def setting(*roots: dict[str, Any], server: PipelineServer = SERVER) -> SetPipelines:
    return SetPipelines(device="d1", server=server, pipelines=list(roots), models=ALL)


def adding(model: str) -> AddPipelines:
    return AddPipelines(device="d1", server=SERVER, pipelines=[{"model": model, "nms": 0.5}], models=ALL)


def deep(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"model": "faces"}
    for _ in range(levels - 1):
        node = {"model": "faces", "chains": [{"method": "direct", **node}]}
    return node


def when(state: State, command: Commands) -> Any:
    return DECIDER.decide(state, command, META)


def after(command: Commands) -> State:
    (event,) = when(INITIAL, command)
    state: State = DECIDER.apply(INITIAL, event, META)
    return state


def test_it_is_replaced_whole_and_read_back_as_it_was_put() -> None:
    chained = {"model": "faces", "method": "feature_extraction", "class_name": "person", "resizing": "crop"}
    root = {"model": "people", "nms": 0.42, "postprocessor": "counting", "chains": [chained]}
    (event,) = when(after(adding("faces")), setting(root))
    assert event == PipelinesSet(device="d1", pipelines=[root], models=("people", "faces"))


def test_one_more_is_added_once() -> None:
    (event,) = when(after(adding("faces")), adding("people"))
    assert [root["model"] for root in event.pipelines] == ["faces", "people"]
    assert when(after(adding("people")), adding("people")) == ()


def test_they_are_taken_off() -> None:
    state = after(setting({"model": "people"}, {"model": "faces"}))
    (event,) = when(state, RemovePipelines(device="d1", model="people"))
    assert event.models == ("faces",)
    (event,) = when(state, RemovePipelines(device="d1"))
    assert event.pipelines == []
    assert when(INITIAL, RemovePipelines(device="d1")) == ()


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (setting({"model": "raw"}, server=PipelineServer(online=False)), "site.offline", None),
        (setting({"model": "raw"}, server=PipelineServer(supports_pipelines=False)), "model.not_applicable", "server"),
        (setting({"model": "gone", "preprocessor": "x"}), "model.not_applicable", "model"),
        (setting({"model": "raw"}), "model.not_ready", "model"),
        (setting({"model": "intel"}), "model.not_applicable", "model"),
        (setting({"model": "people", "preprocessor": "x"}), "model.not_applicable", "preprocessor"),
        (setting({"model": "people", "postprocessor": "x"}), "model.not_applicable", "postprocessor"),
        (setting(deep(6)), "model.not_applicable", "pipelines"),
        (setting(*[{"model": "faces"}] * 17), "model.not_applicable", "pipelines"),
        (
            setting(
                {"model": "people", "chains": [{"model": "faces", "method": "feature_extraction", "class_name": "cat"}]}
            ),
            "model.not_applicable",
            "class_name",
        ),
        (
            setting({"model": "people", "chains": [{"model": "faces", "method": "conditional", "condition": "fire"}]}),
            "model.not_applicable",
            "condition",
        ),
        (RemovePipelines(device="d1", online=False), "site.offline", None),
    ],
)
def test_it_is_refused(command: Commands, code: str, field: str | None) -> None:
    result = when(INITIAL, command)
    assert isinstance(result, Refusal)
    assert (result.code, result.field) == (code, field)


def test_five_levels_and_sixteen_models_are_allowed() -> None:
    assert not isinstance(when(INITIAL, setting(deep(5))), Refusal)
    assert not isinstance(when(INITIAL, setting(*[{"model": "faces"}] * 16)), Refusal)


def test_device_and_models_must_live() -> None:
    asked = DECIDER.references(INITIAL, setting())
    assert [each.scope for each in asked] == ["device", *["model"] * len(ALL)]


def test_a_shared_model_is_not_looked_for_among_the_organisations_own() -> None:
    shared = PipelineModel(id="theirs", status="ok", targets=("cpu",), shared=True)
    command = AddPipelines(device="d1", server=SERVER, pipelines=[{"model": "theirs"}], models=(shared, PEOPLE))
    assert [each.key for each in DECIDER.references(INITIAL, command)] == ["d1", "people"]
    (event,) = when(INITIAL, command)
    assert event.models == ("theirs",)
