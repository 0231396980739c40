"""Export jobs (contract, 6.15)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.auth import Caller
from api.gateway import Ask, Gate, Gateway, Refused, asked
from api.iot.answers import Answer, Body, Id, Paged, PageOf, Shown, moment, of, path_id, present, sent, stamp, told
from api.iot.auth import Member
from api.iot.problems import Problem, absent, invalid
from infra.objects import Objects
from infra.postgres import Row
from projections.exports import queries as exports
from schemas.exports.messages import DeleteExport, RequestExport

router = APIRouter(prefix="/v1/exports", tags=["Exports"])
ExportId = Annotated[str, path_id("exportId")]
ScopeType = Literal["SITE", "DEVICE", "COMPONENT", "SENSOR"]
Status = Literal["PENDING", "RUNNING", "READY", "FAILED", "EXPIRED"]
Include = Literal["READINGS", "ANNOTATIONS"]
SLOTS = range(1, 4)
LONGEST = timedelta(days=366)
LINK = timedelta(hours=24)
FIRST = ("id", "scopeType", "scopeId", "from", "to", "includes", "status", "requestedBy", "createdAt")
"""What the first answer says: the job may have gone on meanwhile, a repeat gets the same."""


class ExportCreate(Body):
    scope_type: ScopeType
    scope_id: Id
    start: datetime = Field(alias="from")
    to: datetime
    includes: list[Include] = Field(min_length=1)


class ExportJob(Shown):
    """Asynchronous export."""

    id: str
    scope_type: ScopeType
    scope_id: str
    start: datetime = Field(alias="from")
    to: datetime
    includes: list[Include]
    status: Status
    requested_by: str
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    size_bytes: int | None = None
    reading_count: int | None = None
    annotation_count: int | None = None
    download_url: str | None = None
    error_code: str | None = None
    error_message: str | None = None


def shown(row: Row, link: str | None = None, until: datetime | None = None) -> dict[str, Any]:
    return {
        "id": row["id"],
        "scopeType": row["scope_type"],
        "scopeId": row["scope_id"],
        "from": stamp(row["start_at"]),
        "to": stamp(row["end_at"]),
        "includes": list(row["includes"]),
        "status": row["status"],
        "requestedBy": row["requested_by"],
        "createdAt": stamp(row["created_at"]),
        **present(
            startedAt=stamp(row["started_at"]),
            completedAt=stamp(row["completed_at"]),
            expiresAt=stamp(until),
            sizeBytes=row["size"],
            readingCount=row["readings"],
            annotationCount=row["annotations"],
            downloadUrl=link,
            errorCode=row["error_code"],
            errorMessage=row["error_message"],
        ),
    }


async def with_link(objects: Objects, row: Row) -> dict[str, Any]:
    """A fresh link while the bundle is kept; the first one lapses a day after completion, each when the bundle goes."""
    if row["status"] != "READY":
        return shown(row)
    now = datetime.now(UTC).replace(microsecond=0)
    until = min(now + LINK, row["completed_at"] + timedelta(days=7))
    return shown(row, await objects.link(row["key"], max(until - now, timedelta(seconds=1))), until)


async def fetched(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404."""
    async with gate.reading(caller) as db:
        row = await exports.one(db, of(id))
    if row is None:
        raise absent()
    return row


def ranged(body: ExportCreate) -> tuple[datetime, datetime]:
    """Errors: Problem 400."""
    start, end = moment(body.start), moment(body.to)
    if not timedelta() < end - start <= LONGEST:
        raise invalid("to", "OUT_OF_RANGE", f"to comes after from, by {LONGEST.days} days at most.")
    return start, end


async def scoped(gate: Gateway, caller: Caller, type: str, id: str) -> Row:
    """What a scope names.

    Errors: Problem 404 with the field.
    """
    async with gate.reading(caller) as db:
        row = await exports.scope(db, type, id)
    if row is None:
        raise invalid("scopeId", "NOT_FOUND", "There is no such scope.", 404, "NOT_FOUND")
    return row


@router.post("", **told(ExportJob, 400, 404, 409, 413, 422, 429, status=201, body=ExportCreate))
async def create_export(
    request: Request, caller: Member, body: Annotated[ExportCreate, Depends(sent(ExportCreate))], gate: Gate
) -> Answer:
    """Submit an export job"""
    start, end = ranged(body)
    await scoped(gate, caller, body.scope_type, body.scope_id)
    ask = asked(request, caller, request.state.raw)
    command = {"scope_type": body.scope_type, "scope_id": body.scope_id, "start": start, "end": end}
    id = await submitted(gate, caller, ask, {**command, "includes": tuple(dict.fromkeys(body.includes))})
    said = shown(await fetched(gate, caller, id))
    return Answer({**{name: said[name] for name in FIRST}, "status": "PENDING"}, 201)


async def submitted(gate: Gateway, caller: Caller, ask: Ask, command: dict[str, Any]) -> str:
    """Asks for the job in a slot that looks free; whoever was faster leaves us the next.

    Errors: Problem 429.
    """
    id = ask.entity()
    async with gate.reading(caller) as db:
        taken = await exports.taken(db)
    free = [slot for slot in SLOTS if slot not in taken] or [SLOTS[0]]
    for turn, slot in enumerate(free):
        try:
            step = ask.step(f"slot/{turn}") if turn else ask
            await gate.ask(RequestExport(**command, slot=slot), stream=id, caller=caller, ask=step)
            return id
        except Refused as refused:
            if refused.code != "conflict":
                raise
    detail = f"An organization has {len(SLOTS)} open exports at most."
    raise Problem(429, "TOO_MANY_EXPORTS", detail, headers={"Retry-After": "5"})


@router.get("", **told(PageOf[ExportJob], 400))
async def list_exports(caller: Member, page: Paged, gate: Gate, status: Status | None = None) -> Answer:
    """List jobs"""
    if page.sort not in exports.ORDERS:
        raise invalid("sort", "INVALID_ENUM", "Jobs have no name.")
    async with gate.reading(caller) as db:
        rows, total = await exports.page(db, status, order=page.sort, limit=page.size, offset=page.offset)
    return page.answer([shown(row) for row in rows], total)


@router.get("/{exportId}", **told(ExportJob, 404))
async def get_export(request: Request, id: ExportId, caller: Member, gate: Gate) -> Answer:
    """Poll a job"""
    return Answer(await with_link(request.app.state.objects, await fetched(gate, caller, id)))


@router.delete("/{exportId}", **told(None, 404, 409, status=204))
async def delete_export(id: ExportId, caller: Member, gate: Gate) -> Answer:
    """Remove a finished job and its bundle"""
    row = await fetched(gate, caller, id)
    try:
        await gate.ask(DeleteExport(), stream=row["id"], caller=caller)
    except Refused as refused:
        if refused.code != "invalid_state":
            raise
        raise Problem(409, "EXPORT_RUNNING", "The export has not ended yet.") from None
    return Answer(None, 204)
