"""Commands to devices, tracked to their end (contract, 6.9)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, model_validator

from api.gateway import Gate, asked
from api.iot import firmware, orders, plain
from api.iot.answers import Answer, Body, Free, Paged, PageOf, Shown, of, path_id, present, sent, told
from api.iot.auth import Admin, Member
from api.iot.devices import DeviceId, row_of
from api.iot.problems import invalid
from projections.fleet import queries as fleet

router = APIRouter(prefix="/v1/devices/{deviceId}/commands", tags=["Commands"])
CommandId = Annotated[str, path_id("commandId")]
MEDIA = ("CAPTURE_CLIP", "FETCH_DVR_CLIP", "START_LIVE", "STOP_LIVE")
"""Sent by the platform only."""


class CommandCreate(Body):
    type: orders.Type
    method: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")] | None = None
    params: Free | None = None
    timeout_seconds: int | None = Field(default=None, ge=5, le=86_400)

    @model_validator(mode="after")
    def custom(self) -> Self:
        if (self.type == "CUSTOM") != (self.method is not None):
            raise ValueError("method is for CUSTOM, which needs it")
        return self


class Command(Shown):
    """One order to a device, tracked to its end."""

    id: str
    device_id: str
    type: orders.Type
    method: str | None = None
    params: dict[str, Any] | None = None
    status: orders.Status
    result: Any | None = None
    error_message: str | None = None
    timeout_seconds: int | None = None
    requested_by: str
    created_at: datetime
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    completed_at: datetime | None = None


@router.post("", **told(Command, 400, 403, 404, 409, 413, 422, status=201, body=CommandCreate))
async def send_command(
    request: Request,
    id: DeviceId,
    caller: Admin,
    body: Annotated[CommandCreate, Depends(sent(CommandCreate))],
    gate: Gate,
) -> Answer:
    """Send a command; it is held for a device that is away"""
    device = await row_of(gate, caller, id)
    if body.type in MEDIA:
        raise invalid("type", "INVALID_ENUM", "Commands to cameras are sent by the platform.")
    orders.connectable(device)
    params = dict(body.params or {})
    if body.type == "UPDATE_FIRMWARE" and "firmware_id" in params:
        row = await plain.needed(gate, caller, "firmware", str(params["firmware_id"]), "params.firmware_id", 422)
        params |= firmware.instructions(request, caller.organisation, row, device["id"], firmware.soon())
    payload = present(method=body.method, params=params, timeoutSeconds=body.timeout_seconds or 60)
    ask = asked(request, caller, request.state.raw)
    sent_id = await orders.queued(gate, caller, ask.entity(), device["id"], body.type, payload, ask=ask)
    return Answer(orders.shown(await orders.one(gate, caller, fleet.Orders(id=sent_id))), 201)


@router.get("", **told(PageOf[Command], 400, 404))
async def list_commands(
    id: DeviceId,
    caller: Member,
    page: Paged,
    gate: Gate,
    status: orders.Status | None = None,
    type: Annotated[orders.Type | None, Query()] = None,
) -> Answer:
    """Command history"""
    device = await row_of(gate, caller, id)
    wanted = fleet.Orders(
        device=device["id"], types=(type,) if type else None, statuses=orders.named(orders.STATUSES, status)
    )
    rows, total = await orders.listed(gate, caller, wanted, page)
    return page.answer([orders.shown(row) for row in rows], total)


@router.get("/{commandId}", **told(Command, 404))
async def get_command(id: DeviceId, command: CommandId, caller: Member, gate: Gate) -> Answer:
    """Track one command"""
    device = await row_of(gate, caller, id)
    return Answer(orders.shown(await orders.one(gate, caller, fleet.Orders(device=device["id"], id=of(command)))))
