"""The error form: one envelope for errors and acknowledgements (contract, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from obstore.exceptions import BaseError
from starlette.exceptions import HTTPException

from api.gateway import Pending, Refused, Unavailable
from api.nx.wire import Message, answer
from schemas.refusals import Code

log = structlog.get_logger()
STATUS: dict[Code, int] = {
    "unknown": 404,
    "invalid": 422,
    "conflict": 409,
    "invalid_state": 409,
    "forbidden": 403,
    "reference.unknown": 422,
    "still_referenced": 409,
    "version.stale": 409,
    "idempotency.mismatch": 409,
    "name.taken": 409,
    "email.taken": 409,
    "session.invalid": 400,
    "session.reused": 400,
    "token.invalid": 401,
    "token.expired": 401,
    "token.used": 400,
    "device.exists": 409,
    "device.inactive": 409,
    "model.not_ready": 409,
    "model.not_applicable": 422,
    "site.offline": 409,
    "image.duplicate": 409,
    "lease.lost": 409,
    "job.terminal": 409,
    "endpoint.disabled": 409,
}
SAID: dict[str, str] = {
    "unknown": "Not found",
    "reference.unknown": "Something this refers to does not exist",
    "name.taken": "The name is taken",
    "idempotency.mismatch": "This Idempotency-Key was used for another request",
}
"""Texts of refusals that bring none."""
FIELDS = {
    "model": "FunctionID",
    "devices": "Devices",
    "pipelines": "Pipelines",
    "server": "Server",
    "preprocessor": "Preprocessor",
    "postprocessor": "Postprocessor",
    "class_name": "className",
    "condition": "condition",
    "targets": "EnableConversions",
    "catalogue": "Catalogues",
    "site": "Site",
    "name": "Name",
}
"""Members of commands as this dialect spells them."""


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, message: str, *, field: str | None = None, credential: bool = False, **more: Any
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.field, self.credential, self.more = status, message, field, credential, more


def unknown() -> Problem:
    """The same for an id that never was and for one of another organisation."""
    return Problem(404, "Not found")


def envelope(problem: Problem) -> Response:
    """The answer of a problem."""
    field = {"Field": {"Name": problem.field, "Message": problem.message}} if problem.field else {}
    credential = {"AuthorizationInvalid": True} if problem.credential else {}
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(problem.status, {})
    body = {"Message": problem.message, **credential, **field, **problem.more}
    return answer(body, problem.status, headers)


def of(refusal: Refused) -> Problem:
    """A refusal in this dialect."""
    status = STATUS[cast("Code", refusal.code)]
    message = refusal.detail or SAID.get(refusal.code) or refusal.code
    return Problem(status, message, field=FIELDS.get(refusal.field, refusal.field) if refusal.field else None)


def malformed(errors: Sequence[Any]) -> Problem:
    """Request validation: the first error, with the field that it is in."""
    first = errors[0]
    if first["type"] == "json_invalid":
        return Problem(400, "The body is not JSON", field="body")
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    name = ".".join(place) or ("body" if first["loc"][:1] == ("body",) else "request")
    return Problem(400, first["msg"], field=name[:100])


def install(app: FastAPI) -> None:
    """Everything that can go wrong here is answered in this form."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return envelope(error)

    @app.exception_handler(Refused)
    async def refusal(_: Request, error: Refused) -> Response:
        return envelope(of(error))

    @app.exception_handler(Pending)
    async def pending(_: Request, error: Pending) -> Response:
        return envelope(Problem(503, "Accepted, and not done yet: ask again"))

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> Response:
        return envelope(Problem(503, "A part of the service is away; nothing was accepted"))

    @app.exception_handler(BaseError)
    async def storeless(_: Request, error: BaseError) -> Response:
        return envelope(Problem(503, "The object store is away; nothing was accepted"))

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> Response:
        return envelope(malformed(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        said = envelope(Problem(error.status_code, str(error.detail)))
        said.headers.update(error.headers or {})
        return said

    @app.exception_handler(Exception)
    async def internal(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, problem=type(error).__name__)
        return envelope(Problem(500, "Internal error"))


def answers(model: Any, *more: int, status: int = 200, description: str = "Success") -> dict[int | str, dict[str, Any]]:
    """What a route says in the document: its success, and the envelope for everything else."""
    good: dict[str, Any] = {"description": description, **({"model": model} if model is not None else {})}
    errors = {code: {"description": ERRORS[code], "model": Message} for code in (400, 401, 403, 422, 503, *more)}
    return {status: good, **dict(sorted(errors.items()))}


ERRORS = {
    400: "Malformed request or header pair",
    401: "Missing, unreadable or expired credential",
    403: "Credential lacks the right, or no access to the acting entity",
    404: "Not found, or not visible",
    409: "State conflict",
    413: "File over the limit",
    415: "File type not accepted",
    422: "Well-formed but not applicable; Field names the cause",
    503: "A part of the service is away; Retry-After says when to ask again",
}
