"""A projection made anew from the log is the live one, row by row; reads go on meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import groupby
from typing import Any

import pytest

from infra import postgres
from infra.commands import Commands, Refused
from infra.history import Message, history
from infra.settings import Settings
from projections.rebuild import UnknownProjection, rebuild
from projections.table import PROJECTIONS
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RetireRecord
from streams import rebuild as streams

pytestmark = pytest.mark.stack
Rows = dict[str, list[str]]


async def rows(settings: Settings, schema: str) -> Rows:
    """Every row of every table as text, in order."""
    owner = await postgres.connect(settings.postgres.owner)
    try:
        names = await owner.fetch("select tablename from pg_tables where schemaname = $1 order by 1", schema)
        return {
            n[0]: [r[0] for r in await owner.fetch(f"select t::text from {schema}.{n[0]} t order by 1")] for n in names
        }
    finally:
        await owner.close()


async def written(log: Commands, organisation: str) -> None:
    """Some history: made, changed, retired."""
    for n in range(12):
        id = new_id()
        await log.submit(PutRecord(kind="site", body={"name": f"a{n}"}), asking(id, organisation=organisation), wait=20)
        if n % 2:
            await log.submit(
                PutRecord(kind="site", body={"name": f"b{n}"}), asking(id, organisation=organisation), wait=20
            )
        if n % 3 == 0:
            await log.submit(RetireRecord(kind="site"), asking(id, organisation=organisation), wait=20)


async def reading(settings: Settings, organisation: str, seen: list[int], stop: asyncio.Event) -> None:
    pool = await postgres.pool(settings.postgres.api)
    while not stop.is_set():
        async with postgres.Reading(pool, organisation) as db:
            seen.append(await db.fetchval("select count(*) from records.records"))
        await asyncio.sleep(0.005)
    await pool.close()


async def at_rest(settings: Settings, schema: str, again: Callable[[], Awaitable[None]]) -> tuple[Rows, Rows]:
    """Every row before and after `again`, while nothing else happened: workers may still be busy with other tests."""
    for _ in range(20):
        before = await rows(settings, schema)
        await again()
        after = await rows(settings, schema)
        if before["positions"] == after["positions"]:
            return before, after
    raise AssertionError("something kept happening")


async def partition_by_partition(settings: Settings, topics: Iterable[str]) -> AsyncIterator[list[Message]]:
    """The log with each partition after the next one: streams meet in an order that they never had."""
    found: list[Message] = []
    async for batch in history(settings, topics):
        if not batch:
            break
        found += batch
    for _, messages in groupby(sorted(found, key=lambda m: (-m.partition, m.offset)), key=lambda m: m.partition):
        yield list(messages)
    yield []


@pytest.mark.parametrize("name", sorted(PROJECTIONS))
async def test_the_order_in_which_streams_meet_does_not_matter(
    settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.rebuild.history", partition_by_partition)
    before, after = await at_rest(settings, name, lambda: rebuild(name, settings))
    assert after == before


@pytest.mark.parametrize("name", sorted(PROJECTIONS))
async def test_it_equals_the_live_one(log: Commands, settings: Settings, organisation: str, name: str) -> None:
    await written(log, organisation)
    seen, stop = list[int](), asyncio.Event()
    reader = asyncio.create_task(reading(settings, organisation, seen, stop))
    before, after = await at_rest(settings, name, lambda: rebuild(name, settings))
    stop.set()
    await reader
    assert set(seen) == {12}, "reads went on and saw every row"
    assert after == before
    id = new_id()
    await log.submit(PutRecord(kind="site", body={"name": "after"}), asking(id, organisation=organisation), wait=20)


async def test_row_level_security_survives_the_swap(log: Commands, settings: Settings, organisation: str) -> None:
    await written(log, organisation)
    await rebuild("records", settings)
    pool = await postgres.pool(settings.postgres.api)
    found: dict[str, Any] = {}
    for who in ("", organisation, new_id()):
        async with postgres.Reading(pool, who) as db:
            found[who] = await db.fetchval("select count(*) from records.records")
    await pool.close()
    assert list(found.values()) == [0, 12, 0]


async def test_an_unknown_name_is_said(settings: Settings) -> None:
    with pytest.raises(UnknownProjection, match="records"):
        await rebuild("nothing", settings)


async def test_the_write_side_equals_the_live_one(log: Commands, settings: Settings, organisation: str) -> None:
    """Snapshots, claims and timers from the events are those that deciding left behind, byte by byte."""
    await written(log, organisation)
    tables = ("snapshots", "claims", "timers")
    before, after = await at_rest(settings, "streams", lambda: streams.rebuild(settings=settings))
    assert {t: after[t] for t in tables} == {t: before[t] for t in tables}
    taken = PutRecord(kind="site", body={"name": "a2"})
    with pytest.raises(Refused, match=r"name\.taken"):
        await log.submit(taken, asking(new_id(), organisation=organisation), wait=20)
