"""The door in front of ClickHouse's engine: enough of its HTTP interface that a client takes it for a server.

For one machine only; nothing but the local stack may know that it exists. `SQL_org`, the setting which a row policy
reads on a real server, becomes a row filter on every table with an organisation.
"""

import asyncio
import json
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from infra.local.engine import Answer, Engine, Refused
from infra.local.wire import read_statement
from infra.settings import LOOPBACK, Settings, load

BODY_LIMIT = 1 << 30
THREADS = 32
STATUS = {60: 404, 81: 404, 497: 403, 516: 401, 241: 507}
ENGINE = web.AppKey("engine", Engine)
THREADPOOL = web.AppKey("threads", ThreadPoolExecutor)


async def statement(request: web.Request) -> web.Response:
    """Run what was asked on a thread of its own, so that a slow query holds up nobody."""
    if foreign(request):
        return failed(Refused(497, "Code: 497. DB::Exception: Requests from web pages are refused. (ACCESS_DENIED)"))
    if request.method == "GET" and not request.query.get("query"):
        return web.Response(text="Ok.\n")
    try:
        asked = await read_statement(request)
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(request.app[THREADPOOL], request.app[ENGINE].run, asked)
    except Refused as refused:
        return failed(refused)
    return answered(answer, request.query.get("query_id") or str(uuid.uuid4()))


def foreign(request: web.Request) -> bool:
    """A page in somebody's browser may reach loopback; it names its origin, or came by another host name."""
    host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    return "Origin" in request.headers or host not in (LOOPBACK, "localhost")


def answered(answer: Answer, query_id: str) -> web.Response:
    summary = {
        "read_rows": str(answer.rows_read),
        "written_rows": str(answer.rows_written),
        "result_rows": "0",
        "elapsed_ns": str(int(answer.elapsed * 1e9)),
    }
    headers = {
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "sightlog-local",
        "X-ClickHouse-Summary": json.dumps(summary),
    }
    if answer.format is not None:
        headers["X-ClickHouse-Format"] = answer.format
    return web.Response(body=answer.body, headers=headers, content_type="application/octet-stream")


def failed(refused: Refused) -> web.Response:
    """ClickHouse's own form of an error: its code in a header, its text in the body."""
    return web.Response(
        status=STATUS.get(refused.code, 400 if refused.code != 1000 else 500),
        text=str(refused) + "\n",
        headers={"X-ClickHouse-Exception-Code": str(refused.code)},
    )


async def ping(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def door(engine: Engine) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT, handler_args={"auto_decompress": False})
    app[ENGINE] = engine
    app[THREADPOOL] = ThreadPoolExecutor(THREADS, thread_name_prefix="statement")
    app.router.add_get("/ping", ping)
    app.router.add_get("/replicas_status", ping)
    app.router.add_route("*", "/", statement)
    return app


def serve(settings: Settings) -> None:
    """Open the engine and answer until told to stop."""
    logging.basicConfig(level=logging.WARNING)
    engine = Engine(settings.var / "clickhouse" / "data")
    engine.make_database(settings.clickhouse.database)
    options: dict[str, Any] = {"access_log": None, "print": None, "handle_signals": True}
    web.run_app(
        door(engine),
        host=LOOPBACK,
        port=settings.local.clickhouse,
        shutdown_timeout=5,
        keepalive_timeout=300,
        **options,
    )
    engine.close()


if __name__ == "__main__":
    serve(load())
