"""Batches, images and versions: given these events, when that command, then these events or that refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest

from schemas.base import Envelope
from schemas.datasets.messages import (
    AddImage,
    AssignBatch,
    BatchChanged,
    BatchRemoved,
    ChangeBatch,
    ChangeImage,
    Commands,
    FreezeBatch,
    FreezeImage,
    FreezeVersion,
    ImageRemoved,
    ImageThawed,
    OpenBatch,
    RemoveBatch,
    RemoveImage,
    RemoveVersion,
    ThawBatch,
    ThawImage,
    VersionRemoved,
)
from streams.datasets.decider import DECIDER, INITIAL, State
from streams.decision import Refusal

META = Envelope(id="c", stream="s", version=0, organisation="acme", time=datetime(2026, 11, 21, tzinfo=UTC))
OPEN = OpenBatch(name="b", device="d")
COMPLETE = ChangeBatch(changes={"status": "complete"})
ASSIGN = ChangeBatch(changes={"project": "p"})
IN_DATASET = (OPEN, COMPLETE, ASSIGN, ChangeBatch(changes={"stage": "dataset"}))
VERSION = FreezeVersion(
    project="p", ordinal=1, name="v1", snapshot="k", digest="x", classes=("a",), splits={"train": ["i"], "val": ["j"]},
    batches=("b",), image_count=2, annotation_count=0, class_distribution={},
)  # fmt: skip


def after(*commands: Commands) -> State:
    """The state when all of these were done."""
    state: State = INITIAL
    for command in commands:
        events = when(state, command)
        assert not isinstance(events, Refusal), events
        state = reduce(lambda s, e: DECIDER.apply(s, e, META), events, state)
    return state


def when(state: State, command: Commands) -> Any:
    return DECIDER.decide(state, command, META)


def refused(state: State, command: Commands) -> str:
    told = when(state, command)
    assert isinstance(told, Refusal), told
    return told.code


@pytest.mark.parametrize(
    ("before", "asked", "stage"),
    [
        ((OPEN,), {"project": "p"}, "annotating"),
        ((OPEN, COMPLETE), {"project": "p"}, "annotating"),
        ((OPEN, ASSIGN), {"status": "complete", "stage": "review"}, "review"),
        ((OPEN, ASSIGN, COMPLETE), {"stage": "dataset"}, "dataset"),
        (IN_DATASET, {"stage": "annotating"}, "annotating"),
        (IN_DATASET, {"project": None}, "unassigned"),
        ((OPEN,), {"stage": "annotating"}, None),
        ((OPEN, ASSIGN), {"stage": "review"}, None),
        ((OPEN, COMPLETE), {"stage": "annotating"}, None),
        (IN_DATASET, {"stage": "review"}, None),
        (IN_DATASET, {"status": "collecting"}, None),
        ((*IN_DATASET, FreezeBatch(name="v1")), {"stage": "annotating"}, None),
        ((*IN_DATASET, FreezeBatch(name="v1")), {"project": "q"}, None),
    ],
)
def test_how_a_batch_moves(before: tuple[Commands, ...], asked: dict[str, Any], stage: str | None) -> None:
    told = when(after(*before), ChangeBatch(changes=asked))
    if stage is None:
        assert told.code == "invalid_state"
    else:
        assert told[0].changes["stage"] == stage


def test_a_frozen_batch_still_goes_on_to_its_dataset() -> None:
    state = after(OPEN, COMPLETE, ASSIGN, FreezeBatch(name="v1"))
    assert when(state, ChangeBatch(changes={"stage": "dataset"}))[0].changes == {"stage": "dataset"}


def test_a_person_assigns_before_a_device_does() -> None:
    assert when(after(OPEN), AssignBatch(project="p")) == (
        BatchChanged(changes={"project": "p", "stage": "annotating"}, device="d"),
    )
    assert when(after(OPEN, ASSIGN), AssignBatch(project="q")) == ()


def test_a_batch_goes_unless_a_version_holds_it() -> None:
    frozen = (OPEN, FreezeBatch(name="v1"), FreezeBatch(name="v2"), ThawBatch(name="v1"))
    assert refused(after(*frozen), RemoveBatch(images=("i",))) == "invalid_state"
    thawed = after(*frozen, ThawBatch(name="v2"))
    assert when(thawed, RemoveBatch(images=("i",))) == (BatchRemoved(images=("i",), device="d"),)
    gone = after(OPEN, RemoveBatch(images=()))
    assert DECIDER.claims(gone) == ()
    assert {refused(gone, command) for command in (COMPLETE, RemoveBatch(images=()), FreezeBatch(name="v"))} == {
        "unknown"
    }


def test_an_image_goes_unless_a_version_holds_it() -> None:
    frozen = (AddImage(batch="b"), FreezeImage(name="v1", split="train"), FreezeImage(name="v2", split="train"))
    assert refused(after(*frozen), RemoveImage()) == "invalid_state"
    assert when(after(*frozen), ThawImage(name="v2")) == (ImageThawed(name="v2", version="v1"),)
    thawed = after(*frozen, ThawImage(name="v2"), ThawImage(name="v1"))
    assert when(thawed, ThawImage(name="v1")) == ()
    assert when(thawed, RemoveImage()) == (ImageRemoved(),)
    assert refused(after(AddImage(batch="b"), RemoveImage()), ChangeImage(changes={"split": "val"})) == "unknown"


@pytest.mark.parametrize(
    ("locked", "asked", "done"),
    [
        (False, {"split": "train", "split_locked": True}, True),
        (False, {"split": "train"}, True),
        (True, {"split": "val"}, False),
        (True, {"split": "val", "split_locked": True}, False),
        (True, {"split": "val", "split_locked": False}, True),
    ],
)
def test_the_lock_of_a_split(locked: bool, asked: dict[str, Any], done: bool) -> None:
    state = after(AddImage(batch="b"), ChangeImage(changes={"split_locked": locked}))
    assert isinstance(when(state, ChangeImage(changes=asked)), Refusal) is not done


def test_a_version_goes_while_nothing_learns_from_it() -> None:
    state = after(VERSION)
    assert refused(state, RemoveVersion(trainings=("t",))) == "still_referenced"
    removed = VersionRemoved(name="v1", images=("i", "j"), batches=("b",))
    assert when(state, RemoveVersion(trainings=())) == (removed,)
    gone = after(VERSION, RemoveVersion(trainings=()))
    assert (DECIDER.claims(gone), refused(gone, RemoveVersion(trainings=()))) == ((), "unknown")
