"""A training, and an export: given these events, when that command, then these events or that refusal."""

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
    CancelTraining,
    Commands,
    ExportModel,
    FailTraining,
    FinishTraining,
    LapseTraining,
    ModelExported,
    ModelExportRequested,
    ModelFile,
    ReportTraining,
    RequestTraining,
    StartTraining,
    TrainingAdvanced,
    TrainingCancelled,
    TrainingFailed,
    TrainingFinished,
    TrainingStarted,
)
from streams.decision import Refusal
from streams.models.decider import DECIDER, INITIAL, State
from streams.models.export import stream_of
from streams.models.training import LEASE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ASKED = RequestTraining(
    dataset="d", project="p", name="n", architecture="detector-small", epochs=3, splits={"train": 8, "val": 1}
)
START = StartTraining(lease="l1", worker="w")
REPORT = ReportTraining(lease="l1", epoch=1, progress=0.3, metrics={"map50": 0.5}, best=True)
DONE = FinishTraining(lease="l1", model="m")
LATE = NOON + 2 * LEASE


def envelope(at: datetime = NOON) -> Envelope:
    return Envelope(id="c", stream="t", version=0, organisation="acme", time=at)


def when(state: State, command: Commands, at: datetime = NOON) -> Any:
    return DECIDER.decide(state, command, envelope(at))


def fold(state: State, events: Sequence[Event]) -> State:
    return reduce(lambda s, e: DECIDER.apply(s, e, envelope()), events, state)


def after(*commands: Commands) -> State:
    state = INITIAL
    for command in commands:
        events = when(state, command, LATE if isinstance(command, LapseTraining) else NOON)
        assert not isinstance(events, Refusal), events
        state = fold(state, events)
    return state


def status(*commands: Commands) -> str:
    training = after(*commands).training
    assert training is not None
    return training.status


def test_its_states() -> None:
    assert status(ASKED) == "queued"
    assert status(ASKED, START) == "preparing"
    assert status(ASKED, START, REPORT) == "running"
    assert status(ASKED, START, REPORT, DONE) == "completed"
    assert status(ASKED, START, FailTraining(lease="l1", message="no")) == "failed"
    assert status(ASKED, START, LapseTraining(lease="l1")) == "failed"


@pytest.mark.parametrize("before", [(ASKED,), (ASKED, START), (ASKED, START, REPORT)])
def test_an_open_one_can_be_cancelled(before: tuple[Commands, ...]) -> None:
    assert when(after(*before), CancelTraining()) == (TrainingCancelled(),)


CANCELLED = after(ASKED, START, CancelTraining())


@pytest.mark.parametrize(
    ("state", "command", "code", "field"),
    [
        (INITIAL, CancelTraining(), "unknown", None),
        (INITIAL, START, "unknown", None),
        (after(ASKED), ASKED, "conflict", None),
        (INITIAL, msgspec.structs.replace(ASKED, architecture="giant"), "invalid", "architecture"),
        (INITIAL, msgspec.structs.replace(ASKED, epochs=0), "invalid", "hyperparameters.epochs"),
        (INITIAL, msgspec.structs.replace(ASKED, splits={"train": 8}), "invalid_state", "dataset_version_id"),
        (INITIAL, msgspec.structs.replace(ASKED, splits={"train": 0, "val": 1}), "invalid_state", "dataset_version_id"),
        (CANCELLED, CancelTraining(), "job.terminal", None),
        (after(ASKED, START, DONE), CancelTraining(), "job.terminal", None),
        (CANCELLED, REPORT, "lease.lost", None),
        (CANCELLED, DONE, "lease.lost", None),
        (CANCELLED, START, "lease.lost", None),
        (after(ASKED, START), StartTraining(lease="l2", worker="w"), "lease.lost", None),
        (after(ASKED, START), FailTraining(lease="l2", message="no"), "lease.lost", None),
        (after(ASKED, START), msgspec.structs.replace(REPORT, epoch=4), "invalid", "epoch"),
        (after(ASKED, START, REPORT), msgspec.structs.replace(REPORT, epoch=0), "invalid", "epoch"),
        (after(ASKED, START), msgspec.structs.replace(REPORT, progress=1.1), "invalid", "progress"),
    ],
)
def test_it_is_refused(state: State, command: Commands, code: str, field: str | None) -> None:
    refused = when(state, command)
    assert isinstance(refused, Refusal), refused
    assert (refused.code, refused.field) == (code, field)


def test_each_report_gives_the_worker_more_time() -> None:
    assert when(after(ASKED), START) == (TrainingStarted(lease="l1", worker="w", until=NOON + LEASE),)
    (advanced,) = when(after(ASKED, START), REPORT, LATE)
    told = TrainingAdvanced(epoch=1, progress=0.3, metrics={"map50": 0.5}, best=True, until=LATE + LEASE)
    assert advanced == told
    state = fold(after(ASKED, START), (advanced,))
    (timer,) = DECIDER.timers(state)
    assert (timer.due, timer.command) == (LATE + LEASE, LapseTraining(lease="l1"))
    assert when(state, LapseTraining(lease="l1"), LATE) == ()
    assert isinstance(when(state, LapseTraining(lease="l1"), LATE + LEASE)[0], TrainingFailed)
    assert DECIDER.timers(after(ASKED, START, DONE)) == ()
    assert when(after(ASKED, START), START) == ()
    assert when(after(ASKED, START), DONE) == (TrainingFinished(model="m"),)


def test_what_must_be_there() -> None:
    scopes = [(one.scope, one.key) for one in DECIDER.references(INITIAL, msgspec.structs.replace(ASKED, base="b"))]
    assert scopes == [("dataset", "d"), ("record.project", "p"), ("model", "b")]
    assert [one.key for one in DECIDER.references(INITIAL, DONE)] == ["m"]


FILE = ModelFile(id="f", key="k", digest="aa", size=3, media_type="application/x-onnx")
EXPORT = ExportModel(model="m", format="onnx", precision="fp32", file=FILE)


def test_a_checked_file_is_its_own_export() -> None:
    events = when(INITIAL, EXPORT)
    assert events == (
        ModelExportRequested(model="m", format="onnx", precision="fp32", source="aa"),
        ModelExported(file=FILE),
    )
    assert when(after(EXPORT), EXPORT) == ()
    refused = when(INITIAL, msgspec.structs.replace(EXPORT, format="tflite"))
    assert (refused.code, refused.field) == ("invalid", "format")
    assert [(one.scope, one.key) for one in DECIDER.references(INITIAL, EXPORT)] == [("model", "m")]


def test_another_file_is_another_job() -> None:
    other = msgspec.structs.replace(EXPORT, file=msgspec.structs.replace(FILE, digest="bb"))
    assert stream_of(EXPORT) == stream_of(msgspec.structs.replace(EXPORT))
    assert stream_of(other) != stream_of(EXPORT)


COMMANDS: list[Commands] = [
    ASKED, START, REPORT, DONE, CancelTraining(), LapseTraining(lease="l1"), EXPORT,
    msgspec.structs.replace(REPORT, epoch=2), FailTraining(lease="l1", message="no"),
]  # fmt: skip


@given(st.lists(st.sampled_from(COMMANDS), max_size=20))
def test_the_events_give_the_snapshot(commands: list[Commands]) -> None:
    state, told = INITIAL, list[Event]()
    for n, command in enumerate(commands):
        events = when(state, command, NOON + n * timedelta(minutes=4))
        if isinstance(events, Refusal):
            continue
        told += events
        state = fold(state, events)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=DECIDER.state) == state
    assert fold(INITIAL, told) == state
