"""An organisation's receivers: who is told of what, and how they are switched off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.base import Envelope, Event
from schemas.webhooks.messages import (
    AnnounceEvent,
    Body,
    ChangeEndpoint,
    CreateEndpoint,
    DeleteEndpoint,
    DisableEndpoint,
    EndpointChanged,
    EndpointDisabled,
    EndpointSecretRotated,
    EventAnnounced,
    QueueMessage,
    RotateEndpointSecret,
)
from streams.decision import Refusal
from streams.webhooks.decider import DECIDER, INITIAL, State
from streams.webhooks.endpoints import DISABLED, EXHAUSTED, MOST_ENDPOINTS, MOST_OLD_SECRETS, receivers_stream
from streams.webhooks.reactions import announced

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORGANISATION = "0190c8c0-0000-7000-8000-000000000001"
A, B = "0190c8c0-0000-7000-8000-00000000000a", "0190c8c0-0000-7000-8000-00000000000b"


def meta(seconds: float = 0, id: str = "0190c8c0-0000-7000-8000-0000000000ff") -> Envelope:
    stream = receivers_stream(ORGANISATION)
    return Envelope(id=id, stream=stream, organisation=ORGANISATION, time=BEGIN + timedelta(seconds=seconds))


def create(id: str, **more: Any) -> CreateEndpoint:
    return CreateEndpoint(
        endpoint=id, url="https://h.example.com/", signing=("v1",), metadata={}, secret="sealed", **more
    )


def announce(kind: str = "video.finished", **more: Any) -> AnnounceEvent:
    return AnnounceEvent(event_type=kind, event=B, occurred_at=BEGIN, job="video_1", body=Body(head="{}"), **more)


def play(*commands: Any, seconds: float = 0) -> tuple[State, list[Event]]:
    state, told = INITIAL, list[Event]()
    for n, command in enumerate(commands):
        events = DECIDER.decide(state, command, meta(seconds, f"id-{n}"))
        assert not isinstance(events, Refusal), events
        for event in events:
            state = DECIDER.apply(state, event, meta(seconds, f"id-{n}"))
        told += events
    return state, told


def told(event: Event) -> list[str]:
    assert isinstance(event, EventAnnounced)
    return [addressee.endpoint for addressee in event.endpoints]


def test_an_empty_list_means_all_but_the_operational_ones() -> None:
    state, events = play(create(A), create(B, event_types=(DISABLED, "video.failed")), announce())
    assert told(events[-1]) == [A]
    assert told(play_on(state, announce("video.failed"))[-1]) == [A, B]
    assert told(play_on(state, announce(DISABLED))[-1]) == [B]


def play_on(state: State, command: Any, seconds: float = 0) -> list[Event]:
    events = DECIDER.decide(state, command, meta(seconds))
    assert not isinstance(events, Refusal), events
    return list(events)


def test_an_event_without_endpoints_is_kept_for_readers() -> None:
    assert told(play(announce())[1][0]) == []


def test_a_disabled_endpoint_is_told_nothing_and_the_others_of_it() -> None:
    state, events = play(create(A), create(B, event_types=(DISABLED,)), DisableEndpoint(endpoint=A, reason="gone"))
    assert isinstance(events[-2], EndpointDisabled)
    assert told(events[-1]) == [B]
    assert play_on(state, DisableEndpoint(endpoint=A, reason="gone")) == []
    assert told(play_on(state, announce())[-1]) == []


def test_made_active_again() -> None:
    again = ChangeEndpoint(endpoint=A, url="https://h.example.com/", signing=("v1",), metadata={}, state="active")
    state, events = play(create(A), DisableEndpoint(endpoint=A, reason="gone"), again)
    assert isinstance(events[-1], EndpointChanged)
    assert events[-1].enabled
    assert told(play_on(state, announce())[-1]) == [A]


def test_an_unknown_endpoint() -> None:
    assert DECIDER.decide(INITIAL, DeleteEndpoint(endpoint=A), meta()) == Refusal("unknown")


def test_another_stream_is_no_list_of_receivers() -> None:
    elsewhere = Envelope(id="x", stream=A, organisation=ORGANISATION, time=BEGIN)
    assert DECIDER.decide(INITIAL, create(A), elsewhere) == Refusal("unknown")


def test_so_many_endpoints_and_no_more() -> None:
    state, _ = play(*(create(f"e{n}") for n in range(MOST_ENDPOINTS)))
    refusal = DECIDER.decide(state, create("one more"), meta())
    assert isinstance(refusal, Refusal)


def test_rotation_names_the_former_secret_and_ends_it() -> None:
    rotate = RotateEndpointSecret(endpoint=A, secret="new", grace_seconds=60)
    state, events = play(create(A), *[rotate] * MOST_OLD_SECRETS)
    first, second = events[1], events[2]
    assert isinstance(first, EndpointSecretRotated)
    assert isinstance(second, EndpointSecretRotated)
    assert (first.previous, second.previous) == ("id-0", "id-1")
    assert first.previous_expires_at == BEGIN + timedelta(seconds=60)
    assert isinstance(DECIDER.decide(state, rotate, meta()), Refusal)
    assert len(play_on(state, rotate, seconds=61)) == 1


def test_one_alert_an_hour() -> None:
    state, _ = play(create(A), create(B, event_types=(EXHAUSTED,)))
    first = play_on(state, announce(EXHAUSTED, about=A))
    assert told(first[0]) == [B]
    state = DECIDER.apply(state, first[0], meta())
    assert play_on(state, announce(EXHAUSTED, about=A), seconds=3599) == []
    assert len(play_on(state, announce(EXHAUSTED, about=A), seconds=3601)) == 1


def test_each_addressee_gets_one_message_and_a_repeat_the_same() -> None:
    event = play(create(A), create(B, payload_style="compat", delays=(3,)), announce())[1][-1]
    assert isinstance(event, EventAnnounced)
    sends = announced(event, meta())
    assert [send.stream for send in sends] == [send.stream for send in announced(event, meta())]
    assert len({send.stream for send in sends}) == 2
    wrapped, bare = (send.command for send in sends)
    assert isinstance(wrapped, QueueMessage)
    assert isinstance(bare, QueueMessage)
    assert wrapped.body.head == '{"type":"video.finished","timestamp":"2026-11-20T12:00:00Z","data":{}'
    assert wrapped.body.tail == "}"
    assert (bare.body.head, bare.delays) == ("{}", (3,))
