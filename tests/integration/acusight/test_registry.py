"""Models in the registry over HTTP: renamed, staged, fetched, removed."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import uuid4

import httpx
import pytest

from schemas.ids import number_of
from tests.integration.acusight.conftest import Enrol, data, error
from tests.integration.nx.calls import network, ready, upload
from tests.integration.nx.conftest import signed_in

pytestmark = pytest.mark.stack
Client = httpx.AsyncClient


@pytest.fixture
async def model(stack: dict[str, Any]) -> str:
    """The path of a checked model."""
    client = await signed_in(stack, "acme")
    made = await ready(client, (await upload(client, network(scale=0.0625)))["UUID"])
    await client.aclose()
    return f"/ml/models/{number_of(made['UUID'])}"


async def test_a_model_is_renamed_staged_and_removed(acme: Client, globex: Client, model: str) -> None:
    assert data(await acme.patch(model, json={"name": "better"}))["name"] == "better"
    for body in ({}, {"name": ""}, {"stage": "canary"}, {"stage": None}):
        error(await acme.patch(model, json=body), 400, "VALIDATION_ERROR")
    shown = data(await acme.patch(model, json={"stage": "production", "name": "best"}))
    assert (shown["stage"], shown["name"]) == ("production", "best")
    listed = (await acme.get("/ml/models", params={"stage": "production"})).json()["data"]
    assert shown in listed
    error(await acme.patch(model, json={"stage": "candidate", "name": "x"}), 409, "INVALID_STATE")
    error(await acme.delete(model), 409, "INVALID_STATE")
    for answer in (await globex.patch(model, json={"name": "x"}), await globex.delete(model)):
        error(answer, 404, "NOT_FOUND")
    shown = data(await acme.patch(model, json={"stage": "archived"}))
    assert (shown["stage"], shown["name"]) == ("archived", "best")
    assert data(await acme.delete(model)) == {"id": shown["id"], "deleted": True}
    for answer in (await acme.get(model), await acme.delete(model), await acme.get(f"{model}/download")):
        error(answer, 404, "NOT_FOUND")


async def test_a_device_fetches_what_it_was_asked_to(
    acme: Client, globex: Client, nobody: Client, enrol: Enrol, model: str
) -> None:
    device, path, id = await enrol(acme), f"{model}/download", int(model.rsplit("/", 1)[1])
    link = data(await acme.get(path))
    file = (await nobody.get(link["download_url"])).content
    assert (hashlib.sha256(file).hexdigest(), len(file)) == (link["sha256"], link["size_bytes"])
    error(await device.get(path), 404, "NOT_FOUND")
    order = {"type": "deploy_model", "model_version_id": id}
    data(await acme.post(f"/core/devices/{device.headers['x-id']}/actions", json=order), 201)
    assert data(await device.get(path))["sha256"] == link["sha256"]
    error(await (await enrol(acme)).get(path), 404, "NOT_FOUND")
    error(await globex.get(path), 404, "NOT_FOUND")
    error(await nobody.get("/ml/models/x/download"), 401, "UNAUTHORIZED")
    error(await acme.get("/ml/models/x/download"), 400, "VALIDATION_ERROR")


async def test_what_a_device_runs_stays(acme: Client, enrol: Enrol, model: str) -> None:
    device = await enrol(acme)
    beat = {"device_id": device.headers["x-id"], "current_model_id": model.rsplit("/", 1)[1]}
    assert (await device.post("/core/agent/checkin", json=beat)).status_code == 200
    for _ in range(100):
        if data(await acme.get(model))["deployed_device_count"]:
            break
        await asyncio.sleep(0.05)
    error(await acme.delete(model), 409, "INVALID_STATE")
    data(await acme.delete(f"/core/devices/{device.headers['x-id']}"))
    data(await acme.delete(model))


async def test_an_unchecked_model_goes_not_into_production(acme: Client, stack: dict[str, Any]) -> None:
    nx = await signed_in(stack, "acme")
    form = {"data": (None, b'{"Name": "chip", "EnableConversions": ["mxa"]}'), "file": ("n.onnx", network(scale=0.5))}
    made = (await nx.post("/cpt/functions", files=form)).json()
    await ready(nx, made["UUID"], "error")
    await nx.aclose()
    path = f"/ml/models/{number_of(made['UUID'])}"
    assert "stage" in error(await acme.patch(path, json={"stage": "production"}), 409, "INVALID_STATE")["details"]
    error(await acme.get(f"{path}/download"), 409, "INVALID_STATE")
    error(await acme.patch(path, json={"stage": str(uuid4())}), 400, "VALIDATION_ERROR")
