"""Tokens, enrolment, keys and check-ins over HTTP."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from tests.integration.acusight.conftest import Enrol, data, error

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient


def provision(token: str, device_id: str, **info: str) -> dict[str, object]:
    return {"token": token, "device_info": {"device_id": device_id, **info}}


async def test_a_token_is_shown_once_and_listed_without_its_secret(acme: Client) -> None:
    made = data(await acme.post("/provisioning-tokens", json={"name": "Line 1"}), 201)
    assert made["token"].startswith("apt_")
    assert len(made["token"]) == 68
    assert made["setup_command"].endswith(f"/setup | sh -s -- {made['token']}")
    listed = (await acme.get("/core/provisioning-tokens", params={"per_page": 5})).json()
    assert listed["data"][0]["id"] == made["id"]
    assert made["token"] not in str(listed)
    assert set(listed["meta"]) == {"total", "page", "per_page", "total_pages", "count", "limit", "offset"}


async def test_three_ways_to_say_how_long(acme: Client) -> None:
    lives = []
    for more in ({}, {"expires_in_days": None}, {"expires_in_days": 1}):
        made = data(await acme.post("/provisioning-tokens", json={"name": "t", **more}), 201)
        expires = made["expires_at"] and datetime.fromisoformat(made["expires_at"])
        lives.append(expires and round((expires - datetime.fromisoformat(made["created_at"])) / timedelta(days=1)))
    assert lives == [30, None, 1]


async def test_a_device_comes_in_says_how_it_is_and_leaves(acme: Client, nobody: Client, enrol: Enrol) -> None:
    device = await enrol(acme, name="North", hardware_id="RPi4", agent_version="1.2")
    id = device.headers["x-id"]
    own = data(await device.get("/core/device/self"))
    assert (own["device_id"], own["status"], own["name"]) == (id, "approved", "North")
    said = data(await device.post("/device/checkin", json={"status": "healthy", "metrics": {"cpu_usage": 12.5}}))
    assert said == {"actions": []}
    assert data(await device.post("/core/device/checkin", json={})) == {"actions": []}
    beat = {"device_id": id, "current_model_id": "7", "ip_address": "10.0.0.7"}
    assert (await device.post("/core/agent/checkin", json=beat)).json() == {"success": True, "pending_actions": []}
    for _ in range(100):
        row = data(await acme.get(f"/core/devices/{id}"))
        if row["current_model_id"]:
            break
        await asyncio.sleep(0.05)
    assert (row["online"], row["health_status"], row["metrics"]) == (True, "healthy", {"cpu_usage": 12.5})
    assert (row["ip_address"], row["hardware_version"], row["current_model_id"]) == ("10.0.0.7", "RPi4", "7")
    error(await device.post("/core/agent/checkin", json=beat | {"device_id": "other"}), 403, "FORBIDDEN")
    assert data(await acme.delete(f"/core/devices/{id}")) == {"id": id, "deleted": True}
    error(await device.get("/device/self"), 401, "UNAUTHORIZED")
    error(await acme.get(f"/core/devices/{id}"), 404, "NOT_FOUND")
    again = await enrol(acme, id)
    assert data(await again.get("/device/self"))["device_id"] == id


async def test_a_single_use_token_raced_by_twenty(acme: Client, nobody: Client) -> None:
    made = data(await acme.post("/provisioning-tokens", json={"name": "one", "single_use": True}), 201)
    calls = [nobody.post("/devices/provision", json=provision(made["token"], f"race-{uuid4()}")) for _ in range(20)]
    answers = await asyncio.gather(*calls)
    assert sorted(a.status_code for a in answers) == [201] + [401] * 19
    assert {a.json()["error"]["code"] for a in answers if a.status_code == 401} == {"INVALID_TOKEN"}
    listed = (await acme.get("/provisioning-tokens")).json()["data"]
    row = next(row for row in listed if row["id"] == made["id"])
    assert row["use_count"] == 1
    assert row["revoked_at"] is not None


async def test_a_known_device_does_not_consume_the_token(acme: Client, nobody: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    made = data(await acme.post("/provisioning-tokens", json={"name": "one", "single_use": True}), 201)
    known = provision(made["token"], device.headers["x-id"])
    error(await nobody.post("/devices/provision", json=known), 409, "DEVICE_EXISTS")
    data(await nobody.post("/devices/provision", json=provision(made["token"], f"e-{uuid4()}")), 201)


async def test_a_token_shows_at_once_whom_it_let_in(acme: Client, nobody: Client) -> None:
    for single in (True, False):
        made = data(await acme.post("/provisioning-tokens", json={"name": "t", "single_use": single}), 201)
        data(await nobody.post("/devices/provision", json=provision(made["token"], f"e-{uuid4()}")), 201)
        row = (await acme.get("/provisioning-tokens", params={"per_page": 1})).json()["data"][0]
        assert (row["id"], row["use_count"], row["last_used_at"] is None) == (made["id"], 1, False)
        assert (row["revoked_at"] is not None) is single
        again = await nobody.post("/devices/provision", json=provision(made["token"], f"e-{uuid4()}"))
        if single:
            assert error(again, 401, "INVALID_TOKEN")["details"] == "token"
            error(await acme.delete(f"/provisioning-tokens/{made['id']}"), 400, "VALIDATION_ERROR")
        else:
            data(again, 201)


async def test_revoking(acme: Client, nobody: Client) -> None:
    made = data(await acme.post("/provisioning-tokens", json={"name": "gone"}), 201)
    assert data(await acme.delete(f"/provisioning-tokens/{made['id']}"))["id"] == made["id"]
    error(await acme.delete(f"/provisioning-tokens/{made['id']}"), 400, "VALIDATION_ERROR")
    error(await acme.delete(f"/provisioning-tokens/{uuid4()}"), 404, "NOT_FOUND")
    error(await acme.delete("/provisioning-tokens/seven"), 400, "VALIDATION_ERROR")
    error(await nobody.post("/devices/provision", json=provision(made["token"], "e")), 401, "INVALID_TOKEN")
    error(await nobody.post("/devices/provision", json=provision("apt_00", "e")), 401, "INVALID_TOKEN")
    error(await nobody.post("/devices/provision", json={"token": made["token"]}), 400, "VALIDATION_ERROR")


async def test_the_same_key_gives_the_same_secret(acme: Client) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first, second = [
        data(await acme.post("/provisioning-tokens", json={"name": "k"}, headers=headers), 201) for _ in range(2)
    ]
    assert first == second
    other = await acme.post("/provisioning-tokens", json={"name": "other"}, headers=headers)
    error(other, 409, "CONFLICT")


async def test_admission_and_a_new_key(acme: Client, enrol: Enrol, stack: dict[str, object]) -> None:
    device = await enrol(acme)
    path = f"/core/devices/{device.headers['x-id']}"
    assert data(await acme.patch(path, json={"status": "rejected", "name": "South"}))["status"] == "rejected"
    assert data(await device.get("/device/self"))["status"] == "rejected"
    error(await device.post("/device/checkin", json={}), 403, "FORBIDDEN")
    assert data(await acme.patch(path, json={"status": "approved", "config": {"fps": 5}}))["config"] == {"fps": 5}
    error(await acme.patch(path, json={"status": "pending"}), 409, "INVALID_STATE")
    error(await acme.patch(path, json={}), 400, "VALIDATION_ERROR")
    assert (
        "auto_assign_project_id"
        in error(await acme.patch(path, json={"auto_assign_project_id": 5}), 400, "VALIDATION_ERROR")["details"]
    )
    key = data(await acme.post(f"{path}/rotate-key"))["api_key"]
    error(await device.get("/device/self"), 401, "UNAUTHORIZED")
    assert data(await device.get("/device/self", headers={"X-Device-Key": key}))["name"] == "South"


async def test_order_of_checks_and_bad_bodies(acme: Client, nobody: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    error(await nobody.patch("/core/devices/none", content="{"), 401, "UNAUTHORIZED")
    error(await acme.patch("/core/devices/none", content="{"), 404, "NOT_FOUND")
    path = f"/core/devices/{device.headers['x-id']}"
    for body in ("{", "[]", '{"name": 5}', '{"name": "a\\u0000b"}', '{"config": {"n": 1e999}}', '{"config": [1]}'):
        error(await acme.patch(path, content=body), 400, "VALIDATION_ERROR")
    error(await device.get("/core/devices"), 401, "UNAUTHORIZED")
    error(await acme.get("/device/self"), 401, "UNAUTHORIZED")
    huge = {"metrics": {"n": 2**70}}
    assert "metrics" in error(await device.post("/device/checkin", json=huge), 400, "VALIDATION_ERROR")["details"]
    for query in ("page=0", "per_page=x", "search=%00", "online=maybe"):
        error(await acme.get(f"/core/devices?{query}"), 400, "VALIDATION_ERROR")
    for size in (1000, 10**12):
        assert (await acme.get(f"/core/devices?per_page={size}")).json()["meta"]["per_page"] == 100
    beyond = (await acme.get(f"/core/devices?page={10**20}")).json()
    assert (beyond["data"], beyond["meta"]["count"]) == ([], 0)
    told = error(await acme.get("/data/batches?project_id=x"), 400, "VALIDATION_ERROR")["details"]
    assert {part.split(":")[0] for part in told.split("; ")} == {"project_id"}
    assert error(await acme.patch(path, json={}), 400, "VALIDATION_ERROR")["details"] == "body: names nothing to change"


async def test_nothing_of_another_organisation(acme: Client, globex: Client, enrol: Enrol) -> None:
    device = await enrol(acme, f"shared-{uuid4()}")
    id = device.headers["x-id"]
    error(await globex.get(f"/core/devices/{id}"), 404, "NOT_FOUND")
    error(await globex.patch(f"/core/devices/{id}", json={"name": "mine"}), 404, "NOT_FOUND")
    assert (await globex.get("/core/devices", params={"search": id})).json()["meta"]["total"] == 0
    theirs = await enrol(globex, id)
    assert (
        data(await theirs.get("/device/self"))["organization_id"]
        != data(await device.get("/device/self"))["organization_id"]
    )


async def test_the_organization(acme: Client) -> None:
    before = data(await acme.get("/organization"))
    assert before["settings"]["batch_max_images"] == 1000
    body = {"name": "Acme Works", "settings": {"batch_max_images": 500}}
    after = data(await acme.patch("/core/organization", json=body))
    assert (after["name"], after["slug"], after["settings"]["batch_max_images"]) == ("Acme Works", before["slug"], 500)
    error(await acme.patch("/organization", json={"name": ""}), 400, "VALIDATION_ERROR")
    data(await acme.patch("/organization", json={"name": before["name"], "settings": before["settings"]}))


async def test_pages_beside_the_api(stack: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=stack["api"]) as client:
        assert "swagger" in (await client.get("/swagger/")).text
        script = (await client.get("/setup")).text
        assert script.startswith("#!/bin/sh")
        assert stack["api"] in script
        assert data(await client.get("/api/health"))["status"] == "ok"
