"""Callers of two organisations, and media made once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.noxovision.calls import film

Stack = dict[str, Any]


def client(stack: Stack, organisation: str) -> httpx.Client:
    key = stack["organisations"][organisation]["noxovision"]["api_key"]
    return httpx.Client(base_url=f"{stack['api']}/api/v0", headers={"X-API-Key": key}, timeout=90)


@pytest.fixture(scope="session")
def acme(stack: Stack) -> Iterator[httpx.Client]:
    with client(stack, "acme") as one:
        yield one


@pytest.fixture(scope="session")
def globex(stack: Stack) -> Iterator[httpx.Client]:
    with client(stack, "globex") as one:
        yield one


@pytest.fixture(scope="session")
def anybody(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack['api']}/api/v0", timeout=30) as one:
        yield one


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """27 seconds: two segments, three scenes."""
    return film(tmp_path_factory.mktemp("media") / "clip.mp4", 27)


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A minute and a half: several segments, some seconds of work."""
    return film(tmp_path_factory.mktemp("media") / "long.mp4", 90)
