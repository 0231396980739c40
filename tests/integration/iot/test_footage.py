"""DVR clip requests: an order to the camera's device, an upload, a clip (contract, 6.14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.iot.conftest import Agent, Beat, good, problem, until
from tests.integration.iot.test_groups import put

pytestmark = pytest.mark.stack
FILM = b"film"


async def watched(acme: httpx.AsyncClient, id: str, beat: Beat) -> dict[str, Any]:
    """What to ask for of a camera that is online."""
    made = good(await acme.post("/cameras", json={"deviceId": id, "name": "F", "dvrEnabled": True}), 201)
    now = datetime.now(UTC)
    body = {"cameraId": made["id"], "from": (now - timedelta(minutes=2)).isoformat(), "to": now.isoformat()}
    problem(await acme.post("/dvr-clip-requests", json=body), 409, "CAMERA_OFFLINE")
    await beat(metrics={"cameras": [{"cameraId": made["id"], "status": "ONLINE"}]})

    async def online() -> Any:
        return good(await acme.get("/cameras", params={"status": "ONLINE", "deviceId": id}))["content"]

    await until(online)
    return body


async def test_a_clip_lands_where_it_was_asked_for(acme: httpx.AsyncClient, agent: Agent) -> None:
    id, beat = agent
    body = await watched(acme, id, beat)
    request = good(await acme.post("/dvr-clip-requests", json=body), 201)
    place = f"/dvr-clip-requests/{request['id']}"
    (action,) = await beat()
    params = action["payload"]["params"]
    assert (action["type"], params["camera_id"]) == ("FETCH_DVR_CLIP", body["cameraId"])
    seen = [request["status"], good(await acme.get(place))["status"]]
    for status in ("in_progress", "completed"):
        await beat(action_results=[{"id": action["id"], "status": status}])
        assert await put(params["upload_url"], FILM) == 200
        seen.append(good(await acme.get(place))["status"])
    assert seen == ["PENDING", "SENT", "UPLOADING", "READY"]
    clip = good(await acme.get(f"/captures/{good(await acme.get(place))['captureId']}"))
    assert (clip["status"], clip["sizeBytes"], clip["durationSeconds"]) == ("READY", len(FILM), 120)
    assert (clip["trigger"], clip["dvrClipRequestId"]) == ("DVR_REQUEST", request["id"])
    assert "thumbnailUrl" not in clip
    link = good(await acme.get(f"/captures/{clip['id']}/download"))["url"]
    async with httpx.AsyncClient(timeout=20) as anyone:
        assert (await anyone.get(link)).content == FILM
    found = good(await acme.get("/captures", params={"deviceId": id, "status": "READY"}))["content"]
    assert found == [clip]
    good(await acme.delete(f"/captures/{clip['id']}"), 204)
    assert "captureId" not in good(await acme.get(place))


async def test_a_success_without_an_upload_is_none(acme: httpx.AsyncClient, agent: Agent) -> None:
    id, beat = agent
    request = good(await acme.post("/dvr-clip-requests", json=await watched(acme, id, beat)), 201)
    (action,) = await beat()
    (clip,) = good(await acme.get("/captures", params={"deviceId": id}))["content"]
    assert clip["status"] == "PENDING"
    problem(await acme.get(f"/captures/{clip['id']}/download"), 409, "INVALID_STATE")
    await beat(action_results=[{"id": action["id"], "status": "completed"}])
    ended = good(await acme.get(f"/dvr-clip-requests/{request['id']}"))
    assert (ended["status"], "uploaded nothing" in ended["failureReason"]) == ("FAILED", True)
    assert "captureId" not in ended
    assert good(await acme.get(f"/captures/{clip['id']}"))["status"] == "FAILED"


async def test_not_every_range_can_be_had(acme: httpx.AsyncClient, globex: httpx.AsyncClient, agent: Agent) -> None:
    id, beat = agent
    body = await watched(acme, id, beat)
    now = datetime.now(UTC)
    ago = [(now - timedelta(minutes=m)).isoformat() for m in range(70)]
    camera = f"/cameras/{body['cameraId']}"
    good(await acme.put(camera, json={"deviceId": id, "name": "F", "dvrEnabled": True, "dvrRetentionHours": 1}))
    for change, status, code in (
        ({"from": ago[11], "to": ago[0]}, 400, "VALIDATION_FAILED"),
        ({"from": ago[1], "to": ago[1]}, 400, "VALIDATION_FAILED"),
        ({"to": (now + timedelta(minutes=5)).isoformat()}, 400, "VALIDATION_FAILED"),
        ({"from": ago[65], "to": ago[60]}, 422, "RANGE_NOT_RETAINED"),
    ):
        problem(await acme.post("/dvr-clip-requests", json={**body, **change}), status, code)
    problem(await globex.post("/dvr-clip-requests", json=body), 404, "NOT_FOUND")
    good(await acme.put(camera, json={"deviceId": id, "name": "F"}))
    problem(await acme.post("/dvr-clip-requests", json=body), 409, "DVR_DISABLED")
