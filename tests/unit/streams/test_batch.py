"""A batch of commands: order, repeats, claims, references, timers. Given, when, then; no server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas import registry
from schemas.base import Command, Received, asking
from schemas.records.messages import PutRecord, RetireRecord
from schemas.tenancy.messages import CreateOrganisation
from streams.batch import ENCODER, Batch, Decided, decide_batch
from streams.decision import Decider, Timer
from streams.records import decider as records
from streams.runtime import Raw
from streams.table import DECIDERS


def command(stream: str, body: Command, organisation: str = "o", **more: Any) -> tuple[Raw, Received]:
    return Raw("records.commands", 0, 0, None, None), Received(asking(stream, organisation=organisation, **more), body)


def site(name: str) -> PutRecord:
    return PutRecord(kind="site", body={"name": name})


def decided(*commands: tuple[Raw, Received], held: dict[Any, Any] | None = None, deciders: Any = DECIDERS) -> Decided:
    """Decides as the runtime does: what is unknown is held by nobody unless `held` says so. What stands is what comes
    of it when all is known beforehand."""
    batch, knowing = Batch(commands, deciders), Batch(commands, deciders)
    while True:
        result = decide_batch(batch)
        found = {claim: (held or {}).get(claim) for claim, _ in result.assumed}
        knowing.held.update(found)
        if result.stands(found):
            break
        batch.held.update(found)
    assert codes(decide_batch(knowing)) == codes(result)
    return result


def codes(result: Decided) -> list[str | None]:
    return [outcome.code for outcome in result.outcomes]


def test_two_commands_of_one_stream_are_decided_in_order() -> None:
    result = decided(command("a", site("one")), command("a", site("two")))
    assert codes(result) == [None, None]
    version, state = result.states["records", "o", "a"]
    assert version == 2
    assert msgspec.msgpack.decode(state, type=records.State).body["name"] == "two"
    assert [registry.decode(m.value).envelope.version for m in result.outgoing()] == [1, 2]


def test_a_repeat_in_the_batch_has_one_effect() -> None:
    twice = command("a", site("one"), id="c1")
    result = decided(twice, twice)
    assert (len(result.events), len(result.outcomes), len(result.repeated)) == (1, 1, 1)


def test_the_same_key_with_another_request_is_refused() -> None:
    result = decided(
        command("a", site("one"), id="c1", fingerprint="x"), command("a", site("two"), id="c1", fingerprint="y")
    )
    assert [outcome.code for outcome in result.repeated] == ["idempotency.mismatch"]
    assert len(result.events) == 1


def test_event_ids_follow_from_the_command() -> None:
    ids = [
        registry.decode(decided(command("a", site("one"), id="c1")).outgoing()[0].value).envelope.id for _ in range(2)
    ]
    assert ids[0] == ids[1]


def test_a_name_taken_in_the_same_batch_is_refused() -> None:
    assert codes(decided(command("a", site("one")), command("b", site("ONE")))) == [None, "name.taken"]


def test_a_name_taken_before_is_refused() -> None:
    held = {("o", "site.name", "one"): ("records", "o", "other")}
    assert codes(decided(command("a", site("one")), held=held)) == ["name.taken"]


def test_what_was_assumed_and_is_not_so_is_decided_again() -> None:
    """A name that one refers to and another takes in the same batch cannot be both held and free."""
    server = PutRecord(kind="server", body={"site": "a", "name": "s"})
    both = command("b", server), command("a", site("one"))
    assert codes(decided(*both)) == ["reference.unknown", None]
    batch = Batch(both, DECIDERS)
    place = ("o", "record.site", "a")
    assert {held for claim, held in decide_batch(batch).assumed if claim == place} == {True, False}


def test_a_name_is_free_again_once_given_up() -> None:
    result = decided(command("a", site("one")), command("a", RetireRecord(kind="site")), command("b", site("one")))
    assert codes(result) == [None, None, None]


def test_names_of_organisations_do_not_meet() -> None:
    assert codes(decided(command("a", site("one")), command("b", site("one"), "p"))) == [None, None]


def test_shared_names_meet_across_organisations() -> None:
    wanted = CreateOrganisation(name="Acme", slug="acme")
    assert codes(decided(command("o1", wanted, "o1"), command("o2", wanted, "o2"))) == [None, "name.taken"]


def test_what_is_referred_to_must_exist() -> None:
    server = PutRecord(kind="server", body={"site": "a", "name": "s"})
    assert codes(decided(command("b", server))) == ["reference.unknown"]
    assert codes(decided(command("a", site("one")), command("b", server))) == [None, None]
    held = {("o", "record.site", "a"): ("records", "o", "a")}
    assert codes(decided(command("b", server), held=held)) == [None]


def test_a_stream_of_another_organisation_has_not_begun() -> None:
    result = decided(command("a", site("one")), command("a", RetireRecord(kind="site"), "p"))
    assert codes(result) == [None, "unknown"]


def test_timers_follow_the_state() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def timers(state: records.State) -> tuple[Timer, ...]:
        return (Timer("end", at + timedelta(days=1), RetireRecord(kind="site")),) if state.live else ()

    base = DECIDERS["records"]
    timed = {"records": Decider(base.state, base.initial, base.decide, base.apply, timers=timers)}
    begun = decided(command("a", site("one")), deciders=timed)
    assert [(row.name, row.due) for row in begun.timers_due] == [("end", at + timedelta(days=1))]
    assert registry.decode(begun.timers_due[0].value).body == RetireRecord(kind="site")
    batch = Batch([command("a", RetireRecord(kind="site"))], timed)
    batch.loaded = {("records", "o", "a"): (1, ENCODER.encode(records.State("a", "site", True, 1, {"name": "one"})))}
    assert decide_batch(batch).timers_gone == [("records", "o", "a", "end")]
