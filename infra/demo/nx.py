"""Nx AI Cloud: sign in, upload a model, see it checked, put it on a device."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from infra.assets import Assets
from infra.demo.journal import Journal

BUSY = {"", "new", "uploading", "queued", "pending", "processing"}
PATIENCE = 120.0
NAME = "NanoDet COCO"


async def run(
    client: httpx.AsyncClient, stack: dict[str, Any], media: Assets, journal: Journal, pictures: Path
) -> None:
    headers = await signed_in(client, stack["organisations"]["acme"], journal)
    model = await uploaded(client, headers, media, journal)
    await assigned(client, headers, model, journal)


async def signed_in(client: httpx.AsyncClient, organisation: dict[str, Any], journal: Journal) -> dict[str, str]:
    form = {"grant_type": "password", **organisation["nx"]}
    answer = await client.post("/cdb/oauth2/token", data=form)
    journal.answered("sign in with the password grant", answer)
    token = answer.json()["access_token"]
    journal.held("the token is one of theirs", token.startswith("nxcdb-"))
    return {
        "Authorization": f"Bearer {token}",
        "X-Act-As-Kind": "organization",
        "X-Act-As-ID": organisation["id"],
    }


async def uploaded(client: httpx.AsyncClient, headers: dict[str, str], media: Assets, journal: Journal) -> str:
    """Uploads the model, waits for its check, and returns its id."""
    with media.model.open("rb") as file:
        answer = await client.post(
            "/cpt/functions",
            headers=headers,
            files={"file": ("nanodet.onnx", file, "application/octet-stream")},
            data={"name": NAME, "documentation": "Objects of COCO, 416 x 416 (Apache-2.0)"},
        )
    journal.answered(f"upload a model of {media.model.stat().st_size / 1e6:.0f} MB", answer, 200, 201)
    id = str(answer.json()["UUID"])
    function: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE):
        while function.get("Status", "") in BUSY:
            await asyncio.sleep(0.2)
            function = (await client.get(f"/cpt/function/{id}", headers=headers)).json()
    journal.held("checked in a child process, ready", function["Status"] == "ok", function.get("StatusMessage") or "")
    journal.held("its input was read from the graph", function["NamedInput"], function["NamedInput"])
    listed = await client.get("/cpt/functions", headers=headers, params={"limit": 1})
    journal.held("it is in the list, with the total", int(listed.headers["X-Pagination-Records"]) >= 1)
    return id


async def assigned(client: httpx.AsyncClient, headers: dict[str, str], model: str, journal: Journal) -> None:
    systems = (await client.get("/dev/systems", headers=headers, params={"limit": 500})).json()
    systems = [system for system in systems if system["DeviceCount"] >= 2]
    site = systems[0]["NxID"]
    devices = (await client.get(f"/dev/system/{site}/devices", headers=headers)).json()
    device = devices[0]["NxID"]
    journal.held(
        "a site with its devices", len(devices) >= 2, f"{systems[0]['Name']}: {', '.join(d['Name'] for d in devices)}"
    )
    answer = await client.post(
        f"/dev/system/{site}/device/{device}/functions", headers=headers, json={"FunctionID": model}
    )
    journal.answered("assign the model to a device", answer, 200, 201)
    again = (await client.get(f"/dev/system/{site}/devices", headers=headers)).json()
    pipelines = next(d for d in again if d["NxID"] == device)["nxAI"]["pipelines"]
    journal.held("the device runs it", any(p["modelUUID"] == model for p in pipelines))
