"""Deliveries a second, from waiting rows to reports, beside bare ones: `python -m tests.bench.deliveries`.

A stack must be up (`SIGHTLOG_VAR`). Endpoints are paused while messages gather, then made active: what is measured is
the way from the row to the receiver and back to the log. Receiver and senders share this machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from infra import kafka
from infra.commands import Commands
from infra.settings import Settings, load
from infra.vault import open_vault
from schemas import registry
from schemas.base import Command, asking
from schemas.ids import new_id
from schemas.webhooks.messages import AnnounceEvent, Body, ChangeEndpoint, CreateEndpoint, DeleteEndpoint
from streams.webhooks.endpoints import receivers_stream
from streams.webhooks.signing import Request, Signer, signed_headers

ENDPOINTS, EVENTS, WIDTH = 50, 100, 20
SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
BODY = '{"job_id":"video_1","status":"finished","result":{' + ",".join(f'"m{n}":[0.25,0.5]' for n in range(60)) + "}}"


def receive(port: int, up: Event) -> None:
    """The receiver: answers 200 at once."""

    async def serve() -> None:
        async def take(request: web.Request) -> web.Response:
            await request.read()
            return web.Response()

        app = web.Application()
        app.router.add_post("/{n}", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        up.set()
        await asyncio.Event().wait()

    uvloop.run(serve())


async def bare(port: int, count: int) -> float:
    """Signed POSTs with nothing around them, as many at once as the endpoints may have."""
    left = iter(range(count))

    async def lane(session: aiohttp.ClientSession) -> None:
        for n in left:
            request = Request("", f"msg_{n:016}", int(time.time()), BODY.encode())
            headers = {"Content-Type": "application/json", **signed_headers(Signer(secrets=(SECRET,)), request)}
            async with session.post(f"http://127.0.0.1:{port}/bare", data=request.body, headers=headers) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        begin = time.perf_counter()
        await asyncio.gather(*(lane(session) for _ in range(64)))
        return count / (time.perf_counter() - begin)


class Bench:
    """One organisation of its own, with endpoints that wait."""

    def __init__(self, settings: Settings, port: int) -> None:
        self.log = Commands(settings)
        self.vault = open_vault(settings)
        self.organisation = new_id()
        self.stream = receivers_stream(self.organisation)
        self.endpoints = [new_id() for _ in range(ENDPOINTS)]
        self.port = port

    async def say(self, *commands: Command) -> None:
        asked = [(command, asking(self.stream, organisation=self.organisation)) for command in commands]
        assert self.log.producer is not None
        wire = [
            (c.TOPIC, self.stream.encode(), registry.encode(meta, c), registry.headers(meta, c)) for c, meta in asked
        ]
        await kafka.send_all(self.log.producer, wire)

    def shape(self, endpoint: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/{endpoint}"
        return {"endpoint": endpoint, "url": url, "signing": ("v1", "legacy"), "metadata": {}, "max_in_flight": WIDTH}

    async def gather(self) -> None:
        """Endpoints, paused; then events for all of them."""
        secret = self.vault.seal(SECRET)
        await self.say(*(CreateEndpoint(**self.shape(endpoint), secret=secret) for endpoint in self.endpoints))
        await self.state("paused")
        body = Body(head=BODY)
        for _ in range(EVENTS):
            now = datetime.now(UTC)
            await self.say(AnnounceEvent(event_type="video.finished", event=new_id(), occurred_at=now, body=body))
        await self.until("state = 'pending'", ENDPOINTS * EVENTS)

    async def state(self, state: str) -> None:
        await self.say(*(ChangeEndpoint(**self.shape(endpoint), state=state) for endpoint in self.endpoints))

    async def until(self, condition: str, count: int) -> None:
        sql = f"select count(*) from webhooks.messages where organisation = $1 and {condition}"
        async with asyncio.timeout(180):
            while await self.log.pool.fetchval(sql, self.organisation) < count:
                await asyncio.sleep(0.02)

    async def sent(self) -> tuple[float, float]:
        """Seconds until every try is reported, and until every message shows as delivered."""
        sql = """select count(*) from webhooks.messages m left join streams.sending s on s.message = m.id
                 where m.organisation = $1 and (m.state = 'delivered' or s.until = 'infinity')"""
        await self.state("active")
        begin = time.perf_counter()
        reported = 0.0
        while not reported:
            await asyncio.sleep(0.02)
            if await self.log.pool.fetchval(sql, self.organisation) >= ENDPOINTS * EVENTS:
                reported = time.perf_counter() - begin
        await self.until("state = 'delivered'", ENDPOINTS * EVENTS)
        return reported, time.perf_counter() - begin


async def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    up = multiprocessing.Event()
    receiver = multiprocessing.Process(target=receive, args=(port, up), daemon=True)
    receiver.start()
    await asyncio.to_thread(up.wait, 10)
    bench = Bench(load(), port)
    await bench.log.start()
    while set(bench.log.parts().values()) != {"ok"}:
        await asyncio.sleep(0.05)
    try:
        plain = await bare(port, ENDPOINTS * EVENTS)
        begin = time.perf_counter()
        await bench.gather()
        queued = time.perf_counter() - begin
        reported, delivered = await bench.sent()
        count = ENDPOINTS * EVENTS
        sys.stdout.write(
            f"{count} messages to {ENDPOINTS} endpoints\n"
            f"bare signed POSTs      {plain:8.0f}/s\n"
            f"queued as rows         {count / queued:8.0f}/s\n"
            f"sent and reported      {count / reported:8.0f}/s\n"
            f"delivered in the rows  {count / delivered:8.0f}/s\n"
        )
    finally:
        await bench.say(*(DeleteEndpoint(endpoint=endpoint) for endpoint in bench.endpoints))
        await bench.log.stop()
        receiver.terminate()


if __name__ == "__main__":
    asyncio.run(main())
