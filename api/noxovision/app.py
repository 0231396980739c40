"""The Noxovision surface: `/api/v0`."""

from __future__ import annotations

from typing import Any, Protocol

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response

from api.gateway import Gateway
from api.noxovision import deliveries, document, endpoints, events, jobs, problems, requests, resending, results, status
from api.noxovision.door import Door
from api.noxovision.paths import BASE, operation
from api.noxovision.status import Figures
from infra.clickhouse import Reader
from infra.objects import Objects
from infra.settings import Settings
from infra.vault import Vault

SECURITY = "apiKeyAuth"
OPEN = ("/healthz", "/readyz", "/webhooks/source-ips", "/webhooks/signing-keys")


class State(Protocol):
    """What the surface is handed."""

    settings: Settings
    gateway: Gateway
    objects: Objects
    vault: Vault
    columns: Reader


def build(state: State) -> FastAPI:
    app = FastAPI(title="Noxovision API", version="0.2.0", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.state.settings, app.state.gateway, app.state.columns = state.settings, state.gateway, state.columns
    app.state.figures = Figures(state.settings.noxovision.tasks_per_slot)
    app.state.door = Door(state.settings, state.objects, state.vault, app.state.figures)
    problems.install(app)
    for part in (requests, results, status, jobs, endpoints, resending, deliveries, events):
        app.include_router(part.router)
    app.include_router(probes(state.gateway))
    app.openapi = lambda: documented(app, state.settings)  # type: ignore[method-assign]
    return app


def probes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["Service"])

    @operation(router, "GET", "healthz")
    async def healthz() -> dict[str, bool]:
        """Process is alive"""
        return {"alive": True}

    @operation(router, "GET", "readyz", responses={503: {"description": "Not ready"}})
    async def readyz() -> Response:
        """Ready to take work"""
        parts = gateway.parts()
        well = all(said == "ok" for said in parts.values())
        return Response(
            orjson.dumps({"ready": well, "parts": parts}), 200 if well else 503, media_type="application/json"
        )

    return router


def documented(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The document: the API key on everything but the probes."""
    if app.openapi_schema is None:
        said = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            summary="Asynchronous image and video analysis",
            routes=app.routes,
            servers=[{"url": settings.api.public_url.rstrip("/") + BASE}],
        )
        scheme = {"type": "apiKey", "in": "header", "name": settings.noxovision.key_header}
        said.setdefault("components", {})["securitySchemes"] = {SECURITY: scheme}
        document.hoist(said)
        for path, operations in said["paths"].items():
            for one in operations.values():
                one["security"] = [] if path in OPEN else [{SECURITY: []}]
        app.openapi_schema = said
    return app.openapi_schema
