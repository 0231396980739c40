"""Bodies in, answers out: JSON without absent members, pages, and what routes say in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import orjson
from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from api.acusight.body import plain, text
from api.iot.problems import Problem, ProblemBody, absent, invalid
from schemas.ids import is_id

LIMIT = 1 << 20
REF = "#/components/schemas/{model}"
PROBLEM = "application/problem+json"
PROBLEM_SCHEMA = {"$ref": REF.format(model="ProblemBody")}
KEY_LENGTH = 128
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The first answer again for 24 h",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
}
SORTS = ("createdAt", "updatedAt", "name")
Item = TypeVar("Item")
Sent = TypeVar("Sent", bound=BaseModel)
Text = Annotated[str, AfterValidator(text), Field(max_length=4000)]
Name = Annotated[str, AfterValidator(text), Field(min_length=1, max_length=120)]
QueryText = Annotated[str, AfterValidator(text), Field(max_length=255)]
Free = Annotated[dict[str, Any], AfterValidator(plain)]


def uuid(value: Any) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise ValueError("is not a UUID")
    return value.lower()


Id = Annotated[str, BeforeValidator(uuid), Field(json_schema_extra={"format": "uuid"})]


def path_id(name: str) -> Any:
    """A path parameter that is an id."""
    return Path(alias=name, json_schema_extra={"format": "uuid"})


class Body(BaseModel):
    """camelCase; members of a newer client are left alone."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", strict=True, allow_inf_nan=False
    )


class Shown(BaseModel):
    """A body that is only answered; absent members are left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Answer(Response):
    media_type = "application/json"

    def __init__(
        self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None, kind: str | None = None
    ) -> None:
        body = b"" if status_code == 204 else orjson.dumps(content, default=msgspec.to_builtins)
        super().__init__(body, status_code, headers, kind)


def present(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def stamp(at: datetime | None, precision: str = "seconds") -> str | None:
    """A time as this dialect writes it."""
    return at.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z") if at else None


def moment(at: datetime) -> datetime:
    """A time without an offset is UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Page(msgspec.Struct, frozen=True):
    number: int
    size: int
    sort: str

    @property
    def offset(self) -> int:
        return self.number * self.size

    @property
    def order(self) -> tuple[str, bool]:
        """Field and whether descending."""
        field, _, direction = self.sort.partition(",")
        return field, direction == "desc"

    @property
    def newest_first(self) -> bool:
        """The direction of what is only sorted by when it was made.

        Errors: Problem 400 for another field.
        """
        field, descending = self.order
        if field != "createdAt":
            raise invalid("sort", "INVALID_ENUM", "Sort by createdAt.")
        return descending

    def answer(self, rows: Sequence[Any], total: int) -> Answer:
        page = {"number": self.number, "size": self.size, "totalElements": total, "totalPages": ceil(total / self.size)}
        return Answer({"content": list(rows), "page": page})


def paged(
    page: Annotated[int, Query(ge=0, le=10_000_000, description="0-based")] = 0,
    size: Annotated[int, Query(ge=1, le=200)] = 20,
    sort: Annotated[QueryText, Query(description="field,asc or field,desc")] = "createdAt,desc",
) -> Page:
    field, _, direction = sort.partition(",")
    if field not in SORTS or direction not in ("asc", "desc", ""):
        raise invalid("sort", "INVALID_ENUM", f"Sort by {', '.join(SORTS)}, then ,asc or ,desc.")
    return Page(page, size, f"{field},{direction or 'asc'}")


Paged = Annotated[Page, Depends(paged)]


class PageInfo(Shown):
    number: int
    size: int
    total_elements: int
    total_pages: int


class PageOf(Shown, Generic[Item]):
    content: list[Item]
    page: PageInfo


def of(id: str) -> str:
    """An id from a path: what is no UUID is the id of nothing."""
    if not is_id(id):
        raise absent()
    return id.lower()


def sent(shape: type[Sent], needed: bool = True) -> Callable[[Request], Coroutine[Any, Any, Sent]]:
    """A dependency that reads the JSON body; it runs where it stands among the parameters: after the credential."""

    async def read(request: Request) -> Sent:
        if len(request.headers.get("idempotency-key", "")) > KEY_LENGTH:
            raise invalid("Idempotency-Key", "TOO_LONG", f"A key has {KEY_LENGTH} characters at most.")
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > LIMIT:
                raise Problem(413, "TOO_LARGE", f"The body is larger than {LIMIT} bytes.")
        request.state.raw = raw
        try:
            return shape.model_validate_json(raw if raw or needed else b"{}")
        except ValidationError as wrong:
            raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in wrong.errors()]) from None

    return read


def told(
    shape: Any,
    *codes: int,
    status: int = 200,
    body: type[BaseModel] | None = None,
    keyed: bool | None = None,
    **more: Any,
) -> dict[str, Any]:
    """What a route answers and takes, for its decorator. `keyed`: takes an Idempotency-Key, as what creates does."""
    problem = {"content": {PROBLEM: {}}, "model": ProblemBody}
    answers: dict[int, dict[str, Any]] = dict.fromkeys((401, *codes, 503), problem)
    said: dict[str, Any] = {"status_code": status, "responses": answers, **more}
    if shape is not None:
        answers[status] = {"model": shape}
    if body is not None:
        content = {"application/json": {"schema": body.model_json_schema(ref_template=REF)}}
        said["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
        if keyed if keyed is not None else status in (201, 202):
            said["openapi_extra"]["parameters"] = [KEY]
    return said


def described(app: FastAPI, base: str) -> dict[str, Any]:
    """The document; types nested in bodies stand with the other types, problems under their own media type only."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, servers=app.servers
        )
        types = found.setdefault("components", {}).setdefault("schemas", {})
        for operation in (operation for item in found["paths"].values() for operation in item.values()):
            for media in operation.get("requestBody", {}).get("content", {}).values():
                types.update(media["schema"].pop("$defs", {}))
            as_refused(operation["responses"])
            for response in operation["responses"].values():
                as_problem(response.get("content", {}))
        for name in ("HTTPValidationError", "ValidationError"):
            types.pop(name, None)
        found["paths"] = {base + path: item for path, item in found["paths"].items()}
        app.openapi_schema = found
    return app.openapi_schema


def as_refused(responses: dict[str, Any]) -> None:
    """A parameter or body at fault is a 400 here."""
    content = responses.get("422", {}).get("content", {})
    if str(content.get("application/json", {}).get("schema", {}).get("$ref")).endswith("/HTTPValidationError"):
        del responses["422"]
        responses.setdefault("400", {"description": "Bad Request", "content": {PROBLEM: {"schema": PROBLEM_SCHEMA}}})


def as_problem(content: dict[str, Any]) -> None:
    """A problem has one media type, whatever the route answers otherwise."""
    if PROBLEM in content:
        for kind in [kind for kind in content if kind != PROBLEM]:
            content[PROBLEM] = content.pop(kind)
