"""The IoT surface: `/api/v1`, `/api/schemas` and `/api/v3/api-docs`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.routing import Match, Mount
from starlette.types import Scope

from api.iot import (
    alerting,
    alerts,
    artefacts,
    billing,
    bindings,
    cameras,
    captures,
    classes,
    clips,
    commands,
    dashboards,
    desired,
    devices,
    events,
    exports,
    firmware,
    ingest,
    live,
    members,
    organization,
    packs,
    pairs,
    places,
    problems,
    profiles,
    provisioning,
    quarantine,
    readings,
    renewal,
    rollouts,
    sensors,
    specs,
    trials,
)
from api.iot.annotations import router as annotations_router
from api.iot.answers import Answer, described, told
from api.iot.auth import known
from api.iot.problems import Problem
from api.lasting import Lasting

BASE = "/api"
PARTS = ("/api/v1", "/api/v3", "/api/schemas")
ROUTERS = (
    specs.router,
    provisioning.router,
    renewal.router,
    devices.router,
    places.router,
    sensors.router,
    readings.router,
    ingest.router,
    dashboards.router,
    exports.router,
    rollouts.router,
    firmware.router,
    billing.router,
    profiles.router,
    packs.router,
    annotations_router,
    pairs.router,
    classes.router,
    quarantine.router,
    trials.router,
    alerting.router,
    organization.router,
    members.router,
    live.router,
    events.router,
    alerts.router,
    commands.router,
    clips.router,
    cameras.router,
    captures.router,
    bindings.router,
    desired.router,
    artefacts.router,
)
LASTING = frozenset(
    f"{verb}_{one}"
    for many in ("sites", "device_groups", "sensor_profiles", "device_profiles", "dashboards")
    for verb, one in (("list", many), ("get", many[:-1]))
)
"""Routes that show records and what events made of devices: no facts (a sensor has its last value), no clock, no other
organisation."""
STATE = ("settings", "gateway", "identity", "objects", "vault", "columns")


class Part(Mount):
    """A mount at `/api` that takes its own parts of it and leaves the rest to the surface behind it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"]
        if any(path == part or path.startswith(f"{part}/") for part in PARTS):
            return super().matches(scope)
        return Match.NONE, {}


def mounted(state: Any) -> Mount:
    return Part(BASE, app=Lasting(build(state), state.gateway, known, Problem, LASTING))


def build(state: Any) -> FastAPI:
    """The application below `/api`."""
    app = FastAPI(
        title="IoT platform API",
        version="1.0.0",
        servers=[{"url": "/"}],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for name in STATE:
        setattr(app.state, name, getattr(state, name))
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/v3/api-docs", **told(dict[str, Any], 404))
    async def get_open_api() -> Answer:
        """OpenAPI document"""
        return Answer(described(app, BASE))

    return app
