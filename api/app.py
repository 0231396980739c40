"""The `api` process: every surface mounted on one application."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import objects as object_links
from api.acusight import app as acusight
from api.gateway import Gateway
from api.iot import app as iot
from api.noxovision import app as noxovision
from api.nx import app as nx
from infra import clickhouse, garbage, objects, settings, telemetry, vault
from infra.identity import Identity
from schemas.ids import new_id


class State:
    """What every surface is handed: `app.state` of each has these."""

    def __init__(self, config: settings.Settings) -> None:
        self.settings = config
        self.gateway = Gateway(config)
        self.identity = Identity(config)
        self.objects = objects.Objects(config)
        self.vault = vault.open_vault(config)
        self.columns = clickhouse.Reader(config)


SURFACES: tuple[tuple[str, Callable[[State], FastAPI]], ...] = (
    ("/cpt", nx.build_compute),
    ("/dev", nx.build_device),
    ("/api/v0", noxovision.build),
    ("/api", acusight.build),
)
"""Mounted in this order; the first that fits answers: `/api/v0`, `/api/v1`, then `/api`."""
DIALECTS = {
    "nx": re.compile("/(cpt|dev|cdb|authorize)"),
    "noxovision": re.compile("/api/v0"),
    "iot": re.compile("/api/(v1|v3|schemas)"),
    "acusight": re.compile("/api"),
}


def dialect(path: str) -> str:
    """Whose path it is, for metrics."""
    return next((name for name, own in DIALECTS.items() if own.match(path)), "none")


class Observed:
    """Gives every request an id, in the answer and in every log line of it; counts and times them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, headers = time.perf_counter(), dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")[:128]
        id = given if given.isprintable() and given else new_id()
        scope.setdefault("state", {})["request_id"] = id

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = telemetry.REQUEST.labels(dialect(scope["path"]), message["status"])
                told.observe(time.perf_counter() - begin)
                message["headers"] = [*message["headers"], (b"x-request-id", id.encode("latin-1"))]
            await send(message)

        parent = headers.get(b"traceparent")
        with (
            structlog.contextvars.bound_contextvars(request=id),
            telemetry.span(f"{scope['method']} {scope['path']}", {"traceparent": parent.decode()} if parent else None),
        ):
            await self.app(scope, receive, named)


def create(config: settings.Settings | None = None) -> Starlette:
    """The application. Surfaces are handed one `State`; nothing is global."""
    config = config or settings.load()
    telemetry.set_up(config, "api")
    state = State(config)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        garbage.collect_seldom()
        await state.gateway.start()
        yield
        await state.gateway.stop()
        await state.columns.close()

    surfaces = [Mount(prefix, build(state)) for prefix, build in SURFACES]
    doors = [*nx.identity_routes(state), iot.mounted(state), *surfaces, Mount("", operations(state))]
    take_line_breaks(doors)
    return Starlette(routes=doors, lifespan=lifespan, middleware=[Middleware(Observed)])


def take_line_breaks(routes: list[BaseRoute]) -> None:
    """A path with a line break in it is the surface's to refuse, in its own form: Starlette's patterns stop there."""
    for route in routes:
        if isinstance(route, Mount | Route):
            route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)


def operations(state: State) -> FastAPI:
    """What stands beside the surfaces: for operators, verifiers of tokens, holders of links, and who sets up."""
    app = FastAPI(title="Sightlog", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(object_links.router(state.objects))
    acusight.add_pages(app, state)

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz")
    async def readyz() -> Response:
        parts = state.gateway.parts()
        well = all(said == "ok" for said in parts.values())
        return JSONResponse({"ready": well, "parts": parts}, 200 if well else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(telemetry.metrics(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, Any]:
        return state.identity.jwks()

    return app


def main() -> None:
    config = settings.load()
    if config.api.workers > 1:
        telemetry.count_together(config)
    uvicorn.run(
        "api.app:create",
        factory=True,
        host=config.api.host,
        port=config.api.port,
        workers=config.api.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_worker_healthcheck=60,  # with 5 s, a busy machine kills workers that still import
    )
