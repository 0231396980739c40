"""Annotations: labels applied to a scope and a time (contract, 6.12)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.auth import Caller, at_least
from api.gateway import Gate, Gateway
from api.iot import labels, plain
from api.iot.answers import Answer, Body, Free, Id, Paged, PageOf, Shown, Text, moment, present, told
from api.iot.auth import Member
from api.iot.classes import CLASS, Key
from api.iot.devices import named
from api.iot.exports import ScopeType, scoped
from api.iot.groups import Asked, Group, serve
from api.iot.problems import Problem, invalid
from api.iot.readings import From, To
from infra.postgres import Connection, Row
from projections.exports import queries as scopes
from projections.records import queries as records

router = APIRouter(prefix="/v1", tags=["Annotations"])
ANNOTATION = "annotation"
Source = Literal["MANUAL", "RULE", "REFERENCE_SENSOR", "EXTERNAL_FEED", "ML_INFERENCE", "JOB"]
SYSTEM = ("RULE", "REFERENCE_SENSOR", "EXTERNAL_FEED", "ML_INFERENCE", "JOB")


class SourceRef(Body):
    """What emitted a system annotation."""

    type: Literal["ALERT_RULE", "EVENT", "JOB", "REFERENCE_PAIR", "MODEL", "FEED"]
    id: Key
    name: Text | None = None


class AnnotationWrite(Body):
    annotation_class_id: Id
    scope_type: ScopeType
    scope_id: Id
    start_at: datetime
    end_at: datetime | None = None
    values: Free | None = None
    note: Text | None = None
    source: Source = "MANUAL"
    source_ref: SourceRef | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)


class Annotation(Shown):
    """Applied label."""

    id: str
    annotation_class_id: str
    class_key: str
    scope_type: ScopeType
    scope_id: str
    start_at: datetime
    end_at: datetime | None = None
    values: dict[str, Any] | None = None
    note: str | None = None
    source: Source
    source_ref: SourceRef | None = None
    confidence: float | None = None
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


MEMBERS = (
    "annotationClassId", "classKey", "scopeType", "scopeId", "startAt", "endAt", "values", "note", "source",
    "sourceRef", "confidence",
)  # fmt: skip


async def shown(_db: Connection, rows: list[Row]) -> list[dict[str, Any]]:
    return [plain.shown(row, *MEMBERS, createdBy=row["created_by"]) for row in rows]


async def kept(asked: Asked) -> dict[str, Any]:
    """A label that fits its class and its scope.

    Errors: Problem 403, 404, 409, 422.
    """
    body: AnnotationWrite = asked.body
    if asked.old is not None:
        mine(asked.caller, asked.old)
        if asked.old["body"]["source"] != "MANUAL":
            return annotated(asked.old, body)
    if body.source != "MANUAL" and not allowed(asked.caller, body.source):
        raise Problem(403, "INSUFFICIENT_ROLE", f"The source {body.source} is not for this caller.")
    needed = plain.needed(asked.gate, asked.caller, CLASS, body.annotation_class_id, "annotationClassId")
    form = (await needed)["body"]
    await scoped(asked.gate, asked.caller, body.scope_type, body.scope_id)
    labels.check(form, body)
    times = present(startAt=labels.utc(body.start_at), endAt=labels.utc(body.end_at) if body.end_at else None)
    return {**plain.members(body), **times, "classKey": form["key"]}


def allowed(caller: Caller, source: str) -> bool:
    """Programs may say that something came from a feed or a model."""
    return caller.user is None and source in ("EXTERNAL_FEED", "ML_INFERENCE")


def mine(caller: Caller, row: Row) -> None:
    """Errors: Problem 403 for somebody else's label, unless an admin asks."""
    if row["created_by"] != caller.actor and not at_least(caller, "admin"):
        raise Problem(403, "INSUFFICIENT_ROLE", "This annotation is somebody else's.")


