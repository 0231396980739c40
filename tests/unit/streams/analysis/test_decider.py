"""The job state machine: given events, when a command, then events or a refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.analysis.messages import (
    AnalysisErased,
    AnalysisFailed,
    AnalysisFinished,
    CancelAnalysis,
    Commands,
    CompleteTask,
    EraseAnalysis,
    Events,
    ExceedDeadline,
    ExpireLease,
    ExpireQueue,
    FailTask,
    Item,
    ReleaseTask,
    RenewLease,
    ReportWorker,
    RequestAnalysis,
    RetireWorker,
    StartTask,
)
from schemas.base import Envelope
from streams.analysis.decider import DECIDER, INITIAL, apply, decide, timers
from streams.analysis.job import LEASE, QUEUE, RETENTION, Job, retention
from streams.decision import Refusal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VIDEO = RequestAnalysis(kind="video", media="m", max_processing_time=60, fingerprint="one")
BATCH = RequestAnalysis(
    kind="images",
    items=(Item(key="a", external_id="x"), Item(code="invalid_base64", message="no"), Item(key="c")),
    fingerprint="one",
)
SPLIT = {"media": {"width": 4}, "segments": [{"index": 0}, {"index": 1}]}
STORED = {"key": "k", "bytes": 3, "sha256": "d", "units": 1.5}


def at(seconds: float = 0) -> Envelope:
    return Envelope(id="c", stream="j", organisation="o", time=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ({}, 168),
        ({"retention_hours": 24}, 24),
        ({"retention_hours": 0}, 1),
        ({"retention_hours": 1e9}, 2160),
        ("x", 168),
    ],
)
def test_results_are_kept_as_the_organisation_has_it(options: Any, hours: int) -> None:
    assert retention(options) == timedelta(hours=hours)


class Story:
    """A job that is told commands; every refusal must be asked for."""

    def __init__(self) -> None:
        self.state: Any = INITIAL
        self.events: list[tuple[Events, Envelope]] = []

    def told(self, command: Commands, seconds: float = 0) -> list[str]:
        result = decide(self.state, command, at(seconds))
        assert not isinstance(result, Refusal), result
        for event in result:
            self.state = apply(self.state, event, at(seconds))
            self.events.append((event, at(seconds)))
        return [type(event).__name__ for event in result]

    def refused(self, command: Commands, seconds: float = 0) -> str:
        result = decide(self.state, command, at(seconds))
        assert isinstance(result, Refusal)
        return result.code

    def done(self, task: str, output: Any = STORED, seconds: float = 0) -> list[str]:
        self.told(StartTask(task=task, lease=f"l-{task}", worker="w"), seconds)
        return self.told(CompleteTask(task=task, lease=f"l-{task}", output=output), seconds)

    def last(self) -> Any:
        return self.events[-1][0]


def started(command: RequestAnalysis = VIDEO, task: str = "split") -> Story:
    story = Story()
    story.told(command)
    story.told(StartTask(task=task, lease="one", worker="w"))
    return story


def test_a_video_from_submit_to_finished() -> None:
    story = Story()
    assert story.told(VIDEO) == ["AnalysisRequested", "TasksPlanned"]
    assert story.told(StartTask(task="split", lease="s", worker="w"), 5) == ["AnalysisStarted", "TaskStarted"]
    assert story.told(CompleteTask(task="split", lease="s", output=SPLIT), 6) == ["TaskCompleted", "TasksPlanned"]
    assert story.done("segment-1", seconds=7) == ["TaskCompleted"]
    assert story.done("segment-0", {**STORED, "key": "zero"}, 8) == ["TaskCompleted", "TasksPlanned"]
    assert story.last().tasks[0].input == {"media": {"width": 4}, "segments": [{**STORED, "key": "zero"}, STORED]}
    assert story.done("merge", seconds=9) == ["TaskCompleted", "AnalysisFinished"]
    end = story.last()
    assert (end.created_at, end.started_at, end.finished_at) == (
        NOW,
        NOW + timedelta(seconds=5),
        NOW + timedelta(seconds=9),
    )
    assert (end.result_key, end.result_bytes, end.units, end.media) == ("k", 3, 1.5, "m")


def test_a_batch_keeps_order_and_its_bad_items() -> None:
    story = Story()
    story.told(BATCH)
    assert [task.task for task in story.last().tasks] == ["image-0", "image-2"]
    story.done("image-2", {**STORED, "key": "two"})
    story.told(StartTask(task="image-0", lease="l", worker="w"))
    fail = FailTask(task="image-0", lease="l", code="corrupt_media", message="bad", retryable=False)
    assert story.told(fail) == ["TaskFailed", "TasksPlanned"]
    items = story.last().tasks[0].input["items"]
    assert [item["error"] and item["error"]["code"] for item in items] == ["corrupt_media", "invalid_base64", None]
    assert [item["external_id"] for item in items] == ["x", None, None]
    assert items[2]["output"] == {**STORED, "key": "two"}
    assert story.done("merge")[-1] == "AnalysisFinished"


def test_a_batch_without_one_good_item_fails() -> None:
    story = Story()
    bad = Item(code="item_too_large", message="no")
    assert story.told(RequestAnalysis(kind="images", items=(bad,))) == ["AnalysisRequested", "AnalysisFailed"]
    assert (story.last().code, story.last().started_at) == ("all_items_failed", None)

    story = started(RequestAnalysis(kind="images", items=(Item(key="a"),)), "image-0")
    fail = FailTask(task="image-0", lease="one", code="corrupt_media", message="bad", retryable=False)
    assert story.told(fail) == ["TaskFailed", "AnalysisFailed"]
    assert (story.last().code, story.last().items[0].code) == ("all_items_failed", "corrupt_media")


def test_a_repeat_is_told_from_another_request() -> None:
    story = started()
    assert story.told(VIDEO) == []
    assert story.refused(msgspec.structs.replace(VIDEO, fingerprint="two")) == "idempotency.mismatch"


def test_a_failed_segment_fails_the_video() -> None:
    story = started()
    fail = FailTask(task="split", lease="one", code="unsupported_media", message="what is it", retryable=False)
    assert story.told(fail) == ["TaskFailed", "AnalysisFailed"]
    assert (story.last().code, story.last().message, story.last().retryable) == (
        "unsupported_media",
        "what is it",
        False,
    )


def test_only_the_holder_of_the_lease_is_heard() -> None:
    story = started()
    assert story.refused(StartTask(task="split", lease="two", worker="other")) == "lease.lost"
    for late in (RenewLease, ReleaseTask, CompleteTask):
        assert story.refused(late(task="split", lease="two")) == "lease.lost"
        assert story.refused(late(task="nothing", lease="one")) == "lease.lost"
    assert story.told(StartTask(task="split", lease="one", worker="w")) == []
    assert story.told(RenewLease(task="split", lease="one"), 10) == ["LeaseRenewed"]
    assert story.last().until == NOW + timedelta(seconds=10) + LEASE


def test_a_lapsed_lease_frees_the_task_and_a_late_result_is_refused() -> None:
    story = started()
    assert story.told(ExpireLease(task="split", lease="one"), 29) == []
    assert story.told(ExpireLease(task="split", lease="one"), 30) == ["LeaseLost"]
    assert story.refused(CompleteTask(task="split", lease="one", output=SPLIT), 31) == "lease.lost"
    assert story.told(StartTask(task="split", lease="two", worker="other"), 32) == ["TaskStarted"]
    assert story.state.started_at == NOW


def test_a_worker_that_was_killed_takes_its_task_over() -> None:
    story = started()
    assert story.told(StartTask(task="split", lease="two", worker="w"), 2) == ["LeaseLost", "TaskStarted"]
    assert story.state.task("split").losses == 1


def test_three_lost_leases_fail_the_job() -> None:
    story = started()
    for n in range(2):
        assert story.told(ReleaseTask(task="split", lease=story.state.task("split").lease, lost=True)) == ["LeaseLost"]
        story.told(StartTask(task="split", lease=f"again-{n}", worker="w"))
    assert story.told(StartTask(task="split", lease="last", worker="w")) == ["LeaseLost", "AnalysisFailed"]
    assert (story.last().code, story.last().retryable) == ("worker_lost", True)


def test_a_task_that_is_given_back_costs_nothing() -> None:
    story = started()
    assert story.told(ReleaseTask(task="split", lease="one")) == ["TaskReleased"]
    assert story.state.task("split").losses == 0


def test_the_ceiling_counts_from_the_first_lease_on() -> None:
    story = Story()
    story.told(VIDEO)
    assert story.told(ExceedDeadline(), 1000) == []
    story.told(StartTask(task="split", lease="one", worker="w"), 1000)
    assert [t.due for t in timers(story.state) if t.name == "deadline"] == [NOW + timedelta(seconds=1060)]
    assert story.told(ExceedDeadline(), 1059) == []
    assert story.told(CompleteTask(task="split", lease="one", output=SPLIT), 1060) == ["AnalysisFailed"]
    assert story.last().code == "max_processing_time_exceeded"


def test_no_ceiling() -> None:
    story = started(msgspec.structs.replace(VIDEO, max_processing_time=0))
    assert {timer.name for timer in timers(story.state)} == {"lease:split"}
    assert story.told(ExceedDeadline(), 10**6) == []


def test_the_queue_and_retention_end_by_themselves() -> None:
    story = Story()
    story.told(VIDEO)
    assert [(t.name, t.due) for t in timers(story.state)] == [("queue", NOW + QUEUE)]
    assert story.told(ExpireQueue(), QUEUE.total_seconds()) == ["AnalysisFailed"]
    assert story.last().code == "queue_timeout"
    assert [(t.name, t.due - RETENTION - QUEUE) for t in timers(story.state)] == [("retention", NOW)]
    assert story.told(EraseAnalysis()) == ["AnalysisErased"]
    assert timers(story.state) == ()
    assert story.told(EraseAnalysis()) == []
    assert started().told(ExpireQueue()) == []


def test_cancel() -> None:
    story = started()
    assert story.refused(EraseAnalysis()) == "invalid_state"
    assert story.told(CancelAnalysis()) == ["AnalysisFailed"]
    assert story.last().code == "cancelled"
    assert story.refused(CancelAnalysis()) == "job.terminal"
    assert story.refused(StartTask(task="split", lease="x", worker="w")) == "job.terminal"
    assert story.refused(CompleteTask(task="split", lease="one", output=SPLIT)) == "lease.lost"


def test_what_has_not_begun_is_unknown() -> None:
    for command in (StartTask(task="t", lease="l", worker="w"), CancelAnalysis(), EraseAnalysis(), ExceedDeadline()):
        assert Story().refused(command) == "unknown"


@pytest.mark.parametrize("output", [None, {}, {"media": {}, "segments": 3}])
def test_an_output_of_the_wrong_form_is_refused(output: Any) -> None:
    assert started().refused(CompleteTask(task="split", lease="one", output=output)) == "invalid"


def test_a_video_without_frames_fails() -> None:
    story = started()
    assert (
        story.told(CompleteTask(task="split", lease="one", output={"media": {}, "segments": []}))[-1]
        == "AnalysisFailed"
    )


def test_workers_report_and_retire() -> None:
    story = Story()
    assert story.told(RetireWorker()) == []
    story.told(ReportWorker(slots=2, video_ms=80.0, image_ms=120.0))
    assert [timer.name for timer in timers(story.state)] == ["silence"]
    assert story.refused(CancelAnalysis()) == "unknown"
    assert story.told(RetireWorker()) == ["WorkerRetired"]
    assert timers(story.state) == ()
    assert story.told(RetireWorker()) == []


LEASED = st.fixed_dictionaries(
    {"task": st.sampled_from(["image-0", "image-2", "merge"]), "lease": st.sampled_from("ab")}
)
ANY = st.one_of(
    LEASED.map(lambda x: StartTask(**x, worker="w")),
    LEASED.map(lambda x: CompleteTask(**x, output=STORED)),
    LEASED.map(lambda x: FailTask(**x, code="corrupt_media", message="", retryable=False)),
    LEASED.map(lambda x: RenewLease(**x)),
    LEASED.map(lambda x: ReleaseTask(**x, lost=True)),
    LEASED.map(lambda x: ExpireLease(**x)),
    st.sampled_from([CancelAnalysis(), ExceedDeadline(), ExpireQueue(), EraseAnalysis(), BATCH]),
)
ENDS = (AnalysisFinished, AnalysisFailed)


@given(st.lists(st.tuples(ANY, st.integers(0, 20)), max_size=40))
def test_whatever_comes_there_is_one_end_and_snapshots_equal_the_fold(commands: list[tuple[Commands, int]]) -> None:
    story, clock = Story(), 0
    story.told(BATCH)
    for command, pause in commands:
        clock += pause
        if not isinstance(decide(story.state, command, at(clock)), Refusal):
            story.told(command, clock)
        packed = msgspec.msgpack.encode(story.state)
        story.state = msgspec.msgpack.decode(packed, type=DECIDER.state)
    ends = [event for event, _ in story.events if isinstance(event, ENDS)]
    assert len(ends) <= 1
    if ends:
        after = [event for event, _ in story.events[[e for e, _ in story.events].index(ends[0]) + 1 :]]
        assert all(isinstance(event, AnalysisErased) for event in after)
    folded: Job | Any = INITIAL
    for event, meta in story.events:
        folded = apply(folded, event, meta)
    assert folded == story.state
