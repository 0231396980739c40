"""What devices and workers tell the log: check-ins, alerts, clips, readings that do not fit. No call makes these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.commands import Commands
from infra.objects import Objects
from infra.settings import Settings
from schemas.base import asking
from schemas.fleet.messages import CheckIn
from schemas.ids import new_id
from schemas.records.messages import PutRecord
from schemas.telemetry.messages import Reading, Readings
from tests.contracts.documents import Json

if TYPE_CHECKING:
    from tests.integration.contracts.world import Side

WAIT = 30
"""Seconds until what was told can be read."""
ONLINE = "select 1 from fleet.health where device = $1 and last_seen_at > now() - interval '30 seconds'"


@asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[Commands]:
    """A way to the log, once it is there."""
    log = Commands(settings)
    await log.start()
    try:
        while log.parts() != {"kafka": "ok", "postgres": "ok"}:
            await asyncio.sleep(0.1)
        yield log
    finally:
        await log.stop()


def tell(side: Side) -> None:
    asyncio.run(telling(side))


async def telling(side: Side) -> None:
    """Devices and cameras of the organisation are online; what is not there yet has come to pass."""
    async with writing(side.settings) as log:
        for device in side.known("iot", "", "device"):
            await checked_in(log, side, device)
        for kind, happen in HAPPENS.items():
            if not side.known("iot", "", kind):
                await happen(log, side)


async def checked_in(log: Commands, side: Side, device: str) -> None:
    cameras = [{"cameraId": id, "status": "ONLINE"} for id in side.known("iot", "", "camera")]
    said = CheckIn(status="ONLINE", metrics={"cameras": cameras})
    await log.send(said, asking(device, organisation=side.said["id"], actor=device))
    seen = await log.until(side.said["id"], lambda db: db.fetchval(ONLINE, device), wait=WAIT)
    assert seen, f"device {device} checked in and is not online"


async def recorded(log: Commands, side: Side, kind: str, body: Json) -> str:
    """Id of a new record."""
    id = new_id()
    await log.submit(PutRecord(kind=kind, body=body), asking(id, organisation=side.said["id"]), wait=WAIT)
    return id


async def clipped(log: Commands, side: Side) -> None:
    """A clip that its device has uploaded."""
    if camera := side.newest("iot", "camera"):
        key = f"captures/{side.said['id']}/{new_id()}"
        await Objects(side.settings).put(key, side.mark.encode())
        span = {"startAt": now(), "endAt": now(), "key": key}
        await recorded(log, side, "capture", {"cameraId": camera, "trigger": "MANUAL", "status": "READY", **span})


async def fired(log: Commands, side: Side) -> None:
    """An alert that a rule has raised."""
    rule, sensor, device = (side.newest("iot", kind) for kind in ("alert-rule", "sensor", "device"))
    if rule and sensor and device:
        condition = {"type": "VALUE", "operator": "GREATER_THAN", "value": 1.5}
        facts = {"ruleId": rule, "ruleName": side.mark, "condition": condition, "triggerValue": 2.5}
        said = {"source": "ALERT_RULE", "type": "alert.fired", "severity": "WARNING", "title": side.mark}
        place = {"sensorId": sensor, "deviceId": device, "occurredAt": now()}
        await recorded(log, side, "event", {**said, **place, "alert": facts, "lifecycle": {"status": "ACTIVE"}})


async def rolled_out(log: Commands, side: Side) -> None:
    """A rollout of firmware that a device has its order of."""
    firmware, device = side.newest("iot", "firmware"), side.newest("iot", "device")
    if firmware and device:
        target = {"targetType": "DEVICE", "targetId": device, "timeoutSeconds": 3600}
        body = {"firmwareId": firmware, "version": side.mark, "orders": {new_id(): device}, **target}
        side.found["iot", "deployment"][await recorded(log, side, "deployment", body)] = {}  # no list shows it


async def misreported(log: Commands, side: Side) -> None:
    """A reading of a sensor that is not there, of which a device tells."""
    if device := side.newest("iot", "device"):
        reading = Reading(sensor=new_id(), ts=int(datetime.now(UTC).timestamp() * 1000), d=1.5)
        meta = asking(device, organisation=side.said["id"], actor=device)
        await log.send(Readings(device=device, readings=(reading,)), meta)
        await shown(side, "/api/v1/admin/quarantine", lambda page: page["content"])


async def shown(side: Side, path: str, found: Callable[[Json], Any]) -> None:
    """Waits until an answer has it."""
    async with asyncio.timeout(WAIT):
        while not found(side.http.get(path, headers=side.credential("iot")).raise_for_status().json()):
            await asyncio.sleep(0.1)


def now() -> str:
    return datetime.now(UTC).isoformat()


HAPPENS = {"capture": clipped, "alert": fired, "deployment": rolled_out, "quarantine": misreported}
