"""What devices are asked to do, over HTTP: queued, told at check-in, reported, ended by the model that runs."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from schemas.ids import number_of
from tests.integration.acusight.conftest import Enrol, data, error

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient


async def beat(device: Client, **said: Any) -> list[dict[str, Any]]:
    return list(data(await device.post("/device/checkin", json=said))["actions"])


async def test_a_model_is_deployed(
    acme: Client, globex: Client, nobody: Client, enrol: Enrol, function: dict[str, Any]
) -> None:
    model, device = number_of(function["UUID"]), await enrol(acme)
    path = f"/core/devices/{device.headers['x-id']}/actions"
    keyed = {"Idempotency-Key": str(uuid4())}
    body = {"type": "deploy_model", "model_version_id": model}
    made = data(await acme.post(path, json=body, headers=keyed), 201)
    assert (made["status"], made["model_id"], made["model_name"]) == ("pending", str(model), "net")
    assert "download_url" not in made
    assert data(await acme.post(path, json=body, headers=keyed), 201) == made
    (told,) = await beat(device)
    assert (told["id"], told["status"], told["device_id"]) == (made["id"], "delivered", device.headers["x-id"])
    assert (told["file_ext"], told["label_map"]) == ("onnx", '{"0":"person","1":"bike"}')
    file = (await nobody.get(told["download_url"])).content
    assert hashlib.sha256(file).hexdigest() == told["sha256"]
    assert [one["id"] for one in await beat(device)] == [made["id"]]
    listed = (await acme.get(path, params={"status": "delivered"})).json()
    assert ([one["id"] for one in listed["data"]], listed["meta"]["total"]) == ([made["id"]], 1)
    error(await globex.get(path), 404, "NOT_FOUND")
    error(await globex.post(path, json=body), 404, "NOT_FOUND")
    error(await globex.delete(f"{path}/{made['id']}"), 404, "NOT_FOUND")
    other = await enrol(acme)
    error(await other.patch(f"/device/actions/{made['id']}", json={"status": "completed"}), 404, "NOT_FOUND")
    running = {"device_id": device.headers["x-id"], "current_model_id": str(model)}
    answer = await device.post("/core/agent/checkin", json=running)
    assert answer.json() == {"success": True, "pending_actions": []}
    (ended,) = (await acme.get(path)).json()["data"]
    assert (ended["status"], ended["completed_at"] is None) == ("completed", False)
    error(await acme.delete(f"{path}/{made['id']}"), 409, "INVALID_STATE")
    data(await acme.delete(f"/core/devices/{device.headers['x-id']}"))


async def test_an_export_is_deployed_and_a_newer_one_takes_its_place(
    acme: Client, enrol: Enrol, function: dict[str, Any]
) -> None:
    model, device = number_of(function["UUID"]), await enrol(acme)
    path = f"/core/devices/{device.headers['x-id']}/actions"
    export = data(await acme.post("/ml/export-jobs", json={"model_version_id": model}), 201)
    body = {"type": "deploy_model", "export_job_id": export["id"]}
    first = data(await acme.post(path, json=body), 201)
    assert (first["sha256"], first["model_id"]) == (export["sha256"], str(model))
    second = data(await acme.post(path, json=body), 201)
    assert [(one["id"], one["status"]) for one in await beat(device)] == [(second["id"], "delivered")]
    listed = (await acme.get(path)).json()["data"]
    assert [(one["id"], one["status"]) for one in listed] == [(second["id"], "delivered"), (first["id"], "cancelled")]


async def test_a_device_reports(acme: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    path = f"/core/devices/{device.headers['x-id']}/actions"
    made = data(await acme.post(path, json={"type": "capture_image", "payload": {"camera": 1}}), 201)
    own = f"/device/actions/{made['id']}"
    error(await device.patch(own, json={"status": "completed"}), 409, "INVALID_STATE")
    (told,) = await beat(device)
    assert (told["payload"], "download_url" in told, "model_id" in told) == ({"camera": 1}, False, False)
    assert data(await device.patch(own, json={"id": 1, "status": "in_progress"}))["status"] == "in_progress"
    (told,) = await beat(device)
    assert told["status"] == "in_progress"
    results = [{"id": made["id"], "status": "failed", "message": "no light"}, {"id": 5, "status": "completed"}]
    assert await beat(device, action_results=results) == []
    assert data(await device.patch(f"/core{own}", json={"status": "failed"}))["message"] == "no light"
    error(await device.patch(own, json={"status": "completed"}), 409, "INVALID_STATE")
    assert "status" in error(await device.patch(own, json={"status": "lost"}), 400, "VALIDATION_ERROR")["details"]
    error(await device.patch("/device/actions/5", json={"status": "failed"}), 404, "NOT_FOUND")
    error(await acme.patch(own, json={"status": "failed"}), 401, "UNAUTHORIZED")


async def test_new_settings_are_an_action_and_can_be_taken_back(acme: Client, enrol: Enrol) -> None:
    device = await enrol(acme)
    path = f"/core/devices/{device.headers['x-id']}"
    data(await acme.patch(path, json={"config": {"fps": 5}}))
    for _ in range(100):
        if told := await beat(device):
            break
    assert [(one["type"], one["payload"]) for one in told] == [("update_config", {"fps": 5})]
    cancelled = data(await acme.delete(f"{path}/actions/{told[0]['id']}"))
    assert cancelled["status"] == "cancelled"
    assert await beat(device) == []
    error(await acme.delete(f"{path}/actions/{told[0]['id']}"), 409, "INVALID_STATE")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"type": "dance"}, 400, "type"),
        ({}, 400, "type"),
        ({"type": "deploy_model"}, 400, "model_version_id"),
        ({"type": "deploy_model", "model_version_id": 5}, 404, ""),
        ({"type": "deploy_model", "export_job_id": 5}, 404, ""),
        ({"type": "restart_agent", "payload": []}, 400, "payload"),
    ],
)
async def test_what_cannot_be_asked(acme: Client, enrol: Enrol, body: dict[str, Any], status: int, field: str) -> None:
    device = await enrol(acme)
    path = f"/core/devices/{device.headers['x-id']}/actions"
    code = "VALIDATION_ERROR" if status == 400 else "NOT_FOUND"
    assert field in error(await acme.post(path, json=body), status, code).get("details", "")
    error(await acme.post("/core/devices/none/actions", json=body), 404, "NOT_FOUND")
    assert (await acme.get(path)).json()["data"] == []
