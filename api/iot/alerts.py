"""Alerts: events that a rule raised and somebody deals with (contract, 6.11)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import plain
from api.iot.answers import (
    Answer,
    Body,
    Paged,
    PageOf,
    Shown,
    Text,
    path_id,
    present,
    sent,
    told,
)
from api.iot.auth import Member
from api.iot.conditions import AlertCondition
from api.iot.devices import named
from api.iot.events import (
    KIND,
    DeviceFilter,
    LifecycleStatus,
    Resolution,
    SensorFilter,
    Severities,
    Severity,
    SiteFilter,
    at,
    span,
)
from api.iot.labels import utc
from api.iot.problems import Problem, absent
from api.iot.readings import From, To
from infra.postgres import Row
from projections.records import queries as records

router = APIRouter(prefix="/v1/alerts", tags=["Alerts"])
FIRED = "ALERT_RULE"
AlertId = Annotated[str, path_id("alertId")]
ALERT_MEMBERS = ("severity", "deviceId", "componentId", "sensorId")


class Alert(Shown):
    """Fired alert = event plus lifecycle."""

    id: str
    rule_id: str | None = None
    rule_name: str
    severity: Severity
    status: LifecycleStatus
    device_id: str
    component_id: str | None = None
    sensor_id: str
    trigger_value: Any | None = None
    condition: AlertCondition
    message: str
    fired_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: Resolution | None = None
    note: str | None = None


class NotificationDelivery(Shown):
    """One attempt chain to one channel."""

    id: str
    channel_id: str | None = None
    channel_name: str
    channel_type: Literal["EMAIL", "WEBHOOK"]
    status: Literal["PENDING", "SENT", "FAILED"]
    attempts: int
    last_error: str | None = None
    created_at: datetime
    sent_at: datetime | None = None


class LifecycleAction(Body):
    note: Annotated[Text, Field(max_length=2000)] | None = None


Acting = Annotated[LifecycleAction, Depends(sent(LifecycleAction, needed=False))]


def alert(row: Row) -> dict[str, Any]:
    """The rule is told as it was when it fired."""
    body, said = row["body"], plain.shown(row, *ALERT_MEMBERS)
    facts = body.get("alert") or {}
    for stamp in ("createdAt", "updatedAt"):
        said.pop(stamp)
    return {
        **said,
        **facts,
        "message": body.get("message") or body["title"],
        "firedAt": body["occurredAt"],
        **body["lifecycle"],
    }


@router.get("", **told(PageOf[Alert], 400))
async def list_alerts(
    caller: Member,
    page: Paged,
    gate: Gate,
    status: Annotated[list[LifecycleStatus] | None, Query()] = None,
    severity: Severities = None,
    device_id: DeviceFilter = None,
    sensor_id: SensorFilter = None,
    rule_id: Annotated[str | None, Query(alias="ruleId")] = None,
    site_id: SiteFilter = None,
    start: From = None,
    to: To = None,
) -> Answer:
    """Fired alerts"""
    rule = named(rule_id, "ruleId")
    where = {"source": FIRED, **at(device_id, sensor_id, site_id)} | ({"alert": {"ruleId": rule}} if rule else {})
    also = span(start, to)
    also += [records.standing(status)] if status else []
    also += [records.among("severity", severity)] if severity else []
    rows, total = await plain.listed(gate, caller, KIND, page, where=where, also=also)
    return page.answer([alert(row) for row in rows], total)


async def fired(gate: Gateway, caller: Caller, id: str) -> Row:
    """Errors: Problem 404, also for an event that no rule raised."""
    row = await plain.fetched(gate, caller, KIND, id)
    if row["body"]["source"] != FIRED:
        raise absent()
    return row


@router.get("/{alertId}", **told(Alert, 404))
async def get_alert(id: AlertId, caller: Member, gate: Gate) -> Answer:
    """Read one alert"""
    return Answer(alert(await fired(gate, caller, id)))


async def moved(gate: Gateway, caller: Caller, row: Row, now: dict[str, Any]) -> Answer:
    """Only from the version that was read: of two at once one is told so."""
    lifecycle = {**row["body"]["lifecycle"], **now}
    await plain.replaced(gate, caller, KIND, row["id"], {**row["body"], "lifecycle": lifecycle}, row["version"])
    return Answer(alert(await fired(gate, caller, row["id"])))


def handled(caller: Caller, status: str, verb: str, body: LifecycleAction) -> dict[str, Any]:
    by = {f"{verb}At": utc(datetime.now(UTC)), f"{verb}By": caller.actor}
    return {"status": status, **by, **present(note=body.note)}


@router.post("/{alertId}/acknowledge", **told(Alert, 400, 404, 409, 413, body=LifecycleAction))
async def acknowledge_alert(id: AlertId, caller: Member, body: Acting, gate: Gate) -> Answer:
    """Acknowledge"""
    row = await fired(gate, caller, id)
    lifecycle = row["body"]["lifecycle"]
    if lifecycle["status"] == "ACKNOWLEDGED" and lifecycle.get("acknowledgedBy") == caller.actor:
        return Answer(alert(row))
    if lifecycle["status"] != "ACTIVE":
        raise Problem(409, "INVALID_STATE", f"The alert is {lifecycle['status']}.")
    return await moved(gate, caller, row, handled(caller, "ACKNOWLEDGED", "acknowledged", body))


@router.post("/{alertId}/resolve", **told(Alert, 400, 404, 409, 413, body=LifecycleAction))
async def resolve_alert(id: AlertId, caller: Member, body: Acting, gate: Gate) -> Answer:
    """Resolve"""
    row = await fired(gate, caller, id)
    if row["body"]["lifecycle"]["status"] == "RESOLVED":
        raise Problem(409, "INVALID_STATE", "The alert is RESOLVED.")
    return await moved(gate, caller, row, {**handled(caller, "RESOLVED", "resolved", body), "resolution": "MANUAL"})


@router.get("/{alertId}/notifications", **told(list[NotificationDelivery], 404))
async def list_alert_notifications(id: AlertId, caller: Member, gate: Gate) -> Answer:
    """Deliveries of one alert"""
    row = await fired(gate, caller, id)
    return Answer(row["body"].get("notifications") or [])
