"""A device's way in, its pictures and its way out, over all contexts: the real deciders and reactions, no Kafka."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import orjson
import pytest

from projections.fleet.rows import rows as fleet_rows
from projections.rows import Change, Put
from schemas import registry
from schemas.base import Command, Envelope, Event, Received, asking
from schemas.datasets.messages import (
    BatchChanged,
    BatchOpened,
    ChangeBatch,
    CloseIntake,
    ImageAdded,
    ImageDropped,
    ImageKept,
    IntakeClosed,
)
from schemas.fleet.messages import ChangeDevice, DeviceRegistered, DeviceRetired, RegisterDevice, RetireDevice
from schemas.ids import derived_id, new_id
from schemas.media.messages import ImageDiscarded, StoreImage
from schemas.provisioning.messages import (
    CreateProvisioningToken,
    EnrolDevice,
    EnrolmentClosed,
    IssueCertificate,
    MintRegistrationToken,
    RevokeProvisioningToken,
    TokenUsed,
)
from schemas.records.messages import PutRecord
from streams.batch import Batch, decide_batch
from streams.store import ClaimKey, Key, Outcome
from streams.table import DECIDERS, REACTIONS

ORG = new_id()
PLACE: Any = SimpleNamespace(topic="t", partition=0, trace={})
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


class World:
    """One organisation: commands go in, their events and all that follows happen at once."""

    def __init__(self) -> None:
        self.states: dict[Key, tuple[int, bytes]] = {}
        self.claims: dict[ClaimKey, Key] = {}
        self.events: list[tuple[Envelope, Event]] = []
        self.due: dict[tuple[str, str, str, str], Any] = {}
        self.now = START

    def ask(self, stream: str, command: Command, id: str | None = None) -> Outcome:
        meta = msgspec.structs.replace(asking(stream, organisation=ORG, actor="user", id=id), time=self.now)
        batch = Batch([(PLACE, Received(meta, command))], DECIDERS)
        batch.loaded = {key: known for key, known in self.states.items() if key == (command.CONTEXT, ORG, stream)}
        decided = decide_batch(batch)
        while unknown := {claim for claim, _ in decided.assumed}:
            batch.held.update({claim: self.claims.get(claim) for claim in unknown})
            decided = decide_batch(batch)
        for claim in decided.claims_dropped:
            self.claims.pop(claim)
        assert not decided.claims_taken.keys() & self.claims.keys()
        self.claims.update(decided.claims_taken)
        self.states.update(decided.states)
        for gone in decided.timers_gone:
            self.due.pop(gone)
        self.due.update({(d.context, d.organisation, d.stream, d.name): d for d in decided.timers_due})
        for out in decided.outgoing():
            self.follow(registry.decode(out.value))
        return decided.outcomes[0]

    def follow(self, received: Received) -> None:
        assert isinstance(received.body, Event)
        self.events.append((received.envelope, received.body))
        sends = [s for r in REACTIONS.get(type(received.body), ()) for s in r(received.body, received.envelope)]
        for n, send in enumerate(sends):
            self.ask(send.stream, send.command, derived_id(received.envelope.id, f"reaction/{n}"))

    def told(self, *kinds: type[Event]) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kinds)]

    def state(self, context: str, stream: str) -> Any:
        return msgspec.msgpack.decode(self.states[context, ORG, stream][1], type=DECIDERS[context].state)


@pytest.fixture
def world() -> World:
    return World()


def token(world: World, *, single_use: bool = False, days: int | None = 30) -> str:
    id, expires = new_id(), None if days is None else START + timedelta(days=days)
    command = CreateProvisioningToken(name="line", digest="d", expires_at=expires, single_use=single_use)
    assert world.ask(id, command).code is None
    return id


def enrolling(token: str, external_id: str, *, single_use: bool = False) -> EnrolDevice:
    return EnrolDevice(
        token=token, single_use=single_use, token_expires_at=START + timedelta(days=30),
        external_id=external_id, name=external_id, key_digest="k",
    )  # fmt: skip


def enrolled(world: World, external_id: str = "edge-1") -> str:
    id = new_id()
    assert world.ask(id, enrolling(token(world), external_id)).code is None
    return id


def test_a_device_with_a_key_is_a_device_of_the_fleet(world: World) -> None:
    used = token(world)
    device = new_id()
    assert world.ask(device, enrolling(used, "edge-1")).code is None
    (registered,) = world.told(DeviceRegistered)
    assert (registered.external_id, registered.status) == ("edge-1", "ACTIVE")
    assert world.told(TokenUsed) == [TokenUsed(device=device, spent=False)]
    assert (ORG, "device", device) in world.claims


def test_a_single_use_token_lets_one_in(world: World) -> None:
    used = token(world, single_use=True)
    codes = [world.ask(new_id(), enrolling(used, f"edge-{n}", single_use=True)).code for n in range(3)]
    assert codes == [None, "token.invalid", "token.invalid"]
    assert world.told(TokenUsed)[0].spent


def test_two_at_once_with_a_single_use_token(world: World) -> None:
    """Before the token hears of its use, the claim decides."""
    used, metas = token(world, single_use=True), [asking(new_id(), organisation=ORG) for _ in range(20)]
    commands = [(PLACE, Received(meta, enrolling(used, f"e{n}", single_use=True))) for n, meta in enumerate(metas)]
    batch = Batch(commands, DECIDERS)
    decided = decide_batch(batch)
    batch.held.update({claim: world.claims.get(claim) for claim, _ in decided.assumed})
    assert [o.code for o in decide_batch(batch).outcomes] == [None] + ["token.used"] * 19


def test_a_known_device_does_not_consume_the_token(world: World) -> None:
    enrolled(world, "edge-1")
    used = token(world, single_use=True)
    assert world.ask(new_id(), enrolling(used, "edge-1", single_use=True)).code == "device.exists"
    assert world.ask(new_id(), enrolling(used, "edge-2", single_use=True)).code is None


def test_revoked_expired_and_unknown_tokens(world: World) -> None:
    used = token(world)
    assert world.ask(used, RevokeProvisioningToken()).code is None
    assert world.ask(used, RevokeProvisioningToken()).code == "invalid_state"
    assert world.ask(new_id(), RevokeProvisioningToken()).code == "unknown"
    assert world.ask(new_id(), enrolling(used, "edge-1")).code == "token.invalid"
    late = token(world)
    world.now = START + timedelta(days=30)
    assert world.ask(new_id(), enrolling(late, "edge-1")).code == "token.expired"


def test_what_leaves_the_fleet_opens_nothing_and_may_come_again(world: World) -> None:
    device = enrolled(world, "edge-1")
    assert world.ask(device, RetireDevice()).code is None
    assert world.told(EnrolmentClosed)
    assert world.ask(device, RetireDevice()).events == 0
    enrolled(world, "edge-1")
    assert len(world.told(DeviceRegistered)) == 2


def test_a_registration_token_becomes_one_certificate(world: World) -> None:
    device, minted = new_id(), new_id()
    assert world.ask(device, RegisterDevice(name="Pump", unique_name=True, status="PENDING")).code is None
    mint = MintRegistrationToken(device=device, device_name="Pump", digest="d", expires_at=START + timedelta(days=1))
    assert world.ask(minted, mint).code is None
    assert world.ask(new_id(), msgspec.structs.replace(mint, device=new_id())).code == "reference.unknown"
    issue = IssueCertificate(
        token=minted, token_expires_at=mint.expires_at, serial_number="0a", fingerprint="f", subject="CN=x",
        not_before=START, not_after=START + timedelta(days=365),
    )  # fmt: skip
    assert world.ask(device, issue).code is None
    assert world.ask(new_id(), msgspec.structs.replace(issue, serial_number="0b")).code == "token.invalid"
    renewal = msgspec.structs.replace(issue, token=None, token_expires_at=None, renews="0a", serial_number="0c")
    assert world.ask(device, renewal).code is None
    assert world.ask(new_id(), renewal).code == "token.invalid"


def test_names_are_unique_where_the_dialect_says_so(world: World) -> None:
    assert world.ask(new_id(), RegisterDevice(name="a", unique_name=True)).code is None
    refused = world.ask(new_id(), RegisterDevice(name="a", unique_name=True))
    assert (refused.code, refused.field) == ("name.taken", "name")
    assert world.ask(new_id(), RegisterDevice(name="a")).code is None


def test_changes_of_a_device(world: World) -> None:
    device = enrolled(world)
    assert world.ask(device, ChangeDevice(changes={"name": "North"})).events == 1
    assert world.ask(device, ChangeDevice(changes={"name": "North"})).events == 0
    assert world.ask(device, ChangeDevice(changes={"organisation": "x"})).field == "organisation"
    assert world.ask(device, ChangeDevice(changes={"external_id": "x"})).code == "invalid"
    assert world.ask(device, ChangeDevice(changes={"status": "REJECTED"})).code is None
    assert world.ask(device, ChangeDevice(changes={"status": "MAINTENANCE"})).code == "invalid_state"
    assert world.ask(device, ChangeDevice(changes={"status": "PENDING"})).code == "invalid_state"
    assert world.ask(device, ChangeDevice(changes={"name": "x"}, expected=1)).code == "version.stale"
    assert world.ask(device, ChangeDevice(changes={"site": new_id()})).code == "reference.unknown"
    assert world.ask(new_id(), ChangeDevice(changes={"name": "x"})).code == "unknown"
    assert world.ask(device, RegisterDevice(name="again")).code == "device.exists"


def picture(device: str, sha256: str, hash: str, **more: Any) -> StoreImage:
    return StoreImage(
        storage_key=f"raw-data/{sha256}", filename="a.jpg", sha256=sha256, size=1, width=4, height=3, format="jpeg",
        hash=hash, device=device, device_name="Edge", batch=new_id(), **more,
    )  # fmt: skip


def test_pictures_of_a_device_gather_in_its_batch(world: World) -> None:
    device = enrolled(world)
    first, second = new_id(), new_id()
    assert world.ask(first, picture(device, "s1", "00" * 8)).code is None
    assert world.ask(second, picture(device, "s2", "ff" * 8)).code is None
    kept = world.told(ImageKept)
    assert kept[0].batch == kept[1].batch
    assert world.told(BatchOpened) == [BatchOpened(name="Edge 2026-11-21 12:00", device=device)]
    assert len(world.told(ImageAdded)) == 2


def test_the_same_bytes_and_a_similar_frame(world: World) -> None:
    device = enrolled(world)
    assert world.ask(new_id(), picture(device, "s1", "00" * 8)).code is None
    assert world.ask(new_id(), picture(device, "s1", "ff" * 8)).code == "image.duplicate"
    assert world.ask(new_id(), picture(device, "s2", "00" * 7 + "03")).code is None
    (dropped,) = world.told(ImageDropped)
    assert dropped.batch == world.told(ImageKept)[0].batch
    assert world.told(ImageDiscarded)[0].reason == "similar_frame"
    assert world.ask(new_id(), picture(device, "s2", "00" * 7 + "03", force=True)).code is None, "its bytes are free"
    assert world.ask(new_id(), picture(device, "s3", "00" * 8, source="side")).code is None, "another source"
    assert len(world.told(ImageKept)) == 3
    assert world.ask(new_id(), picture(new_id(), "s9", "00" * 8)).code == "reference.unknown"


def test_a_quiet_device_completes_its_batch_for_its_project(world: World) -> None:
    device, project = enrolled(world), new_id()
    assert world.ask(project, PutRecord(kind="project", body={"name": "Parts"})).code is None
    assert world.ask(device, ChangeDevice(changes={"auto_assign_project": project})).code is None
    world.ask(new_id(), picture(device, "s1", "00" * 8))
    batch = world.told(ImageKept)[0].batch
    due = world.due["datasets", ORG, device, "quiet"]
    assert due.due == START + timedelta(minutes=30)
    assert world.ask(device, CloseIntake(batch=batch)).events == 0, "too early"
    world.now = due.due
    assert world.ask(device, CloseIntake(batch=batch)).events == 1
    assert [c.changes for c in world.told(BatchChanged)] == [
        {"status": "complete"},
        {"project": project, "stage": "annotating"},
    ]
    world.ask(new_id(), picture(device, "s2", "ff" * 8))
    assert world.told(ImageKept)[1].batch != batch


def test_a_batch_completed_by_hand_takes_no_more(world: World) -> None:
    device = enrolled(world)
    world.ask(new_id(), picture(device, "s1", "00" * 8))
    batch = world.told(ImageKept)[0].batch
    assert world.ask(batch, ChangeBatch(changes={"status": "complete"})).code is None
    assert world.told(IntakeClosed)[0].reason == "complete"
    assert world.ask(batch, ChangeBatch(changes={"status": "collecting"})).code == "invalid_state"
    world.ask(new_id(), picture(device, "s2", "ff" * 8))
    assert world.told(ImageKept)[1].opens is not None


def test_a_full_batch_closes(world: World) -> None:
    device = enrolled(world)
    for n in range(3):
        world.ask(new_id(), picture(device, f"s{n}", f"{n * 0x55:02x}" * 8, rules={"batch_max_images": 2}))
    batches = [kept.batch for kept in world.told(ImageKept)]
    assert batches[0] == batches[1] != batches[2]
    assert world.told(IntakeClosed)[0].reason == "full"


def test_a_batch_that_does_not_close_by_itself(world: World) -> None:
    device, rules = enrolled(world), {"auto_close": False, "batch_max_images": 1, "similarity_filter": False}
    for n in range(2):
        world.ask(new_id(), picture(device, f"s{n}", "00" * 8, rules=rules))
        world.now += timedelta(hours=1)
    assert len({kept.batch for kept in world.told(ImageKept)}) == 1
    assert not [key for key in world.due if key[0] == "datasets"]


def test_every_snapshot_is_the_fold_of_its_events(world: World) -> None:
    test_pictures_of_a_device_gather_in_its_batch(world)
    device = world.events[0][0].stream
    world.ask(device, RetireDevice())
    for context, organisation, stream in world.states:
        decider, state = DECIDERS[context], DECIDERS[context].initial
        for meta, event in world.events:
            if (event.CONTEXT, meta.stream) == (context, stream):
                state = decider.apply(state, event, meta)
        assert state == world.state(context, stream), (context, organisation)


def test_a_device_row_can_be_written_as_json(world: World) -> None:
    enrolled(world)
    meta, event = next((m, e) for m, e in world.events if isinstance(e, DeviceRegistered))
    (row,) = fleet_rows(event, meta)
    assert isinstance(row, Put)
    assert orjson.loads(orjson.dumps(row.values))["external_id"] == "edge-1"
    (gone,) = fleet_rows(DeviceRetired(), meta)
    assert isinstance(gone, Change)
    assert gone.values["retired_at"] == meta.time
