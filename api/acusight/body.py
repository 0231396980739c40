"""What every body is made of: checked text, free JSON, and reading it in its turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Self, TypeVar

from fastapi import Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

BODY_LIMIT = 4 << 20
INTEGERS = range(-(2**63), 2**63)


def text(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


def plain(value: Any) -> Any:
    """JSON that every store can hold: no NUL, no number beyond 64 bits."""
    match value:
        case str():
            text(value)
        case bool() | None:
            pass
        case int() if value not in INTEGERS:
            raise ValueError("holds a number beyond 64 bits")
        case float() if not math.isfinite(value):
            raise ValueError("holds a number that is none")
        case dict():
            plain([*value.keys(), *value.values()])
        case list():
            for item in value:
                plain(item)
    return value


Text = Annotated[str, Field(max_length=4000), AfterValidator(text)]
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(text)]
Free = Annotated[dict[str, Any], AfterValidator(plain)]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
PathNumber = Annotated[int, Path(ge=1, le=2**63 - 1, alias="id")]
PathDevice = Annotated[str, Path(max_length=255), AfterValidator(text)]
QueryText = Annotated[str, Field(max_length=255), AfterValidator(text)]


class Body(BaseModel):
    """Members of a newer client are left alone; types are taken at their word."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class Some(Body):
    """A change: at least one member."""

    @model_validator(mode="after")
    def something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("body: names nothing to change")
        return self

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


Sent = TypeVar("Sent", bound=Body)


def sent(shape: type[Sent]) -> Callable[[Request], Coroutine[Any, Any, Sent]]:
    """A dependency that reads the JSON body. It runs where it stands among the parameters: after credential and row."""

    async def read(request: Request) -> Sent:
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > BODY_LIMIT:
                raise RequestValidationError([fault("too_long", f"is larger than {BODY_LIMIT} bytes")])
        request.state.raw = raw
        try:
            return shape.model_validate_json(raw)
        except ValidationError as wrong:
            raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in wrong.errors()]) from None

    return read


def fault(type: str, message: str) -> dict[str, Any]:
    return {"type": type, "loc": ("body",), "msg": message, "input": None}
