"""Two organisations of this test run, each with one thing of every kind, apart from what other tests do."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from infra import seed
from infra.identity import Identity, hash_password
from infra.secrets import mint
from infra.settings import Settings
from tests.contracts.documents import Operation, published
from tests.integration.contracts.told import writing
from tests.integration.contracts.world import Side


async def founded(settings: Settings, name: str) -> dict[str, Any]:
    """A new organisation as the local stack's own ones begin: people, keys, one site; its credentials."""
    password = mint("", 24)
    secrets = {"password": password, "sk": mint("sk_live_"), "nvk": mint("nvk_"), "hash": hash_password(password)}
    async with writing(settings) as log:
        for stream, organisation, command in seed.commands(name, secrets):
            await seed.put(log, stream, organisation, command)
    return seed.credentials(name, secrets, Identity(settings))


def organisation(settings: Settings, name: str) -> dict[str, Any]:
    return asyncio.run(founded(settings, f"{name}-{uuid4().hex[:8]}"))


@pytest.fixture(scope="session")
def operations(stack: dict[str, Any]) -> list[Operation]:
    """Every operation that the running server publishes."""
    return published(stack["api"])


def side(stack: dict[str, Any], settings: Settings, operations: list[Operation], name: str) -> Side:
    made = Side(settings, stack["api"], name, organisation(settings, name), operations)
    made.fill()
    return made


@pytest.fixture(scope="session")
def mine(stack: dict[str, Any], settings: Settings, operations: list[Operation]) -> Side:
    return side(stack, settings, operations, "mine")


@pytest.fixture(scope="session")
def theirs(stack: dict[str, Any], settings: Settings, operations: list[Operation]) -> Side:
    return side(stack, settings, operations, "theirs")
