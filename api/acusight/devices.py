"""Devices as their keepers see them: `/core/devices` (contract 5.9, 5.10)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.acusight import wire
from api.acusight.answers import Answer, List, Paged, Success, good, told
from api.acusight.auth import Admin, Viewer, device_row
from api.acusight.body import PathDevice, QueryText, sent
from api.acusight.core import secret
from api.acusight.problems import Problem, invalid
from api.auth import Caller
from api.gateway import Gate, Gateway, Pending, asked
from infra.postgres import Row
from infra.secrets import digest
from projections.fleet import queries as fleet
from projections.provisioning import queries as provisioning
from projections.records import queries as records
from schemas.fleet.messages import ChangeDevice, RetireDevice
from schemas.provisioning.messages import RotateDeviceKey

router = APIRouter(prefix="/core/devices")


@router.get("", **told(List[wire.Device], 400, 401, 403))
async def list_devices(
    caller: Viewer,
    page: Paged,
    gate: Gate,
    status: Annotated[wire.DeviceStatus | None, Query(description="admission")] = None,
    online: Annotated[bool | None, Query(description="contact within 90 s")] = None,
    is_virtual: Annotated[bool | None, Query(description="simulated devices")] = None,
    search: Annotated[QueryText | None, Query(description="part of name or id")] = None,
) -> Answer:
    """Devices, newest first."""
    statuses = wire.STATUSES[status] if status else None
    wanted = fleet.Filter(statuses=statuses, online=online, virtual=is_virtual, named=search)
    async with gate.reading(caller) as db:
        rows, total = await fleet.devices(db, wanted, limit=page.limit, offset=page.offset)
    return page.answer([wire.device(row) for row in rows], total)


async def seen(caller: Viewer, device_id: PathDevice, gate: Gate) -> Row:
    return await device_row(gate, caller, device_id)


async def kept(caller: Admin, device_id: PathDevice, gate: Gate) -> Row:
    return await device_row(gate, caller, device_id)


Seen = Annotated[Row, Depends(seen)]
Kept = Annotated[Row, Depends(kept)]


@router.get("/{device_id}", **told(Success[wire.Device], 400, 401, 403, 404))
async def get_device(row: Seen) -> Answer:
    """One device with its health."""
    return good(wire.device(row))


@router.patch("/{device_id}", **told(Success[wire.Device], 400, 401, 403, 404, 409, body=wire.DeviceUpdate))
async def update_device(
    caller: Admin, row: Kept, body: Annotated[wire.DeviceUpdate, Depends(sent(wire.DeviceUpdate))], gate: Gate
) -> Answer:
    """Name, admission, auto-assignment, container manager, settings."""
    changes = await changed(gate, caller, row, body)
    await gate.ask(ChangeDevice(changes=changes), stream=row["id"], caller=caller)
    return good(wire.device(await device_row(gate, caller, row["id"])))


async def changed(gate: Gateway, caller: Caller, row: Row, body: wire.DeviceUpdate) -> dict[str, Any]:
    """The change in the fleet's words."""
    asked = body.changes()
    changes: dict[str, Any] = {name: asked[name] for name in ("name", "config") if name in asked}
    if "portainer_endpoint_id" in asked:
        changes["portainer_endpoint"] = asked["portainer_endpoint_id"]
    if "status" in asked and asked["status"] != wire.admission(row["status"]):
        changes["status"] = wire.STATUSES[asked["status"]][0]
    if "auto_assign_project_id" in asked:
        changes["auto_assign_project"] = await project_of(gate, caller, asked["auto_assign_project_id"])
    return changes


async def project_of(
    gate: Gateway, caller: Caller, number: int | None, field: str = "auto_assign_project_id"
) -> str | None:
    """Id of the project with this number."""
    if number is None:
        return None
    async with gate.reading(caller) as db:
        row = await records.by_number(db, "project", number)
    if row is None:
        raise invalid(field, "there is no such project")
    return str(row["id"])


@router.delete("/{device_id}", **told(Success[wire.Deleted], 400, 401, 403, 404))
async def delete_device(caller: Admin, row: Kept, gate: Gate) -> Answer:
    """The device leaves: its key dies at once, the same id may enrol again."""
    done = await gate.ask(RetireDevice(), stream=row["id"], caller=caller)
    if await gate.shown(caller, lambda db: provisioning.none_open(db, row["id"])) is None:
        raise Pending(done.command, row["id"])
    return good({"id": wire.device_id(row), "deleted": True})


@router.post("/{device_id}/rotate-key", **told(Success[wire.KeyRotated], 400, 401, 403, 404, 409))
async def rotate_key(request: Request, caller: Admin, row: Kept, gate: Gate) -> Answer:
    """A new key; the old one is refused from now on."""
    async with gate.reading(caller) as db:
        enrolment = await provisioning.enrolment(db, row["id"])
    if enrolment is None or enrolment["closed_at"] is not None:
        raise Problem("INVALID_STATE", "The device has no key: it came in through another dialect.")
    ask = asked(request, caller)
    key = secret(request, "adk_", ask)
    await gate.ask(RotateDeviceKey(key_digest=digest(key)), stream=row["id"], caller=caller, ask=ask)
    return good({"device_id": wire.device_id(row), "api_key": key})
