"""Plain records: put, changed, retired, by the table of kinds; the snapshot is what the events fold to."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Envelope
from schemas.records.messages import Commands, Events, PutRecord, RecordPut, RecordRetired, RetireRecord
from streams.decision import Reference, Refusal
from streams.records.decider import INITIAL, State, apply, claims, decide, references
from streams.records.kinds import KINDS

SITE = {"name": "Headquarters"}


def meta(version: int = 0) -> Envelope:
    return Envelope(id="c", stream="s1", version=version, organisation="o", time=datetime(2026, 1, 1, tzinfo=UTC))


def done(state: State, *commands: Commands) -> State:
    for command in commands:
        events = decide(state, command, meta())
        assert isinstance(events, tuple)
        for event in events:
            assert isinstance(event, RecordPut | RecordRetired)
            state = apply(state, event, meta(state.version + 1))
    return state


def test_a_body_gets_what_its_kind_adds() -> None:
    events = decide(INITIAL, PutRecord(kind="site", body=SITE), meta())
    assert isinstance(events, tuple)
    (put,) = events
    assert isinstance(put, RecordPut)
    assert put.body == KINDS["site"].body.model_validate(SITE).model_dump(mode="json")
    assert put.body["online"] is True


def test_the_same_body_again_is_nothing() -> None:
    state = done(INITIAL, PutRecord(kind="site", body=SITE))
    assert decide(state, PutRecord(kind="site", body=state.body), meta()) == ()


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ({"name": ""}, "name"), ({"name": "x" * 256}, "name"), ({"name": 7}, "name"), ("no object", "")],
)
def test_a_bad_body_names_its_field(body: object, field: str) -> None:
    refusal = decide(INITIAL, PutRecord(kind="site", body=body), meta())
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.field) == ("invalid", field)


def test_unknown_kinds_and_other_kinds_of_the_same_id() -> None:
    assert decide(INITIAL, PutRecord(kind="nothing", body={}), meta()) == Refusal("unknown", field="kind")
    state = done(INITIAL, PutRecord(kind="site", body=SITE))
    assert decide(state, RetireRecord(kind="server"), meta()) == Refusal("unknown", field="kind")


def test_a_retired_record_stays_retired() -> None:
    state = done(INITIAL, PutRecord(kind="site", body=SITE), RetireRecord(kind="site"))
    assert claims(state) == ()
    assert decide(state, PutRecord(kind="site", body=SITE), meta()) == Refusal("unknown")
    assert decide(state, RetireRecord(kind="site"), meta()) == Refusal("unknown")


def test_versions_are_held_to_what_was_expected() -> None:
    state = done(INITIAL, PutRecord(kind="site", body=SITE))
    stale = decide(state, PutRecord(kind="site", body={"name": "b"}, expected=7), meta())
    assert isinstance(stale, Refusal)
    assert stale.code == "version.stale"
    assert decide(state, PutRecord(kind="site", body={"name": "b"}, expected=1), meta())


def test_a_reference_is_asked_when_it_changes() -> None:
    put = PutRecord(kind="server", body={"site": "s9", "name": "Server"})
    assert references(INITIAL, put) == (Reference("record.site", "s9"),)
    assert references(done(INITIAL, put), put) == ()


names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=4)
commands = st.one_of(
    st.builds(lambda name: PutRecord(kind="site", body={"name": name}), names),
    st.builds(lambda: RetireRecord(kind="site")),
)


@given(st.lists(commands, max_size=8))
def test_the_fold_of_the_events_is_the_snapshot(asked: list[Commands]) -> None:
    state, history = INITIAL, list[Events]()
    for command in asked:
        events = decide(state, command, meta())
        for event in events if isinstance(events, tuple) else ():
            assert isinstance(event, RecordPut | RecordRetired)
            history.append(event)
            state = apply(state, event, meta(len(history)))
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
    folded = INITIAL
    for version, event in enumerate(history, start=1):
        folded = apply(folded, event, meta(version))
    assert folded == stored
