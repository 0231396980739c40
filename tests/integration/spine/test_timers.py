"""Timers fire from rows: also those that came due while nobody was there."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from infra.commands import Commands
from infra.settings import Settings
from schemas.base import asking
from schemas.ids import new_id
from schemas.records.messages import PutRecord, RetireRecord
from streams import store
from streams.batch import due
from streams.decision import Timer

pytestmark = pytest.mark.stack


async def version(log: Commands, stream: str) -> int:
    return int(await log.pool.fetchval("select version from records.versions where stream = $1", stream))


async def test_a_due_row_becomes_a_command_once(log: Commands, settings: Settings, organisation: str) -> None:
    id = new_id()
    await log.submit(
        PutRecord(kind="site", body={"name": "short-lived"}), asking(id, organisation=organisation), wait=10
    )
    past = datetime.now(UTC) - timedelta(hours=1)
    row = due(Timer("end", past, RetireRecord(kind="site")), ("records", organisation, id))
    async with log.pool.acquire() as db:
        await store.save_timers(db, (), [row])
    async with asyncio.timeout(10):
        while await version(log, id) < 2:
            await asyncio.sleep(0.05)
    assert await log.pool.fetchval("select count(*) from streams.timers where stream = $1", id) == 0
    async with log.pool.acquire() as db:
        await store.save_timers(db, (), [row])
    await asyncio.sleep(1.5)
    assert await version(log, id) == 2
