"""AcuSight's surface: mounted at `/api`, with `/swagger/` and `/setup` beside it (contract 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, PlainTextResponse

from api.acusight import actions, batches, core, data, datasets, device, devices, ml, registry, splits, uploads, wire
from api.acusight.answers import Answer, Success, described, good, told
from api.acusight.problems import add_problems

VERSION = "1.0.0"
DOCUMENT = "/openapi.json"
SETUP = Path(__file__).parent / "setup.sh"
CORE = (core.router, device.router, actions.reports)
"""Served as they stand and under `/core`: the public documents know both."""


def build(state: Any) -> FastAPI:
    """The application below `/api`."""
    app = FastAPI(
        title="AcuSight-compatible API",
        version=VERSION,
        servers=[{"url": "/api"}],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for name in ("settings", "gateway", "identity", "objects", "vault"):
        setattr(app.state, name, getattr(state, name))
    add_problems(app)
    for router in CORE:
        app.include_router(router)
        app.include_router(router, prefix="/core", include_in_schema=False)
    app.include_router(device.agent, prefix="/core")
    app.include_router(device.agent, include_in_schema=False)
    for router in (
        device.uploads,
        devices.router,
        data.router,
        batches.router,
        uploads.router,
        splits.router,
        datasets.router,
        ml.router,
        registry.router,
        actions.router,
    ):
        app.include_router(router)
    add_health(app, state)
    return app


def add_health(app: FastAPI, state: Any) -> None:
    @app.get("/health", **told(Success[wire.Health]))
    async def health() -> Answer:
        """Whether the parts behind the API can be reached."""
        parts = state.gateway.parts()
        well = all(said == "ok" for said in parts.values())
        return good({"status": "ok" if well else "degraded", "version": VERSION, "checks": parts})

    @app.get(DOCUMENT, include_in_schema=False)
    async def document() -> Answer:
        return Answer(described(app))


def add_pages(app: FastAPI, state: Any) -> None:
    """What stands outside `/api`: the interactive document and the installer."""

    @app.get("/swagger/", include_in_schema=False)
    async def swagger() -> HTMLResponse:
        return get_swagger_ui_html(openapi_url=f"/api{DOCUMENT}", title="AcuSight-compatible API")

    @app.get("/setup", include_in_schema=False)
    async def setup() -> PlainTextResponse:
        script = SETUP.read_text(encoding="utf-8").replace("@URL@", state.settings.api.public_url)
        return PlainTextResponse(script, media_type="text/x-shellscript")
