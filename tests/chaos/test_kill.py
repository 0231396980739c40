"""SIGKILL at random moments under a mixed load: nothing accepted is lost, nothing is done twice that shows."""

import asyncio
import random
from typing import Any

import pytest

from infra.commands import Commands
from infra.settings import Settings
from tests.chaos import load, world

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]
KILLS = 42
VICTIMS = {"streams": "log", "projections": "log", "api": "http"}
"""Whom to kill, and the way in that shows when work goes on."""
BACK_WITHIN = 10.0


async def test_forty_kills(
    log: Commands, settings: Settings, stack: dict[str, Any], organisation: tuple[str, dict[str, str]]
) -> None:
    org, headers = organisation
    promises, stop, chance = load.Promises(), asyncio.Event(), random.Random(7)
    work = [asyncio.create_task(load.through_the_log(log, org, promises, stop, n)) for n in range(4)]
    work += [asyncio.create_task(load.through_http(stack["api"], headers, promises, stop, n)) for n in range(2)]
    slow: list[tuple[str, float]] = []
    for n in range(KILLS):
        await asyncio.sleep(chance.uniform(0.2, 1.2))
        victim, way = list(VICTIMS.items())[n % len(VICTIMS)]
        times = promises.times[way]
        back = await world.restarted(settings, victim, world.kill(settings, victim))
        went_on = await next_promise(times, back)
        if went_on > BACK_WITHIN:
            slow.append((victim, went_on))
    stop.set()
    await asyncio.gather(*work)
    truth = await world.agreed(settings, org, world.CONTEXTS)
    assert promises.refused, "some commands were refused"
    load.check(promises, truth, await world.on_the_log(settings, org, world.CONTEXTS))
    assert not slow, "work went on within 10 s of the restart"


async def next_promise(times: list[float], since: float) -> float:
    """Seconds from the restart to the next promise that was kept."""
    loop = asyncio.get_running_loop()
    known = len(times)
    while loop.time() - since < 60:
        later = [at for at in times[known:] if at > since]
        if later:
            return later[0] - since
        await asyncio.sleep(0.02)
    raise AssertionError("nothing went on within a minute")
