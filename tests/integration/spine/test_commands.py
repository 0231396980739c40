"""A command through the real log: decided once, recorded, readable."""

import asyncio

import pytest

from infra import postgres
from infra.commands import Commands, Refused
from infra.settings import Settings
from projections.records import queries
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RetireRecord

pytestmark = pytest.mark.stack


def site(name: str) -> PutRecord:
    return PutRecord(kind="site", body={"name": name})


async def test_it_is_readable_when_submit_returns(log: Commands, organisation: str) -> None:
    for n in range(20):
        id = new_id()
        done = await log.submit(site(f"site {n}"), asking(id, organisation=organisation), wait=10)
        async with log.read(organisation) as db:
            row = await queries.one(db, "site", id)
        assert row is not None
        assert (row["body"]["name"], row["version"]) == (f"site {n}", done.version)


async def test_a_repeat_gets_the_first_answer(log: Commands, organisation: str) -> None:
    meta = asking(new_id(), organisation=organisation)
    first, *again = [await log.submit(site("one"), meta, wait=10) for _ in range(3)]
    assert {done.version for done in (first, *again)} == {1}


async def test_many_at_once_with_one_name_give_one(log: Commands, organisation: str) -> None:
    async def ask() -> str:
        try:
            await log.submit(site("the one"), asking(new_id(), organisation=organisation), wait=20)
        except Refused as refused:
            return refused.code
        return "done"

    assert sorted(await asyncio.gather(*(ask() for _ in range(24)))) == ["done"] + ["name.taken"] * 23


async def test_another_organisation_sees_and_changes_nothing(
    log: Commands, settings: Settings, organisation: str
) -> None:
    api = await postgres.pool(settings.postgres.api)
    id = new_id()
    await log.submit(site("mine"), asking(id, organisation=organisation), wait=10)
    other = new_id()
    with pytest.raises(Refused, match="unknown"):
        await log.submit(RetireRecord(kind="site"), asking(id, organisation=other), wait=10)
    async with postgres.Reading(api, other) as db:
        assert await queries.one(db, "site", id) is None
        assert (await queries.page(db, "site"))[1] == 0
    await api.close()


async def test_a_stale_version_is_refused(log: Commands, organisation: str) -> None:
    id = new_id()
    await log.submit(site("a"), asking(id, organisation=organisation), wait=10)
    late = PutRecord(kind="site", body={"name": "b"}, expected=7)
    with pytest.raises(Refused, match=r"version\.stale"):
        await log.submit(late, asking(id, organisation=organisation), wait=10)
