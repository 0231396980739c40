"""A receiver of webhooks on loopback, as a customer would run one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass
class Received:
    """One POST as it came: headers in lower case, the raw body."""

    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, asyncio.Queue[Received]]]:
    """The address of a running receiver, and what has come in."""
    arrived: asyncio.Queue[Received] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        arrived.put_nowait(Received({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        return web.Response(status=204)

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/hook", arrived
    finally:
        await runner.cleanup()
