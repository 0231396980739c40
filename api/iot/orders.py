"""Orders to devices: the fleet's actions in the words of this dialect (contract, 5 and 6.9)."""

from __future__ import annotations

from typing import Any, Literal

from api.auth import Caller
from api.gateway import Ask, Gateway
from api.iot.answers import Page, present, stamp
from api.iot.problems import Problem, absent
from infra.postgres import Row
from projections.fleet import queries as fleet
from schemas.fleet.messages import QueueAction

Status = Literal["PENDING", "SENT", "ACKNOWLEDGED", "SUCCESS", "FAILED", "TIMEOUT"]
Type = Literal[
    "REBOOT", "UPDATE_CONFIG", "UPDATE_FIRMWARE", "BIND_CONFIG_ARTEFACT", "UNBIND_CONFIG_ARTEFACT", "CAPTURE_CLIP",
    "FETCH_DVR_CLIP", "START_LIVE", "STOP_LIVE", "CUSTOM",
]  # fmt: skip
TYPES = frozenset(Type.__args__)  # type: ignore[attr-defined]
STATUSES = {
    "pending": "PENDING",
    "delivered": "SENT",
    "in_progress": "ACKNOWLEDGED",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "cancelled": "FAILED",
    "expired": "TIMEOUT",
}
"""The fleet's state -> ours."""


def named(statuses: dict[str, str], wanted: str | None) -> tuple[str, ...] | None:
    """The fleet's states that this dialect calls `wanted`."""
    return tuple(own for own, said in statuses.items() if said == wanted) if wanted else None


async def queued(
    gate: Gateway,
    caller: Caller,
    id: str,
    device: str,
    type: str,
    payload: dict[str, Any],
    *,
    ask: Ask | None = None,
    seconds: int | None = None,
) -> str:
    """A new order; it is held for a device that is away."""
    command = QueueAction(action=id, device=device, type=type, payload=payload, seconds=seconds)
    await gate.ask(command, stream=f"actions:{device}", caller=caller, ask=ask)
    return id


async def one(gate: Gateway, caller: Caller, wanted: fleet.Orders) -> Row:
    """Errors: Problem 404."""
    async with gate.reading(caller) as db:
        rows, _ = await fleet.orders(db, wanted)
    if not rows:
        raise absent()
    return rows[0]


async def listed(gate: Gateway, caller: Caller, wanted: fleet.Orders, page: Page) -> tuple[list[Row], int]:
    """Errors: Problem 400 for an order that there is not."""
    descending = page.newest_first
    async with gate.reading(caller) as db:
        return await fleet.orders(db, wanted, limit=page.size, offset=page.offset, descending=descending)


def connectable(row: Row) -> None:
    """Errors: Problem 409 for a device that nothing can be sent to."""
    if row["virtual"] or row["status"] == "PENDING":
        raise Problem(409, "DEVICE_NOT_CONNECTABLE", "The device is virtual or has not been provisioned.")


def shown(row: Row) -> dict[str, Any]:
    """An action of another dialect is an order of its own kind."""
    payload, own = row["payload"], row["type"] in TYPES
    return present(
        id=row["id"],
        deviceId=row["device"],
        type=row["type"] if own else "CUSTOM",
        method=payload.get("method") if own else row["type"].upper(),
        params=payload.get("params") if own else payload,
        status=STATUSES[row["status"]],
        errorMessage=row["message"] if STATUSES[row["status"]] in ("FAILED", "TIMEOUT") else None,
        timeoutSeconds=payload.get("timeoutSeconds") if own else None,
        requestedBy=row["requested_by"] or "system",
        createdAt=stamp(row["created_at"]),
        sentAt=stamp(row["sent_at"]),
        acknowledgedAt=stamp(row["acknowledged_at"]),
        completedAt=stamp(row["completed_at"]),
    )
