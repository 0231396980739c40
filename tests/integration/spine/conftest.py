"""A way to the log for the spine's tests, and an organisation that nobody else has."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.commands import Commands
from infra.settings import Settings
from schemas.ids import new_id


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Commands]:
    commands = Commands(settings)
    await commands.start()
    async with asyncio.timeout(30):
        while set(commands.parts().values()) != {"ok"}:
            await asyncio.sleep(0.05)
    yield commands
    await commands.stop()


@pytest.fixture
def organisation() -> str:
    return new_id()
