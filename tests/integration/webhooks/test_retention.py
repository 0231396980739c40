"""What was sent is kept for its time, and then goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra import postgres
from infra.settings import Settings
from projections.rebuild import rebuild
from projections.webhooks import queries
from schemas.ids import new_id
from streams.webhooks import retention
from tests.integration.webhooks.conftest import Log, Receiver, started

pytestmark = pytest.mark.stack
BEFORE = "updated_at = updated_at - $2::interval, created_at = created_at - $2::interval"


class Clock:
    """Makes rows older, and lets the sweep look at them."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def pass_(self, table: str, key: str, value: str, days: int) -> None:
        async with self.log.commands.pool.acquire() as db, db.transaction():
            await db.execute(
                f"update webhooks.{table} set {BEFORE} where {key} = $1::uuid", value, timedelta(days=days)
            )
            while await retention.expire(db, 500):
                continue


@pytest.fixture(scope="module")
async def clock(log: Log, settings: Settings) -> AsyncIterator[Clock]:
    """Afterwards the rows are again what the log says."""
    yield Clock(log)
    await rebuild("webhooks", settings)


@pytest.fixture
async def acme(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    key = {"X-API-Key": stack["organisations"]["acme"]["noxovision"]["api_key"]}
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api/v0/", headers=key, timeout=60, trust_env=False) as one:
        yield one


async def test_a_callbacks_body_goes_a_week_after_its_end_and_its_line_after_ninety_days(
    log: Log, receiver: Receiver, clock: Clock, acme: httpx.AsyncClient
) -> None:
    message = await log.queue(receiver.url("/kept"), headers=log.vault.seal('{"X-Mine":"token"}'))
    await log.until(message, "delivered")
    await clock.pass_("messages", "id", message, 6)
    assert (await log.row(message))["body"] is not None
    await clock.pass_("messages", "id", message, 2)
    row = await log.row(message)
    assert (row["body"], row["secret"], row["headers"]) == (None, None, None)
    assert (await acme.get(f"webhooks/deliveries/{message}")).json()["state"] == "delivered"
    again = await acme.post(f"webhooks/deliveries/{message}/retry")
    assert (again.status_code, again.json()["code"]) == (410, "erased")
    assert len(receiver.of("/kept")) == 1
    await clock.pass_("messages", "id", message, 83)
    assert (await acme.get(f"webhooks/deliveries/{message}")).status_code == 404


async def test_an_endpoints_body_can_be_sent_again_for_a_fortnight(
    log: Log, receiver: Receiver, clock: Clock, acme: httpx.AsyncClient
) -> None:
    endpoint = await log.endpoint(receiver.url("/fortnight"))
    message = await log.announce(endpoint)
    await log.until(message, "delivered")
    await clock.pass_("messages", "id", message, 13)
    assert (await acme.post(f"webhooks/deliveries/{message}/retry")).status_code == 202
    async with asyncio.timeout(10):
        while (await log.row(message))["attempts"] < 2:
            await asyncio.sleep(0.05)
    assert len(receiver.of("/fortnight")) == 2
    await clock.pass_("messages", "id", message, 15)
    assert (await log.row(message))["body"] is None


async def test_what_still_waits_is_not_touched(log: Log, clock: Clock) -> None:
    message = await log.queue("http://127.0.0.1:9/nobody")
    await log.until(message, "retry_scheduled")
    await clock.pass_("messages", "id", message, 91)
    assert (await log.row(message))["body"] is not None


async def test_events_go_but_the_mark_of_where_they_begin(settings: Settings, clock: Clock) -> None:
    log = await started(Log(settings, new_id()))
    pool = await postgres.pool(settings.postgres.api)
    try:
        for _ in range(3):
            await log.announce(new_id())
        await clock.pass_("events", "organisation", log.organisation, 15)
        for _ in range(2):
            await log.announce(new_id())
        async with postgres.Reading(pool, log.organisation) as db:
            kept = await db.fetch("select version, body from webhooks.events order by version")
            assert [row["version"] for row in kept] == [3, 4, 5]
            assert kept[0]["body"] == {}
            assert await queries.first_kept(db) == 3
            assert [row["version"] for row in await queries.events(db, 3, 10)] == [4, 5]
    finally:
        await pool.close()
        await log.commands.stop()
