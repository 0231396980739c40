"""Actions of a device: given these events, when that command, then these events or that refusal."""

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
from schemas.fleet.messages import (
    ActionMoved,
    ActionQueued,
    CancelAction,
    Commands,
    DeliverActions,
    DeviceChanged,
    ExpireAction,
    QueueAction,
    ReportAction,
    RunModel,
)
from streams.decision import Refusal
from streams.fleet.actions import KEPT, REMEMBERED
from streams.fleet.decider import DECIDER, INITIAL, State
from streams.fleet.reactions import configure

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILE = {"id": "7", "name": "people", "version": "1", "file_ext": "onnx", "label_map": "{}", "key": "k", "sha256": "aa"}
DEPLOY = QueueAction(action="a1", device="d", type="deploy_model", model="m", artefact=FILE)
NEWER = msgspec.structs.replace(DEPLOY, action="a2", artefact={**FILE, "id": "8"})
RESTART = QueueAction(action="a3", device="d", type="restart_agent")
TOLD = DeliverActions(actions=("a1", "a2", "a3"))


def envelope() -> Envelope:
    return Envelope(id="c", stream="actions:d", version=0, organisation="acme", time=NOON)


def when(state: State, command: Commands) -> Any:
    return DECIDER.decide(state, command, envelope())


def fold(state: State, events: Sequence[Event]) -> State:
    return reduce(lambda s, e: DECIDER.apply(s, e, envelope()), events, state)


def after(*commands: Commands) -> State:
    state = INITIAL
    for command in commands:
        events = when(state, command)
        assert not isinstance(events, Refusal), events
        state = fold(state, events)
    return state


def statuses(*commands: Commands) -> dict[str, str]:
    actions = after(*commands).actions
    assert actions is not None
    return {id: one.status for id, one in actions.known.items()}


def says(status: str, action: str = "a1") -> ReportAction:
    return ReportAction(action=action, status=status)


def test_from_queue_to_end() -> None:
    assert statuses(DEPLOY) == {"a1": "pending"}
    assert statuses(DEPLOY, TOLD) == {"a1": "delivered"}
    assert statuses(DEPLOY, TOLD, says("in_progress")) == {"a1": "in_progress"}
    assert statuses(DEPLOY, TOLD, says("in_progress"), says("failed")) == {"a1": "failed"}
    assert statuses(DEPLOY, TOLD, CancelAction(action="a1")) == {"a1": "cancelled"}
    assert statuses(DEPLOY, ExpireAction(action="a1")) == {"a1": "expired"}


def test_the_model_that_runs_ends_its_deployment() -> None:
    for before in ((DEPLOY,), (DEPLOY, TOLD), (DEPLOY, TOLD, says("in_progress"))):
        assert statuses(*before, RunModel(model="7")) == {"a1": "completed"}
        assert when(after(*before), RunModel(model="8")) == ()


def test_a_newer_model_takes_the_place_of_one_not_begun() -> None:
    assert statuses(DEPLOY, TOLD, RESTART, NEWER) == {"a1": "cancelled", "a3": "pending", "a2": "pending"}
    assert statuses(DEPLOY, TOLD, says("in_progress"), NEWER) == {"a1": "in_progress", "a2": "pending"}


@pytest.mark.parametrize(
    ("state", "command", "code"),
    [
        (INITIAL, says("completed"), "unknown"),
        (INITIAL, CancelAction(action="a1"), "unknown"),
        (INITIAL, msgspec.structs.replace(RESTART, type="dance"), "invalid"),
        (INITIAL, msgspec.structs.replace(DEPLOY, artefact=None), "invalid"),
        (after(DEPLOY, TOLD), says("expired"), "invalid"),
        (after(DEPLOY), says("completed"), "invalid_state"),
        (after(DEPLOY, TOLD, says("completed")), says("failed"), "invalid_state"),
        (after(DEPLOY, TOLD, says("completed")), CancelAction(action="a1"), "invalid_state"),
        (after(DEPLOY, TOLD, says("in_progress")), CancelAction(action="a1"), "invalid_state"),
        (after(DEPLOY, CancelAction(action="a1")), says("completed"), "invalid_state"),
    ],
)
def test_it_is_refused(state: State, command: Commands, code: str) -> None:
    refused = when(state, command)
    assert isinstance(refused, Refusal), refused
    assert refused.code == code


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (after(DEPLOY), DEPLOY),
        (after(DEPLOY, TOLD), TOLD),
        (after(DEPLOY, TOLD, says("completed")), says("completed")),
        (after(DEPLOY, TOLD, says("completed")), ExpireAction(action="a1")),
        (INITIAL, TOLD),
        (INITIAL, RunModel(model="7")),
    ],
)
def test_a_repeat_changes_nothing(state: State, command: Commands) -> None:
    assert when(state, command) == ()


def test_open_ones_lapse_after_a_day() -> None:
    (queued,) = when(INITIAL, DEPLOY)
    assert isinstance(queued, ActionQueued)
    assert (queued.action, queued.artefact, queued.until) == ("a1", FILE, NOON + KEPT)
    timers = DECIDER.timers(after(DEPLOY, RESTART, TOLD, says("completed")))
    assert [(one.name, one.due, one.command) for one in timers] == [("a3", NOON + KEPT, ExpireAction(action="a3"))]
    assert DECIDER.claims(after(DEPLOY)) == ()
    scopes = [(one.scope, one.key) for one in DECIDER.references(INITIAL, DEPLOY)]
    assert scopes == [("device", "d"), ("model", "m")]


def test_the_last_word_is_remembered_and_older_ones_are_not() -> None:
    state = after(DEPLOY)
    for n in range(REMEMBERED + 5):
        queued = msgspec.structs.replace(RESTART, action=f"r{n}")
        state = fold(fold(state, when(state, queued)), (ActionMoved(action=f"r{n}", status="completed"),))
    assert state.actions is not None
    assert len(state.actions.known) == REMEMBERED + 1
    assert "a1" in state.actions.known


def test_a_device_is_told_its_new_settings() -> None:
    (send,) = configure(DeviceChanged(changes={"config": {"fps": 5}}), msgspec.structs.replace(envelope(), stream="d"))
    assert send.stream == "actions:d"
    assert isinstance(send.command, QueueAction)
    assert (send.command.type, send.command.payload) == ("update_config", {"fps": 5})
    assert configure(DeviceChanged(changes={"name": "n"}), envelope()) == ()


COMMANDS: list[Commands] = [
    DEPLOY, NEWER, RESTART, TOLD, says("in_progress"), says("completed", "a3"), says("failed"),
    RunModel(model="8"), CancelAction(action="a2"), ExpireAction(action="a3"),
]  # fmt: skip


@given(st.lists(st.sampled_from(COMMANDS), max_size=20))
def test_the_events_give_the_snapshot(commands: list[Commands]) -> None:
    state, told = INITIAL, list[Event]()
    for command in commands:
        events = when(state, command)
        if isinstance(events, Refusal):
            continue
        told += events
        state = fold(state, events)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=DECIDER.state) == state
    assert fold(INITIAL, told) == state
    assert all(one.due == NOON + timedelta(hours=24) for one in DECIDER.timers(state))
