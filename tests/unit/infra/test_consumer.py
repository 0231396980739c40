"""A coroutine that was begun by hand goes on as if nothing had happened."""

import asyncio

import pytest

from infra.consumer import rest


async def begun_and_finished(seen: list[str], pause: asyncio.Event) -> None:
    async def work() -> None:
        for word in ("one", "two"):
            await pause.wait()
            seen.append(word)
            await asyncio.sleep(0)

    coroutine = work()
    await asyncio.create_task(rest(coroutine, coroutine.send(None)))


async def test_what_waits_goes_on_in_a_task() -> None:
    seen: list[str] = []
    pause = asyncio.Event()
    going = asyncio.create_task(begun_and_finished(seen, pause))
    await asyncio.sleep(0.01)
    assert seen == []
    pause.set()
    await going
    assert seen == ["one", "two"]


async def test_cancelling_reaches_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    coroutine = work()
    going = asyncio.create_task(rest(coroutine, coroutine.send(None)))
    await asyncio.sleep(0.01)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert ended == ["cancelled"]


async def test_what_it_raises_is_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    coroutine = work()
    with pytest.raises(ValueError, match="no"):
        await rest(coroutine, coroutine.send(None))
