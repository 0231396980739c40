"""What goes with a device, a component or a group that is deleted (contract, 6.3, 6.5)."""

from __future__ import annotations

import asyncio

from api.auth import Caller
from api.gateway import Gateway
from api.iot import plain
from infra.postgres import Connection, Row
from projections.records import queries as records

COMPONENT, SENSOR, BINDING = "component", "sensor", "binding"
ALL = 10_000
AT_ONCE = 16


async def with_device(gate: Gateway, caller: Caller, device: str) -> None:
    """Cameras, rules, pairs and bindings, then components; sensors live no longer than these."""
    async with gate.reading(caller) as db:
        parts, _ = await records.page(db, COMPONENT, where={"device": device}, limit=ALL)
        pairs = records.on_device("primaryComponentId", "referenceComponentId", device)
        found = [
            *(await records.page(db, "camera", where={"deviceId": device}, limit=ALL))[0],
            *(await records.page(db, "alert-rule", where={"device": device}, limit=ALL))[0],
            *(await records.page(db, "reference-pair", also=[pairs], limit=ALL))[0],
            *await bound(db, device, *(part["id"] for part in parts)),
        ]
    await all_retired(gate, caller, found)
    await all_retired(gate, caller, parts)


async def with_component(gate: Gateway, caller: Caller, id: str) -> None:
    """A component leaves; its sensors live no longer.

    Errors: Problem 409 while a pair names it, or a rule one of its sensors.
    """
    async with gate.reading(caller) as db:
        inside, _ = await records.page(db, SENSOR, where={"component": id}, limit=ALL)
    await plain.free(gate, caller, SENSOR, COMPONENT, *(one["id"] for one in inside))
    await plain.retired(gate, caller, COMPONENT, id)
    await with_target(gate, caller, id)


async def with_target(gate: Gateway, caller: Caller, target: str) -> None:
    """The bindings on a component or a group."""
    async with gate.reading(caller) as db:
        found = await bound(db, target)
    await all_retired(gate, caller, found)


async def bound(db: Connection, *targets: str) -> list[Row]:
    found, _ = await records.page(db, BINDING, also=[records.among("targetId", targets)], limit=ALL)
    return found


async def all_retired(gate: Gateway, caller: Caller, rows: list[Row]) -> None:
    """A few at a time."""
    for n in range(0, len(rows), AT_ONCE):
        some = rows[n : n + AT_ONCE]
        await asyncio.gather(*(plain.retired(gate, caller, row["kind"], row["id"]) for row in some))
