"""A message: given these events, when that command, then these events or that refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Envelope, Event
from schemas.webhooks.messages import (
    AttemptFailed,
    Body,
    CancelMessage,
    ExpireMessage,
    MessageBlocked,
    MessageCancelled,
    MessageDelivered,
    MessageExhausted,
    MessageQueued,
    QueueMessage,
    RecordAttempt,
    RetryMessage,
    RetryRequested,
)
from streams.decision import Refusal
from streams.webhooks.decider import DECIDER, INITIAL, State
from streams.webhooks.messages import Message
from streams.webhooks.schedule import DELAYS, HORIZON

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORGANISATION, STREAM = "0190c8c0-0000-7000-8000-000000000001", "0190c8c0-0000-7000-8000-000000000002"
QUEUE = QueueMessage(
    receiver="0190c8c0-0000-7000-8000-000000000003",
    url="https://hooks.example.com/",
    event_type="video.finished",
    event="0190c8c0-0000-7000-8000-000000000004",
    occurred_at=BEGIN,
    job="video_1",
    body=Body(head="{}"),
)


def meta(seconds: float = 0) -> Envelope:
    return Envelope(id="c", stream=STREAM, organisation=ORGANISATION, time=BEGIN + timedelta(seconds=seconds))


def attempt(number: int, outcome: str = "http_error", status: int | None = 500, **more: Any) -> RecordAttempt:
    ended = BEGIN + timedelta(hours=more.pop("hours", 0))
    return RecordAttempt(number=number, outcome=outcome, status=status, started_at=ended, ended_at=ended, **more)


def play(*commands: Any) -> tuple[State, list[Event]]:
    """The state after these commands, and all events; a refusal fails the test."""
    state, told = INITIAL, list[Event]()
    for command in commands:
        events = DECIDER.decide(state, command, meta())
        assert not isinstance(events, Refusal), events
        for event in events:
            state = DECIDER.apply(state, event, meta())
        told += events
    return state, told


def kinds(events: Any) -> list[type[Event]]:
    return [type(event) for event in events]


def test_queued_once() -> None:
    _, events = play(QUEUE, QUEUE)
    assert kinds(events) == [MessageQueued]
    assert events[0].expires_at == BEGIN + HORIZON  # type: ignore[attr-defined]


def test_nothing_before_it_is_queued() -> None:
    assert DECIDER.decide(INITIAL, attempt(1), meta()) == Refusal("unknown")


def test_delivered_and_the_report_repeated() -> None:
    state, events = play(QUEUE, attempt(1, "success", 200), attempt(1, "success", 200))
    assert kinds(events) == [MessageQueued, MessageDelivered]
    assert isinstance(state, Message)
    assert (state.state, DECIDER.timers(state)) == ("delivered", ())


def test_every_failure_is_scheduled_until_the_last() -> None:
    _, events = play(QUEUE, *(attempt(n) for n in range(1, 13)))
    assert kinds(events) == [MessageQueued, *[AttemptFailed] * 12, MessageExhausted]
    dues = [event.due for event in events if isinstance(event, AttemptFailed)]
    assert dues[-1] is None
    assert [(due - BEGIN).total_seconds() for due in dues[:-1] if due] == list(DELAYS)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (attempt(1, "blocked_address", None), [AttemptFailed, MessageBlocked]),
        (attempt(1, status=410), [AttemptFailed, MessageCancelled]),
        (attempt(1, wish="abort-message"), [AttemptFailed, MessageCancelled]),
        (attempt(1, hours=96), [AttemptFailed, MessageExhausted]),
        (ExpireMessage(), [MessageExhausted]),
        (CancelMessage(), [MessageCancelled]),
    ],
)
def test_ends(command: Any, expected: list[type[Event]]) -> None:
    assert kinds(play(QUEUE, command)[1][1:]) == expected


def test_a_test_message_is_tried_once() -> None:
    once = msgspec.structs.replace(QUEUE, event_type="webhook.test")
    assert kinds(play(once, attempt(1, trigger="test"))[1][1:]) == [AttemptFailed, MessageExhausted]


def test_a_manual_try_leaves_the_schedule_alone() -> None:
    state, events = play(QUEUE, attempt(1), RetryMessage(), attempt(2, trigger="manual"))
    assert kinds(events[2:]) == [RetryRequested, AttemptFailed]
    assert isinstance(state, Message)
    assert state.due == BEGIN + timedelta(seconds=5)
    assert state.scheduled == 1


def test_a_manual_try_of_an_exhausted_message() -> None:
    state, _ = play(QUEUE, ExpireMessage(), RetryMessage(), attempt(1, trigger="manual"))
    assert isinstance(state, Message)
    assert state.state == "exhausted"
    state, _ = play(QUEUE, ExpireMessage(), RetryMessage(), attempt(1, "success", 204, trigger="manual"))
    assert isinstance(state, Message)
    assert state.state == "delivered"


def test_a_blocked_message_is_not_tried_again() -> None:
    state, _ = play(QUEUE, attempt(1, "blocked_address", None))
    refusal = DECIDER.decide(state, RetryMessage(), meta())
    assert isinstance(refusal, Refusal)
    assert refusal.code == "invalid_state"


def test_a_try_that_cannot_be_made_of_a_message_that_has_ended() -> None:
    """Said by the sender it takes the wish back and nothing else; a caller has nothing to stop."""
    state, _ = play(QUEUE, attempt(1, "success", 200), RetryMessage())
    ours = msgspec.structs.replace(meta(), cause="c")
    assert DECIDER.decide(state, CancelMessage(reason="erased"), ours) == (
        MessageCancelled(reason="erased", state="delivered"),
    )
    assert isinstance(DECIDER.decide(state, CancelMessage(), meta()), Refusal)


def test_a_disabled_endpoint_ends_its_messages_by_name() -> None:
    state, _ = play(QUEUE, CancelMessage(reason="endpoint_disabled"))
    assert isinstance(state, Message)
    assert state.state == "endpoint_disabled"


COMMANDS = st.one_of(
    st.builds(
        attempt,
        st.integers(1, 15),
        st.sampled_from(["success", "http_error", "timeout", "blocked_address"]),
        st.sampled_from([None, 200, 410, 429, 500]),
        trigger=st.sampled_from(["scheduled", "manual", "test"]),
        retry_after=st.none() | st.integers(0, 10**6),
        wish=st.sampled_from([None, None, "abort-message"]),
        hours=st.integers(0, 100),
    ),
    st.sampled_from([QUEUE, RetryMessage(), CancelMessage(), ExpireMessage()]),
)


@given(st.lists(COMMANDS, max_size=30))
def test_the_events_alone_lead_to_the_same_state(commands: list[Any]) -> None:
    state, told = INITIAL, []
    for command in [QUEUE, *commands]:
        events = DECIDER.decide(state, command, meta())
        if isinstance(events, Refusal):
            continue
        for event in events:
            state = DECIDER.apply(state, event, meta())
            told.append(event)
        assert DECIDER.decide(state, command, meta()) == () or not isinstance(command, RecordAttempt)
    folded = INITIAL
    for event in told:
        folded = DECIDER.apply(folded, event, meta())
    assert folded == state
    snapshot = msgspec.msgpack.encode(state)
    assert msgspec.msgpack.decode(snapshot, type=DECIDER.state) == state
    assert isinstance(state, Message)
    open_ = state.state in ("pending", "retry_scheduled")
    assert bool(DECIDER.timers(state)) == open_
    assert open_ == (state.due is not None)
