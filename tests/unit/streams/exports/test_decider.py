"""Given events, when a command, then: export jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Envelope
from schemas.exports.messages import (
    CompleteExport,
    DeleteExport,
    ExpireExport,
    ExportCompleted,
    ExportFailed,
    ExportRequeued,
    ExportStarted,
    FailExport,
    LapseExport,
    RequestExport,
    StartExport,
)
from streams.decision import Claim, Refusal
from streams.exports.decider import DECIDER, KEPT, LEASE, State

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SCOPE = "c361f57b-f157-57f9-8cf7-e5b2af9c56f0"
ASKED = RequestExport(scope_type="DEVICE", scope_id=SCOPE, start=NOW - DAY, end=NOW, includes=("READINGS",), slot=2)


def meta(at: datetime = NOW, version: int = 1) -> Envelope:
    return Envelope(id="e", stream="x", organisation="o", actor="a", version=version, time=at)


def after(*commands: Any) -> State:
    state: State = DECIDER.initial
    for command in commands:
        decided = DECIDER.decide(state, command, meta())
        assert isinstance(decided, tuple), decided
        for event in decided:
            state = DECIDER.apply(state, event, meta())
    return state


def start(lease: str, worker: str = "w1") -> StartExport:
    return StartExport(lease=lease, worker=worker)


def done(lease: str) -> CompleteExport:
    return CompleteExport(lease=lease, key="k", size=1, readings=2, annotations=3)


def only(decided: Any) -> Any:
    (event,) = decided
    return event


def code(decided: Any) -> str:
    assert isinstance(decided, Refusal)
    return decided.code


def test_a_job_holds_its_slot_while_it_is_open() -> None:
    assert DECIDER.claims(after(ASKED)) == (Claim("export.slot", "2"),)
    assert DECIDER.claims(after(ASKED, start("l1"))) == (Claim("export.slot", "2"),)
    assert DECIDER.claims(after(ASKED, start("l1"), done("l1"))) == ()


def test_what_is_asked_for_must_be_there() -> None:
    (needed,) = DECIDER.references(DECIDER.initial, ASKED)
    assert (needed.scope, needed.key, needed.refusal) == ("device", SCOPE, "unknown")


def test_a_range_is_a_year_at_most() -> None:
    for start, end in ((NOW, NOW), (NOW, NOW - DAY), (NOW - 367 * DAY, NOW)):
        asked = msgspec.structs.replace(ASKED, start=start, end=end)
        assert code(DECIDER.decide(DECIDER.initial, asked, meta())) == "invalid"


def test_a_bundle_is_kept_for_a_week() -> None:
    state = after(ASKED, start("l1"))
    made = only(DECIDER.decide(state, done("l1"), meta()))
    assert made == ExportCompleted(key="k", size=1, readings=2, annotations=3, until=NOW + KEPT)
    (timer,) = DECIDER.timers(DECIDER.apply(state, made, meta()))
    assert (timer.due, timer.command) == (NOW + KEPT, ExpireExport())
    assert after(ASKED, start("l1"), done("l1"), ExpireExport()).status == "EXPIRED"


def test_only_the_lease_reports() -> None:
    state = after(ASKED, start("l1"))
    assert code(DECIDER.decide(state, done("l2"), meta())) == "lease.lost"
    assert code(DECIDER.decide(state, FailExport(lease="l2", code="X", message=""), meta())) == "lease.lost"
    assert DECIDER.decide(state, LapseExport(lease="l0"), meta()) == ()
    assert code(DECIDER.decide(state, start("l2", "w2"), meta())) == "lease.lost"


def test_a_lost_worker_is_forgiven_once() -> None:
    state = after(ASKED, start("l1"))
    assert DECIDER.timers(state)[0].due == NOW + LEASE
    assert DECIDER.decide(state, LapseExport(lease="l1"), meta()) == (ExportRequeued(reason="worker_lost"),)
    state = after(ASKED, start("l1"), LapseExport(lease="l1"), start("l2"))
    ended = only(DECIDER.decide(state, LapseExport(lease="l2"), meta()))
    assert isinstance(ended, ExportFailed)
    assert ended.code == "WORKER_LOST"


def test_a_restarted_worker_takes_its_own_job_again_once() -> None:
    state = after(ASKED, start("l1"))
    again = only(DECIDER.decide(state, start("l2"), meta()))
    assert isinstance(again, ExportStarted)
    ended = only(DECIDER.decide(DECIDER.apply(state, again, meta()), start("l3"), meta()))
    assert isinstance(ended, ExportFailed)


def test_only_a_finished_job_is_deleted() -> None:
    for state in (after(ASKED), after(ASKED, start("l1"))):
        assert code(DECIDER.decide(state, DeleteExport(), meta())) == "invalid_state"
    state = after(ASKED, start("l1"), done("l1"), DeleteExport())
    assert code(DECIDER.decide(state, DeleteExport(), meta())) == "unknown"


COMMANDS = st.sampled_from(
    [
        *(ASKED, start("l1"), start("l2"), start("l2", "w2"), done("l1"), done("l2"), LapseExport(lease="l1")),
        *(LapseExport(lease="l2"), FailExport(lease="l1", code="X", message="m"), ExpireExport(), DeleteExport()),
    ]
)


@given(st.lists(COMMANDS, max_size=12))
def test_a_fold_of_the_events_is_the_snapshot(commands: list[Any]) -> None:
    state: State = DECIDER.initial
    told: list[Any] = []
    for command in commands:
        decided = DECIDER.decide(state, command, meta())
        for event in decided if isinstance(decided, tuple) else ():
            told.append(event)
            state = DECIDER.apply(state, event, meta())
    folded: State = DECIDER.initial
    for event in told:
        folded = DECIDER.apply(folded, event, meta())
    assert msgspec.json.decode(msgspec.json.encode(folded), type=State) == state
    assert len(DECIDER.timers(state)) == (state.status in ("RUNNING", "READY"))
    assert state.losses < 2
