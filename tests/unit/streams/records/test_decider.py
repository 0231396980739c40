"""Plain records: put, changed, retired, by the table of kinds; the snapshot is what the events fold to."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import Envelope
from schemas.fleet.messages import ChangeDevice, DeviceChanged, DeviceRegistered, DeviceRetired, RetireDevice
from schemas.records.messages import (
    Commands,
    Events,
    HoldRecord,
    PutRecord,
    RecordPut,
    RecordRetired,
    ReleaseRecord,
    RetireRecord,
)
from streams.decision import Reference, Refusal, Send
from streams.fleet import decider as fleet
from streams.records import reactions
from streams.records.decider import INITIAL, State, apply, claims, decide, references
from streams.records.kinds import KINDS, holders

SITE = {"name": "Headquarters"}


def meta(version: int = 0) -> Envelope:
    return Envelope(id="c", stream="s1", version=version, organisation="o", time=datetime(2026, 1, 1, tzinfo=UTC))


def done(state: State, *commands: Commands) -> State:
    for command in commands:
        events = decide(state, command, meta())
        assert isinstance(events, tuple)
        for event in events:
            assert isinstance(event, Events)
            state = apply(state, event, meta(state.version + 1))
    return state


def told(state: State, command: Commands) -> tuple[Any, ...]:
    events = decide(state, command, meta())
    assert isinstance(events, tuple)
    return events


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


RULE = {"name": "hot", "sensorId": "t1"}


def test_what_is_held_stays_until_the_last_has_let_go() -> None:
    hold, release = [kind(kind="site", holder="r1") for kind in (HoldRecord, ReleaseRecord)]
    assert decide(INITIAL, hold, meta()) == Refusal("unknown")
    state = done(INITIAL, PutRecord(kind="site", body=SITE), hold, hold, release)
    refusal = decide(state, RetireRecord(kind="site"), meta())
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.field) == ("still_referenced", "site")
    assert isinstance(decide(done(state, release), RetireRecord(kind="site"), meta()), tuple)
    assert decide(done(state, release), release, meta()) == ()


def test_being_held_is_no_new_version_of_a_record() -> None:
    state = done(INITIAL, PutRecord(kind="site", body=SITE), HoldRecord(kind="site", holder="r1"))
    changed = done(state, PutRecord(kind="site", body={"name": "b"}, expected=1))
    assert changed.held == 1


def test_a_record_tells_whom_it_holds_and_whom_it_lets_go() -> None:
    state = done(INITIAL, PutRecord(kind="alert-rule", body=RULE))
    (put,) = told(INITIAL, PutRecord(kind="alert-rule", body=RULE))
    assert (put.holds, put.lets_go) == ({"t1": "sensor"}, {})
    (put,) = told(state, PutRecord(kind="alert-rule", body={**RULE, "name": "cold"}))
    assert (put.holds, put.lets_go) == ({}, {})
    (put,) = told(state, PutRecord(kind="alert-rule", body={**RULE, "sensorId": "t2"}))
    assert (put.holds, put.lets_go) == ({"t2": "sensor"}, {"t1": "sensor"})
    assert told(state, RetireRecord(kind="alert-rule")) == (RecordRetired(kind="alert-rule", lets_go={"t1": "sensor"}),)
    sends = reactions.put(put, meta())
    assert [(send.stream, type(send.command)) for send in sends] == [("t2", HoldRecord), ("t1", ReleaseRecord)]


def test_a_device_holds_its_profile() -> None:
    registered = DeviceRegistered(name="a", profile="p1")
    (held,) = reactions.registered(registered, meta())
    assert held == Send("p1", HoldRecord(kind="device-profile", holder="s1"))
    state = fleet.apply(fleet.INITIAL, registered, meta(1))
    (changed,) = fleet.decide(state, ChangeDevice(changes={"profile": "p2"}), meta())  # type: ignore[misc]
    assert isinstance(changed, DeviceChanged)
    assert [send.stream for send in reactions.changed(changed, meta())] == ["p2", "p1"]
    (retired,) = fleet.decide(state, RetireDevice(), meta())  # type: ignore[misc]
    assert isinstance(retired, DeviceRetired)
    assert retired.lets_go == {"p1": "device-profile"}


def test_every_held_member_is_a_reference_to_a_record() -> None:
    for kind in KINDS.values():
        assert all(kind.refers[member].startswith("record.") for member in kind.holds)
    assert holders("component") == [
        ("reference-pair", "primaryComponentId"),
        ("reference-pair", "referenceComponentId"),
    ]


names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=4)
commands = st.one_of(
    st.builds(lambda name: PutRecord(kind="site", body={"name": name}), names),
    st.builds(lambda: RetireRecord(kind="site")),
    st.builds(lambda: HoldRecord(kind="site", holder="r1")),
    st.builds(lambda: ReleaseRecord(kind="site", holder="r1")),
)


@given(st.lists(commands, max_size=8))
def test_the_fold_of_the_events_is_the_snapshot(asked: list[Commands]) -> None:
    state, history = INITIAL, list[Events]()
    for command in asked:
        events = decide(state, command, meta())
        for event in events if isinstance(events, tuple) else ():
            assert isinstance(event, Events)
            history.append(event)
            state = apply(state, event, meta(len(history)))
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
    folded = INITIAL
    for version, event in enumerate(history, start=1):
        folded = apply(folded, event, meta(version))
    assert folded == stored
