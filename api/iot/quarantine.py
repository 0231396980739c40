"""Payloads put aside: list, look, discard (contract, 6.16)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query

from api.auth import Caller
from api.gateway import Gate, Gateway
from api.iot import wire
from api.iot.answers import Answer, Paged, PageOf, Shown, moment, of, path_id, present, stamp, told
from api.iot.auth import Admin
from api.iot.devices import named
from api.iot.problems import absent
from api.iot.readings import From, Stores, To
from infra.clickhouse import Reader
from projections.telemetry import queries as telemetry
from projections.telemetry.queries import Aside
from schemas.telemetry.messages import DiscardQuarantined

router = APIRouter(prefix="/v1/admin/quarantine", tags=["Quarantine"])
Reason = Literal[
    "UNKNOWN_SENSOR", "MISSING_PROFILE", "OUT_OF_RANGE", "MISSING_REQUIRED_FIELD", "TYPE_MISMATCH", "ARRAY_SIZE",
    "UNKNOWN_COMPONENT", "MALFORMED_PAYLOAD", "PAYLOAD_TOO_LARGE", "LIMIT_EXCEEDED", "INVALID_TIMESTAMP",
    "SENSOR_LIMIT",
]  # fmt: skip
QuarantineId = Annotated[str, path_id("quarantineId")]


class QuarantineIssue(Shown):
    path: str
    reason: Reason
    message: str | None = None
    expected: Any | None = None
    actual: Any | None = None


class QuarantinedPayload(Shown):
    """Device payload that failed validation."""

    id: str
    device_id: str | None = None
    component_id: str | None = None
    sensor_profile: wire.ProfileRef | None = None
    topic: str | None = None
    reason: Reason
    issues: list[QuarantineIssue]
    payload: Any
    truncated: bool | None = None
    device_timestamp: datetime | None = None
    received_at: datetime


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return present(
        id=row["id"],
        deviceId=row["device"],
        componentId=row["component"] or None,
        reason=row["reason"],
        issues=[{"path": row["path"], "reason": row["reason"]}],
        payload=row["payload"] if row["truncated"] else orjson.loads(row["payload"]),
        truncated=row["truncated"] or None,
        deviceTimestamp=stamp(row["device_ts"], "milliseconds"),
        receivedAt=stamp(row["received"]),
    )


@router.get("", **told(PageOf[QuarantinedPayload], 400, 403))
async def list_quarantine(
    caller: Admin,
    page: Paged,
    gate: Gate,
    stores: Stores,
    device_id: Annotated[str | None, Query(alias="deviceId")] = None,
    reason: Annotated[list[Reason] | None, Query()] = None,
    start: From = None,
    to: To = None,
) -> Answer:
    """Rejected payloads, newest first"""
    wanted = Aside(
        caller.organisation,
        device=named(device_id, "deviceId"),
        reasons=tuple(reason or ()),
        start=moment(start) if start else None,
        end=moment(to) if to else None,
    )
    async with gate.reading(caller) as db:
        rows, total = await telemetry.put_aside(db, stores, wanted, limit=page.size, offset=page.offset)
    return page.answer([shown(row) for row in rows], total)


async def one(gate: Gateway, stores: Reader, caller: Caller, id: str) -> dict[str, Any]:
    """Errors: Problem 404."""
    async with gate.reading(caller) as db:
        rows, _ = await telemetry.put_aside(db, stores, Aside(caller.organisation, id=of(id)), limit=1, offset=0)
    if not rows:
        raise absent()
    return rows[0]


@router.get("/{quarantineId}", **told(QuarantinedPayload, 403, 404))
async def get_quarantined(id: QuarantineId, caller: Admin, gate: Gate, stores: Stores) -> Answer:
    """One rejected payload"""
    return Answer(shown(await one(gate, stores, caller, id)))


@router.delete("/{quarantineId}", **told(None, 403, 404, status=204))
async def discard_quarantined(id: QuarantineId, caller: Admin, gate: Gate, stores: Stores) -> Answer:
    """Discard"""
    row = await one(gate, stores, caller, id)
    await gate.ask(DiscardQuarantined(), stream=row["id"], caller=caller)
    return Answer(None, 204)