def annotated(old: Row, body: AnnotationWrite) -> dict[str, Any]:
    """A system label with another note.

    Errors: Problem 409 when anything else would change.
    """
    told = plain.members(body)
    for name in ("annotationClassId", "scopeType", "scopeId", "source"):
        if told[name] != old["body"][name]:
            raise invalid(name, "CONFLICT", "Only the note of a system label may change.", 409, "INVALID_STATE")
    if labels.utc(body.start_at) != old["body"]["startAt"]:
        raise invalid("startAt", "CONFLICT", "Only the note of a system label may change.", 409, "INVALID_STATE")
    rest = {name: value for name, value in old["body"].items() if name != "note"}
    return {**rest, **present(note=body.note)}


async def own(_gate: Gateway, caller: Caller, row: Row) -> None:
    """One's own manual labels; an admin any."""
    mine(caller, row)
    if row["body"]["source"] != "MANUAL" and not at_least(caller, "admin"):
        raise Problem(403, "INSUFFICIENT_ROLE", "A system label is deleted by an admin.")


async def inside(
    gate: Gateway, caller: Caller, type: str | None, id: str | None, descend: bool
) -> tuple[records.Also, ...]:
    """The scope asked for, and what lies inside it.

    Errors: Problem 400 when only half of a scope is named.
    """
    if id is None:
        return (records.among("scopeType", [type]),) if type else ()
    wanted = named(id, "scopeId") or ""
    if type is None:
        return (records.among("scopeId", [wanted]),)
    if not descend:
        return records.among("scopeType", [type]), records.among("scopeId", [wanted])
    async with gate.reading(caller) as db:
        return (records.among("scopeId", await scopes.below(db, type, wanted)),)


def between(start: datetime | None, to: datetime | None) -> tuple[records.Also, ...]:
    """What overlaps a time."""
    first = (records.until("startAt", "endAt", moment(start)),) if start else ()
    return (*first, records.before("startAt", moment(to))) if to else first


ScopeId = Annotated[str | None, Query(alias="scopeId")]
Scope = Annotated[ScopeType | None, Query(alias="scopeType")]


@router.get("/annotations", **told(PageOf[Annotation], 400))
async def list_annotations(
    caller: Member,
    page: Paged,
    gate: Gate,
    class_id: Annotated[str | None, Query(alias="annotationClassId")] = None,
    scope_type: Scope = None,
    scope_id: ScopeId = None,
    descend: Annotated[bool, Query(alias="includeDescendants")] = True,
    start: From = None,
    to: To = None,
) -> Answer:
    """Query labels"""
    where = present(annotationClassId=named(class_id, "annotationClassId"))
    also = (*await inside(gate, caller, scope_type, scope_id, descend), *between(start, to))
    rows, total = await plain.listed(gate, caller, ANNOTATION, page, where=where, also=also)
    async with gate.reading(caller) as db:
        return page.answer(await shown(db, rows), total)


@router.get("/annotations/by-source", **told(PageOf[Annotation], 400))
async def list_annotations_by_source(
    caller: Member,
    page: Paged,
    gate: Gate,
    source: Annotated[list[Source] | None, Query(description="repeatable; omitted: all that is not MANUAL")] = None,
    scope_type: Scope = None,
    scope_id: ScopeId = None,
    start: From = None,
    to: To = None,
) -> Answer:
    """Query labels by origin"""
    origin = records.among("source", source or list(SYSTEM))
    also = (origin, *await inside(gate, caller, scope_type, scope_id, True), *between(start, to))
    rows, total = await plain.listed(gate, caller, ANNOTATION, page, also=also)
    async with gate.reading(caller) as db:
        return page.answer(await shown(db, rows), total)


ANNOTATIONS = Group(
    kind=ANNOTATION, one="annotation", many="annotations", path="/annotations", parameter="annotationId",
    shape=Annotation, write=AnnotationWrite, shown=shown, kept=kept, writes="member", before_delete=own,
    lists=False,
)  # fmt: skip
serve(router, ANNOTATIONS)
