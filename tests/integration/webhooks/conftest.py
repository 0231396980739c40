"""A receiver on this machine that does as it is told, and the way to queue messages for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aiohttp import web

from infra.commands import Commands
from infra.settings import Settings
from infra.vault import open_vault
from schemas.base import Command, asking
from schemas.ids import derived_id, new_id
from schemas.webhooks.messages import AnnounceEvent, Body, CreateEndpoint, QueueMessage
from streams.webhooks.endpoints import receivers_stream

SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
BODY = '{"job_id":"video_1","status":"finished","result":{"ä":1}}'
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Call(msgspec.Struct):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


class Receiver:
    """Keeps what comes; answers by path."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Answer] = {}
        self.port = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        now = asyncio.get_running_loop().time()
        self.calls.append(Call(request.path, {k.lower(): v for k, v in request.headers.items()}, body, now))
        answer = self.answers.get(request.path)
        return await answer(request) if answer else web.Response()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def until(self, path: str, count: int = 1, seconds: float = 10) -> list[Call]:
        async with asyncio.timeout(seconds):
            while len(self.of(path)) < count:
                await asyncio.sleep(0.01)
        return self.of(path)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """On a port of its own; gone with the test, with whatever still hangs there."""
    receiver = Receiver()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    yield receiver
    await runner.cleanup()


class Log:
    """Queues and looks, as a reaction and a query would."""

    def __init__(self, settings: Settings, organisation: str) -> None:
        self.commands = Commands(settings)
        self.vault = open_vault(settings)
        self.organisation = organisation

    async def say(self, command: Command, stream: str) -> str:
        await self.commands.submit(command, asking(stream, organisation=self.organisation, actor="test"), wait=10)
        return stream

    async def queue(self, url: str, *, secret: str | None = SECRET, body: Body | None = None, **more: Any) -> str:
        """A callback's message; the stream is its id."""
        message = QueueMessage(
            receiver=derived_id(self.organisation, url),
            url=url,
            event_type="video.finished",
            event=new_id(),
            occurred_at=datetime.now(UTC),
            job="video_1",
            body=body or Body(head=BODY),
            secret=self.vault.seal(secret) if secret else None,
            **more,
        )
        return await self.say(message, derived_id(message.event, message.receiver))

    async def endpoint(self, url: str, **more: Any) -> str:
        """A standing receiver that alone wants to hear of its own kind of event, which is its id."""
        id = new_id()
        given = {"signing": ("v1", "legacy"), "metadata": {}, "secret": self.vault.seal(SECRET), **more}
        create = CreateEndpoint(endpoint=id, url=url, event_types=(kind_of(id),), **given)
        await self.say(create, receivers_stream(self.organisation))
        return id

    async def announce(self, endpoint: str) -> str:
        """Tells the endpoint of an event; the id of its message."""
        event = new_id()
        tell = AnnounceEvent(
            event_type=kind_of(endpoint), event=event, occurred_at=datetime.now(UTC), body=Body(head=BODY)
        )
        await self.say(tell, receivers_stream(self.organisation))
        return derived_id(event, endpoint)

    async def until(self, message: str, *states: str, seconds: float = 15) -> Any:
        """The message's row once it is in one of these states."""

        async def look(db: Any) -> Any:
            return await db.fetchrow(
                "select * from webhooks.messages where id = $1 and state = any($2)", message, list(states)
            )

        found = await self.commands.until(self.organisation, look, wait=seconds)
        assert found is not None, await self.row(message)
        return found

    async def row(self, message: str) -> Any:
        async with self.commands.pool.acquire() as db:
            found = await db.fetchrow("select * from webhooks.messages where id = $1", message)
        return dict(found) if found else None


async def failing(request: web.Request) -> web.Response:
    return web.Response(status=500, text="no")


def kind_of(endpoint: str) -> str:
    return f"test.e{endpoint.replace('-', '')}"


async def started(log: Log) -> Log:
    """Once its servers are there."""
    await log.commands.start()
    async with asyncio.timeout(20):
        while set(log.commands.parts().values()) != {"ok"}:
            await asyncio.sleep(0.05)
    return log


@pytest.fixture(scope="session")
async def log(settings: Settings, stack: dict[str, Any]) -> AsyncIterator[Log]:
    log = await started(Log(settings, stack["organisations"]["acme"]["id"]))
    yield log
    await log.commands.stop()
