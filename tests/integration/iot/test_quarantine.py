"""Payloads put aside: produced, listed, looked at, discarded (contract, 6.16)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from schemas.ids import new_id
from tests.integration.iot.conftest import MS, good, iso, problem, until, virtual

pytestmark = pytest.mark.stack


async def test_each_cause_is_shown_and_discarded(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    component = good(await acme.post("/components", json={"deviceId": device, "key": "bare"}), 201)["id"]
    ranged = {"componentId": component, "key": "t", "valueType": "DOUBLE", "min": 0, "max": 10}
    good(await acme.post("/sensors", json=ranged), 201)
    at = iso(MS)
    causes: dict[str, tuple[dict[str, Any], str]] = {
        "OUT_OF_RANGE": ({"sensorId": "t", "timestamp": at, "value": 10.5}, "/value"),
        "TYPE_MISMATCH": ({"sensorId": "t", "timestamp": at, "value": "warm"}, "/value"),
        "UNKNOWN_SENSOR": ({"sensorId": new_id(), "timestamp": at, "value": 1}, "/sensorId"),
        "UNKNOWN_COMPONENT": ({"componentKey": "none", "timestamp": at, "values": {"a": 1, "b": 2}}, "/componentKey"),
        "MISSING_PROFILE": ({"componentKey": "bare", "timestamp": at, "values": {"a": True}}, "/componentKey"),
        "INVALID_TIMESTAMP": ({"sensorId": "t", "timestamp": iso(MS + 3_600_000), "value": 1}, "/timestamp"),
        "LIMIT_EXCEEDED": ({"sensorId": "t", "timestamp": at, "value": "x" * 1001}, "/value"),
    }
    body = {"deviceId": device, "readings": [payload for payload, _ in causes.values()]}
    ids = good(await acme.post("/readings", json=body), 202)["quarantineIds"]

    async def look() -> Any:
        found = good(await acme.get("/admin/quarantine", params={"deviceId": device}))
        return found if found["page"]["totalElements"] == len(causes) else None

    page = await until(look)
    assert {row["id"] for row in page["content"]} == set(ids)
    for row in page["content"]:
        payload, path = causes[row["reason"]]
        assert row["payload"] == payload
        assert row["issues"] == [{"path": path, "reason": row["reason"]}]
    only = good(await acme.get("/admin/quarantine", params={"deviceId": device, "reason": ["OUT_OF_RANGE"]}))
    (row,) = only["content"]
    problem(await globex.get(f"/admin/quarantine/{row['id']}"), 404, "NOT_FOUND")
    problem(await globex.delete(f"/admin/quarantine/{row['id']}"), 404, "NOT_FOUND")
    assert good(await acme.get(f"/admin/quarantine/{row['id']}")) == row
    assert (await acme.delete(f"/admin/quarantine/{row['id']}")).status_code == 204
    problem(await acme.get(f"/admin/quarantine/{row['id']}"), 404, "NOT_FOUND")
    left = good(await acme.get("/admin/quarantine", params={"deviceId": device}))
    assert left["page"]["totalElements"] == len(causes) - 1


async def test_dashboards_know_their_revision(
    stack: dict[str, Any], acme: httpx.AsyncClient, nobody: httpx.AsyncClient
) -> None:
    widget = {"id": "w1", "type": "LINE_CHART", "position": {"x": 0, "y": 0, "w": 6, "h": 4}}
    body: dict[str, Any] = {"name": f"board {new_id()}", "widgets": [widget], "isDefault": True}
    made = good(await acme.post("/dashboards", json=body), 201)
    assert (made["revision"], made["visibility"], made["widgets"]) == (1, "ORGANIZATION", [widget])
    said = problem(await acme.put(f"/dashboards/{made['id']}", json=body), 400, "VALIDATION_FAILED")
    assert said["errors"][0] == {"field": "revision", "code": "REQUIRED", "message": said["errors"][0]["message"]}
    put = {**body, "revision": 1, "visibility": "PRIVATE"}
    assert good(await acme.put(f"/dashboards/{made['id']}", json=put))["revision"] == 2
    problem(await acme.put(f"/dashboards/{made['id']}", json=put), 409, "REVISION_CONFLICT")
    other = {"Authorization": f"Bearer {stack['organisations']['acme']['iot']['token']}"}
    problem(await nobody.get(f"/dashboards/{made['id']}", headers=other), 404, "NOT_FOUND")
    seen = good(await nobody.get("/dashboards", params={"q": body["name"]}, headers=other))
    assert seen["page"]["totalElements"] == 0
    second = good(await acme.post("/dashboards", json={**body, "name": f"second {new_id()}"}), 201)
    assert second["isDefault"]
    assert not good(await acme.get(f"/dashboards/{made['id']}"))["isDefault"]
    twice = {**body, "widgets": [widget, widget]}
    problem(await acme.post("/dashboards", json=twice), 400, "VALIDATION_FAILED")
    assert (await acme.delete(f"/dashboards/{made['id']}")).status_code == 204


async def test_what_is_used_is_counted(acme: httpx.AsyncClient) -> None:
    billing = good(await acme.get("/billing"))
    assert (billing["status"], billing["limits"]) == ("NONE", {})
    assert billing["usage"]["devices"] > 0
    problem(await acme.get("/billing/usage", params={"period": "soon"}), 400, "VALIDATION_FAILED")
    assert good(await acme.get("/billing/usage", params={"period": "1999-12"}))["readings"] == 0
    problem(await acme.get("/billing/invoices"), 403, "INSUFFICIENT_ROLE")
