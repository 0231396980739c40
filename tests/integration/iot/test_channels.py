"""A channel is tested: what came of it is told, whatever it was (contract, 6.11)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from schemas.ids import new_id
from tests.integration.iot.conftest import good, problem

pytestmark = pytest.mark.stack


async def test_what_came_of_a_test_is_told(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    calls = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    body = {"name": new_id(), "type": "WEBHOOK", "url": f"https://127.0.0.1:{port}/x", "secret": "a-long-secret"}
    place = f"/notification-channels/{good(await acme.post('/notification-channels', json=body), 201)['id']}/test"
    problem(await globex.post(place), 404, "NOT_FOUND")
    async with server:
        said = good(await acme.post(place))
        await asyncio.sleep(2)
    assert calls == 1, "a test is one try"
    assert not said["success"]
    assert said["error"]
    assert said["durationMs"] >= 0
    assert "statusCode" not in said
    answers = [await acme.post(place) for _ in range(2)]
    assert "retry-after" in answers[-1].headers
    problem(answers[-1], 429, "RATE_LIMITED")


async def test_there_is_no_mail_server(acme: httpx.AsyncClient) -> None:
    body = {"name": new_id(), "type": "EMAIL", "recipients": ["a@example.com"]}
    channel = good(await acme.post("/notification-channels", json=body), 201)["id"]
    said = good(await acme.post(f"/notification-channels/{channel}/test"))
    assert (said["success"], "mail" in said["error"]) == (False, True)
