"""Signed-in callers of two organisations, and one model that is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from infra.commands import Commands
from infra.settings import Settings
from tests.integration.nx.calls import network, ready, upload


async def signed_in(stack: dict[str, Any], organisation: str, **account: str) -> httpx.AsyncClient:
    said = stack["organisations"][organisation]["nx"] | account
    client = httpx.AsyncClient(base_url=stack["api"], timeout=30)
    answer = await client.post("/cdb/oauth2/token", data={"grant_type": "password", **said})
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


@pytest.fixture(scope="session")
async def acme(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    client = await signed_in(stack, "acme")
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def globex(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    client = await signed_in(stack, "globex")
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def log(settings: Settings) -> AsyncIterator[Commands]:
    """What producers inside the trust boundary write to."""
    commands = Commands(settings)
    await commands.start()
    while commands.parts() != {"kafka": "ok", "postgres": "ok"}:
        await asyncio.sleep(0.05)
    yield commands
    await commands.stop()


@pytest.fixture
async def anybody(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack["api"], timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
async def model(acme: httpx.AsyncClient) -> dict[str, Any]:
    """A model of acme's that is ready."""
    return await ready(acme, (await upload(acme, network(scale=0.5)))["UUID"])
