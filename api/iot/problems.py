"""The error form: RFC 9457 problem documents with a code and an entry for each invalid field (contract, 2.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import msgspec
import orjson
import structlog
from clickhouse_connect.driver.exceptions import OperationalError
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.gateway import Pending, Refused, Unavailable
from schemas.refusals import Code

log = structlog.get_logger()
CODES: dict[Code, tuple[int, str]] = {
    "unknown": (404, "NOT_FOUND"),
    "invalid": (400, "VALIDATION_FAILED"),
    "conflict": (409, "CONFLICT"),
    "invalid_state": (409, "INVALID_STATE"),
    "forbidden": (403, "INSUFFICIENT_ROLE"),
    "reference.unknown": (422, "INVALID_REFERENCE"),
    "still_referenced": (409, "STILL_REFERENCED"),
    "version.stale": (409, "REVISION_CONFLICT"),
    "idempotency.mismatch": (409, "IDEMPOTENCY_KEY_REUSED"),
    "name.taken": (409, "NAME_TAKEN"),
    "email.taken": (409, "EMAIL_TAKEN"),
    "session.invalid": (401, "UNAUTHENTICATED"),
    "session.reused": (401, "UNAUTHENTICATED"),
    "token.invalid": (401, "INVALID_TOKEN"),
    "token.expired": (410, "TOKEN_EXPIRED"),
    "token.used": (409, "TOKEN_ALREADY_USED"),
    "device.exists": (409, "NAME_TAKEN"),
    "device.inactive": (409, "INVALID_STATE"),
    "model.not_ready": (409, "INVALID_STATE"),
    "model.not_applicable": (422, "INVALID_REFERENCE"),
    "site.offline": (409, "INVALID_STATE"),
    "image.duplicate": (409, "CONFLICT"),
    "lease.lost": (409, "INVALID_STATE"),
    "job.terminal": (409, "INVALID_STATE"),
    "endpoint.disabled": (409, "INVALID_STATE"),
}
IN_USE = {
    "annotation-class": "ANNOTATION_CLASS_IN_USE",
    "component": "COMPONENT_IN_USE",
    "config-artefact": "ARTEFACT_BOUND",
    "device-profile": "PACK_IN_USE",
    "sensor": "SENSOR_IN_USE",
    "sensor-profile": "PACK_IN_USE",
}
"""What is still referred to, by its kind."""
DETAILS: dict[str, str] = {
    "name.taken": "Another has this already.",
    "reference.unknown": "There is no such thing here.",
    "unknown": "There is no such thing here.",
    "idempotency.mismatch": "The key came before with another request.",
}
"""Where the decider has no sentence of its own."""
FIELD_CODES = {"name.taken": "CONFLICT", "reference.unknown": "NOT_FOUND", "invalid": "INVALID_FORMAT"}
STATUS_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}
SHAPES = {"missing": "REQUIRED", "string_too_long": "TOO_LONG", "too_long": "TOO_LONG", "literal_error": "INVALID_ENUM"}
RANGES = ("greater", "less", "too_short", "string_too_short", "out_of_range")


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field: dotted path with indices in brackets."""

    field: str
    code: str
    message: str = ""


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, code: str, detail: str = "", *errors: FieldError, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.headers = errors, dict(headers or {})

    def body(self, request: Request) -> dict[str, Any]:
        said: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "instance": request.url.path,
            "traceId": getattr(request.state, "request_id", ""),
        }
        if self.detail:
            said["detail"] = self.detail
        if self.errors:
            said["errors"] = [msgspec.structs.asdict(error) for error in self.errors]
        return said


class FieldErrorBody(BaseModel):
    field: str
    code: str
    message: str | None = None


