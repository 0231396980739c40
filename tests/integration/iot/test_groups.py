"""The record groups over HTTP: each is filled, read, changed and emptied; nothing crosses organisations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from schemas.ids import new_id
from tests.integration.iot.conftest import NOW, client, good, problem


@pytest.fixture
async def parts(acme: httpx.AsyncClient) -> dict[str, str]:
    """A virtual device with a component and a sensor."""
    device = good(await acme.post("/devices", json={"name": f"parts {new_id()}"}), 201)["id"]
    component = good(await acme.post("/components", json={"deviceId": device, "key": "n1"}), 201)["id"]
    body = {"componentId": component, "key": "t", "valueType": "DOUBLE"}
    return {"device": device, "component": component, "sensor": good(await acme.post("/sensors", json=body), 201)["id"]}


def bodies(parts: dict[str, str]) -> dict[str, dict[str, Any]]:
    condition = {"type": "VALUE", "operator": "GREATER_THAN", "value": 30}
    return {
        "/annotation-classes": {"key": new_id(), "name": "K", "scopes": ["DEVICE"], "fields": []},
        "/cameras": {"deviceId": parts["device"], "name": "Front"},
        "/notification-channels": {"name": "Post", "type": "EMAIL", "recipients": ["a@x.example"]},
        "/alert-rules": {"name": "Hot", "sensorId": parts["sensor"], "severity": "WARNING", "condition": condition},
        "/dashboards": {"name": "Board", "widgets": [], "revision": 1},
    }


async def test_every_group_is_filled_and_emptied(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    for path, body in bodies(parts).items():
        key = {"Idempotency-Key": new_id()}
        made = good(await acme.post(path, json=body, headers=key), 201)
        place = f"{path}/{made['id']}"
        assert good(await acme.post(path, json=body, headers=key), 201) == made
        problem(await acme.post(path, json={**body, "name": "other"}, headers=key), 409, "IDEMPOTENCY_KEY_REUSED")
        assert good(await acme.get(place)) == made
        assert made["id"] in {one["id"] for one in good(await acme.get(path, params={"size": 200}))["content"]}
        assert made["id"] not in {one["id"] for one in good(await globex.get(path, params={"size": 200}))["content"]}
        for call in (globex.get(place), globex.delete(place), globex.put(place, json=body)):
            problem(await call, 404, "NOT_FOUND")
        assert good(await acme.put(place, json={**body, "name": "New"}))["name"] == "New"
        missing = problem(await acme.post(path, json={}), 400, "VALIDATION_FAILED")
        assert ("name", "REQUIRED") in {(error["field"], error["code"]) for error in missing["errors"]}
        good(await acme.delete(place), 204)
        problem(await acme.get(place), 404, "NOT_FOUND")


async def test_a_dashboard_is_changed_from_what_was_read(acme: httpx.AsyncClient, stack: dict[str, Any]) -> None:
    made = good(await acme.post("/dashboards", json={"name": "B", "widgets": [], "visibility": "PRIVATE"}), 201)
    place, put = f"/dashboards/{made['id']}", {"name": "C", "widgets": [], "visibility": "PRIVATE"}
    problem(await acme.put(place, json=put), 400, "VALIDATION_FAILED")
    assert good(await acme.put(place, json={**put, "revision": 1}))["revision"] == 2
    problem(await acme.put(place, json={**put, "name": "D", "revision": 1}), 409, "REVISION_CONFLICT")
    async with client(stack, "acme", "token") as other:
        problem(await other.get(place), 404, "NOT_FOUND")


async def test_labels_are_found_by_scope_time_and_source(acme: httpx.AsyncClient, parts: dict[str, str]) -> None:
    form = {"key": new_id(), "name": "K", "scopes": ["SENSOR"], "fields": [], "temporality": "RANGE"}
    kind = good(await acme.post("/annotation-classes", json=form), 201)["id"]
    label = {"annotationClassId": kind, "scopeType": "SENSOR", "scopeId": parts["sensor"]}
    span = {"startAt": NOW.isoformat(), "endAt": (NOW + timedelta(hours=1)).isoformat()}
    feed = {"source": "EXTERNAL_FEED", "sourceRef": {"type": "FEED", "id": "f"}}
    made = good(await acme.post("/annotations", json={**label, **span, **feed}), 201)
    wrong = problem(
        await acme.post("/annotations", json={**label, "startAt": NOW.isoformat()}), 422, "SCHEMA_VIOLATION"
    )
    assert [error["field"] for error in wrong["errors"]] == ["endAt"]

    async def ids(path: str = "/annotations", **params: Any) -> set[str]:
        return {one["id"] for one in good(await acme.get(path, params=params))["content"]}

    scope = {"scopeType": "DEVICE", "scopeId": parts["device"]}
    assert await ids(**scope) == {made["id"]}
    assert await ids(**scope, includeDescendants=False) == set()
    assert await ids(**scope, **{"from": (NOW + timedelta(minutes=30)).isoformat()}) == {made["id"]}
    assert await ids(**scope, **{"from": (NOW + timedelta(hours=2)).isoformat()}) == set()
    assert await ids(**scope, to=NOW.isoformat()) == set()
    assert await ids("/annotations/by-source", **scope) == {made["id"]}
    assert await ids("/annotations/by-source", **scope, source="JOB") == set()
    problem(await acme.delete(f"/annotation-classes/{kind}"), 409, "ANNOTATION_CLASS_IN_USE")


async def test_a_pack_brings_profiles_that_configurations_are_held_against(acme: httpx.AsyncClient) -> None:
    mark = new_id()[-12:]
    field = {"name": "interval", "type": "BIGINT", "writable": True, "min": 1}
    profile = {"name": f"climate {mark}", "version": "1.0", "fields": [field]}
    pack = {"key": f"p-{mark}", "name": "Climate", "version": "1.0.0", "sensorProfiles": [profile]}
    assert good(await acme.post("/packs", json=pack), 201)["status"] == "AVAILABLE"
    problem(await acme.post("/packs", json=pack), 409, "NAME_TAKEN")
    (item,) = good(await acme.post(f"/packs/{pack['key']}/install"))["items"]
    device = good(await acme.post("/devices", json={"name": mark}), 201)["id"]
    part = {"deviceId": device, "key": "n1", "sensorProfileId": item["resourceId"]}
    component = good(await acme.post("/components", json=part), 201)["id"]
    problem(await acme.delete(f"/packs/{pack['key']}/install"), 409, "PACK_IN_USE")
    config = {"name": mark, "profileType": "SENSOR_PROFILE", "profileId": item["resourceId"]}
    wrong = await acme.post("/config-artefacts", json={**config, "content": {"interval": 0}})
    assert problem(wrong, 422, "SCHEMA_VIOLATION")["errors"][0]["field"] == "content.interval"
    slow = good(await acme.post("/config-artefacts", json={**config, "content": {"interval": 60}}), 201)
    fast = good(await acme.post("/config-artefacts", json={**config, "content": {"interval": 1}}), 201)
    assert (slow["version"], fast["version"]) == (1, 2)
    targets = (("SENSOR_PROFILE", item["resourceId"], slow), ("DEVICE", device, fast), ("COMPONENT", component, slow))
    bound = []
    for kind, target, artefact in targets:
        put = {"targetType": kind, "targetId": target, "configArtefactId": artefact["id"]}
        bound.append(good(await acme.put("/desired-state-bindings", json=put), 201)["id"])
        good(await acme.put("/desired-state-bindings", json=put), 200)
    for (kind, _, artefact), id in zip(reversed(targets), reversed(bound), strict=True):
        (entry,) = good(await acme.get(f"/devices/{device}/desired-state"))["entries"]
        assert (entry["wonBy"], entry["componentKey"], entry["content"]) == (kind, "n1", artefact["content"])
        good(await acme.delete(f"/desired-state-bindings/{id}"), 204)


async def put(link: str, content: bytes) -> int:
    """Uploads by a signed link, without credentials."""
    async with httpx.AsyncClient(timeout=20) as anyone:
        return (await anyone.put(link, content=content)).status_code


async def test_firmware_is_published_when_it_is_what_was_announced(acme: httpx.AsyncClient) -> None:
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    body = {"name": new_id(), "version": "1.0.0", "fileName": "a.bin", "sizeBytes": 3, "sha256": sha}
    for version, sent, status in (("1.0.0", b"abc", 200), ("1.0.1", b"abd", 422)):
        made = good(await acme.post("/firmware", json={**body, "version": version}), 201)
        place = f"/firmware/{made['firmware']['id']}"
        problem(await acme.post(f"{place}/complete"), 409, "INVALID_STATE")
        assert await put(made["upload"]["uploadUrl"], sent) == 200
        good(await acme.post(f"{place}/complete"), status)
        assert good(await acme.get(place))["status"] == ("AVAILABLE" if status == 200 else "REJECTED")
    problem(await acme.post("/firmware", json=body), 409, "NAME_TAKEN")
    assert await put(made["upload"]["uploadUrl"] + "0", b"x") == 403


async def test_a_key_opens_until_it_is_revoked(acme: httpx.AsyncClient, stack: dict[str, Any]) -> None:
    made = good(await acme.post("/api-keys", json={"name": "k", "role": "MEMBER"}), 201)
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with httpx.AsyncClient(base_url=f"{stack['api']}/api/v1", headers=headers) as member:
        assert good(await member.get("/me"))["role"] == "MEMBER"
        problem(await member.get("/billing"), 403, "INSUFFICIENT_ROLE")
        good(await acme.delete(f"/api-keys/{made['id']}"), 204)
        problem(await member.get("/me"), 401, "UNAUTHENTICATED")
    listed = good(await acme.get("/api-keys"))["content"]
    assert made["key"] not in str(listed)
