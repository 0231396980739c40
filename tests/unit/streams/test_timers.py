"""Commands of timers stay in the trace of what set them."""

from __future__ import annotations

from typing import Any

from schemas import registry
from schemas.analysis.messages import AnalysisFailed, EraseAnalysis, ExceedDeadline, RequestAnalysis, StartTask
from schemas.base import Command, asking
from streams.analysis.decider import INITIAL, apply, decide, timers
from streams.decision import Refusal
from streams.timers import trace_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_in_the_command_becomes_a_header() -> None:
    meta = asking("job")
    assert trace_of(registry.encode(meta, ExceedDeadline(traceparent=TRACE))) == (("traceparent", TRACE.encode()),)
    assert trace_of(registry.encode(meta, ExceedDeadline())) == ()
    assert trace_of(registry.encode(meta, EraseAnalysis())) == ()


def test_a_job_hands_its_trace_to_its_timers_and_to_its_end() -> None:
    state: Any = INITIAL
    ends: list[Any] = []
    commands: tuple[Command, ...] = (
        RequestAnalysis(kind="video", media="m", max_processing_time=1, traceparent=TRACE),
        StartTask(task="split", lease="l", worker="w"),
    )
    meta = asking("job")
    for command in commands:
        found = decide(state, command, meta)  # type: ignore[arg-type]
        assert not isinstance(found, Refusal)
        for event in found:
            state = apply(state, event, meta)
        ends += [timer.command for timer in timers(state)]
    assert {type(command).__name__ for command in ends} == {"ExpireQueue", "ExpireLease", "ExceedDeadline"}
    assert {command.traceparent for command in ends} == {TRACE}
    (over,) = [timer for timer in timers(state) if timer.name == "deadline"]
    late = asking("job")
    failed = decide(state, over.command, type(late)(id="c", stream="job", time=over.due))  # type: ignore[arg-type]
    assert not isinstance(failed, Refusal)
    assert isinstance(failed[0], AnalysisFailed)
    assert failed[0].traceparent == TRACE
