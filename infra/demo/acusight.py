"""AcuSight: a provisioning token, a device with a key, a check-in, an image."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx

from infra.assets import Assets
from infra.demo.journal import Journal
from schemas.ids import new_id


async def run(
    client: httpx.AsyncClient, stack: dict[str, Any], media: Assets, journal: Journal, pictures: Path
) -> None:
    user = {"Authorization": f"Bearer {stack['organisations']['acme']['acusight']['token']}"}
    device, key = await provisioned(client, user, journal)
    await checked_in(client, user, device, key, journal)
    await image(client, user, key, device, media, journal)


async def provisioned(client: httpx.AsyncClient, user: dict[str, str], journal: Journal) -> tuple[str, str]:
    answer = await client.post("/api/provisioning-tokens", headers=user, json={"name": "demo", "single_use": True})
    journal.answered("create a provisioning token", answer, 201)
    token = answer.json()["data"]["token"]
    device = f"demo-{new_id()}"
    info = {"device_id": device, "name": "Demo camera", "hardware_version": "RPi4-8GB-v1.4", "agent_version": "1.0"}
    answer = await client.post("/api/devices/provision", json={"token": token, "device_info": info})
    journal.answered("provision a device", answer, 201)
    key = answer.json()["data"]["api_key"]
    again = await client.post(
        "/api/devices/provision", json={"token": token, "device_info": {**info, "device_id": device + "-2"}}
    )
    journal.held(
        "the token serves once", again.status_code == 401 and key.startswith("adk_"), again.json()["error"]["code"]
    )
    return device, key


async def checked_in(client: httpx.AsyncClient, user: dict[str, str], device: str, key: str, journal: Journal) -> None:
    own = {"X-Device-Key": key}
    self = (await client.get("/api/device/self", headers=own)).json()["data"]
    journal.held("the device knows itself", (self["device_id"], self["status"]) == (device, "approved"))
    metrics = {"cpu_usage": 31.5, "memory_usage": 48.0, "temperature": 51.2, "uptime": 3600}
    answer = await client.post("/api/device/checkin", headers=own, json={"status": "healthy", "metrics": metrics})
    journal.answered("check in", answer)
    seen: dict[str, Any] = {}
    async with asyncio.timeout(15):
        while seen.get("health_status") != "healthy":
            await asyncio.sleep(0.1)
            seen = (await client.get(f"/api/core/devices/{device}", headers=user)).json().get("data", {})
    journal.held("its health is shown", seen["online"] and seen["metrics"]["temperature"] == 51.2)


async def image(
    client: httpx.AsyncClient, user: dict[str, str], key: str, device: str, media: Assets, journal: Journal
) -> None:
    """Bytes of the picture get a comment of this run behind them, so that they are new to the organisation."""
    picture = media.images[0].read_bytes()
    comment = f"demo {device}".encode()
    unique = picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + picture[2:]
    answer = await client.post(
        "/api/device/images/upload",
        headers={"X-Device-Key": key},
        files={"image": ("entrance.jpg", unique, "image/jpeg")},
        data={"metadata": '{"source": "entrance", "force": true}'},
    )
    journal.answered(f"upload an image of {len(unique) / 1e3:.0f} kB", answer, 201)
    id = answer.json()["data"]["image_id"]
    shown: dict[str, Any] = {}
    async with asyncio.timeout(15):
        while not shown:
            shown = (await client.get(f"/api/data/images/{id}", headers=user)).json().get("data", {})
            await asyncio.sleep(0.05)
    journal.held(
        "the image is shown",
        shown["width"] > 0 and shown["device_id"] == device,
        f"{shown['width']} x {shown['height']}",
    )
    digest = hashlib.sha256(unique).hexdigest()
    repeat = await client.post(
        "/api/device/images/upload", headers={"X-Device-Key": key}, files={"image": ("again.jpg", unique, "image/jpeg")}
    )
    journal.held("the same bytes are known", repeat.status_code == 409, f"sha256 {digest[:12]}…")
