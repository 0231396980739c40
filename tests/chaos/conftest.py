"""A way to the log, and an organisation of the test's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.commands import Commands
from infra.secrets import digest, mint
from infra.settings import Settings
from schemas.base import asking
from schemas.ids import new_id
from schemas.tenancy.messages import CreateApiKey, CreateOrganisation


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Commands]:
    commands = Commands(settings, size=16)
    await commands.start()
    async with asyncio.timeout(60):
        while set(commands.parts().values()) != {"ok"}:
            await asyncio.sleep(0.05)
    yield commands
    await commands.stop()


@pytest.fixture
async def organisation(log: Commands) -> tuple[str, dict[str, str]]:
    """An organisation and the headers of an API key of it."""
    id, secret = new_id(), mint("sk_live_")
    await log.submit(CreateOrganisation(name="Chaos", slug=id), asking(id, organisation=id), wait=20)
    key = CreateApiKey(surface="iot", name="chaos", digest=digest(secret), prefix=secret[:12], role="admin", scopes=())
    await log.submit(key, asking(f"key_{new_id()}", organisation=id), wait=20)
    return id, {"Authorization": f"Bearer {secret}"}
