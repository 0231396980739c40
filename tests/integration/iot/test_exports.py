"""Exports from the request to the Parquet files, and what may not be done with them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import signal
import zipfile
from datetime import timedelta
from typing import Any

import httpx
import orjson
import polars as pl

from infra.local import record
from infra.settings import Settings
from schemas.ids import new_id
from tests.integration.iot.conftest import MS, NOW, good, iso, problem, until

SPAN = {"from": (NOW - timedelta(days=1)).isoformat(), "to": (NOW + timedelta(days=1)).isoformat()}


async def measured(acme: httpx.AsyncClient, n: int = 30) -> str:
    """A virtual device with two sensors and a label."""
    device: str = good(await acme.post("/devices", json={"name": f"export {new_id()}"}), 201)["id"]
    values = [("t", 20 + i / 10) for i in range(n)] + [("on", i % 2 == 0) for i in range(n // 2)]
    items = [{"sensorId": k, "timestamp": iso(MS - 1000 * (i % n)), "value": v} for i, (k, v) in enumerate(values)]
    good(await acme.post("/readings", json={"deviceId": device, "readings": items}), 202)

    async def stored() -> Any:
        found = good(await acme.get("/sensors", params={"deviceId": device}))["content"]
        return len(found) == 2 and all("lastValue" in sensor for sensor in found)

    await until(stored)
    form = {"key": new_id(), "name": "Seen", "scopes": ["DEVICE"], "fields": [{"name": "n", "type": "NUMBER"}]}
    kind = good(await acme.post("/annotation-classes", json=form), 201)["id"]
    label = {"annotationClassId": kind, "scopeType": "DEVICE", "scopeId": device, "startAt": NOW.isoformat()}
    good(await acme.post("/annotations", json={**label, "values": {"n": 1}}), 201)
    return device


async def fetched(link: str) -> httpx.Response:
    """What a signed link leads to, without credentials."""
    async with httpx.AsyncClient(timeout=20) as anyone:
        return await anyone.get(link)


async def ended(acme: httpx.AsyncClient, job: str, seconds: float = 60) -> dict[str, Any]:
    async def look() -> Any:
        said = good(await acme.get(f"/exports/{job}"))
        return said if said["status"] in ("READY", "FAILED") else None

    said: dict[str, Any] = await until(look, seconds)
    return said


def asked(device: str, *includes: str) -> dict[str, Any]:
    return {"scopeType": "DEVICE", "scopeId": device, **SPAN, "includes": list(includes) or ["READINGS", "ANNOTATIONS"]}


async def test_a_bundle_holds_what_was_measured(acme: httpx.AsyncClient) -> None:
    device, key = await measured(acme), {"Idempotency-Key": new_id()}
    first = good(await acme.post("/exports", json=asked(device), headers=key), 201)
    assert (first["status"], "downloadUrl" in first, "completedAt" in first) == ("PENDING", False, False)
    assert good(await acme.post("/exports", json=asked(device), headers=key), 201) == first
    job = await ended(acme, first["id"])
    assert (job["status"], job["readingCount"], job["annotationCount"]) == ("READY", 45, 1)
    raw = (await fetched(job["downloadUrl"])).raise_for_status().content
    assert len(raw) == job["sizeBytes"]
    with zipfile.ZipFile(io.BytesIO(raw)) as bundle:
        manifest = orjson.loads(bundle.read("manifest.json"))
        readings = pl.read_parquet(io.BytesIO(bundle.read("readings.parquet")))
        labels = pl.read_parquet(io.BytesIO(bundle.read("annotations.parquet")))
        for file in manifest["files"]:
            assert hashlib.sha256(bundle.read(file["name"])).hexdigest() == file["sha256"]
    assert manifest["counts"] == {"readings": 45, "annotations": 1, "sensors": 2}
    assert [file["rows"] for file in manifest["files"]] == [len(readings), len(labels)] == [30, 1]
    assert readings["t"].drop_nulls().len() + readings["on"].drop_nulls().len() == 45
    assert readings["t"].sum() == sum(20 + i / 10 for i in range(30))
    assert "downloadUrl" not in good(await acme.get("/exports"))["content"][0]
    good(await acme.delete(f"/exports/{job['id']}"), 204)
    problem(await acme.get(f"/exports/{job['id']}"), 404, "NOT_FOUND")

    async def gone() -> bool:
        return (await fetched(job["downloadUrl"])).status_code == 404

    await until(gone)


async def test_a_job_survives_its_worker(acme: httpx.AsyncClient, stack: dict[str, Any], settings: Settings) -> None:
    device = await measured(acme)
    jobs = [good(await acme.post("/exports", json=asked(device)), 201)["id"] for _ in range(3)]
    problem(await acme.post("/exports", json=asked(device)), 429, "TOO_MANY_EXPORTS")
    problem(await acme.delete(f"/exports/{jobs[2]}"), 409, "EXPORT_RUNNING")
    os.kill(record.read(settings.var)["processes"]["inference"], signal.SIGKILL)
    said = await asyncio.gather(*(ended(acme, job, 120) for job in jobs))
    assert {job["status"] for job in said} == {"READY"}


async def test_only_what_was_asked_for_is_in_it(acme: httpx.AsyncClient) -> None:
    device = good(await acme.post("/devices", json={"name": f"empty {new_id()}"}), 201)["id"]
    job = await ended(acme, good(await acme.post("/exports", json=asked(device, "READINGS")), 201)["id"])
    raw = (await fetched(job["downloadUrl"])).content
    with zipfile.ZipFile(io.BytesIO(raw)) as bundle:
        assert bundle.namelist() == ["readings.parquet", "manifest.json"]
        assert len(pl.read_parquet(io.BytesIO(bundle.read("readings.parquet")))) == 0


async def test_bad_requests_name_the_field(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    device = good(await acme.post("/devices", json={"name": f"bad {new_id()}"}), 201)["id"]
    whole = asked(device)
    for change, field in (
        ({"includes": []}, "includes"),
        ({"scopeType": "PLANET"}, "scopeType"),
        ({"to": SPAN["from"]}, "to"),
        ({"from": (NOW - timedelta(days=400)).isoformat()}, "to"),
        ({"scopeId": "x"}, "scopeId"),
    ):
        said = problem(await acme.post("/exports", json={**whole, **change}), 400, "VALIDATION_FAILED")
        assert {error["field"].split("[")[0] for error in said["errors"]} == {field}
    for client, id in ((globex, device), (acme, new_id())):
        said = problem(await client.post("/exports", json={**whole, "scopeId": id}), 404, "NOT_FOUND")
        assert [error["field"] for error in said["errors"]] == ["scopeId"]
