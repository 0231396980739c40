"""`/objects/…`: what a signed link of the local object store leads to. In production the store answers its own links."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from infra.objects import LINKS, Objects


def router(objects: Objects) -> APIRouter:
    """Reads only: a file as it is, with ranges; 403 for a link that is not ours or has lapsed, 404 when it is gone."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(LINKS + "/{key:path}")
    async def read(key: str, request: Request) -> Response:
        expires, signature = request.query_params.get("expires", ""), request.query_params.get("signature", "")
        try:
            good = expires.isdecimal() and objects.verify(key, int(expires), signature)
        except ValueError:
            good = False
        if not good:
            return JSONResponse({"error": "this link is not valid, or no longer"}, 403)
        if not await objects.exists(key):
            return JSONResponse({"error": "gone"}, 404)
        path = objects.path(key)
        return FileResponse(path) if path else StreamingResponse(objects.stream(key))

    return routes
