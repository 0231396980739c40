"""Dead letters go back where they came from, unchanged and once; what still cannot be read stays."""

from __future__ import annotations

import pytest

from infra import kafka, postgres
from infra.commands import Commands
from infra.replay import Letter, replay, waiting
from infra.settings import Settings
from projections.columns import Place
from schemas import registry
from schemas.base import Command, Envelope, asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RecordPut
from tests.conftest import sightlog

pytestmark = pytest.mark.stack
TOPIC, FAR = "records.commands", 1 << 40
"""No real message stands so far on: letters of these tests have origins of their own."""


class Aside:
    """A command that an older build could not read."""

    def __init__(self, organisation: str, offset: int, reason: str = "unknown_schema: 9999") -> None:
        self.stream, self.offset, self.reason = new_id(), FAR + offset, reason
        self.meta: Envelope = asking(self.stream, organisation=organisation)
        self.command: Command = PutRecord(kind="site", body={"name": f"aside {self.stream}"})
        self.value = registry.encode(self.meta, self.command)

    async def put(self, log: Commands, value: bytes | None = None, reason: str = "") -> None:
        assert log.producer is not None
        place = Place(TOPIC, 0, self.offset, self.stream.encode(), self.value if value is None else value)
        await kafka.dead_letter(log.producer, place, reason or self.reason)

    async def standing(self, log: Commands) -> bool:
        sql = "select 1 from records.records where id = $1"
        return await log.until(self.meta.organisation, lambda db: db.fetchval(sql, self.stream), wait=20) is not None


def number() -> int:
    """Unlike in any earlier run on a kept stack."""
    return int(new_id().replace("-", "")[:11], 16)


async def ours(settings: Settings, aside: Aside) -> list[Letter]:
    return [letter for letter in await waiting(settings) if letter.origin == (TOPIC, 0, aside.offset)]


async def test_what_can_be_read_now_is_done_once(log: Commands, settings: Settings, organisation: str) -> None:
    aside = Aside(organisation, number())
    await aside.put(log)
    await aside.put(log, reason="upcast_failed: of another reader")
    assert ("put back", aside.offset) in [(fate, letter.origin[2]) for letter, fate in await replay(settings, TOPIC)]
    assert await aside.standing(log)
    assert await ours(settings, aside) == []
    assert {fate for _, fate in await replay(settings, TOPIC)} <= {"still unreadable"}


async def test_a_repeat_does_nothing_more(log: Commands, settings: Settings, organisation: str) -> None:
    """A run that dies between a letter and its mark puts the letter back again: its reader has its id."""
    done = Aside(organisation, number(), "not_a_command: done")
    await log.submit(done.command, done.meta, wait=20)
    await done.put(log)
    await replay(settings, TOPIC, "not_a_command: done")
    after = Aside(organisation, number(), "not_a_command: after")
    await after.put(log)
    await replay(settings, TOPIC, "not_a_command: after")
    assert await after.standing(log)
    service = await postgres.connect(settings.postgres.service)
    sql = "select version from records.versions where organisation = $1 and stream = $2"
    assert await service.fetchval(sql, organisation, done.stream) == 1
    await service.close()


async def test_what_still_cannot_be_read_stays(log: Commands, settings: Settings, organisation: str) -> None:
    aside = Aside(organisation, number(), "not_framed")
    await aside.put(log, b"\xff garbage")
    fates = await replay(settings, TOPIC, "not_framed")
    assert {fate for _, fate in fates} == {"still unreadable"}
    (letter,) = await ours(settings, aside)
    assert (letter.value, letter.key) == (b"\xff garbage", aside.stream.encode())


async def test_what_does_not_belong_there_stays(log: Commands, settings: Settings, organisation: str) -> None:
    """It can be read, and its readers would put it aside again."""
    aside = Aside(organisation, number(), "not_a_command: RecordPut")
    await aside.put(log, registry.encode(aside.meta, RecordPut(kind="site", body={})))
    assert {fate for _, fate in await replay(settings, TOPIC, "not_a_command: RecordPut")} == {"still unreadable"}
    assert await ours(settings, aside)


async def test_only_what_is_named_goes_back(log: Commands, settings: Settings, organisation: str) -> None:
    aside = Aside(organisation, number(), "upcast_failed: this one")
    await aside.put(log)
    await replay(settings, "records.events")
    await replay(settings, TOPIC, "not_avro")
    assert await ours(settings, aside)
    await replay(settings, TOPIC, "upcast_failed: this one")
    assert await aside.standing(log)


async def test_the_command_says_what_became_of_them(log: Commands, settings: Settings, organisation: str) -> None:
    aside = Aside(organisation, number(), "upcast_failed: told")
    await aside.put(log)
    said = sightlog("replay", "--topic", TOPIC, "--reason", "upcast_failed: told")
    assert (said.returncode, "put back" in said.stdout) == (0, True), said.stderr
    assert "no dead letters wait" in sightlog("replay", "--reason", "upcast_failed: told").stdout
    wrong = sightlog("replay", "--topic", "nothing.commands")
    assert wrong.returncode == 1
    assert TOPIC in wrong.stderr
    assert "Traceback" not in wrong.stderr
