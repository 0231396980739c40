"""Everything that can go wrong, in AcuSight's error form (contract 3.3)."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.acusight.answers import Answer
from api.gateway import Pending, Refused, Unavailable
from api.multipart import Malformed
from schemas.refusals import Code

log = structlog.get_logger()

STATUS = {
    "VALIDATION_ERROR": 400,
    "UNAUTHORIZED": 401,
    "INVALID_TOKEN": 401,
    "TOKEN_EXPIRED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "DEVICE_EXISTS": 409,
    "INVALID_STATE": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RATE_LIMITED": 429,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "SERVICE_UNAVAILABLE": 503,
}
"""HTTP status of each code of the contract."""

REFUSED: dict[Code, tuple[str, str]] = {
    "unknown": ("NOT_FOUND", "There is no such thing."),
    "invalid": ("VALIDATION_ERROR", "The request is not valid."),
    "conflict": ("CONFLICT", "That is there already."),
    "invalid_state": ("INVALID_STATE", "That is not possible in the present state."),
    "forbidden": ("FORBIDDEN", "You may not do that."),
    "reference.unknown": ("VALIDATION_ERROR", "The request names something that does not exist."),
    "still_referenced": ("INVALID_STATE", "Something still refers to it."),
    "version.stale": ("CONFLICT", "Someone else has changed it meanwhile."),
    "name.taken": ("CONFLICT", "The name is taken."),
    "email.taken": ("CONFLICT", "The e-mail address is taken."),
    "session.invalid": ("UNAUTHORIZED", "The session is over."),
    "session.reused": ("UNAUTHORIZED", "The session is over."),
    "token.invalid": ("INVALID_TOKEN", "The provisioning token is not valid."),
    "token.expired": ("TOKEN_EXPIRED", "The provisioning token has expired."),
    "token.used": ("INVALID_TOKEN", "The provisioning token is not valid."),
    "device.exists": ("DEVICE_EXISTS", "The device is enrolled already."),
    "device.inactive": ("INVALID_STATE", "The device is not in use."),
    "model.not_ready": ("INVALID_STATE", "The model is not ready."),
    "model.not_applicable": ("INVALID_STATE", "The model does not fit."),
    "site.offline": ("INVALID_STATE", "The site is offline."),
    "image.duplicate": ("CONFLICT", "An image with the same bytes is stored already."),
    "lease.lost": ("CONFLICT", "The work is somebody else's by now."),
    "job.terminal": ("INVALID_STATE", "The job has ended."),
    "idempotency.mismatch": ("CONFLICT", "The Idempotency-Key was used for another request."),
    "endpoint.disabled": ("INVALID_STATE", "The endpoint is disabled."),
}
"""Code and sentence for each refusal."""


FIELDS: dict[Code, str] = {
    "token.invalid": "token",
    "token.expired": "token",
    "token.used": "token",
    "device.exists": "device_id",
    "name.taken": "name",
}
"""What a refusal is about, as this dialect calls it."""


class Problem(Exception):
    """An answer with one of the contract's codes."""

    def __init__(self, code: str, message: str, details: str | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.details = code, message, details


def invalid(field: str, reason: str) -> Problem:
    """A body or parameter is at fault; `details` begins with its name."""
    return Problem("VALIDATION_ERROR", f"{field} is not valid.", f"{field}: {reason}")


def absent(what: str) -> Problem:
    return Problem("NOT_FOUND", f"There is no such {what}.")


def refusal(refused: Refused) -> Problem:
    code, message = REFUSED[refused.code]  # type: ignore[index]
    field = FIELDS.get(refused.code, refused.field)  # type: ignore[call-overload]
    told = ": ".join(part for part in (field, refused.detail) if part)
    return Problem(code, refused.detail or message, told or None)


def failure(code: str, message: str, details: str | None = None, status: int | None = None) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    headers = {"Retry-After": "1"} if code == "SERVICE_UNAVAILABLE" else None
    return Answer({"success": False, "error": error}, status or STATUS[code], headers)


def faults(wrong: RequestValidationError) -> str:
    """`field: reason` of each fault; a field is named as the client sent it."""
    return "; ".join(dict.fromkeys(map(told, wrong.errors())))


def told(fault: dict[str, Any]) -> str:
    """A check of several members names them itself; a parameter is one name, whatever it may be."""
    place, *path = fault["loc"]
    own = "error" in fault.get("ctx", {})
    reason = str(fault["ctx"]["error"]) if own else fault["msg"]
    if own and not path:
        return reason
    return f"{'.'.join(map(str, path if place == 'body' else path[:1])) or 'body'}: {reason}"


def add_problems(app: FastAPI) -> None:
    """One handler for each way to fail."""

    @app.exception_handler(Problem)
    async def problem(_: Request, raised: Problem) -> Answer:
        return failure(raised.code, raised.message, raised.details)

    @app.exception_handler(Refused)
    async def refused(request: Request, raised: Refused) -> Answer:
        return await problem(request, refusal(raised))

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, raised: RequestValidationError) -> Answer:
        return failure("VALIDATION_ERROR", "The request is not valid.", faults(raised))

    @app.exception_handler(Malformed)
    async def malformed(_: Request, raised: Malformed) -> Answer:
        return failure("VALIDATION_ERROR", "The multipart body is not valid.", f"body: {raised}")

    @app.exception_handler(Pending)
    async def pending(_: Request, raised: Pending) -> Answer:
        return failure("SERVICE_UNAVAILABLE", "Accepted, but not finished yet.", raised.command)

    @app.exception_handler(Unavailable)
    async def away(_: Request, _raised: Unavailable) -> Answer:
        return failure("SERVICE_UNAVAILABLE", "A part of the service cannot be reached.")

    @app.exception_handler(HTTPException)
    async def other(_: Request, raised: HTTPException) -> Answer:
        code = {404: "NOT_FOUND", 401: "UNAUTHORIZED", 403: "FORBIDDEN"}.get(raised.status_code, "VALIDATION_ERROR")
        answer = failure(code, str(raised.detail), status=raised.status_code)
        answer.headers.update(raised.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def fault(_: Request, raised: Exception) -> Answer:
        log.error("request failed", problem=type(raised).__name__)
        return failure("INTERNAL_ERROR", "Something went wrong here.")
