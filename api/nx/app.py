"""The Nx AI Cloud surface: `/cpt`, `/dev`, and the identity host's `/authorize` and `/cdb`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.gateway import Gateway
from api.nx import catalogues, compute, conversions, device, edge, identity, listing, pipelines, problems, wire
from api.nx.tokens import TokenRequest
from api.nx.wire import answer
from infra.identity import Identity
from infra.objects import Objects
from infra.settings import Settings
from infra.vault import Vault

VERSION = "1.0.1"
READ_BY_PARTS: tuple[type[BaseModel], ...] = (
    wire.FunctionUpload,
    wire.FunctionPatch,
    wire.FunctionUploadJson,
    wire.FunctionFields,
    TokenRequest,
)
"""Bodies that routes read themselves, and the document names."""
QUERY = (
    "limit",
    "offset",
    "force",
    *("Catalogue", "Customization", "OrderBy", "Search", "Status", "Site", "Online", "Server", "Group"),
)


class State(Protocol):
    """What the surface is handed."""

    settings: Settings
    gateway: Gateway
    identity: Identity
    objects: Objects
    vault: Vault


class AnyCase:
    """Names in the query are compared without case: some clients send `Limit`."""

    names: ClassVar = {name.lower(): name for name in QUERY}

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["query_string"]:
            scope = {**scope, "query_string": self.spelt(scope["query_string"].decode("latin-1")).encode("latin-1")}
        await self.app(scope, receive, send)

    def spelt(self, query: str) -> str:
        pairs = parse_qsl(query, keep_blank_values=True)
        return urlencode([(self.names.get(name.lower(), name), value) for name, value in pairs])


def build_compute(state: State) -> FastAPI:
    """`/cpt`: models, catalogues, conversions."""
    return built(state, "Compute API", (listing.router, compute.router, conversions.router, catalogues.router))


def build_device(state: State) -> FastAPI:
    """`/dev`: sites, devices and what they run."""
    return built(state, "Device API", (device.router, pipelines.router, edge.router))


def identity_routes(state: State) -> list[BaseRoute]:
    """`/authorize` and `/cdb`, which have one document and no prefix in common."""
    app = prepared(state, "Identity API", "/cdb/openapi.json")
    app.include_router(identity.router)
    documented(app)
    return [Route("/authorize", app), Route("/cdb/{rest:path}", app)]


def built(state: State, title: str, routers: Iterable[APIRouter]) -> FastAPI:
    app = prepared(state, title, "/openapi.json")
    app.add_middleware(AnyCase)
    app.include_router(meta(app))
    for router in routers:
        app.include_router(router)
    documented(app)
    return app


def prepared(state: State, title: str, document: str) -> FastAPI:
    app = FastAPI(title=title, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings, app.state.gateway = state.settings, state.gateway
    app.state.identity, app.state.objects, app.state.vault = state.identity, state.objects, state.vault
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Pagination-Records"],
    )
    problems.install(app)
    name = f"{title.split()[0].lower()}OpenapiJson"
    described: dict[int | str, Any] = {200: {"description": "Success"}}

    @app.get(document, operation_id=name, tags=["Meta"], responses=described)
    async def openapi_json() -> Response:
        return answer(app.openapi())

    return app


def meta(app: FastAPI) -> APIRouter:
    router = APIRouter(tags=["Meta"])

    @router.get("/", operation_id="root", responses={200: {"model": wire.Message}})
    async def root() -> Response:
        """Liveness"""
        return answer({"Message": "Ok"})

    @router.get("/openapi.html", operation_id="openapiHtml", response_class=HTMLResponse)
    async def openapi_html() -> HTMLResponse:
        """The description, browsable"""
        return get_swagger_ui_html(openapi_url="openapi.json", title=app.title)

    return router


OPEN = ("/", "/openapi.json", "/openapi.html", "/authorize", "/cdb/oauth2/token", "/cdb/openapi.json")

EITHER: dict[str, tuple[dict[str, list[str]], ...]] = {"/nxai/model/{uuid}": ({},)}
"""Where nobody in particular sees less."""


def documented(app: FastAPI) -> None:
    """The document: the bodies that routes read themselves, and a bearer token on all but what is open."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            said = get_openapi(title=app.title, version=app.version, routes=app.routes)
            refs = "#/components/schemas/{model}"
            _, extra = models_json_schema([(model, "validation") for model in READ_BY_PARTS], ref_template=refs)
            components = said.setdefault("components", {})
            components["schemas"] = {**extra.get("$defs", {}), **components.get("schemas", {})}
            components["securitySchemes"] = {
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "rawToken": {"type": "apiKey", "in": "header", "name": "Authorization"},
            }
            for path, operations in said["paths"].items():
                for one in operations.values():
                    one["security"] = (
                        [] if path in OPEN else [*EITHER.get(path, ()), {"bearerAuth": []}, {"rawToken": []}]
                    )
            app.openapi_schema = said
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
