"""Dashboards (contract, 6.13)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, model_validator

from api.auth import Caller, at_least
from api.gateway import Gate, Gateway
from api.iot import plain
from api.iot.answers import Answer, Body, Free, Id, Name, Paged, PageOf, QueryText, Shown, Text, path_id, sent, told
from api.iot.auth import Member
from api.iot.problems import Problem, absent, invalid
from api.iot.values import Duration, Function
from infra.postgres import Row
from projections.records import queries as records

router = APIRouter(prefix="/v1/dashboards", tags=["Dashboards"])
KIND = "dashboard"
MEMBERS = ("name", "description", "visibility", "isDefault", "defaultWindow", "refreshSeconds", "widgets")
Visibility = Literal["ORGANIZATION", "PRIVATE"]
Scope = Literal["SITE", "DEVICE", "COMPONENT", "SENSOR"]
WidgetType = Literal[
    "LINE_CHART", "BAR_CHART", "STAT", "GAUGE", "TABLE", "MAP", "DEVICE_STATUS", "ALERT_LIST", "ANNOTATION_TIMELINE",
    "CAMERA", "MARKDOWN",
]  # fmt: skip
DashboardId = Annotated[str, path_id("dashboardId")]


class WidgetPosition(Body):
    """12-column grid."""

    x: int = Field(ge=0, le=11)
    y: int = Field(ge=0, le=10_000)
    w: int = Field(ge=1, le=12)
    h: int = Field(ge=1, le=24)


class WidgetSource(Body):
    """Data behind a widget; what it names may be gone."""

    scope_type: Scope | None = None
    scope_id: Id | None = None
    sensor_ids: list[Id] | None = Field(default=None, max_length=20)
    camera_id: Id | None = None
    aggregate: Function | None = None
    bucket: Duration | None = None


class Widget(Body):
    id: Annotated[Text, Field(min_length=1, max_length=64)]
    type: WidgetType
    title: Annotated[Text, Field(max_length=200)] | None = None
    position: WidgetPosition
    source: WidgetSource | None = None
    options: Free | None = None


class DashboardWrite(Body):
    name: Name
    description: Text | None = None
    visibility: Visibility = "ORGANIZATION"
    is_default: bool = False
    default_window: Duration | None = None
    refresh_seconds: int | None = Field(default=None, ge=0, le=86_400)
    widgets: list[Widget] = Field(max_length=100)
    revision: int | None = Field(default=None, ge=1, le=2**31 - 1, description="required on update")

    @model_validator(mode="after")
    def unlike(self) -> Self:
        if len({widget.id for widget in self.widgets}) < len(self.widgets):
            raise ValueError("two widgets have one id")
        return self


class Dashboard(Shown):
    id: str
    name: str
    description: str | None = None
    visibility: Visibility
    is_default: bool | None = None
    default_window: str | None = None
    refresh_seconds: int | None = None
    widgets: list[Widget]
    revision: int
    created_by: str
    created_at: datetime
    updated_at: datetime


Write = Annotated[DashboardWrite, Depends(sent(DashboardWrite))]


def shown(row: Row) -> dict[str, Any]:
    return plain.shown(row, *MEMBERS, revision=row["version"], createdBy=row["created_by"])


def kept(body: DashboardWrite) -> dict[str, Any]:
    found = plain.members(body)
    found.pop("revision", None)
    return found


async def one(gate: Gateway, caller: Caller, id: str) -> Row:
    """A dashboard that the caller may see: a private one is its creator's only.

    Errors: Problem 404.
    """
    row = await plain.fetched(gate, caller, KIND, id)
    if row["body"].get("visibility") == "PRIVATE" and row["created_by"] != caller.actor:
        raise absent()
    return row


async def changeable(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404, 403 for somebody else's when the caller is no administrator."""
    row = await one(gate, caller, id)
    if row["created_by"] != caller.actor and not at_least(caller, "admin"):
        raise Problem(403, "INSUFFICIENT_ROLE", "The dashboard is somebody else's.")
    return row


async def only(gate: Gateway, caller: Caller, id: str, body: DashboardWrite) -> None:
    """One default in an organisation: the flag is taken from the others."""
    if not body.is_default:
        return
    async with gate.reading(caller) as db:
        rows, _ = await records.page(db, KIND, where={"isDefault": True}, limit=1_000)
    for row in rows:
        if row["id"] != id:
            await plain.replaced(gate, caller, KIND, row["id"], {**row["body"], "isDefault": False})


@router.get("", **told(PageOf[Dashboard], 400))
async def list_dashboards(
    caller: Member,
    page: Paged,
    gate: Gate,
    q: Annotated[QueryText | None, Query(description="part of the name")] = None,
    visibility: Visibility | None = None,
) -> Answer:
    """List dashboards; private ones only for their creator"""
    where = {"visibility": visibility} if visibility else None
    also = [records.open_to(caller.actor)]
    rows, total = await plain.listed(gate, caller, KIND, page, where=where, q=q, also=also)
    return page.answer([shown(row) for row in rows], total)


@router.post("", **told(Dashboard, 400, 403, 409, 413, 422, status=201, body=DashboardWrite))
async def create_dashboard(request: Request, caller: Member, body: Write, gate: Gate) -> Answer:
    """Create a dashboard"""
    id = await plain.created(request, gate, caller, KIND, kept(body))
    await only(gate, caller, id, body)
    return Answer(shown(await one(gate, caller, id)), 201)


@router.get("/{dashboardId}", **told(Dashboard, 404))
async def get_dashboard(id: DashboardId, caller: Member, gate: Gate) -> Answer:
    """Read a dashboard"""
    return Answer(shown(await one(gate, caller, id)))


@router.put("/{dashboardId}", **told(Dashboard, 400, 403, 404, 409, 413, 422, body=DashboardWrite))
async def update_dashboard(id: DashboardId, caller: Member, body: Write, gate: Gate) -> Answer:
    """Replace a dashboard; its revision must be the newest"""
    row = await changeable(gate, caller, id)
    if body.revision is None:
        raise invalid("revision", "REQUIRED", "Say which revision this replaces.")
    await plain.replaced(gate, caller, KIND, row["id"], kept(body), body.revision)
    await only(gate, caller, row["id"], body)
    return Answer(shown(await one(gate, caller, row["id"])))


@router.delete("/{dashboardId}", **told(None, 403, 404, status=204))
async def delete_dashboard(id: DashboardId, caller: Member, gate: Gate) -> Answer:
    """Delete a dashboard"""
    row = await changeable(gate, caller, id)
    await plain.retired(gate, caller, KIND, row["id"])
    return Answer(None, 204)
