"""Sites, devices and what they run, in every spelling of the contract."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.nx.calls import NIL, network, place, ready, refused, roots, upload


async def test_a_site_its_server_and_its_devices(acme: httpx.AsyncClient) -> None:
    answer = await acme.get("/dev/systems", params={"limit": 20, "offset": 0, "Search": "head", "Online": True})
    (site,) = answer.json()
    assert answer.headers["x-pagination-records"] == "1"
    assert (site["Online"], site["Status"], site["ServerCount"], site["DeviceCount"]) == (True, "online", 1, 2)
    assert (await acme.get(f"/dev/system/{{{site['NxID']}}}")).json() == site
    (server,) = (await acme.get(f"/dev/system/{site['NxID']}/servers")).json()
    assert (await acme.get(f"/dev/system/{site['NxID']}/server/{server['NxID']}")).json() == server
    devices = (await acme.get(f"/dev/system/{site['NxID']}/devices", params={"Server": server["NxID"]})).json()
    assert [device["Name"] for device in devices] == ["Entrance", "Street"]
    assert all(device["NxID"].startswith("{") and device["Server"] == server for device in devices)
    one = await acme.get(f"/dev/system/{site['NxID']}/device/{devices[0]['NxID'].strip('{}').upper()}")
    assert one.json()["NxID"] == devices[0]["NxID"]


@pytest.mark.parametrize("spelling", ["FunctionID", "FunctionUUID", "array"])
async def test_a_model_is_assigned_once(acme: httpx.AsyncClient, model: dict[str, Any], spelling: str) -> None:
    site, (device, *_) = await place(acme)
    path = f"/dev/system/{site}/device/{device}/functions"
    await acme.delete(path)
    one: dict[str, Any] = {"FunctionUUID" if spelling == "FunctionUUID" else "FunctionID": model["UUID"].upper()}
    for _ in range(2):
        answer = await acme.post(path, json=[one] if spelling == "array" else one)
        assert (answer.status_code, answer.json()["Message"]) == (200, "Ok")
    (assigned,) = (await acme.get(path)).json()
    assert (assigned["FunctionID"], assigned["PipelineIndex"]) == (model["UUID"], 0)
    (pipeline,) = (await acme.get(f"/dev/system/{site}/device/{device}")).json()["nxAI"]["pipelines"]
    assert (pipeline["modelNMS"], pipeline["resizingMethod"]) == (0.5, "Letterbox")
    assert (await acme.get(f"/cpt/function/{model['UUID']}")).json()["DeviceCount"] >= 1
    assert (await acme.delete(f"/dev/system/{site}/device/{device}/function/{model['UUID']}")).status_code == 200
    assert (await acme.get(path)).json() == []


async def test_pipelines_read_back_as_they_were_put(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    site, (device, *_) = await place(acme)
    chain = {"modelUUID": model["UUID"], "chainMethod": "feature_extraction", "className": "person", "modelNMS": 0.5}
    common = {"resizingMethod": "Crop", "Preprocessor": "", "Postprocessor": ""}
    tree = [
        {
            **roots(model["UUID"])[0],
            **common,
            "Postprocessor": "object counting",
            "chains": [{**chain, **common, "chains": []}],
        }
    ]
    path = f"/dev/system/{site}/device/{device}/pipelines"
    assert (await acme.put(path, json=tree)).json() == tree
    assert (await acme.get(path)).json() == tree
    refused(await acme.put(path, json=[{**tree[0], "Postprocessor": "magic"}]), 422, "Postprocessor")
    refused(await acme.put(path, json=[{**tree[0], "chains": [{**chain, "className": "cat"}]}]), 422, "className")
    refused(await acme.put(path, json=[{"modelUUID": model["UUID"], "modelNMS": 2}]), 400, "0.modelNMS")
    assert (await acme.get(path)).json() == tree
    assert (await acme.put(path, json=[])).json() == []


async def test_the_portals_call(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    site, (braced, other) = await place(acme)
    path = f"/dev/system/{site}/devices/pipelines"
    body = {
        "Devices": [braced, other.strip("{}"), f"{{{NIL}}}"],
        "Functions": [model["UUID"]],
        "Pipelines": roots(model["UUID"]),
    }
    said = (await acme.put(path, json=body)).json()
    assert [each["Status"] for each in said["Devices"]] == ["applied", "applied", "skipped"]
    assert "applicable" in refused(await acme.put(path, json={**body, "Devices": [NIL]}), 422, "Devices")["Message"]
    refused(await acme.put(path, json={**body, "Functions": []}), 422, "Functions")
    refused(await acme.put(path, json={**body, "Devices": []}), 400, "Devices")
    cleared = await acme.put(path, json={**body, "Functions": [], "Pipelines": []})
    assert cleared.status_code == 200


async def test_a_clone_runs_the_same(acme: httpx.AsyncClient, model: dict[str, Any]) -> None:
    site, (source, target) = await place(acme)
    base = f"/dev/system/{site}"
    await acme.put(f"{base}/device/{source}/pipelines", json=roots(model["UUID"]))
    answer = await acme.post(f"{base}/devices/pipelines/clone", json={"Source": source, "Devices": [target]})
    assert answer.json()["Devices"][0]["Status"] == "applied"
    shown = [(await acme.get(f"{base}/device/{device}/pipelines")).json() for device in (source, target)]
    assert shown[0] == shown[1]
    for device in (source, target):
        await acme.delete(f"{base}/device/{device}/functions")


async def test_what_cannot_be_assigned(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: dict[str, Any]
) -> None:
    site, (device, *_) = await place(globex)
    path = f"/dev/system/{site}/device/{device}/functions"
    refused(await globex.post(path, json={"FunctionID": model["UUID"]}), 422, "FunctionID")
    refused(await globex.post(path, json={"FunctionID": "x"}), 400, "0.FunctionID")
    refused(await globex.post(path, json={}), 400, "0.FunctionID")
    refused(await globex.post(path, json=[]), 400)
    for bad in (NIL, "x", (await place(acme))[1][0]):
        refused(await globex.post(f"/dev/system/{site}/device/{bad}/functions", json={"FunctionID": NIL}), 404)
    refused(await globex.post(f"/dev/system/{(await place(acme))[0]}/device/{device}/functions", json=[]), 400)
    refused(await globex.get(f"/dev/system/{(await place(acme))[0]}/devices"), 404)


async def test_a_model_that_runs_is_removed_by_force(acme: httpx.AsyncClient) -> None:
    id = (await ready(acme, (await upload(acme, network(scale=11)))["UUID"]))["UUID"]
    site, (device, *_) = await place(acme)
    path = f"/dev/system/{site}/device/{device}/functions"
    await acme.post(path, json={"FunctionID": id})
    refused(await acme.delete(f"/cpt/function/{id}"), 409, "Devices")
    assert (await acme.delete(f"/cpt/function/{id}", params={"force": True})).status_code == 200
    for _ in range(50):
        if not (left := [each["FunctionID"] for each in (await acme.get(path)).json()]):
            break
    assert id not in left


async def test_what_a_site_can_run(acme: httpx.AsyncClient, globex: httpx.AsyncClient, model: dict[str, Any]) -> None:
    site, _ = await place(acme)
    for path in (f"/cpt/rpc/pipelines/available/{site}/metavms", f"/cpt/rpc/pipelines/available/{{{site}}}"):
        assert model["UUID"] in [each["UUID"] for each in (await acme.get(path)).json()]
    assert (await acme.get(f"/cpt/rpc/pipelines/available/{site}/other")).json() == []
    refused(await globex.get(f"/cpt/rpc/pipelines/available/{site}"), 404)


async def test_settings_of_a_device(acme: httpx.AsyncClient) -> None:
    site, (device, *_) = await place(acme)
    path = f"/dev/system/{site}/device/{device}"
    shown = await acme.patch(
        path, json={"Active": False, "ResizingMethod": "Crop", "ClassVisualisation": {"person": True}}
    )
    assert (shown.status_code, shown.json()["Active"]) == (200, False)
    assert (await acme.patch(path, json={"Active": True})).json()["Active"] is True
    refused(await acme.patch(path, json={"ResizingMethod": "Bend"}), 400, "ResizingMethod")
    refused(await acme.patch(path, json={"Groups": [NIL]}), 422, "Groups")


async def test_the_edge_gets_what_it_needs(
    acme: httpx.AsyncClient, anybody: httpx.AsyncClient, model: dict[str, Any]
) -> None:
    said = (await acme.get(f"/dev/nxai/model/{model['UUID']}")).json()
    assert (said["UUID"], len(said["Downloads"])) == (model["UUID"], 2)
    assert (await anybody.get(f"/dev/nxai/model/{model['UUID']}")).status_code == 404
