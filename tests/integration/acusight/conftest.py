"""Clients of two organisations, and devices that they let in."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.integration.nx.calls import network, ready, upload
from tests.integration.nx.conftest import signed_in

Enrol = Callable[..., Awaitable[httpx.AsyncClient]]


def data(answer: httpx.Response, status: int = 200) -> Any:
    """What a good answer holds."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["success"] is True
    return said["data"]


def error(answer: httpx.Response, status: int, code: str) -> dict[str, str]:
    """The error of a bad answer, in the contract's form."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["success"] is False
    assert said["error"]["code"] == code, said
    assert isinstance(said["error"].get("details", ""), str)
    return dict(said["error"])


def picture(kind: str = "JPEG", seed: int | None = None, size: tuple[int, int] = (96, 72)) -> bytes:
    """A picture unlike any other (for a seed: the same every time)."""
    tiles = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(tiles).resize(size, Image.Resampling.NEAREST).save(out, kind)
    return out.getvalue()


def user(stack: dict[str, Any], organisation: str) -> httpx.AsyncClient:
    token = stack["organisations"][organisation]["acusight"]["token"]
    return httpx.AsyncClient(base_url=f"{stack['api']}/api", headers={"Authorization": f"Bearer {token}"}, timeout=15)


@pytest.fixture
async def acme(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with user(stack, "acme") as client:
        yield client


@pytest.fixture
async def globex(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with user(stack, "globex") as client:
        yield client


@pytest.fixture
async def nobody(stack: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api", timeout=15) as client:
        yield client


@pytest.fixture
async def enrol(stack: dict[str, Any]) -> AsyncIterator[Enrol]:
    """`await enrol(client)` lets a fresh device in and gives its client; `headers["x-id"]` is its id."""
    made: list[httpx.AsyncClient] = []

    async def enrolled(keeper: httpx.AsyncClient, device_id: str | None = None, **info: str) -> httpx.AsyncClient:
        token = data(await keeper.post("/provisioning-tokens", json={"name": "line"}), 201)["token"]
        known = {"device_id": device_id or f"edge-{uuid4()}", **info}
        said = data(await keeper.post("/devices/provision", json={"token": token, "device_info": known}), 201)
        headers = {"X-Device-Key": said["api_key"], "x-id": said["device_id"]}
        made.append(httpx.AsyncClient(base_url=f"{stack['api']}/api", headers=headers, timeout=15))
        return made[-1]

    yield enrolled
    for client in made:
        await client.aclose()


@pytest.fixture(scope="session")
async def function(stack: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A model that acme sent as an Nx function, checked."""
    client = await signed_in(stack, "acme")
    yield await ready(client, (await upload(client, network(scale=0.25)))["UUID"])
    await client.aclose()
