"""Job control: list, look, stop, erase (contract, operations 7 to 10)."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.gateway import Gate, asked
from api.noxovision import document, wire
from api.noxovision.auth import Reader, Submitter
from api.noxovision.paths import operation
from api.noxovision.problems import Fault, Problem, unknown_job
from api.noxovision.results import polled, unchanged
from projections.analysis import queries
from schemas.analysis.messages import CancelAnalysis, EraseAnalysis
from streams.analysis.envelope import id_of

router = APIRouter(tags=["Jobs"])


def stream_of(job_id: str) -> str:
    """The stream behind an id of either kind.

    Errors: Problem 404.
    """
    id = id_of("video", job_id) or id_of("images", job_id)
    if id is None:
        raise unknown_job()
    return id


def after(cursor: str | None) -> str | None:
    """A cursor is the id of the last job of the page before, in hex."""
    if cursor is None:
        return None
    try:
        return str(UUID(hex=cursor))
    except ValueError:
        raise Problem(
            400, "invalid_cursor", "no cursor of ours", Fault("cursor", "invalid_cursor", "no cursor of ours")
        ) from None


@operation(
    router,
    "GET",
    "listJobs",
    responses={200: {"model": wire.JobPage, "description": "OK"}, **document.problems(400, 422)},
)
async def list_jobs(
    caller: Reader,
    gate: Gate,
    limit: Annotated[int, Query(ge=1, le=250)] = 50,
    cursor: Annotated[str | None, Query()] = None,
    status: Annotated[wire.JobStatus | None, Query()] = None,
    kind: Annotated[Literal["video", "images"] | None, Query()] = None,
) -> Response:
    """List own jobs, newest first"""
    place = after(cursor)
    async with gate.reading(caller) as db:
        rows = await queries.jobs(db, limit=limit + 1, after=place, status=status, kind=kind)
    more = UUID(rows[limit - 1]["id"]).hex if len(rows) > limit else None
    body = {"data": [wire.job(row) for row in rows[:limit]], "next_cursor": more}
    return Response(orjson.dumps(body), media_type="application/json")


@operation(
    router,
    "GET",
    "getJob",
    openapi_extra=document.POLLING,
    responses=document.polled(wire.Job, "OK"),
)
async def get_job(request: Request, caller: Reader, gate: Gate, job_id: str) -> Response:
    """State and timing without the result"""
    seen, headers = await polled(request, caller, gate, stream_of(job_id), deliveries=True)
    body = {**wire.job(seen.row), "webhook_delivery_ids": seen.deliveries}
    if body["job_id"] != job_id:
        raise unknown_job()
    if unchanged(request, seen.tag):
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps(body), 200, headers, "application/json")


@operation(
    router,
    "POST",
    "cancelJob",
    status_code=202,
    openapi_extra={"parameters": [document.IDEMPOTENCY_KEY]},
    responses={202: {"model": wire.Job, "description": "Stopping"}, **document.problems(404, 409)},
)
async def cancel_job(request: Request, caller: Submitter, gate: Gate, job_id: str) -> Response:
    """Stop a queued or running job"""
    id = stream_of(job_id)
    await known(gate, caller, id, job_id)
    await gate.ask(CancelAnalysis(), stream=id, caller=caller, ask=asked(request, caller))
    return Response(orjson.dumps(await known(gate, caller, id, job_id)), 202, media_type="application/json")


@operation(
    router,
    "DELETE",
    "deleteJob",
    status_code=204,
    responses=document.problems(404, 409),
)
async def delete_job(caller: Submitter, gate: Gate, job_id: str) -> Response:
    """Erase media and result"""
    id = stream_of(job_id)
    await known(gate, caller, id, job_id)
    await gate.ask(EraseAnalysis(), stream=id, caller=caller)
    return Response(status_code=204)


async def known(gate: Gate, caller: Reader, id: str, job_id: str) -> dict[str, object]:
    """The job under exactly this id.

    Errors: Problem 404.
    """
    async with gate.reading(caller) as db:
        row = await queries.job(db, id)
    if row is None or (body := wire.job(row))["job_id"] != job_id:
        raise unknown_job()
    return body
