"""Firmware on devices: orders out, reports in, and how the whole stands (contract, 6.17)."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from schemas.ids import new_id
from tests.integration.iot.conftest import Agent, good, problem, until, virtual
from tests.integration.iot.test_groups import put

pytestmark = pytest.mark.stack
BINARY = b"firmware"


async def published(of: httpx.AsyncClient, **more: Any) -> str:
    """Id of a firmware that can be rolled out."""
    sha = hashlib.sha256(BINARY).hexdigest()
    body = {"name": new_id(), "version": "2.0.0", "fileName": "a.bin", "sizeBytes": len(BINARY), "sha256": sha, **more}
    made = good(await of.post("/firmware", json=body), 201)
    id = str(made["firmware"]["id"])
    problem(await of.post(f"/firmware/{id}/deployments", json=target("DEVICE", new_id())), 409, "INVALID_STATE")
    assert await put(made["upload"]["uploadUrl"], BINARY) == 200
    good(await of.post(f"/firmware/{id}/complete"))
    return id


def target(type: str, id: str) -> dict[str, Any]:
    return {"targetType": type, "targetId": id}


async def test_a_device_counts_once_it_reports_the_version(acme: httpx.AsyncClient, agent: Agent) -> None:
    id, beat = agent
    firmware = await published(acme)
    made = good(await acme.post(f"/firmware/{firmware}/deployments", json=target("DEVICE", id)), 201)
    assert (made["status"], made["total"], made["succeeded"], made["failed"]) == ("IN_PROGRESS", 1, 0, 0)
    place = f"/firmware/deployments/{made['id']}"
    problem(await acme.delete(f"/firmware/{firmware}"), 409, "INVALID_STATE")
    (action,) = await beat()
    assert action["type"] == "UPDATE_FIRMWARE"
    params = action["payload"]["params"]
    assert (params["version"], params["size_bytes"]) == ("2.0.0", len(BINARY))
    async with httpx.AsyncClient(follow_redirects=True, timeout=20) as anyone:
        assert (await anyone.get(params["url"])).content == BINARY
    await beat(action_results=[{"id": action["id"], "status": "completed"}])
    assert good(await acme.get(place))["status"] == "IN_PROGRESS"
    await beat(metrics={"firmwareVersion": "2.0.0"})

    async def over() -> Any:
        found = good(await acme.get(place))
        return found if found["status"] != "IN_PROGRESS" else None

    ended = await until(over)
    assert (ended["status"], ended["succeeded"], ended["commandIds"]) == ("COMPLETED", 1, made["commandIds"])
    assert "completedAt" in ended
    good(await acme.delete(f"/firmware/{firmware}"), 204)


async def test_a_device_that_fails_fails_the_rollout(acme: httpx.AsyncClient, agent: Agent) -> None:
    id, beat = agent
    name = good(await acme.get(f"/devices/{id}"))["name"]
    tag = new_id()
    good(await acme.put(f"/devices/{id}", json={"name": name, "tags": [tag]}))
    await virtual(acme, tags=[tag])
    group = good(await acme.post("/device-groups", json={"name": tag, "selector": {"allOf": [tag]}}), 201)["id"]
    firmware = await published(acme)
    key = {"Idempotency-Key": new_id()}
    body = target("DEVICE_GROUP", group)
    made, again = [
        good(await acme.post(f"/firmware/{firmware}/deployments", json=body, headers=key), 201) for _ in range(2)
    ]
    assert (made["id"], made["total"]) == (again["id"], 1)
    (action,) = await beat()
    await beat(action_results=[{"id": action["id"], "status": "failed"}])
    assert good(await acme.get(f"/firmware/deployments/{made['id']}"))["status"] == "FAILED"


async def test_not_every_target_can_take_it(acme: httpx.AsyncClient, globex: httpx.AsyncClient, agent: Agent) -> None:
    place = f"/firmware/{await published(acme)}/deployments"
    problem(await acme.post(place, json=target("DEVICE", await virtual(acme))), 409, "DEVICE_NOT_CONNECTABLE")
    problem(await acme.post(place, json=target("DEVICE", new_id())), 404, "NOT_FOUND")
    problem(await acme.post(place, json=target("DEVICE", await virtual(globex))), 404, "NOT_FOUND")
    problem(await acme.post(place, json=target("COMPONENT", new_id())), 400, "VALIDATION_FAILED")
    problem(await globex.post(place, json=target("DEVICE", agent[0])), 404, "NOT_FOUND")
    only = f"/firmware/{await published(acme, deviceProfileName='other')}/deployments"
    problem(await acme.post(only, json=target("DEVICE", agent[0])), 422, "INVALID_REFERENCE")
    problem(await acme.get(f"/firmware/deployments/{new_id()}"), 404, "NOT_FOUND")