class ProblemBody(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    instance: str | None = None
    trace_id: str | None = Field(default=None, alias="traceId")
    errors: list[FieldErrorBody] | None = None


def absent() -> Problem:
    """The same for an id that never was, of another kind, and of another organisation."""
    return Problem(404, "NOT_FOUND", "There is no such thing here.")


def invalid(field: str, code: str, message: str, status: int = 400, problem: str = "VALIDATION_FAILED") -> Problem:
    return Problem(status, problem, message, FieldError(field, code, message))


def in_use(kind: str | None) -> Problem:
    """A record that others name stays."""
    return Problem(409, IN_USE.get(kind or "", "STILL_REFERENCED"), "Other things name it still.")


def away() -> Problem:
    detail = "A part of the service is away; nothing was written."
    return Problem(503, "DEPENDENCY_UNAVAILABLE", detail, headers={"Retry-After": "2"})


def answer(request: Request, problem: Problem) -> Response:
    headers = {**problem.headers, **({"WWW-Authenticate": "Bearer"} if problem.status == 401 else {})}
    return Response(orjson.dumps(problem.body(request)), problem.status, headers, "application/problem+json")


def dotted(place: Sequence[int | str]) -> str:
    """Pydantic's location as a dotted path; a parameter by its name."""
    root, *rest = place or ("body",)
    parts = list(rest) if root in ("body", "query", "path", "header") else [root, *rest]
    found = ""
    for part in parts:
        found += f"[{part}]" if isinstance(part, int) else f".{part}" if found else str(part)
    return found or "body"


def shape_code(kind: str) -> str:
    """The contract's word for a pydantic error type."""
    if kind in SHAPES:
        return SHAPES[kind]
    return "OUT_OF_RANGE" if kind.startswith(RANGES) else "INVALID_FORMAT"


def malformed(wrong: Sequence[Any]) -> Problem:
    if any(error["type"] == "json_invalid" for error in wrong):
        return Problem(400, "MALFORMED_JSON", "The body is not JSON.")
    errors = [FieldError(dotted(error["loc"]), shape_code(error["type"]), error["msg"]) for error in wrong]
    return Problem(400, "VALIDATION_FAILED", "The request is not valid.", *errors)


def refused(refusal: Refused, words: Mapping[str, str] | None = None) -> Problem:
    """A refusal in this surface's form; `words`: what the decider calls a field -> its name here."""
    status, code = CODES[cast("Code", refusal.code)]
    detail = refusal.detail or DETAILS.get(refusal.code, "")
    if refusal.code == "still_referenced":
        return in_use(refusal.field)
    field = {**WORDS, **(words or {})}.get(refusal.field or "", refusal.field)
    kind = FIELD_CODES.get(refusal.code, "CONFLICT")
    errors = (FieldError(field, kind, detail),) if field else ()
    return Problem(status, code, detail, *errors)


WORDS = {
    "device.name": "name",
    "record.site": "siteId",
    "site": "siteId",
    "device": "deviceId",
    "camera": "cameraId",
    "sensor": "sensorId",
    "annotation-class": "annotationClassId",
    "config-artefact": "configArtefactId",
    "value_type": "valueType",
    "component": "componentId",
    "device-profile": "deviceProfileId",
    "sensor-profile": "sensorProfileId",
    "firmware": "firmwareId",
}


def install(app: FastAPI) -> None:
    """Everything that can go wrong here is answered in this form."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return answer(request, error)

    @app.exception_handler(Refused)
    async def refusal(request: Request, error: Refused) -> Response:
        return answer(request, refused(error))

    @app.exception_handler(Pending)
    async def pending(request: Request, error: Pending) -> Response:
        detail = "Accepted, and not done yet; ask again."
        return answer(request, Problem(503, "DEPENDENCY_UNAVAILABLE", detail, headers={"Retry-After": "1"}))

    @app.exception_handler(Unavailable)
    @app.exception_handler(OperationalError)
    async def unavailable(request: Request, error: Exception) -> Response:
        return answer(request, away())

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        return answer(request, malformed(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = STATUS_CODES.get(error.status_code, "ERROR")
        return answer(request, Problem(error.status_code, code, headers=error.headers))

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, problem=type(error).__name__)
        return answer(request, Problem(500, "INTERNAL_ERROR"))
