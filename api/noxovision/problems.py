"""The error form: RFC 9457 problem documents with a stable `code` (contract, section 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from obstore.exceptions import BaseError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.gateway import Pending, Refused, Unavailable
from schemas.refusals import Code

log = structlog.get_logger()
REGISTRY = "https://iana.org/assignments/http-problem-types#"
TYPES = {429: f"{REGISTRY}quota-exceeded", 503: f"{REGISTRY}temporary-reduced-capacity"}
TITLES = {
    400: "Malformed request",
    401: "API key missing or unknown",
    403: "Not allowed",
    404: "Unknown",
    405: "Method not allowed",
    409: "Conflict",
    410: "Erased",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid request",
    429: "Quota used up",
    500: "Internal error",
    503: "Not available for now",
}
STATUS: dict[Code, int] = {
    "unknown": 404,
    "invalid": 422,
    "conflict": 409,
    "invalid_state": 409,
    "forbidden": 403,
    "reference.unknown": 422,
    "still_referenced": 409,
    "version.stale": 409,
    "name.taken": 409,
    "email.taken": 409,
    "session.invalid": 401,
    "session.reused": 401,
    "token.invalid": 401,
    "token.expired": 401,
    "token.used": 401,
    "device.exists": 409,
    "device.inactive": 409,
    "model.not_ready": 422,
    "model.not_applicable": 422,
    "site.offline": 409,
    "image.duplicate": 409,
    "lease.lost": 409,
    "job.terminal": 409,
    "idempotency.mismatch": 422,
    "endpoint.disabled": 409,
}


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with the input; `pointer` points into the body (RFC 6901), or names a header or parameter."""

    pointer: str
    code: str
    message: str


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, code: str, detail: str = "", *faults: Fault, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.faults, self.headers = faults, dict(headers or {})


def invalid_header(name: str, message: str) -> Problem:
    return Problem(400, "invalid_header", message, Fault(name, "invalid_header", message))


def invalid(pointer: str, code: str, message: str) -> Problem:
    return Problem(422, code, message, Fault(pointer, code, message))


def unknown_job() -> Problem:
    """The same for an id that never was, of another kind, and of another organisation."""
    return Problem(404, "unknown_job", "no such job")


def later(code: str, detail: str, seconds: int) -> Problem:
    return Problem(503, code, detail, headers={"Retry-After": str(seconds)})


def answer(request: Request, problem: Problem) -> Response:
    status = problem.status
    body: dict[str, Any] = {
        "type": TYPES.get(status, "about:blank"),
        "title": TITLES.get(status, "Error"),
        "status": status,
        "code": problem.code,
        "instance": request.url.path,
        "request_id": getattr(request.state, "request_id", ""),
    }
    if problem.detail:
        body["detail"] = problem.detail
    if problem.faults:
        body["errors"] = [msgspec.structs.asdict(fault) for fault in problem.faults]
    if status in TYPES:
        body["violated-policies"] = ["submit"] if status == 429 else []
    headers = {**problem.headers, **({"WWW-Authenticate": "ApiKey"} if status == 401 else {})}
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def pointer(place: Sequence[int | str]) -> str:
    """Pydantic's location as a pointer into the body; a query or header parameter by its name."""
    root, *rest = [str(part).replace("~", "~0").replace("/", "~1") for part in place] or ["body"]
    if root in ("query", "header", "path"):
        return rest[0] if rest else root
    return "".join(f"/{part}" for part in (rest if root == "body" else [root, *rest]))


def faults(errors: Sequence[Any]) -> tuple[Fault, ...]:
    return tuple(Fault(pointer(error["loc"]), error["type"], error["msg"]) for error in errors)


def refused(refusal: Refused) -> Problem:
    code = cast("Code", refusal.code)
    fault = (Fault(refusal.field, code, refusal.detail or code),) if refusal.field else ()
    return Problem(STATUS[code], code, refusal.detail or "", *fault)


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
        return answer(request, later("pending", "accepted, and not done yet; ask again", 1))

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Unavailable) -> Response:
        return answer(request, later("unavailable", "a part of the service is away; nothing was accepted", 5))

    @app.exception_handler(BaseError)
    async def store_away(request: Request, error: BaseError) -> Response:
        log.warning("object store away", problem=type(error).__name__)
        return answer(request, later("unavailable", "a part of the service is away; nothing was accepted", 5))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return answer(request, Problem(400, "incomplete_body", "the body ended early"))

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        return answer(request, Problem(422, "invalid_request", "", *faults(error.errors())))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        return answer(request, Problem(error.status_code, code, headers=error.headers))

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, problem=type(error).__name__)
        return answer(request, Problem(500, "internal_error"))
