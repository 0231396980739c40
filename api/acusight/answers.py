"""The envelope, pages, and what routes say of themselves in the OpenAPI document (contract 3.1, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import orjson
from fastapi import Depends, FastAPI, Query
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.responses import Response

Data = TypeVar("Data")
LARGEST_PAGE = 100
FURTHEST = 2**53 - 1
"""No list is longer; numbers up to it are exact in JSON."""
REF = "#/components/schemas/{model}"


class Answer(Response):
    """JSON, times in UTC with `Z`."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(orjson.dumps(content, option=orjson.OPT_UTC_Z), status_code, headers)


def good(data: Any, status: int = 200) -> Answer:
    return Answer({"success": True, "data": data}, status)


class Page(msgspec.Struct, frozen=True):
    """Which rows of a list."""

    limit: int
    offset: int

    def answer(self, rows: Sequence[Any], total: int) -> Answer:
        """With both documented shapes of `meta`."""
        meta = {
            "total": total,
            "page": self.offset // self.limit + 1,
            "per_page": self.limit,
            "total_pages": ceil(total / self.limit),
            "count": len(rows),
            "limit": self.limit,
            "offset": self.offset,
        }
        return Answer({"success": True, "data": list(rows), "meta": meta})


def page(
    page: Annotated[int, Query(ge=1, description="1-based page")] = 1,
    per_page: Annotated[int, Query(ge=1, description="page size; above 100 is clamped")] = 20,
    limit: Annotated[int | None, Query(ge=1, description="alias of per_page")] = None,
    offset: Annotated[int | None, Query(ge=0, description="row offset; wins over page")] = None,
) -> Page:
    size = min(per_page if limit is None else limit, LARGEST_PAGE)
    return Page(size, min((page - 1) * size if offset is None else offset, FURTHEST))


Paged = Annotated[Page, Depends(page)]


class Meta(BaseModel):
    total: int
    page: int
    per_page: int
    total_pages: int
    count: int
    limit: int
    offset: int


class Success(BaseModel, Generic[Data]):
    success: bool
    data: Data


class List(BaseModel, Generic[Data]):
    success: bool
    data: list[Data]
    meta: Meta


class ErrorBody(BaseModel):
    code: str
    message: str
    details: str | None = None


class Failure(BaseModel):
    success: bool
    error: ErrorBody


def told(shape: type[BaseModel], *codes: int, status: int = 200, body: type[BaseModel] | None = None) -> dict[str, Any]:
    """What a route answers and takes, for its decorator."""
    answers: dict[int, dict[str, Any]] = {status: {"model": shape}}
    answers |= {code: {"model": Failure} for code in (*codes, 500, 503)}
    said: dict[str, Any] = {"status_code": status, "responses": answers}
    if body is not None:
        schema = body.model_json_schema(ref_template=REF)
        said["openapi_extra"] = taking("application/json", schema)
    return said


def taking(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


def described(app: FastAPI) -> dict[str, Any]:
    """The document; types nested in bodies stand with the other types."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        types = found.setdefault("components", {}).setdefault("schemas", {})
        for item in found["paths"].values():
            for operation in item.values():
                operation["responses"].pop("422", None)
                for media in operation.get("requestBody", {}).get("content", {}).values():
                    types.update(media["schema"].pop("$defs", {}))
        for name in ("HTTPValidationError", "ValidationError"):
            types.pop(name, None)
        app.openapi_schema = found
    return app.openapi_schema
