"""A model: given these events, when that command, then these events or that refusal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Envelope, Event
from schemas.models.messages import (
    ChangeModel,
    Commands,
    Conversion,
    ConvertModel,
    LapseModelCheck,
    ModelCheckStarted,
    ModelFailed,
    ModelFile,
    ModelFileReplaced,
    ModelQueued,
    ModelReady,
    ModelRemoved,
    ModelUploaded,
    RemoveModel,
    RemovePipelines,
    ReplaceModelFile,
    ReportModelChecked,
    StartModelCheck,
    UploadModel,
)
from streams.decision import Refusal, Send
from streams.models.decider import DECIDER, INITIAL, State
from streams.models.model import LEASE, USUAL
from streams.models.reactions import take_off

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILE = ModelFile(id="f1", key="models/f1", digest="aa", size=3, media_type="application/x-onnx; source=original")
OTHER = ModelFile(id="f2", key="models/f2", digest="bb", size=4, media_type=FILE.media_type)
CHIP = ModelFile(
    id="f3", key="models/f3", digest="cc", size=5, media_type="application/x-onnx; device=hailo", target="hailo"
)
UPLOAD = UploadModel(name="people", named_input=[], named_output=[], file=FILE)
START = StartModelCheck(lease="l1", worker="w1")
DONE = ReportModelChecked(
    lease="l1",
    ok=True,
    conversions=(Conversion(target="cpu", status="ok", file="f9"),),
    artefacts=(ModelFile(id="f9", key="k", digest="dd", size=2, media_type="application/x-onnx"),),
)


def envelope(version: int = 0, at: datetime = NOON) -> Envelope:
    return Envelope(id="c", stream="m1", version=version, organisation="acme", time=at)


def after(*commands: Commands) -> State:
    """The state when these have all been done."""
    return reduce(done, commands, INITIAL)


def done(state: State, command: Commands) -> State:
    events = DECIDER.decide(state, command, envelope())
    assert not isinstance(events, Refusal), events
    return fold(state, events)


def fold(state: State, events: Sequence[Event]) -> State:
    return reduce(lambda s, e: DECIDER.apply(s, e, envelope(1)), events, state)


def when(state: State, command: Commands) -> Any:
    return DECIDER.decide(state, command, envelope())


def code(result: Any) -> str:
    assert isinstance(result, Refusal), result
    return result.code


def test_an_upload_waits_for_its_check_at_once() -> None:
    uploaded, queued = when(INITIAL, UPLOAD)
    assert isinstance(uploaded, ModelUploaded)
    assert queued == ModelQueued(file=FILE, targets=USUAL)


def test_a_file_for_a_chip_is_for_that_chip_alone() -> None:
    _, queued = when(INITIAL, msgspec.structs.replace(UPLOAD, file=CHIP))
    assert queued == ModelQueued(file=CHIP, targets=("hailo",))


@pytest.mark.parametrize(
    ("state", "command", "refused"),
    [
        (after(UPLOAD), UPLOAD, "conflict"),
        (INITIAL, msgspec.structs.replace(UPLOAD, name=""), "invalid"),
        (INITIAL, msgspec.structs.replace(UPLOAD, targets=("abacus",)), "invalid"),
        (INITIAL, RemoveModel(), "unknown"),
        (after(UPLOAD, RemoveModel()), ConvertModel(), "unknown"),
        (after(UPLOAD), ChangeModel(changes={"revision": 9}), "invalid"),
        (after(UPLOAD), ChangeModel(changes={"name": ""}), "invalid"),
        (after(UPLOAD), DONE, "lease.lost"),
        (after(UPLOAD, START), StartModelCheck(lease="l2", worker="w2"), "lease.lost"),
        (after(UPLOAD, START, LapseModelCheck(lease="l1")), DONE, "lease.lost"),
        (after(UPLOAD, START, DONE), StartModelCheck(lease="l2", worker="w1"), "lease.lost"),
    ],
)
def test_it_is_refused(state: State, command: Commands, refused: str) -> None:
    assert code(when(state, command)) == refused


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (after(UPLOAD), ChangeModel(changes={"name": "people"})),
        (after(UPLOAD), ReplaceModelFile(named_input=[], named_output=[], file=FILE)),
        (after(UPLOAD, START), START),
        (after(UPLOAD, START, DONE), LapseModelCheck(lease="l1")),
        (after(UPLOAD, RemoveModel()), RemoveModel()),
    ],
)
def test_a_repeat_changes_nothing(state: State, command: Commands) -> None:
    assert when(state, command) == ()


def test_a_lease_lasts_and_lapses() -> None:
    state = after(UPLOAD)
    assert when(state, START) == (ModelCheckStarted(lease="l1", worker="w1", until=NOON + LEASE, targets=USUAL),)
    (timer,) = DECIDER.timers(after(UPLOAD, START))
    assert (timer.due, timer.command) == (NOON + LEASE, LapseModelCheck(lease="l1"))
    assert when(after(UPLOAD, START), LapseModelCheck(lease="l1")) == (
        ModelQueued(file=FILE, targets=USUAL, reason="worker_lost"),
    )
    assert DECIDER.timers(after(UPLOAD, START, DONE)) == ()


def test_a_restarted_worker_takes_its_own_lease_again() -> None:
    (started,) = when(after(UPLOAD, START), StartModelCheck(lease="l2", worker="w1"))
    assert isinstance(started, ModelCheckStarted)


def test_three_lost_workers_are_the_files_fault() -> None:
    state = after(UPLOAD)
    for lease in ("a", "b"):
        state = done(done(state, StartModelCheck(lease=lease, worker="w1")), LapseModelCheck(lease=lease))
    (failed,) = when(done(state, StartModelCheck(lease="c", worker="w1")), LapseModelCheck(lease="c"))
    assert isinstance(failed, ModelFailed)
    assert [each.status for each in failed.conversions] == ["error"] * len(USUAL)


def test_a_report_makes_it_ready_or_says_why_not() -> None:
    assert when(after(UPLOAD, START), DONE) == (ModelReady(conversions=DONE.conversions, artefacts=DONE.artefacts),)
    (failed,) = when(after(UPLOAD, START), ReportModelChecked(lease="l1", ok=False, message="opset 99"))
    assert isinstance(failed, ModelFailed)
    assert failed.message == "opset 99"


def test_a_new_file_is_a_new_revision_and_is_checked() -> None:
    replaced, queued = when(after(UPLOAD, START, DONE), ReplaceModelFile(named_input=[], named_output=[], file=OTHER))
    assert isinstance(replaced, ModelFileReplaced)
    assert (replaced.revision, queued.file) == (2, OTHER)


def test_a_chips_file_leaves_the_models_own_alone() -> None:
    state = after(UPLOAD, START, DONE, ReplaceModelFile(named_input=[], named_output=[], file=CHIP))
    assert when(state, ConvertModel()) == (ModelQueued(file=FILE, targets=USUAL),)


def test_a_removed_model_can_be_referred_to_no_more() -> None:
    assert [claim.key for claim in DECIDER.claims(after(UPLOAD))] == ["m1"]
    assert when(after(UPLOAD), RemoveModel()) == (ModelRemoved(),)
    assert DECIDER.claims(after(UPLOAD, RemoveModel())) == ()


def test_a_model_that_runs_is_removed_by_force_only() -> None:
    assert code(when(after(UPLOAD), RemoveModel(devices=("d1",)))) == "still_referenced"
    (removed,) = when(after(UPLOAD), RemoveModel(devices=("d1",), force=True))
    assert take_off(removed, envelope()) == (Send("pipelines:d1", RemovePipelines(device="d1", model="m1")),)


COMMANDS: list[Commands] = [
    UPLOAD,
    START,
    DONE,
    RemoveModel(),
    ConvertModel(targets=("cpu",)),
    ReplaceModelFile(named_input=[], named_output=[], file=OTHER),
    ReplaceModelFile(named_input=[], named_output=[], file=CHIP),
    ChangeModel(changes={"name": "others"}),
    StartModelCheck(lease="l2", worker="w1"),
    LapseModelCheck(lease="l1"),
    LapseModelCheck(lease="l2"),
    ReportModelChecked(lease="l2", ok=False),
]


@given(st.lists(st.sampled_from(COMMANDS), max_size=20))
def test_the_events_give_the_snapshot(commands: list[Commands]) -> None:
    state = INITIAL
    told: list[Event] = []
    for n, command in enumerate(commands):
        events = DECIDER.decide(state, command, envelope(at=NOON + timedelta(seconds=n)))
        if isinstance(events, Refusal):
            continue
        told += events
        state = fold(state, events)
        kept = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=DECIDER.state)
        assert kept == state
    assert fold(INITIAL, told) == state
