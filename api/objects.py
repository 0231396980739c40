"""`/objects/…`: what a signed link of the local store leads to. In production the store answers its own links."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from infra.objects import LINKS, Method, Objects, TooLarge

UPLOAD = 256 << 20
BAD = JSONResponse({"error": "this link is not valid, or no longer"}, 403)


def router(objects: Objects) -> APIRouter:
    """A file as it is, with ranges, or what is put there; 403 for a link that is not ours or has lapsed, 404 when it is
    gone, 413 for more than an upload may be."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(LINKS + "/{key:path}")
    async def read(key: str, request: Request) -> Response:
        if not verified(objects, key, request, "GET"):
            return BAD
        if not await objects.exists(key):
            return JSONResponse({"error": "gone"}, 404)
        path = objects.path(key)
        return FileResponse(path) if path else StreamingResponse(objects.stream(key))

    @routes.put(LINKS + "/{key:path}")
    async def write(key: str, request: Request) -> Response:
        if not verified(objects, key, request, "PUT"):
            return BAD
        try:
            stored = await objects.put_stream(key, request.stream(), UPLOAD)
        except TooLarge:
            return JSONResponse({"error": "too large"}, 413)
        return Response(status_code=200, headers={"ETag": f'"{stored.sha256}"'})

    return routes


def verified(objects: Objects, key: str, request: Request, method: Method) -> bool:
    """Whether the link is ours, for this, and still good."""
    expires, signature = request.query_params.get("expires", ""), request.query_params.get("signature", "")
    try:
        return expires.isdecimal() and objects.verify(key, int(expires), signature, method)
    except ValueError:
        return False
