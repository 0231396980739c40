"""The registry of a project: which stage follows which, and one model in production."""

from __future__ import annotations

from functools import reduce

import pytest

from schemas.models.messages import ModelStaged, StageModel
from streams.decision import Refusal
from streams.models.stages import Stages, apply, decide, stream_of

WAYS = {
    "candidate": {"canary", "production", "archived"},
    "canary": {"production", "archived"},
    "production": {"archived"},
    "archived": set(),
}


@pytest.mark.parametrize("now", WAYS)
@pytest.mark.parametrize("wanted", WAYS)
def test_what_follows(now: str, wanted: str) -> None:
    told = decide(Stages({"m": now}), StageModel(model="m", stage=wanted))
    if now == wanted:
        assert told == ()
    elif wanted in WAYS[now]:
        assert told == (ModelStaged(model="m", stage=wanted),)
    else:
        assert isinstance(told, Refusal)


def test_the_next_takes_the_place_of_the_former() -> None:
    known = reduce(
        apply, (ModelStaged(model="old", stage="production"), ModelStaged(model="x", stage="archived")), Stages()
    )
    told = decide(known, StageModel(model="new", stage="production"))
    assert told == (ModelStaged(model="old", stage="archived"), ModelStaged(model="new", stage="production"))


def test_models_without_a_project_do_not_meet() -> None:
    assert stream_of("a", None) != stream_of("b", None)
    assert stream_of("a", "p") == stream_of("b", "p")
