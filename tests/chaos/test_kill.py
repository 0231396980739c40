"""SIGKILL at random moments under a mixed load: nothing accepted is lost, nothing is done twice that shows."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from infra.commands import Commands
from infra.secrets import digest, mint
from infra.settings import Settings
from schemas.base import asking
from schemas.ids import new_id
from schemas.tenancy.messages import CreateApiKey, CreateOrganisation
from tests.chaos import load, world

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]
KILLS = 42
VICTIMS = ("streams", "projections", "api")
CONTEXTS = ("records", "fleet", "tenancy")
BACK_WITHIN = 10.0


@pytest.fixture
async def log(settings: Settings) -> AsyncIterator[Commands]:
    commands = Commands(settings, size=16)
    await commands.start()
    async with asyncio.timeout(60):
        while set(commands.parts().values()) != {"ok"}:
            await asyncio.sleep(0.05)
    yield commands
    await commands.stop()


async def organisation(log: Commands) -> tuple[str, dict[str, str]]:
    """An organisation of the test's own, with an API key."""
    id, secret = new_id(), mint("sk_live_")
    await log.submit(CreateOrganisation(name="Chaos", slug=id), asking(id, organisation=id), wait=20)
    key = CreateApiKey(surface="iot", name="chaos", digest=digest(secret), prefix=secret[:12], role="admin", scopes=())
    await log.submit(key, asking(f"key_{new_id()}", organisation=id), wait=20)
    return id, {"Authorization": f"Bearer {secret}"}


async def test_forty_kills(log: Commands, settings: Settings, stack: dict[str, Any]) -> None:
    org, headers = await organisation(log)
    promises, stop, chance = load.Promises(), asyncio.Event(), random.Random(7)
    work = [asyncio.create_task(load.through_the_log(log, org, promises, stop, n)) for n in range(6)]
    work += [asyncio.create_task(load.through_http(stack["api"], headers, promises, stop, n)) for n in range(4)]
    slow: list[tuple[str, float]] = []
    for n in range(KILLS):
        await asyncio.sleep(chance.uniform(0.2, 1.2))
        victim = VICTIMS[n % len(VICTIMS)]
        back = await world.restarted(settings, victim, world.kill(settings, victim))
        went_on = await next_promise(promises, back)
        if went_on > BACK_WITHIN:
            slow.append((victim, went_on))
    stop.set()
    await asyncio.gather(*work)
    truth = await world.agreed(settings, org, CONTEXTS)
    check(promises, truth, await world.on_the_log(settings, org, CONTEXTS))
    assert not slow, "work went on within 10 s of the restart"


async def next_promise(promises: load.Promises, since: float) -> float:
    """Seconds from the restart to the next promise that was kept."""
    loop = asyncio.get_running_loop()
    known = len(promises.times)
    while loop.time() - since < 60:
        later = [at for at in promises.times[known:] if at > since]
        if later:
            return later[0] - since
        await asyncio.sleep(0.02)
    raise AssertionError("nothing went on within a minute")


def check(promises: load.Promises, truth: dict[str, int], log: dict[str, Any]) -> None:
    assert len(promises.done) > 100
    assert promises.refused
    assert not promises.unknown
    lost = {stream: version for stream, version in promises.done.items() if truth.get(stream, 0) < version}
    assert not lost, "every accepted command has its effect"
    assert not promises.refused & truth.keys(), "no refused command has any"
    twice = {stream: seen for stream, seen in log.items() if sorted(seen) != list(range(1, len(seen) + 1))}
    assert not twice, "versions are whole"
    assert {s: v for s, v in promises.done.items() if truth[s] != v} == {}, "each has exactly one effect"
